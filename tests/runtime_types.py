"""The type checker behind every call in the tests: beartype, or nothing where beartype cannot read the annotation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from beartype import BeartypeConf, beartype
from beartype.roar import BeartypeDecorHintException

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

# An int passes for a float, as it does for mypy (PEP 484).
CHECKED = beartype(conf=BeartypeConf(is_pep484_tower=True))

UNCHECKED: list[str] = []
"""Functions that run unchecked; `test_house` holds it to the known few."""


def check(function: Decorated) -> Decorated:
    """The function with its annotations checked at each call."""
    try:
        return CHECKED(function)
    except BeartypeDecorHintException:
        UNCHECKED.append(f"{function.__module__}.{function.__qualname__}")
        return function
