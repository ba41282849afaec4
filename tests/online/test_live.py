"""`live`: it learns, it goes on exactly after a kill, and what it is given wrong it refuses before it acts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lived_worlds import SLOPE

import forethought as ft
from forethought.data.store import EpisodeStore
from forethought.errors import ForethoughtError
from forethought.online.lifetime import Lifetime

TINY: dict[str, Any] = {
    "model.encoder.state_dim": 8, "model.encoder.hidden": 16, "model.predictor.hidden": 16, "model.reward.hidden": 16,
    "training.online.updates_per_step": 0.2, "training.online.batch": 16, "training.online.random_steps": 45,
    "training.online.checkpoint_steps": 50, "training.online.evaluation_steps": 60, "planner.search.num_samples": 16,
    "planner.search.num_elites": 4,
}  # fmt: skip


def record_of(run: Path) -> dict[str, Any]:
    return {name: value for name, value in json.loads((run / "life.json").read_text()).items() if name != "request"}


def same_weights(a: ft.Agent, b: ft.Agent) -> bool:
    left, right = a.modules.state_dict(), b.modules.state_dict()
    return all(bool((left[name] == right[name]).all()) for name in left)


def test_a_life_leaves_an_agent_a_dataset_and_a_record(tmp_path: Path) -> None:
    """The agent acts; the dataset is a store like any other; the record counts every step."""
    agent = ft.live(SLOPE, out=tmp_path / "run", steps=120, config=TINY)
    record, store = record_of(tmp_path / "run"), EpisodeStore.open(tmp_path / "run" / "dataset")
    assert store.num_episodes == record["episodes"] == len(record["returns"])
    assert record["steps"] == int(store.lengths.sum()) >= 120
    assert record["evaluations"][-1][0] == record["steps"]
    recorded = [float(store.read(index).rewards.sum()) for index in range(store.num_episodes)]
    assert np.allclose(recorded, [value for _, value in record["returns"]], atol=1e-4)
    assert same_weights(agent, ft.load(tmp_path / "run"))
    assert agent.configuration.because("planner.reward_mode").startswith("in the first 200 steps of 5 episodes Mode-2 got")
    score = ft.evaluate_return(agent, episodes=3, out=tmp_path / "run")
    assert score.agent.episodes == 3
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["agent"]["mean"] == pytest.approx(score.agent.mean)


@pytest.mark.parametrize(
    ("killed_at", "belief", "curiosity"),
    [
        (2, 8, 0.0),
        (5, 0, 1.0),
        pytest.param(5, 0, 0.0, marks=pytest.mark.slow),
        pytest.param(7, 0, 0.0, marks=pytest.mark.slow),
    ],
)
def test_a_killed_life_comes_to_the_same_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: int, belief: int, curiosity: float
) -> None:
    """Between checkpoints, what was recorded is lived again without the world; weights and record are equal."""
    config = TINY | {"model.belief_dim": belief, "training.online.curiosity": curiosity}
    whole = ft.live(SLOPE, out=tmp_path / "whole", steps=220, config=config)
    original, asked = Lifetime._count, list[int]()

    def dying(self: Lifetime, outcome: Any, number: int) -> None:
        if number == killed_at:
            raise KeyboardInterrupt
        original(self, outcome, number)

    monkeypatch.setattr(Lifetime, "_count", dying)
    with pytest.raises(KeyboardInterrupt):
        ft.live(SLOPE, out=tmp_path / "run", steps=220, config=config)
    monkeypatch.setattr(Lifetime, "_count", original)
    lived = Lifetime._lived

    def counted(self: Lifetime, listener: Any, number: int) -> Any:
        asked.append(number)
        return lived(self, listener, number)

    monkeypatch.setattr(Lifetime, "_lived", counted)
    resumed = ft.live(SLOPE, out=tmp_path / "run", steps=220, resume=True)
    assert same_weights(whole, resumed)
    assert record_of(tmp_path / "run") == record_of(tmp_path / "whole")
    assert asked, "the life goes on in the world"
    assert min(asked) > killed_at, "what was recorded is not asked of the world again"


def test_a_finished_life_goes_on_with_more_steps(tmp_path: Path) -> None:
    """Its dataset grows."""
    ft.live(SLOPE, out=tmp_path / "run", steps=100, config=TINY)
    before = record_of(tmp_path / "run")
    ft.live(SLOPE, out=tmp_path / "run", steps=150, resume=True)
    after = record_of(tmp_path / "run")
    assert after["returns"][: len(before["returns"])] == before["returns"]
    assert after["steps"] >= 150
    assert EpisodeStore.open(tmp_path / "run" / "dataset").num_episodes == after["episodes"]


def test_a_life_ends_at_the_return_that_was_asked_for(tmp_path: Path) -> None:
    """At the first evaluation that reaches it."""
    ft.live(SLOPE, out=tmp_path / "run", steps=10_000, until=-1000.0, config=TINY)
    record = record_of(tmp_path / "run")
    assert record["reached"] == record["steps"] < 200


def test_lost_episodes_are_counted_and_too_many_stop(tmp_path: Path) -> None:
    """One in thirteen is left out; what was lived is kept."""
    ft.live("lived_worlds:Faulty", out=tmp_path / "run", steps=400, config=TINY)
    assert record_of(tmp_path / "run")["lost"] >= 1
    with pytest.raises(ForethoughtError, match=r"4 of 4 episodes of lived_worlds:NoNumber were lost.*--resume"):
        ft.live("lived_worlds:NoNumber", out=tmp_path / "nan", steps=100, config=TINY)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"steps": 0}, "steps"),
        ({"config": {"training.online.updates_per_steps": 2}}, "updates_per_step"),
        ({"config": {"training.online.batch": 0}}, "batch"),
        ({"options": {"streams": ["nothing"]}}, "nothing"),
        ({"world": "lived_worlds:Slop"}, "Slop"),
        ({"resume": True}, "no life"),
        ({"until": float("nan")}, "until"),
    ],
)
def test_what_is_given_wrong_is_refused_before_the_first_step(tmp_path: Path, given: dict[str, Any], sentence: str) -> None:
    """In one sentence that names it; nothing is left behind that would have to be deleted."""
    arguments: dict[str, Any] = {"world": SLOPE, "out": tmp_path / "run", "steps": 100, "config": TINY} | given
    with pytest.raises(ForethoughtError, match=sentence):
        ft.live(arguments.pop("world"), **arguments)
    assert not (tmp_path / "run" / "dataset" / "shards" / "00000").exists()


def test_another_life_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    """Without --resume, and with another seed."""
    ft.live(SLOPE, out=tmp_path / "run", steps=60, config=TINY)
    with pytest.raises(ForethoughtError, match="already holds a life"):
        ft.live(SLOPE, out=tmp_path / "run", steps=60)
    with pytest.raises(ForethoughtError, match="begun with seed = 0, not 1"):
        ft.live(SLOPE, out=tmp_path / "run", steps=60, seed=1, resume=True)


def test_a_page_that_fails_never_ends_the_life(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One warning."""

    def broken(run: Path) -> None:
        raise OSError("no ink")

    ft.live(SLOPE, out=tmp_path / "run", steps=60, config=TINY, watch=broken)
    assert sum("no ink" in record.message for record in caplog.records) == 1


@pytest.mark.parametrize("world", [pytest.param(SLOPE, marks=pytest.mark.slow), "lived_worlds:Stairs"])
def test_it_learns_to_climb(tmp_path: Path, world: str) -> None:
    """From nothing, in 400 steps: the return of random actions is about -17, of the best ones about -1.5."""
    config = {
        name: value for name, value in TINY.items() if not name.startswith("model")
    } | {
        "training.online.updates_per_step": 1.5, "training.online.batch": 64, "training.online.evaluation_steps": 120,
        "model.encoder.hidden": 32, "model.predictor.hidden": 32, "model.reward.hidden": 32,
        "training.online.learning_rate": 2e-3,
    }  # fmt: skip
    agent = ft.live(world, out=tmp_path / "run", steps=400, config=config)
    score = ft.evaluate_return(agent, episodes=10)
    assert score.agent.mean > -6
    assert score.agent.low > score.random.high


@pytest.mark.parametrize(("belief", "low", "high"), [(32, 5, 6), pytest.param(0, -1, 3, marks=pytest.mark.slow)])
def test_it_learns_what_only_the_past_tells(tmp_path: Path, belief: int, low: float, high: float) -> None:
    """The sign is seen at the first step alone: at best 6 with memory; without one, 1 there and chance after it."""
    config = {
        "model.belief_dim": belief, "training.online.past": 5, "training.online.updates_per_step": 1.0,
        "training.online.batch": 64, "training.online.evaluation_steps": 200, "training.online.reward": 1.0,
    }  # fmt: skip
    agent = ft.live("lived_worlds:Recall", out=tmp_path / "run", steps=1000, config=config)
    score = ft.evaluate_return(agent, episodes=20)
    assert low <= score.agent.mean <= high
