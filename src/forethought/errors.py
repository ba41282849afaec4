"""Errors are part of the interface: one sentence that says what, where, and how to fix it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ForethoughtError(Exception):
    """A mistake that its user can mend; the command line prints its one sentence and exits with code 2."""


class NonFiniteError(ForethoughtError):
    """NaN or infinity where a number was expected; the sentence says where it was found."""


class CorruptFileError(ForethoughtError):
    """A stored file that does not match its checksum, size or schema."""


class ConformanceError(ForethoughtError):
    """A part that breaks its contract, found by a conformance kit (`check_planner`, `check_cost`, ...)."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of an error sentence: the nearest known name, or all of them.

    Args:
        name: what the user wrote.
        known: the names that would have worked.

    >>> did_you_mean("cemm", ["cem", "icem", "mppi"])
    "did you mean 'cem'?"
    >>> did_you_mean("zzz", ["cem", "mppi"])
    'known: cem, mppi.'
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean '{near[0]}'?" if near else f"known: {', '.join(names)}."
