"""Strips of pictures: recorded ones above predicted ones."""

from __future__ import annotations

from typing import Any

from forethought.report.drawing import picture_uri
from forethought.report.report_data import FuturePictures

SMALL = 192
"""Longer side of a small picture in pixels. Browsers only scale it down, which keeps it sharp."""


def picture_strip(futures: FuturePictures, widest: int, every: int = 1) -> dict[str, Any]:
    """A strip of cells, each with the recorded picture above the predicted one.

    `widest`: maximum pictures per row. `every`: blocks from one picture to the next.
    """
    energies = [None] * len(futures.real) if futures.energies is None else [None, *map(float, futures.energies)]
    cells = [
        {"step": every * step, "real": picture_uri(real, SMALL), "decoded": picture_uri(decoded, SMALL), "energy": energy}
        for step, (real, decoded, energy) in enumerate(zip(futures.real, futures.decoded, energies, strict=True))
    ]
    lines = -(-len(cells) // widest)
    return {"cells": cells, "columns": -(-len(cells) // lines), "note": futures.note}
