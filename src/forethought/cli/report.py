"""`forethought report`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, UseAppendAction, arg

from forethought.cli.console import print_page, print_result


@dataclass(frozen=True)
class Report:
    """Write a run's report again from its stored report data; a run without them is evaluated first. A life or a
    tuning may still run.

    For example:
        forethought report runs/demo
    """

    agent: Annotated[Positional[Path], arg(metavar="RUN")]
    """Folder of a run."""
    use: UseAppendAction[tuple[str, ...]] = ()
    """Module that registers your own parts, for runs that use them; searched in the current folder, too; may be repeated."""

    def run(self) -> int:
        """Rebuild the report and print its path."""
        from forethought.report.life_page import is_life
        from forethought.report.page import MATERIAL, rebuild_report
        from forethought.report.run_report import show_run
        from forethought.report.storage import INDEX
        from forethought.training.agent_files import AGENT
        from forethought.tuning.record import is_tuning

        if is_life(self.agent) or is_tuning(self.agent):
            print_result(f"The page: {rebuild_report(self.agent)}")
            return 0
        evaluated, trained = (self.agent / MATERIAL / INDEX).exists(), (self.agent / AGENT).is_dir()
        page = rebuild_report(self.agent) if evaluated or not trained else show_run(self.agent)
        print_page(self.agent, page)
        return 0
