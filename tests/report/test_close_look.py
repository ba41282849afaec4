"""What the page is given of an agent's inside: ways of the levels above where positions can be read from states."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import tiny
from forethought.bench.episodes import AgentController, Recording
from forethought.bench.evaluation import make_arena, score_controller
from forethought.data.store import EpisodeStore
from forethought.report.close_look import CloseLook
from forethought.worlds.tasks import make_tasks


@pytest.mark.parametrize("placed", [True, False])
def test_ways_are_drawn_where_positions_are_known(placed: bool) -> None:
    """A world of pixels that tells no positions has a page, too."""
    agent, recording = tiny.three_level_agent(), Recording(2)
    arena = make_arena(tiny.ROOMS, tiny.OPTIONS, make_tasks(tiny.ROOMS, tiny.OPTIONS, 2, 5))
    score = score_controller(AgentController(agent, "plan", recording), arena, (0.0, None), recording)
    store = EpisodeStore.open(tiny.long_store().path)
    if not placed:
        store.spec = replace(store.spec, truth={})
    look = CloseLook(agent, store, arena)
    episode = next(iter(look.episodes(recording, score, "plan", 1, 1)))
    assert len(episode.frames) == len(recording.frames[: arena.tasks.tasks[0].budget + 1])
    assert bool(episode.ways) is bool(episode.imagined) is placed
    if placed:
        assert len(episode.ways) == len(episode.imagined) == len(recording.decisions)
        assert [np.shape(way)[-1] for way in episode.ways[0]] == [2, 2]
