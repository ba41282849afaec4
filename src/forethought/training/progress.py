"""Progress display: a live bar on a terminal, plain log lines otherwise."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

log = logging.getLogger(__name__)
NUM_FIGURES = 4
PLAIN_SECONDS = 20.0


class Progress:
    """Progress display of one phase; a context manager."""

    def __init__(self, name: str, total: int, done: int = 0, shown: bool = True) -> None:
        """`total` steps, of which `done` are complete. `shown`: whether a terminal gets a bar."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self.name, self.total = name, total
        console = Console(stderr=True)
        self.last = time.monotonic()
        self.bar: RichProgress | None = None
        if shown and console.is_terminal:
            self.bar = RichProgress(
                TextColumn("{task.description:>12}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
                TextColumn("{task.fields[figures]}"), console=console,
            )  # fmt: skip
            self.task = self.bar.add_task(name, total=total, completed=done, figures="")

    def resize(self, total: int) -> None:
        """Another number of steps."""
        if total != self.total:
            self.total = total
            if self.bar:
                self.bar.update(self.task, total=total)

    def __enter__(self) -> Progress:
        if self.bar:
            self.bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.bar:
            self.bar.stop()

    def show(self, done: int, figures: Mapping[str, float]) -> None:
        """Show the `NUM_FIGURES` largest figures (loss and terms)."""
        largest = dict(sorted(figures.items(), key=lambda item: -abs(item[1]))[:NUM_FIGURES])
        text = "  ".join(f"{name} {value:.3f}" for name, value in largest.items())
        if self.bar:
            self.bar.update(self.task, completed=done, figures=text)
        elif time.monotonic() - self.last > PLAIN_SECONDS or done == self.total:
            self.last = time.monotonic()
            log.info("%s %d/%d  %s", self.name, done, self.total, text)


@contextmanager
def quiet(name: str) -> Iterator[None]:
    """Without the progress and the alarms of the logger `name`, where trainings are parts of something else that reports."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
