"""Calls of an environment's reset and step, with the true cause where they are of another kind than Gymnasium's."""

from __future__ import annotations

import copy
import traceback
from collections.abc import Mapping
from typing import Any

import gymnasium

from forethought.errors import ForethoughtError

NEEDED = (TypeError, KeyError, AttributeError, AssertionError, ValueError, IndexError)
"""What a reset raises that looks for options where there are none."""


def reset(environment: gymnasium.Env[Any, Any], world: str, seed: int, options: Mapping[str, Any]) -> tuple[Any, Any]:
    """Reset and return (observation, info); `options`: of reset, none if empty.

    Raises:
        ForethoughtError: reset takes or returns something else than Gymnasium's.
        Exception: whatever the environment raises, with a note if options at reset are what it may lack.
    """
    try:
        # A copy: some environments pop from what they are given.
        returned = environment.reset(seed=seed, options=copy.deepcopy(dict(options)) or None)
    except NEEDED as error:
        if "unexpected keyword argument" in str(error) and any(name in str(error) for name in ("'seed'", "'options'")):
            raise ForethoughtError(
                f"World {world!r}: its reset does not take what Gymnasium's does ({error}); write it as "
                "reset(self, *, seed=None, options=None)."
            ) from error
        if not options and _looked_for_options(error):
            error.add_note("if it needs options at reset, give them as the world's option reset_options={...}")
        raise
    if not (isinstance(returned, tuple) and len(returned) == 2 and isinstance(returned[1], Mapping)):
        raise ForethoughtError(
            f"World {world!r}: reset returned {_described(returned)} instead of (observation, info), as in the old Gym; return "
            "both, with a dict as info."
        )
    return returned


def step(environment: gymnasium.Env[Any, Any], world: str, action: Any) -> tuple[Any, Any, Any, Any, Any]:
    """Step and return (observation, reward, terminated, truncated, info).

    Raises:
        ForethoughtError: step returns something else than Gymnasium's.
    """
    returned: Any = environment.step(action)
    if not (isinstance(returned, tuple) and len(returned) == 5 and isinstance(returned[4], Mapping)):
        old = isinstance(returned, tuple) and len(returned) == 4
        fix = (
            ", as in the old Gym: split its done into terminated and truncated"
            if old
            else "; return these, with a dict as info"
        )
        raise ForethoughtError(
            f"World {world!r}: step returned {_described(returned)} instead of (observation, reward, terminated, truncated, "
            f"info){fix}."
        )
    return returned


def _described(returned: Any) -> str:
    if not isinstance(returned, tuple):
        return f"one {type(returned).__name__}"
    return f"{len(returned)} values ({', '.join(type(value).__name__ for value in returned)})"


def _looked_for_options(error: Exception) -> bool:
    """Whether the exception left a function named reset in which `options` was a name."""
    if "options" in str(error):
        return True
    for frame, _ in traceback.walk_tb(error.__traceback__):
        code, module = frame.f_code, frame.f_globals.get("__name__", "")
        if code.co_name == "reset" and "options" in code.co_varnames and not module.startswith(("forethought.", "gymnasium.")):
            return True
    return False
