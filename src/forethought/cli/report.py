"""`forethought report`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, UseAppendAction, arg

from forethought.cli.console import print_result


@dataclass(frozen=True)
class Report:
    """Write a run's page again, from what the run holds.

    For example:
        forethought report runs/demo
    """

    agent: Annotated[Positional[Path], arg(metavar="RUN")]
    """Folder of a run."""
    use: UseAppendAction[tuple[str, ...]] = ()
    """Module that registers parts of your own, which a run names; looked for in the present folder, too; may be repeated."""

    def run(self) -> int:
        """Rebuild the page and say where it is."""
        from forethought.report.page import rebuild_report

        print_result(f"The page: {rebuild_report(self.agent)}")
        return 0
