"""Pictures of what the state lost: frames tinted where it tells less than the same encoder untrained."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forethought.agent import Agent
from forethought.data.store import EpisodeStore
from forethought.report.palette import BAD, rgb
from forethought.report.report_data import LostVariation, Picture
from forethought.training.state_floor import StateFloor, measure_state_floor

EXAMPLES, CHANNELS, STRONGEST = 4, 3, 0.75
"""Frames shown, channels of an image that can be shown, and opacity of the strongest tint."""


def lost_variation(agent: Agent, store: EpisodeStore) -> tuple[LostVariation, ...]:
    """Each colour stream of which the state lost something, with the frames in which it lost most."""
    level = agent.modules.world_model
    found = measure_state_floor(level, store, agent.configuration)
    if found is None:
        return ()
    colours = {stream.name for stream in level.perception.streams if stream.kind == "image" and stream.shape[2] == CHANNELS}
    chosen = [number for number, stream in enumerate(found.streams) if stream.name in colours and bool(stream.lost.any())]
    return tuple(_pictures(found, number, store) for number in chosen)


def _pictures(found: StateFloor, number: int, store: EpisodeStore) -> LostVariation:
    """The mean frame with the map, then the frame of the greatest loss of the episodes that lost most."""
    stream = found.streams[number]
    assert stream.grid is not None
    excess = stream.excess.cpu().numpy().clip(min=0)
    whole = excess.sum(2)
    frame = whole.argmax(1)
    episodes = np.argsort(-whole.max(1))[:EXAMPLES]
    frames = store.rows(stream.name, found.rows[episodes, frame[episodes]])
    mean = store.rows(stream.name, found.rows.flatten()).mean(0).astype(np.uint8)
    maps = [np.where(stream.lost.cpu().numpy(), excess.mean((0, 1)), 0), *excess[episodes, frame[episodes]]]
    pictures = [tinted(*pair, stream.grid) for pair in zip([mean, *frames], maps, strict=True)]
    return LostVariation(stream.name, *stream.shares(stream.lost), np.stack(pictures))


def tinted(frame: Picture, places: NDArray[np.floating], grid: tuple[int, int]) -> Picture:
    """A frame [h, w, 3], redder where `places` [rows * columns], at least 0, are larger; row by row from the top left."""
    height, width = frame.shape[:2]
    rows, columns = np.arange(height) * grid[0] // height, np.arange(width) * grid[1] // width
    share = places.reshape(grid)[rows[:, None], columns] / max(float(places.max()), 1e-12)
    opacity = STRONGEST * share[..., None]
    return np.asarray((1 - opacity) * frame + opacity * np.array(rgb(BAD)), np.uint8)
