"""Several actors: what they learn depends on no clock, a kill changes nothing, and what fails costs its episode."""

from __future__ import annotations

import logging
import re
import subprocess
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from lived_worlds import SLOPE, Slope
from online_fixtures import networks_of, settings
from test_live import TINY, record_of, same_weights
from test_recorded import recorded

import forethought as ft
from forethought.data.recorder import seed_of
from forethought.data.store import EpisodeStore
from forethought.errors import ForethoughtError
from forethought.execution import InProcess, worker_process
from forethought.online import actors as actors_module
from forethought.online.actor_process import ActorSetup, RoundReport
from forethought.online.actors import ROUND, Actors
from forethought.online.life import Life
from forethought.online.lifetime import Lifetime
from forethought.training.checkpoint import load_checkpoint
from life_fixtures import walk, walk_spec


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """All processes of actors that the test starts."""
    started, start = list[subprocess.Popen[bytes]](), worker_process.start_process

    def kept(*arguments: Any, **how: Any) -> subprocess.Popen[bytes]:
        started.append(start(*arguments, **how))
        return started[-1]

    monkeypatch.setattr(worker_process, "start_process", kept)
    return started


def lived(out: Path, world: str = SLOPE, steps: int = 140, actors: int = 2, **more: Any) -> ft.Agent:
    return ft.live(world, out=out, steps=steps, actors=actors, **{"config": TINY} | more)


def updates_of(run: Path) -> int:
    return int(load_checkpoint(run).tensors["learner"]["updates"])


def killed_and_resumed(run: Path, monkeypatch: pytest.MonkeyPatch, episodes: int, **how: Any) -> ft.Agent:
    """A life that ends when it has counted so many episodes, and goes on."""
    count = Lifetime._count

    def dying(self: Lifetime, outcome: Any, number: int) -> None:
        if self.record.episodes == episodes:
            raise KeyboardInterrupt
        count(self, outcome, number)

    with monkeypatch.context() as patch:
        patch.setattr(Lifetime, "_count", dying)
        with pytest.raises(KeyboardInterrupt):
            lived(run, **how)
    return lived(run, **how, resume=True)


class Scripted:
    """An actor's process whose episodes have these lengths, by number; a text: it is lost in its first round."""

    lengths: tuple[int | str, ...] = (5, 25, "stuck", 10, 3)
    dead = False

    def __init__(self, setup: Any, executor: Any) -> None:
        self._taken = dict[int, int]()

    def ready(self) -> None:
        """At once."""

    def close(self) -> None:
        """Nothing to close."""

    def act(self, number: int, weights: Any) -> None:
        self._number = number

    def report(self) -> RoundReport:
        length, taken = self.lengths[self._number], self._taken.get(self._number, 0)
        if isinstance(length, str):
            return RoundReport(4, length)
        self._taken[self._number] = min(length, taken + ROUND)
        return RoundReport(self._taken[self._number] - taken, walk(walk_spec(), length, 0) if taken + ROUND >= length else None)


def test_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Free actors begin while the steps in progress leave room, in their order; updates are for the round before."""
    monkeypatch.setattr(actors_module, "ActorProcess", Scripted)
    configuration = settings(updates_per_step=1.0, batch=4)
    networks, codec = networks_of(configuration)
    life, updates = Life(networks, configuration, codec, 1000), list[float]()
    monkeypatch.setattr(life, "learn", updates.append)
    monkeypatch.setattr(life, "take", lambda episode: None)
    crew = Actors(life, ActorSetup("", {}, walk_spec(), "", 0, (), configuration, ROUND, 1.0), InProcess(), 2, {}, 0)

    def numbers(room: int) -> list[int]:
        return [number for number, _ in crew.round(room)]

    assert numbers(0) == []
    assert not crew.busy
    assert numbers(100) == [0]
    assert numbers(10) == [], "ten steps are in progress, so no other episode begins"
    assert numbers(100) == [2, 1]
    assert numbers(1) == [3, 4]
    assert not crew.busy
    crew.learn()
    assert updates == [0, 0, 15, 10, 9, 13]


def test_the_pace_of_an_actor_changes_nothing(tmp_path: Path, processes: list[subprocess.Popen[bytes]]) -> None:
    """Weights, record and dataset; the agent learns as much a step as with one actor, and no process is left."""
    even, uneven = lived(tmp_path / "even"), lived(tmp_path / "uneven", "lived_worlds:Uneven")
    assert same_weights(even, uneven)
    assert record_of(tmp_path / "even") == record_of(tmp_path / "uneven")
    stores = [EpisodeStore.open(tmp_path / name / "dataset") for name in ("even", "uneven")]
    rows = np.arange(stores[0].num_rows)
    assert (stores[0].rows("actions", rows) == stores[1].rows("actions", rows)).all()
    record = record_of(tmp_path / "even")
    first = next(steps for steps, _ in record["returns"] if steps >= TINY["training.online.random_steps"])
    assert updates_of(tmp_path / "even") == pytest.approx(0.2 * (record["steps"] - first / 2), abs=1)
    assert 140 <= record["steps"] < 180
    assert record["steps"] == int(stores[0].lengths.sum())
    assert len(processes) == 4
    assert all(process.returncode is not None for process in processes), "the life has waited for their end"


@pytest.mark.parametrize(
    ("episodes", "belief", "block", "curiosity"),
    [(6, 8, None, 0.0), (9, 0, 3, 1.0), *(pytest.param(each, 0, None, 0.0, marks=pytest.mark.slow) for each in (4, 5, 7))],
)
def test_a_killed_life_comes_to_the_same_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, episodes: int, belief: int, block: int | None, curiosity: float
) -> None:
    """Also where an episode with a later number was recorded before one with an earlier number."""
    config = TINY | {"model.belief_dim": belief, "training.online.curiosity": curiosity}
    how: dict[str, Any] = {"config": config, "block": block, "steps": 200}
    whole = lived(tmp_path / "whole", **how)
    resumed = killed_and_resumed(tmp_path / "run", monkeypatch, episodes, **how)
    assert same_weights(whole, resumed)
    assert record_of(tmp_path / "run") == record_of(tmp_path / "whole")
    assert updates_of(tmp_path / "run") == updates_of(tmp_path / "whole")


@pytest.mark.parametrize(
    ("world", "why"),
    [
        ("lived_worlds:Deadly", r"its process died \(signal 9\) \(actor [12], after 0 blocks or more\)"),
        ("lived_worlds:Silent", r"no sign of life for 1 s \(actor"),
        ("lived_worlds:Faulty", r"the gear is stuck.*\(actor [12], after 0 blocks or more\)"),
    ],
)
def test_what_fails_costs_its_episode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, world: str, why: str
) -> None:
    """The sentence says what and where; the life goes on, and a kill after the loss changes nothing."""
    how: dict[str, Any] = {"world": world, "steps": 220, "seed": 5, "patience": 0.5}
    with caplog.at_level(logging.WARNING):
        whole = lived(tmp_path / "whole", **how)
    record = record_of(tmp_path / "whole")
    assert record["lost"] >= 1
    assert record["steps"] >= 220
    store = EpisodeStore.open(tmp_path / "whole" / "dataset")
    assert len(store.failures) == record["lost"]
    assert all(failure.seed == seed_of(5, failure.number) for failure in store.failures)
    assert re.search(why, caplog.text)
    resumed = killed_and_resumed(tmp_path / "run", monkeypatch, record["episodes"] - 1, **how)
    assert same_weights(whole, resumed)
    assert record_of(tmp_path / "run") == record


def test_it_learns_to_climb(tmp_path: Path) -> None:
    """From nothing, in 400 steps: the return of random actions is about -17, of the best ones about -1.5."""
    config = {name: value for name, value in TINY.items() if not name.startswith("model")} | {
        "training.online.updates_per_step": 1.5, "training.online.batch": 64, "training.online.evaluation_steps": 120,
        "model.encoder.hidden": 32, "model.predictor.hidden": 32, "model.reward.hidden": 32,
        "training.online.learning_rate": 2e-3,
    }  # fmt: skip
    agent = lived(tmp_path / "run", "lived_worlds:Stairs", 400, config=config)
    score = ft.evaluate_return(agent, episodes=10)
    assert score.agent.mean > -6
    assert score.agent.low > score.random.high


def test_it_starts_from_recorded_experience_and_ends_at_the_return_asked_for(tmp_path: Path) -> None:
    """At the first evaluation that reaches it; episodes in progress are lived to their end, and recorded."""
    given = recorded(tmp_path / "given").path
    lived(tmp_path / "run", steps=5000, recorded=given, until=-1000.0)
    record = record_of(tmp_path / "run")
    assert record["evaluations"][0][0] == 0
    assert record["reached"] <= record["steps"] < 200
    assert record["evaluations"][-1][0] == record["reached"]
    assert EpisodeStore.open(tmp_path / "run" / "dataset").num_episodes == record["episodes"]


def test_the_number_of_actors_stays(tmp_path: Path) -> None:
    """A finished life goes on with as many."""
    lived(tmp_path / "run", steps=80)
    with pytest.raises(ForethoughtError, match="begun with actors = 2, not 1"):
        lived(tmp_path / "run", steps=120, actors=1, resume=True)
    lived(tmp_path / "run", steps=120, resume=True)
    assert record_of(tmp_path / "run")["steps"] >= 120


@pytest.mark.parametrize("actors", [0, 65])
def test_their_number_has_bounds(tmp_path: Path, actors: int) -> None:
    with pytest.raises(ForethoughtError, match="actors can't be"):
        lived(tmp_path / "run", actors=actors)
    assert not (tmp_path / "run").exists()


def test_a_world_of_this_process_alone_is_refused(tmp_path: Path) -> None:
    """Before the first step."""
    gymnasium.register("OnlyHere-v0", entry_point=lambda: Slope(), max_episode_steps=20)
    try:
        with pytest.raises(ForethoughtError, match=r"only one actor can live there: use actors=1, or move it into a module"):
            lived(tmp_path / "run", "OnlyHere-v0")
        assert not (tmp_path / "run").exists()
    finally:
        del gymnasium.registry["OnlyHere-v0"]


def test_a_process_that_can_not_begin_ends_the_life_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: list[subprocess.Popen[bytes]]
) -> None:
    """Also one that dies at once; what was lived is kept, and no process is left."""
    with monkeypatch.context() as patch:
        patch.setattr("forethought.worlds.registry.registration", lambda name: "no JSON")
        with pytest.raises(ForethoughtError, match=r"An actor's process can't begin \(JSONDecodeError.*use one actor"):
            lived(tmp_path / "run")
        patch.setattr("forethought.execution.worker_process.sys.executable", "false")
        with pytest.raises(ForethoughtError, match=r"can't begin \(its process died \(exit code 1\)\)"):
            lived(tmp_path / "run", resume=True)
    assert len(processes) == 4
    assert all(process.returncode is not None for process in processes), "the life has waited for their end"
    lived(tmp_path / "run", resume=True)
