"""What the page is given of a fixed agent's inside is what it was: its plans, predictions, cost maps and errors."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

import tiny
from forethought.agent import Agent
from forethought.agent_networks import AgentNetworks
from forethought.configurator import configure
from forethought.evaluation.arena import make_arena
from forethought.report import visualizations
from forethought.report.visualizations import CloseLook
from forethought.worlds.tasks import make_tasks
from golden_values import check_golden, summary


def reduced(value: Any) -> Any:
    """Arrays by a few numbers, everything inside records as it is."""
    if isinstance(value, dict):
        return {name: reduced(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [reduced(inner) for inner in value]
    return summary(value) if isinstance(value, np.ndarray) and value.size > 4 else value


@pytest.mark.parametrize("kind", ["flat", "levels"])
def test_a_close_look(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visualizations, "DECODER_STEPS", 5)
    monkeypatch.setattr(visualizations, "FEWEST_STEPS", 5)
    agent = tiny.rooms_agent() if kind == "flat" else tiny.three_level_agent()
    store = tiny.rooms_store() if kind == "flat" else tiny.long_store()
    look = CloseLook(agent, store, make_arena(tiny.ROOMS, tiny.OPTIONS, make_tasks(tiny.ROOMS, tiny.OPTIONS, 3, 5)))
    imagining = look.imagining()
    assert imagining is not None
    assert CloseLook(agent, store, None).imagining() is None
    found = {
        "imagining": asdict(imagining),
        "futures": [asdict(one) for one in look.futures()],
        "heat maps": [asdict(one) for one in look.heat_maps()],
        "error": [asdict(one) for one in look.error_by_horizon()],
    }
    # Pictures are of a decoder that learned on the spot, which amplifies rounding.
    check_golden(f"close_look_{kind}", reduced(found), relative=1e-2, absolute=2e-2)


def test_futures_of_a_window_begin_after_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The picture of now is the last row of the context, and the model has seen the rows before."""
    monkeypatch.setattr(visualizations, "DECODER_STEPS", 1)
    store = tiny.rooms_store()
    window = {**tiny.SMALL, "model.predictor.kind": "window", "model.predictor.context": 3}
    configuration = configure(store.spec, store.block, store.statistics(), overrides=window)
    look = CloseLook(Agent(configuration, AgentNetworks(configuration)), store, None)
    future = look.futures()[0]
    episode = int(store.heldout[0])
    seen = store.rows("pixels", store.starts[episode] + np.arange(store.lengths[episode] + 1))
    assert np.array_equal(future.real, seen[2:])
    assert len(future.decoded) == len(future.real)
    assert future.note.endswith("the model has seen 2 earlier frames, too")
