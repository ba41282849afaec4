"""Checks of rendered frames: renderers fail silently with blank or constant frames, which a collection refuses."""

from __future__ import annotations

from collections.abc import Sequence
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


def check_frames(episodes: Sequence[Episode], spec: WorldSpec) -> None:
    """Refuse episodes with blank or constant frames.

    Refused are: an episode most of whose frames are uniform or black (0..255: range <= 2, or no value above 9); an episode
    whose frames are all equal while the body moved by 5 % or more (`truth.position`, else proprioception); two or more episodes
    whose frames are all equal to one frame. A world with the option `check_frames=False` is not checked.

    Raises:
        ForethoughtError: names the world, the seed and the likely fixes.
    """
    for stream in spec.streams:
        if stream.kind == "image" and spec.options.get("check_frames", True):
            _check_stream(
                episodes, stream.name, f"world {spec.name}" + ("" if stream.name == PIXELS else f", stream {stream.name!r}")
            )


def _check_stream(episodes: Sequence[Episode], stream: str, world: str) -> None:
    for episode in episodes:
        where = f"{world}, episode with seed {episode.seed}"
        flat = episode.observation[stream].reshape(len(episode) + 1, -1)
        high, low = flat.max(axis=1), flat.min(axis=1)
        blank = (high - low <= BLANK_RANGE) | (high < BLACK)
        if 2 * int(blank.sum()) > len(flat):
            raise ForethoughtError(f"{where}: {int(blank.sum())} of {len(flat)} frames are blank; {_FIX}.")
        if len(episode) > 1 and (flat == flat[0]).all() and _moved(episode):
            raise ForethoughtError(f"{where}: all {len(flat)} frames are the same while the body moved; {_FIX}.")
    if len(episodes) > 1 and all(_same(episodes[0], episode, stream) for episode in episodes):
        raise ForethoughtError(f"{world}: {len(episodes)} episodes show one and the same frame; {_FIX}.")


def _same(first: Episode, other: Episode, stream: str) -> bool:
    """Whether all frames of `other` equal the first frame of `first`."""
    return bool((other.observation[stream] == first.observation[stream][0]).all())


def _moved(episode: Episode) -> bool:
    """Whether the body's coordinates changed by more than 5 % of their magnitude."""
    values: NDArray[Any] | None = episode.truth.get("position", episode.observation.get(PROPRIOCEPTION))
    if values is None:
        return False
    return bool((np.ptp(values, axis=0) > MOVED * np.maximum(1.0, np.abs(values).max(axis=0))).any())
