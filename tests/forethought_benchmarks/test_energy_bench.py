"""The benchmark of energies: what a false future differs in, what a perfect and a blind energy score, rows and recipes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import tiny
from forethought.configurator import configure
from forethought.training.encoded_dataset import EncodedDataset
from forethought_benchmarks import energy
from forethought_benchmarks.comparisons import auroc


def numbered(lengths: tuple[int, ...] = (4, 9, 6, 12, 3)) -> EncodedDataset:
    """Episodes whose states are (episode, row) and whose actions are the same with a minus."""
    blocks = torch.tensor(lengths)
    states = torch.cat([torch.stack([torch.full((n + 1,), float(e)), torch.arange(n + 1.0)], 1) for e, n in enumerate(lengths)])
    starts = torch.cat([torch.zeros(1, dtype=torch.long), (blocks + 1).cumsum(0)[:-1]])
    return EncodedDataset(states, states, -states, states[:, :0], starts, blocks)


@pytest.mark.parametrize("horizon", [1, 3, 5])
def test_a_false_future_differs_in_one_thing(horizon: int) -> None:
    data = numbered()
    episode, true, false = energy.futures(data, horizon, 400, torch.Generator().manual_seed(0))
    present, actions, following = true
    steps = torch.arange(1.0, horizon + 1)
    assert (data.lengths[episode] > horizon).all()
    assert torch.equal(present[:, 0], episode.float())
    assert torch.equal(following[:, :, 1], present[:, None, 1] + steps)
    assert torch.equal(-actions[:, :, 1], present[:, None, 1] + steps - 1)
    assert set(false) == {"other-episode", "shuffled-time", "wrong-action"}
    for kind, (now, done, after) in false.items():
        assert torch.equal(now, present)
        assert (kind == "wrong-action") is torch.equal(after, following)
        assert (kind != "wrong-action") is torch.equal(done, actions)
        assert torch.equal(after.diff(dim=1)[..., 1], torch.ones(400, horizon - 1)), "what follows is itself a window"
    assert (false["other-episode"][2][:, 0, 0] != episode).all()
    assert (-false["wrong-action"][1][:, 0, 0] != episode).all()
    assert torch.equal(false["shuffled-time"][2][:, 0, 0], episode.float())
    assert (false["shuffled-time"][2][:, 0, 1] != following[:, 0, 1]).all()
    assert len(false["shuffled-time"][2].unique(dim=0)) > 10


def test_a_model_that_is_blind_to_actions_tells_no_wrong_ones() -> None:
    agent = tiny.point_agent(False)
    data = energy.heldout(agent, tiny.point_store(False))
    _, true, false = energy.energies_of_futures(agent, data, 2)
    assert all(len(found) == len(true) == energy.WINDOWS for found in false.values())
    assert not any(torch.equal(true, found) for found in false.values())
    first = agent.modules.world_model.predictor.change[0]
    with torch.no_grad():
        first.weight[:, agent.modules.world_model.state_dim :] = 0
    _, blind, made = energy.energies_of_futures(agent, data, 2)
    assert torch.equal(blind, made["wrong-action"])
    assert auroc(blind.numpy(), made["wrong-action"].numpy()) == 0.5


def test_rows_say_how_well_each_kind_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "trained", lambda store, folder, seed, config: tiny.rooms_agent())
    monkeypatch.setattr(energy, "_cost", lambda folder: {"train_frames": 10, "train_cpu_minutes": 0.5})
    monkeypatch.setattr(energy, "WINDOWS", 100)
    for name in ("whole", "arm"):
        (tmp_path / name).mkdir()
    rows = energy._future_rows("rooms-two", tiny.rooms_store(), tmp_path / "whole", 3, {})
    assert [(r["agent"], r["metric"]) for r in rows] == [
        (kind, metric) for metric in energy.METRICS for kind in ("other-episode", "shuffled-time", "wrong-action")
    ]
    arms = energy._arm_rows(tiny.rooms_store(), tmp_path / "arm", "contrastive-4", 3, {})
    assert [(r["agent"], r["metric"]) for r in arms] == [
        ("contrastive-4", metric) for metric in (*energy.METRICS, "probe_position_r2")
    ]
    monkeypatch.setattr(energy, "energies_of_futures", None)
    assert energy._arm_rows(tiny.rooms_store(), tmp_path / "arm", "contrastive-4", 3, {}) == arms, "measured once"
    for found in rows + arms[:-1]:
        assert 0 <= found["low"] <= found["value"] <= found["high"] <= 1
        assert (found["floor"], found["seeds"]) == (0.5, [3])
        assert found["n"] == (300 if found["agent"] == "contrastive-4" else 100)


def test_the_ways_of_training_differ_in_what_prevents_collapse_alone() -> None:
    store = tiny.rooms_store()
    made = {
        name: configure(store.spec, store.block, store.statistics(), overrides={**energy.SHORT, **changes}).training.loss
        for name, changes in energy.TRAINED.items()
    }
    terms = ("variance", "covariance", "sigreg", "infonce_prediction")
    active = {name: tuple(term for term in terms if getattr(settings, term) > 0) for name, settings in made.items()}
    assert active == {"vicreg": ("variance", "covariance"), "sigreg": ("sigreg",), "contrastive": ("infonce_prediction",)}
    same = [settings.model_copy(update=dict.fromkeys(terms, 0.0)) for settings in made.values()]
    assert same[0] == same[1] == same[2]
    assert same[0].inverse_dynamics > 0
