"""Hostile JSON values, and every place of a document where one can stand."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

Path = tuple[str | int, ...]

DEEP = 2000


def nested(depth: int) -> Any:
    """A list in a list in a list ..."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


VALUES: Mapping[str, Any] = MappingProxyType(
    {
        "-1": -1, "0": 0, "1": 1, "2^31": 2**31, "2^63": 2**63, "10^30": 10**30, "-10^18": -(10**18), "10^7": 10**7,
        "0.5": 0.5, "1e308": 1e308, "-1e-308": -1e-308, "NaN": float("nan"), "Infinity": float("inf"),
        "null": None, "true": True, "empty text": "", "a path up": "../../../etc/passwd", "an absolute path": "/etc/passwd",
        "a long text": "x" * 10_000, "half a surrogate": "\ud800", "two lines": "a\nb", "a NUL": "a\0b",
        "[]": [], "{}": {}, "a deep list": nested(DEEP // 8), "a thousand ones": [1] * 1000, "[[]]": [[]], "{a: 1}": {"a": 1},
    }
)  # fmt: skip


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """The path of every value in a JSON document, itself included; of a list, its first item and its last only."""
    yield path
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from places(inner, (*path, name))
    elif isinstance(value, list) and value:
        for index in sorted({0, len(value) - 1}):
            yield from places(value[index], (*path, index))


def changed(document: Any, path: Path, value: Any) -> Any:
    """A copy of a document with another value in one place."""
    if not path:
        return value
    document = copy.deepcopy(document)
    inner = document
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return document


def without(document: Any, path: Path) -> Any:
    """A copy of a document that lacks one place."""
    document = copy.deepcopy(document)
    inner = document
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return document
