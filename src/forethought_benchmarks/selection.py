"""The parts, worlds and agents that a benchmark is asked for."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from forethought.errors import ForethoughtError, did_you_mean


def require_known(bench: str, kind: str, asked: Sequence[str], known: Collection[str]) -> None:
    """Check that a benchmark has each of the asked; `kind`: what they are, for the sentence.

    Raises:
        ForethoughtError: it has not; names the nearest known one.
    """
    for name in asked:
        if name not in known:
            raise ForethoughtError(f"The benchmark '{bench}' has no {kind} '{name}': {did_you_mean(name, known)}")
