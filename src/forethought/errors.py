"""Errors of the package; each message is one sentence that says what is wrong, where, and how to fix it."""

from __future__ import annotations

import difflib
import operator
from collections.abc import Iterable, Mapping

LONGEST = 800
"""Characters of a message; a longer one quotes a value that nobody would read to its end."""


class ForethoughtError(Exception):
    """An error that the user can fix; the command line prints its message and exits with code 2."""

    def __init__(self, message: object = "") -> None:
        """The message is put on one line, and what is too long is left out of its middle."""
        line = " ".join(str(message).splitlines())
        super().__init__(line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} ... {line[-LONGEST // 3 :]}")


class NonFiniteError(ForethoughtError):
    """NaN or infinity where a finite number was expected; the message says where."""


class CorruptFileError(ForethoughtError):
    """A stored file that does not match its checksum, size or schema."""


class MainProcessError(ForethoughtError):
    """In another process of a training: the main process refused the work, with this sentence."""


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


def first_reasons(lost: Mapping[int, str], what: str, shown: int = 3) -> str:
    """The first reasons that differ, each with the number of what was lost.

    >>> first_reasons({4: "it hung.", 5: "it hung.", 7: "NaN"}, "episode")
    'episode 4: it hung; episode 7: NaN'
    """
    first: dict[str, int] = {}
    for number, why in lost.items():
        first.setdefault(why.rstrip("."), number)
    return "; ".join(f"{what} {number}: {why}" for why, number in list(first.items())[:shown])


def require_whole(value: object, what: str, low: int | None = None, high: int | None = None) -> int:
    """A whole number within bounds.

    Args:
        value: what the user gave, an int of Python or NumPy. what: its name in the message. low, high: bounds,
            included; None for none.

    Raises:
        ForethoughtError: it is none.

    >>> require_whole(3, "seed")
    3
    """
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise ForethoughtError(f"{what} can't be {value!r}: give a whole number.") from None
    if (low is not None and number < low) or (high is not None and number > high):
        span = " ".join([f"from {low}" if low is not None else "", f"up to {high}" if high is not None else ""]).strip()
        raise ForethoughtError(f"{what} can't be {value!r}: give a whole number {span}.")
    return number


def require_number(value: object, what: str) -> float:
    """A number; NaN and infinity pass.

    Raises:
        ForethoughtError: it is none, or too large for a float.
    """
    try:
        if isinstance(value, str | bytes):
            raise TypeError
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise ForethoughtError(f"{what} can't be {value!r}: give a number.") from None
