"""What the page is given of an agent's inside: ways of the levels above where positions can be read from states."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import tiny
from forethought.configurator.mode_selector import Mode
from forethought.data.store import EpisodeStore
from forethought.evaluation.arena import make_arena
from forethought.evaluation.episodes import AgentController, Recording
from forethought.evaluation.position_grid import GRID
from forethought.evaluation.score import score_controller
from forethought.report import page, visualizations
from forethought.report.visualizations import CloseLook
from forethought.worlds.tasks import make_tasks


@pytest.mark.parametrize(("placed", "mode"), [(True, "plan"), (False, "plan"), (True, "react")])
def test_ways_are_drawn_where_positions_are_known(placed: bool, mode: Mode) -> None:
    """A world of pixels that tells no positions in its picture has a page, too."""
    agent, recording = tiny.three_level_agent(), Recording(2)
    arena = make_arena(tiny.ROOMS, tiny.OPTIONS, make_tasks(tiny.ROOMS, tiny.OPTIONS, 2, 5))
    score = score_controller(AgentController(agent, mode, recording), arena, (0.0, None), recording)
    store = EpisodeStore.open(tiny.long_store().path)
    if not placed:
        # As in a maze: the place is known, but not where in the picture that is.
        store.spec = replace(store.spec, name="pointmaze-medium-v0")
    look = CloseLook(agent, store, arena)
    episode = next(iter(look.episodes(recording, score, mode, 1, 1)))
    assert len(episode.frames) == len(recording.frames[: arena.tasks.tasks[0].budget + 1])
    assert bool(episode.ways) is bool(episode.imagined) is placed
    if placed:
        assert len(episode.ways) == len(episode.imagined) == len(recording.decisions)
        assert [np.shape(way)[-1] for way in episode.ways[0]] == [2, 2]
        told, felt = page._first_plans(episode), "critic" in page._episode(episode, 0)["energy_names"]
        assert told is not None
        assert ("level 1:" in told, felt) == (mode == "plan",) * 2, "Mode-1 imagines nothing; the levels above it do"
        assert told.index("level 3:") < told.index("level 2:")
        assert episode.walls == ((0, 32.0),), "two rooms, one wall"


def test_the_energy_of_all_outcomes_is_drawn_where_places_can_be_tried() -> None:
    agent, store = tiny.uncertain_agent(), tiny.long_store()
    arena = make_arena(tiny.ROOMS, tiny.OPTIONS, make_tasks(tiny.ROOMS, tiny.OPTIONS, 2, 5))
    (land,) = CloseLook(agent, store, arena).landscapes()
    assert (land.grid.shape, land.ways) == ((GRID, GRID), 3)
    assert np.isfinite(land.grid).any()
    assert land.grid[np.isfinite(land.grid)].min() >= 0
    assert CloseLook(agent, store, replace(arena, world="forethought/Crossing-v0")).landscapes() == ()


def test_moments_that_may_go_several_ways_are_fanned_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visualizations, "DECODER_STEPS", 2)
    monkeypatch.setattr(visualizations, "FEWEST_STEPS", 2)
    arena, store = make_arena(tiny.ROOMS, tiny.OPTIONS, make_tasks(tiny.ROOMS, tiny.OPTIONS, 2, 5)), tiny.long_store()
    assert CloseLook(tiny.three_level_agent(), store, arena).fans() == (), "one future is no fan"
    agent = tiny.uncertain_agent()
    fans = CloseLook(agent, store, arena).fans()
    assert 0 < len(fans) <= visualizations.FANS
    assert len({fan.note for fan in fans}) == len(fans), "each of another held-out episode"
    for fan in fans:
        assert fan.present.shape == (64, 64, 3)
        assert fan.decoded.shape == (visualizations.LINES, visualizations.FAN_BLOCKS, 64, 64, 3)
        assert fan.odds.sum() == pytest.approx(1)
        assert (np.diff(fan.odds) <= 0).all()
        assert np.unique(fan.decoded[:, -1].reshape(visualizations.LINES, -1), axis=0).shape[0] > 1, "futures that differ"
