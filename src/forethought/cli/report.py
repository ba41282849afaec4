"""`forethought report`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, UseAppendAction, arg

from forethought.cli.console import print_result


@dataclass(frozen=True)
class Report:
    """Write a run's report again from its stored report data.

    For example:
        forethought report runs/demo
    """

    agent: Annotated[Positional[Path], arg(metavar="RUN")]
    """Folder of a run."""
    use: UseAppendAction[tuple[str, ...]] = ()
    """Module that registers your own parts, for runs that use them; searched in the current folder, too; may be repeated."""

    def run(self) -> int:
        """Rebuild the report and print its path."""
        from forethought.report.page import rebuild_report

        print_result(f"The page: {rebuild_report(self.agent)}")
        return 0
