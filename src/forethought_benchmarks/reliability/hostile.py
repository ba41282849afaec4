"""Strategies of Hypothesis: hostile observations, actions, goals, options and settings, mixed with good ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from hypothesis import strategies as st

NUMBERS = st.one_of(
    st.sampled_from([0, 1, -1, 2, 5, 0.5, 1e-30, 1e30, -1e308, float("nan"), float("inf"), 2**31, 2**63, 10**30]),
    st.integers(-100, 100),
    st.floats(-10, 10),
)
PLAIN = st.one_of(
    st.none(), st.booleans(), NUMBERS, st.text(max_size=8), st.sampled_from(["../x", "/etc/passwd", "\ud800", "a\nb"])
)
JSON = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=6
)
DTYPES = st.sampled_from(
    ["uint8", "float32", "float64", "int64", "bool", "float16", "complex64", "U3", "object", "datetime64[s]"]
)


def mostly(good: st.SearchStrategy[Any], hostile: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Good examples four times of five, so that several arguments together reach the inside of a function."""
    return st.integers(0, 4).flatmap(lambda number: good if number else hostile)


def arrays(shape: tuple[int, ...], dtype: str) -> st.SearchStrategy[Any]:
    """Arrays that mostly have this shape and dtype; also other arrays, and other things."""
    sides = st.sampled_from(
        [shape, (1, *shape), (2, *shape), (0, *shape), shape[1:], shape[::-1], (*shape, 1), (), (3,), (1, 1, *shape)]
    )
    values = st.sampled_from([0.0, 1.0, 0.5, -1.0, 255.0, 1e30, float("nan"), float("inf")])
    other = st.builds(_filled, sides, DTYPES, values)
    return mostly(st.builds(_filled, st.just(shape), st.just(dtype), st.sampled_from([0.0, 1.0])), other | PLAIN)


def _filled(shape: tuple[int, ...], dtype: str, value: float) -> Any:
    with np.errstate(all="ignore"):
        if dtype in ("U3", "object", "datetime64[s]"):
            return np.full(shape, str(value) if dtype == "U3" else None, dtype)
        return np.full(shape, 0, dtype) if not np.isfinite(value) and dtype[0] in "uib" else np.full(shape, value).astype(dtype)


def observations(streams: Mapping[str, tuple[tuple[int, ...], str]]) -> st.SearchStrategy[Any]:
    """Observations of these streams (name -> shape, dtype): mostly good; with a bad stream, without one, with more, or none."""
    given = st.fixed_dictionaries({name: arrays(*stream) for name, stream in streams.items()})
    more = st.dictionaries(st.text(max_size=4), PLAIN, max_size=2)
    return mostly(given, st.builds(lambda some, others: {**others, **some}, given, more) | more | PLAIN)


def calls(**arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Keyword arguments, each of which may be left out."""
    return st.fixed_dictionaries({}, optional=arguments)
