"""Checks of rendered frames: renderers fail silently with blank or constant frames, which a collection refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forethought.errors import ForethoughtError
from forethought.types import PIXELS, PROPRIOCEPTION, Episode, WorldSpec

BLANK_RANGE = 2
BLACK = 10
MOVED = 0.05

_FIX = (
    "close earlier environments and their renderers, leave SDL_VIDEODRIVER unset, choose another render mode "
    "(or pass the world's option check_frames=false if it is meant to look so)"
)


def check_frames(episode: Episode, spec: WorldSpec) -> None:
    """Refuse an episode with blank or constant frames.

    Refused are an episode most of whose frames are uniform or black (0..255: range <= 2, or no value above 9), and one whose
    frames are all equal while the body moved by 5 % or more (`truth.position`, else proprioception). A world with the option
    `check_frames=False` is not checked.

    Raises:
        ForethoughtError: names the world, the seed and the likely fixes.
    """
    for stream in _checked(spec):
        where = f"{_name(stream, spec)}, episode with seed {episode.seed}"
        flat = episode.observation[stream].reshape(len(episode) + 1, -1)
        high, low = flat.max(axis=1), flat.min(axis=1)
        blank = (high - low <= BLANK_RANGE) | (high < BLACK)
        if 2 * int(blank.sum()) > len(flat):
            raise ForethoughtError(f"{where}: {int(blank.sum())} of {len(flat)} frames are blank; {_FIX}.")
        if len(episode) > 1 and _all_equal(flat) and _moved(episode):
            raise ForethoughtError(f"{where}: all {len(flat)} frames are the same while the body moved; {_FIX}.")


def check_episodes_differ(column: Callable[[str], NDArray[Any]], episodes: int, spec: WorldSpec) -> None:
    """Refuse two or more episodes that all show one and the same frame.

    Args:
        column: name of a stream -> its frames in all episodes, [rows, height, width, channels].
        episodes: how many episodes these are.
        spec: the world; it is not checked if its option `check_frames` is False.

    Raises:
        ForethoughtError: names the world and the likely fixes.
    """
    for stream in _checked(spec) if episodes > 1 else ():
        if _all_equal(column(stream)):
            raise ForethoughtError(f"{_name(stream, spec)}: {episodes} episodes show one and the same frame; {_FIX}.")


def _checked(spec: WorldSpec) -> list[str]:
    """The streams whose frames are checked."""
    return [stream.name for stream in spec.streams if stream.kind == "image" and spec.options.get("check_frames", True)]


def _name(stream: str, spec: WorldSpec) -> str:
    return f"world {spec.name}" + ("" if stream == PIXELS else f", stream {stream!r}")


def _all_equal(frames: NDArray[Any]) -> bool:
    """Whether all frames are the same; row by row, for most differ in the second."""
    return all(np.array_equal(frame, frames[0]) for frame in frames)


def _moved(episode: Episode) -> bool:
    """Whether the body's coordinates changed by more than 5 % of their magnitude."""
    values: NDArray[Any] | None = episode.truth.get("position", episode.observation.get(PROPRIOCEPTION))
    if values is None:
        return False
    return bool((np.ptp(values, axis=0) > MOVED * np.maximum(1.0, np.abs(values).max(axis=0))).any())
