"""Sentences about a world that are logged once a process: what is left out, and what differs from what it declares."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

log = logging.getLogger(__name__)

_said: set[tuple[str, str]] = set()
_collected: list[list[str]] = []


def warn_once(world: str, sentence: str) -> None:
    """Log `World 'NAME': SENTENCE` as a warning, unless this process has logged it before."""
    if _collected:
        if sentence not in _collected[-1]:
            _collected[-1].append(sentence)
    elif (world, sentence) not in _said:
        _said.add((world, sentence))
        log.warning("World %r: %s", world, sentence)


@contextlib.contextmanager
def collected_notices() -> Iterator[list[str]]:
    """Collect the sentences of the `with` block, each once, instead of logging them."""
    _collected.append([])
    try:
        yield _collected[-1]
    finally:
        _collected.pop()


def forget_notices() -> None:
    """Log every sentence anew, as a new process does."""
    _said.clear()
