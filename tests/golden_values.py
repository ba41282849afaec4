"""Golden values: what the code gave before is what it gives now, to a tolerance.

A test that fails here shows a decision: something that users see, or that an agent learns or does, is no longer the same. After
such a decision `FORETHOUGHT_REMAKE_GOLDEN=1 pytest TEST` writes the file again; look at what changed in it before you commit.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).with_name("golden")


def check_golden(name: str, found: Any, relative: float = 1e-4, absolute: float = 1e-6) -> None:
    """Compare numbers, texts, lists and mappings with `golden/NAME.json`, numbers to a tolerance."""
    path, plain = FOLDER / f"{name}.json", _plain(found)
    if os.environ.get("FORETHOUGHT_REMAKE_GOLDEN"):
        path.write_text(_lines(plain, 2) + "\n", encoding="utf-8")
    golden = json.loads(path.read_text(encoding="utf-8"))
    different = list(_differences(golden, plain, relative, absolute, ""))
    assert not different, "\n".join([f"{name}: {len(different)} values differ from before", *different[:10]])


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float):
        return float(f"{value:.7g}") if math.isfinite(value) else str(value)
    return value


def _lines(value: Any, depth: int) -> str:
    """JSON with a line for each value down to a depth, so that a difference is a few lines."""
    if depth and isinstance(value, dict | list) and value:
        if isinstance(value, list):
            return "[\n" + ",\n".join(_lines(inner, depth - 1) for inner in value) + "\n]"
        keyed = (f"{json.dumps(key, ensure_ascii=False)}: {_lines(inner, depth - 1)}" for key, inner in value.items())
        return "{\n" + ",\n".join(keyed) + "\n}"
    return json.dumps(value, ensure_ascii=False)


def _differences(golden: Any, found: Any, relative: float, absolute: float, where: str) -> Iterator[str]:
    if isinstance(golden, dict) and isinstance(found, dict) and golden.keys() == found.keys():
        for key, inner in golden.items():
            yield from _differences(inner, found[key], relative, absolute, f"{where}.{key}")
    elif isinstance(golden, list) and isinstance(found, list) and len(golden) == len(found):
        for index, inner in enumerate(golden):
            yield from _differences(inner, found[index], relative, absolute, f"{where}[{index}]")
    elif isinstance(golden, float) or (isinstance(found, float) and not isinstance(golden, str)):
        if not (isinstance(found, float | int) and math.isclose(golden, found, rel_tol=relative, abs_tol=absolute)):
            yield f"{where or '.'}: {golden} before, {found} now"
    elif golden != found:
        yield f"{where or '.'}: {golden!r} before, {found!r} now"


def summary(values: Any) -> dict[str, Any]:
    """Shape, mean, deviation and a fixed random projection of an array: a few numbers that notice most changes."""
    array = np.asarray(values.detach() if hasattr(values, "detach") else values, np.float64)
    finite = np.where(np.isfinite(array), array, -1.0).ravel()
    weights = np.random.default_rng(0).uniform(0.5, 1.5, finite.size)
    return {
        "shape": list(array.shape), "mean": finite.mean().item() if finite.size else 0.0,
        "std": finite.std().item() if finite.size else 0.0, "projected": (finite @ weights).item() / max(finite.size, 1),
    }  # fmt: skip
