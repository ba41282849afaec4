"""The picture of a look at a world: frames of its images, and its numbers and rewards over the first random episode."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from forethought.atomic_io import make_folder
from forethought.errors import ForethoughtError
from forethought.types import Frame, StreamSpec, WorldSpec

SHOWN = 8
"""Frames of an image stream, evenly spaced over the episode."""
MOST_LINES = 8
"""Vectors of more numbers are drawn as a map, numbers by steps."""


def write_picture(path: Path, spec: WorldSpec, frames: Sequence[Frame], rendering: NDArray[np.uint8] | None) -> None:
    """Write a PNG.

    Args:
        path: of the file. spec: of the world. frames: of one copy, over one episode.
        rendering: a picture [h, w, 3] of a world without image streams, if it has one.

    Raises:
        ForethoughtError: the file cannot be written.
    """
    images = [stream for stream in spec.streams if stream.kind == "image"]
    vectors = [stream for stream in spec.streams if stream.kind == "vector"]
    rows = len(images) + (rendering is not None) + len(vectors) + 1
    figure = Figure(figsize=(1.4 * SHOWN, 1.7 * rows), layout="constrained")
    figure.suptitle(f"{spec.name}: one episode of random actions, {len(frames) - 1} steps")
    parts = iter(figure.subfigures(rows, 1, squeeze=False).ravel())
    for stream in images:
        _draw_frames(next(parts), stream.name, frames)
    if rendering is not None:
        _draw_images(next(parts), "rendering (the agent does not see it)", {"step 0": rendering})
    for stream in vectors:
        _draw_numbers(next(parts).subplots(), stream, frames)
    _draw_rewards(next(parts).subplots(), frames)
    make_folder(path.parent)
    try:
        figure.savefig(path, dpi=100, format="png")
    except OSError as error:
        raise ForethoughtError(
            f"the picture {path} cannot be written: {error.strerror or error}; choose another `out`."
        ) from error


def _draw_frames(part: SubFigure, name: str, frames: Sequence[Frame]) -> None:
    steps = np.unique(np.linspace(0, len(frames) - 1, SHOWN).astype(int))
    _draw_images(part, name, {f"step {step}": frames[step].observation[name][0] for step in steps})


def _draw_images(part: SubFigure, title: str, images: dict[str, NDArray[np.uint8]]) -> None:
    part.suptitle(title, x=0.01, ha="left", fontsize="medium")
    panels = np.atleast_1d(part.subplots(1, SHOWN))
    for panel in panels:
        panel.axis("off")
    for panel, (label, image) in zip(panels, images.items(), strict=False):
        panel.imshow(image if image.shape[-1] == 3 else image[..., 0], interpolation="nearest")
        panel.set_title(label, fontsize="small")


def _draw_numbers(panel: Axes, stream: StreamSpec, frames: Sequence[Frame]) -> None:
    values = np.stack([frame.observation[stream.name][0] for frame in frames]).reshape(len(frames), -1)
    if values.shape[1] <= MOST_LINES:
        panel.plot(values, marker="." if len(frames) < 3 else None)
    else:
        panel.imshow(values.T, aspect="auto", interpolation="nearest")
    panel.set_title(f"{stream.name}: {values.shape[1]} numbers", loc="left", fontsize="medium")


def _draw_rewards(panel: Axes, frames: Sequence[Frame]) -> None:
    panel.plot(
        range(1, len(frames)), [float(frame.rewards[0]) for frame in frames[1:]], marker="." if len(frames) < 3 else None
    )
    panel.set_title("reward of each step", loc="left", fontsize="medium")
    panel.set_xlabel("step", fontsize="small")
