"""Output of the command line: progress on stderr, results on stdout; coloured on a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

PLAIN = logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S")


def configure_logging(package: str) -> None:
    """Send a package's log records to stderr: through rich on a terminal, as plain lines otherwise."""
    logger = logging.getLogger(package)
    handler: logging.Handler
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.logging import RichHandler

        handler = RichHandler(console=Console(stderr=True), show_path=False, show_level=False)
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(PLAIN)
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False


def print_result(text: str) -> None:
    """Print one line of a result on stdout."""
    print(text)


def print_page(run: Path, page: Path) -> None:
    """Print what the first screen of a run says, and where its page is."""
    from forethought.report.run_report import first_lines

    for line in (*first_lines(run), f"The page: {page}"):
        print_result(line)


def print_error(text: str) -> None:
    """Print one error sentence on stderr."""
    print(text, file=sys.stderr)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows of text: as a ruled, coloured table on a terminal, as aligned columns otherwise."""
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        ruled = Table(*headings)
        for row in rows:
            # `Text` prints a cell verbatim: brackets are not markup.
            ruled.add_row(*map(Text, row))
        Console().print(ruled)
        return
    lines = [tuple(headings), *(tuple(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    for line in lines:
        print_result("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def figures(values: Mapping[str, Any]) -> None:
    """Print names and values, one per line; a value of None is omitted."""
    width = max((len(name) for name in values), default=0)
    for name, value in values.items():
        if value is None:
            continue
        shown = f"{value:.4g}" if isinstance(value, float) else str(value)
        print_result(f"  {name.ljust(width)}  {shown}")
