"""Enlarged frames with anti-aliased paths drawn over them."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from forethought.report.palette import GOAL, IMAGINED, LEVELS, SEEN, rgb
from forethought.report.report_data import Picture

SMOOTH = 2
"""Supersampling factor of the anti-aliasing."""

Points = NDArray[Any]


def enlargement(picture: Picture, size: int) -> int:
    """Integer factor, at least 1, that scales the longer side of a picture to about `size`."""
    longest: int = max(picture.shape[:2])
    return max(1, round(size / longest))


class Canvas:
    """A picture enlarged by an integer factor (pixels stay sharp) with drawing functions in picture coordinates."""

    def __init__(self, picture: Picture, scale: int, dim: float = 0.0) -> None:
        """Enlarge a picture; `dim` in [0, 1] blends it towards white, for contrast with the drawing."""
        self.scale = scale * SMOOTH
        self.size = (picture.shape[1] * scale, picture.shape[0] * scale)
        pixels = (picture * (1 - dim) + 255 * dim).astype(np.uint8)
        big = Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB")
        self.image = big.resize((self.size[0] * SMOOTH, self.size[1] * SMOOTH), Image.Resampling.NEAREST)
        self.pen = ImageDraw.Draw(self.image, "RGBA")

    def line(self, points: Points, colour: str, width: float, alpha: int = 255, halo: bool = True) -> None:
        """A polyline; `width` in source pixels; a thin white halo separates it from the background."""
        path = [(float(x) * self.scale, float(y) * self.scale) for x, y in points]
        if halo:
            self.pen.line(path, (255, 255, 255, alpha * 3 // 4), round((width + 0.5) * self.scale), joint="curve")
        self.pen.line(path, (*rgb(colour), alpha), max(1, round(width * self.scale)), joint="curve")

    def dot(self, x: float, y: float, colour: str, radius: float, alpha: int = 255) -> None:
        """A filled disc; `radius` in source pixels."""
        self.pen.ellipse(self._box(x, y, radius), fill=(*rgb(colour), alpha), outline=(255, 255, 255, alpha), width=SMOOTH)

    def ring(self, x: float, y: float, colour: str, radius: float, width: float = 0.6) -> None:
        """A circle with a white halo."""
        halo = radius + 0.3
        self.pen.ellipse(self._box(x, y, halo), outline=(255, 255, 255, 220), width=max(1, round((width + 0.6) * self.scale)))
        self.pen.ellipse(self._box(x, y, radius), outline=(*rgb(colour), 255), width=max(1, round(width * self.scale)))

    def goal(self, xy: tuple[float, float] | None) -> None:
        """The goal's mark; nothing if the position is None."""
        if xy is not None:
            self.ring(*xy, GOAL, 3.4)
            self.dot(*xy, GOAL, 1.0)

    def seen(self, path: Points) -> None:
        """The path taken in the environment."""
        if len(path) > 1:
            self.line(path, SEEN, 0.55)

    def imagined(self, path: Points) -> None:
        """A predicted path: a line with a dot per block and a ring at its end."""
        if len(path) > 1:
            self.line(path, IMAGINED, 0.55)
        for x, y in path[:-1]:
            self.dot(float(x), float(y), IMAGINED, 0.8)
        for x, y in path[-1:]:
            self.ring(float(x), float(y), IMAGINED, 1.6)

    def way(self, here: Points, stops: Points, above: int = 0) -> None:
        """The plan of an upper level, from the position `here` through its waypoints `stops`; `above`: 0 for level 2."""
        colour = LEVELS[above]
        self.line(np.concatenate([here[None], stops]), colour, 0.4 + 0.15 * above, alpha=200)
        for x, y in stops[:-1]:
            self.dot(float(x), float(y), colour, 0.9 + 0.3 * above)

    def finish(self) -> Picture:
        """The drawing, uint8 [h * scale, w * scale, 3]."""
        return np.asarray(self.image.resize(self.size, Image.Resampling.BOX))

    def _box(self, x: float, y: float, radius: float) -> tuple[float, float, float, float]:
        s = self.scale
        return (x - radius) * s, (y - radius) * s, (x + radius) * s, (y + radius) * s


def png(picture: Picture) -> bytes:
    """A picture encoded as PNG."""
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def data_uri(content: bytes, kind: str) -> str:
    """Bytes as a `data:` URI, so that the page needs no other file."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def picture_uri(picture: Picture, size: int = 0) -> str:
    """A picture as a `data:` URI, first enlarged by an integer factor to about `size`."""
    factor = enlargement(picture, size)
    return data_uri(png(picture.repeat(factor, 0).repeat(factor, 1)), "image/png")
