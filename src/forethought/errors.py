"""Errors of the package; each message is one sentence that says what is wrong, where, and how to fix it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ForethoughtError(Exception):
    """An error that the user can fix; the command line prints its message and exits with code 2."""


class NonFiniteError(ForethoughtError):
    """NaN or infinity where a finite number was expected; the message says where."""


class CorruptFileError(ForethoughtError):
    """A stored file that does not match its checksum, size or schema."""


class ConformanceError(ForethoughtError):
    """A part violates its contract, detected by a conformance kit (`check_planner`, `check_cost`, ...)."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of an error message: the most similar known name, or all known names.

    Args:
        name: what the user wrote.
        known: the valid names.

    >>> did_you_mean("cemm", ["cem", "icem", "mppi"])
    "did you mean 'cem'?"
    >>> did_you_mean("zzz", ["cem", "mppi"])
    'known: cem, mppi.'
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean '{near[0]}'?" if near else f"known: {', '.join(names)}."
