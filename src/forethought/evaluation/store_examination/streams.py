"""Findings about each stream: kind, shape, range, columns that are constant, rarely up, or far from zero."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forethought.data.observation_features import is_constant
from forethought.data.store import EpisodeStore
from forethought.evaluation.store_examination.findings import Level, StoreFinding, counted, named
from forethought.types import StreamSpec

Floats = NDArray[np.float64]

ROWS_AT_ONCE, MOST_NUMBERS, IMAGES = 8192, 2**26, 512
"""Rows read at once; numbers of a vector stream that are read at most (then every n-th row); images that are read."""
RARE = 0.01
FAR, TOO_FAR = 1e3, 1e5
"""Mean divided by standard deviation from which a column is far from zero, and from which float32 loses its changes."""


@dataclass(frozen=True)
class ColumnStatistics:
    """Statistics of P columns. Fields: low, high, mean, std: [P]; at_low, at_high: [P], share of rows at that extreme."""

    low: Floats
    high: Floats
    mean: Floats
    std: Floats
    at_low: Floats
    at_high: Floats


def stream_findings(store: EpisodeStore) -> Iterator[StoreFinding]:
    """One finding for each stream."""
    for stream in store.spec.streams:
        if stream.kind == "text":
            yield _text(store, stream)
        elif stream.kind == "image":
            yield _image(store, stream)
        else:
            yield _vector(store, stream)


def column_statistics(store: EpisodeStore, name: str, size: int) -> ColumnStatistics:
    """Statistics of the columns of one vector stream, in float64, in two passes."""
    rows = np.arange(0, store.num_rows, max(1, store.num_rows * size // MOST_NUMBERS))

    def chunks() -> Iterator[Floats]:
        for first in range(0, len(rows), ROWS_AT_ONCE):
            part = rows[first : first + ROWS_AT_ONCE]
            yield store.rows(name, part).reshape(len(part), size).astype(np.float64)

    extremes = [(part.min(0), part.max(0), part.sum(0)) for part in chunks()]
    low, high = np.min([e[0] for e in extremes], 0), np.max([e[1] for e in extremes], 0)
    mean = np.sum([e[2] for e in extremes], 0) / len(rows)
    sums = np.sum([[((part - mean) ** 2).sum(0), (part == low).sum(0), (part == high).sum(0)] for part in chunks()], 0)
    return ColumnStatistics(low, high, mean, np.sqrt(sums[0] / len(rows)), sums[1] / len(rows), sums[2] / len(rows))


def _vector(store: EpisodeStore, stream: StreamSpec) -> StoreFinding:
    size = int(np.prod(stream.shape))
    columns = column_statistics(store, stream.name, size)
    constant = is_constant(columns.std, columns.mean)
    ratio = np.abs(columns.mean) / np.where(constant, np.inf, columns.std)
    rarest = np.minimum(columns.at_low, columns.at_high)
    flags = ~constant & np.isclose(columns.at_low + columns.at_high, 1) & (rarest < RARE)
    groups = {
        "constant": np.flatnonzero(constant).tolist(),
        "rare flags": np.flatnonzero(flags).tolist(),
        "far from zero": np.flatnonzero(ratio > FAR).tolist(),
    }
    level: Level = "alarm" if constant.all() or (ratio > TOO_FAR).any() else "note" if any(groups.values()) else "ok"
    told = [f"{counted(len(found), 'column')} {what} ({named(found)})" for what, found in groups.items() if found]
    advice = []
    if groups["constant"]:
        advice.append("leave constant columns out of the recording")
    if groups["rare flags"]:
        advice.append("record more episodes in which the rare flags change")
    if groups["far from zero"]:
        advice.append("record columns far from zero relative to a reference, such as their first value")
    return StoreFinding(
        f"stream {stream.name}",
        level,
        f"vector {list(stream.shape)}, {columns.low.min():.4g} to {columns.high.max():.4g}",
        f"{'; '.join(told)}." if told else "All columns vary, and none is far from zero.",
        _sentence(advice),
        {
            "kind": "vector", "shape": list(stream.shape), "low": columns.low.tolist(), "high": columns.high.tolist(),
            "mean": columns.mean.tolist(), "std": columns.std.tolist(),
            **{name.replace(" ", "_"): found for name, found in groups.items()},
        },
    )  # fmt: skip


def _image(store: EpisodeStore, stream: StreamSpec) -> StoreFinding:
    rows = np.unique(np.linspace(0, store.num_rows - 1, IMAGES).astype(np.int64))
    values = store.rows(stream.name, rows)
    changing = float((values.min(0) != values.max(0)).mean())
    flat = values.reshape(len(values), -1)
    blank = float((flat.min(1) == flat.max(1)).mean())
    level: Level = "alarm" if changing == 0 or blank > 0.01 else "ok"
    sentence = f"{100 * changing:.0f} % of the values change within a sample of {len(rows)} images"
    sentence += f"; {100 * blank:.1f} % of these images have one colour." if blank else "."
    advice = "Check the camera and the renderer, then record again." if level == "alarm" else ""
    figure = f"image {list(stream.shape)}, {int(values.min())} to {int(values.max())}"
    known: dict[str, Any] = {"kind": "image", "shape": list(stream.shape), "changing": changing, "blank": blank}
    return StoreFinding(f"stream {stream.name}", level, figure, sentence, advice, known)


def _text(store: EpisodeStore, stream: StreamSpec) -> StoreFinding:
    rows = np.unique(np.linspace(0, store.num_rows - 1, IMAGES).astype(np.int64))
    different = len(np.unique(store.rows(stream.name, rows)))
    return StoreFinding(
        f"stream {stream.name}",
        "note",
        f"text, {different} different in {len(rows)} rows",
        "Training ignores it: no encoder reads text.",
        "Record what it tells as numbers if the agent needs it.",
        {"kind": "text", "different": different, "rows": len(rows)},
    )


def _sentence(parts: list[str]) -> str:
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}." if text else ""
