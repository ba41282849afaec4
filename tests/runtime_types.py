"""The type checker behind every call in the tests: beartype, or nothing where beartype cannot read the annotation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from beartype import beartype
from beartype.roar import BeartypeDecorHintException

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

UNCHECKED: list[str] = []
"""Functions that run unchecked; `test_house` holds it to the known few."""


def check(function: Decorated) -> Decorated:
    """The function with its annotations checked at each call."""
    try:
        return beartype(function)
    except BeartypeDecorHintException:
        UNCHECKED.append(f"{function.__module__}.{function.__qualname__}")
        return function
