"""Sentences about a world that are logged once a process: what is left out, and what differs from what it declares."""

from __future__ import annotations

import logging

log = logging.getLogger(__name__)

_said: set[tuple[str, str]] = set()


def warn_once(world: str, sentence: str) -> None:
    """Log `World 'NAME': SENTENCE` as a warning, unless this process has logged it before."""
    if (world, sentence) not in _said:
        _said.add((world, sentence))
        log.warning("World %r: %s", world, sentence)


def forget_notices() -> None:
    """Log every sentence anew, as a new process does."""
    _said.clear()
