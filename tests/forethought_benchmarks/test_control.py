"""`bench control`: units alone in a process, kept; rows over seeds; a table that says what is not measured."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forethought.atomic_io import make_folder, write_json
from forethought.errors import ForethoughtError
from forethought.execution import Processes
from forethought.worlds import registry
from forethought_benchmarks.control.baselines import train_baseline
from forethought_benchmarks.control.control_rows import control_rows
from forethought_benchmarks.control.control_table import NOT_MEASURED, control_table
from forethought_benchmarks.control.control_worlds import CONTROL_WORLDS
from forethought_benchmarks.control.native_env import episode_returns, make_env
from forethought_benchmarks.control.protocol import finished, run
from forethought_benchmarks.control.unit import FORETHOUGHT, FOUND, ControlUnit
from forethought_benchmarks.control.zoo import ALGORITHMS, hyperparameters
from forethought_benchmarks.registry import run as run_benchmark
from forethought_benchmarks.tables import rewrite

CARTPOLE = replace(CONTROL_WORLDS["CartPole-v1"], life_steps=300, threshold=15)


def keep(out: Path, agent: str, seed: int, reached: int | None, world: str = "CartPole-v1") -> ControlUnit:
    """A unit that was measured: it reached the threshold after so many steps, at 10 steps a second."""
    unit = ControlUnit(CONTROL_WORLDS[world], agent, seed)
    make_folder(unit.folder(out))
    seconds = None if reached is None else reached / 10
    found = {
        "episode_return": 400.0 + seed, "steps_to_threshold": reached, "seconds_to_threshold": seconds,
        "cpu_seconds_to_threshold": seconds, "wall_seconds": 900.0, "cpu_seconds": 800.0, "steps": 3000,
        "curve": [[100, 20.0], [200, 500.0]], "date": "2026-01-01",
    }  # fmt: skip
    write_json(unit.folder(out) / FOUND, {"asked": unit.request, "found": found})
    return unit


def by_metric(rows: list[dict[str, Any]], agent: str) -> dict[str, dict[str, Any]]:
    return {row["metric"]: row for row in rows if row["agent"] == agent}


def test_every_world_has_the_baselines_of_its_kind_of_actions() -> None:
    for world in CONTROL_WORLDS.values():
        having = {name for name in ALGORITHMS if hyperparameters(name, world.name)}
        assert having == {"ppo", "dqn" if world.discrete else "sac"}, world.name
        assert all(ControlUnit(world, name, 0).train_steps >= world.life_steps for name in having)
        assert not ControlUnit(world, "sac" if world.discrete else "dqn", 0).applies


def test_a_policy_has_the_same_return_in_both_kinds_of_environments() -> None:
    def falling_side(observations: Any) -> Any:
        return (observations[:, 2] > 0).astype(np.int64)

    found = episode_returns([make_env(CARTPOLE) for _ in range(3)], falling_side, 7)
    world = registry.make("CartPole-v1", 3, streams=["proprioception"])
    frame, total = world.reset([7, 8, 9]), np.zeros(3)
    while not frame.ended.all():
        running = ~frame.ended
        frame = world.step(np.eye(2, dtype=np.float32)[falling_side(frame.observation["proprioception"])])
        total += np.where(running, frame.rewards, 0.0)
    world.close()
    assert found.tolist() == total.tolist()
    assert len(set(found.tolist())) > 1, "different seeds are different episodes"


def test_a_unit_is_measured_once_and_a_failed_one_costs_itself(tmp_path: Path) -> None:
    broken = replace(CARTPOLE, name="NoSuchWorld-v0", gym_id="NoSuchWorld-v0")
    known = (broken, CARTPOLE)
    with pytest.raises(ForethoughtError, match=r"1 of 2 units failed.*NoSuchWorld-v0, seed 0.*Unknown world"):
        run(tmp_path, [0], agents=[FORETHOUGHT], known=known)
    (unit,) = finished(tmp_path / "control", known)
    found = unit.found(tmp_path / "control")
    assert found is not None
    assert found["curve"], "a life of 300 steps is evaluated at its end"
    steps, value = found["curve"][0]
    assert found["steps_to_threshold"] == (steps if value >= 15 else None)
    assert (found["seconds_to_threshold"] is None) == (value < 15)
    assert found["cpu_seconds"] > 0
    assert 0 < found["random_return"] < 60
    before = (unit.folder(tmp_path / "control") / FOUND).stat().st_mtime_ns
    rows = json.loads(run(tmp_path, [0], ["CartPole-v1"], [FORETHOUGHT], known).read_text())["rows"]
    assert (unit.folder(tmp_path / "control") / FOUND).stat().st_mtime_ns == before
    assert {row["world"] for row in rows} == {"CartPole-v1"}
    changed = ControlUnit(replace(CARTPOLE, life_steps=400), FORETHOUGHT, 0)
    assert changed.found(tmp_path / "control") is None, "a unit of another request is measured again"


def test_rows_have_each_seed_and_count_one_that_never_arrives(tmp_path: Path) -> None:
    units = [keep(tmp_path, FORETHOUGHT, seed, reached) for seed, reached in enumerate([300, 100, None])]
    rows = by_metric(control_rows(units, tmp_path), FORETHOUGHT)
    steps = rows["steps_to_threshold"]
    assert (steps["value"], steps["low"], steps["high"], steps["per_seed"]) == (300, 100, None, [300, 100, None])
    assert rows["reached_rate"]["value"] == pytest.approx(2 / 3)
    assert rows["episode_return"]["per_seed"] == [400, 401, 402]
    assert rows["episode_return"]["low"] < 401 < rows["episode_return"]["high"]
    assert rows["episode_return"]["curves"][1] == [[100, 20.0], [200, 500.0]]
    assert rows["wall_seconds"]["train_steps"] == CONTROL_WORLDS["CartPole-v1"].life_steps
    assert rows["episode_return"]["seeds"] == [0, 1, 2]


def test_the_table_compares_with_the_better_baseline_and_says_what_is_not_measured(tmp_path: Path) -> None:
    units = [keep(tmp_path, FORETHOUGHT, 0, 100), keep(tmp_path, "ppo", 0, 4000), keep(tmp_path, "dqn", 0, 1000)]
    units += [keep(tmp_path, FORETHOUGHT, 0, 500, "Pendulum-v1"), keep(tmp_path, "sac", 0, None, "Pendulum-v1")]
    units += [keep(tmp_path, FORETHOUGHT, 0, None, "Acrobot-v1"), keep(tmp_path, "dqn", 0, 9000, "Acrobot-v1")]
    lines = control_table(control_rows(units, tmp_path)).splitlines()
    line = {row.split(" | ")[0].strip("| "): row for row in lines}
    assert "| DQN | 400.0 | 1 of 1 | 1,000 [1,000, 1,000] | 0.1 | 0.1 | 0.1 |" in line["CartPole-v1"]
    assert "| SAC | 400.0 | 0 of 1 | never | below 0.025 | below 0.056 | below 0.062 |" in line["Pendulum-v1"]
    assert line["Acrobot-v1"].endswith("| never | never | never |")
    assert line["Hopper-v5"].count(NOT_MEASURED) == 7
    assert lines[-1] == "Median over the 3 worlds that have both, of 11: steps ratio 0.1, time ratio 0.1, CPU ratio 0.1."


def test_the_document_is_made_of_a_file_with_a_few_rows(tmp_path: Path) -> None:
    page = "<!-- table control summary=control -->\n<!-- /table -->"
    assert "Not measured yet" in rewrite(page, tmp_path)
    head = {"bench": "control", "command": "forethought bench control", "version": "0", "machine": "m", "date": "2026-01-01"}
    rows = control_rows([keep(tmp_path, "ppo", 0, 4000)], tmp_path)
    (tmp_path / "control.json").write_text(json.dumps({**head, "rows": rows}))
    text = rewrite(page, tmp_path)
    assert "| CartPole-v1 | 500 | not measured | not measured | not measured | PPO |" in text
    assert "*Made by `forethought bench control`" in text


def test_mistakes_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ForethoughtError, match="no world 'CartPole-v2'.*CartPole-v1"):
        run_benchmark("control", tmp_path, worlds=["CartPole-v2"])
    with pytest.raises(ForethoughtError, match="no agent 'td3'"):
        run_benchmark("control", tmp_path, agents=["td3"])
    with pytest.raises(ForethoughtError, match="leave out --worlds and --agents"):
        run_benchmark("budgets", tmp_path, worlds=["CartPole-v1"])
    monkeypatch.setitem(sys.modules, "stable_baselines3", None)
    with pytest.raises(ForethoughtError, match=r"need Stable-Baselines3.*pip install 'forethought\[baselines\]'"):
        run_benchmark("control", tmp_path, worlds=["CartPole-v1"])
    assert not (tmp_path / "control").exists(), "nothing was measured before the sentence"


@pytest.mark.parametrize("algorithm", ["ppo", "dqn"])
def test_a_baseline_stops_at_the_first_evaluation_that_is_solved(algorithm: str) -> None:
    pytest.importorskip("stable_baselines3")
    parameters = {**(hyperparameters(algorithm, "CartPole-v1") or {}), "steps": 10_240, "normalize": algorithm == "ppo"}
    found = train_baseline(algorithm, replace(CARTPOLE, threshold=5), parameters, 0)
    assert found["steps_to_threshold"] == found["curve"][0][0] == found["steps"] == 256
    assert found["seconds_to_threshold"] <= found["wall_seconds"]
    unsolved = train_baseline(algorithm, replace(CARTPOLE, threshold=501), {**parameters, "steps": 1024}, 0)
    assert unsolved["steps_to_threshold"] is None
    assert len(unsolved["curve"]) >= 30
    assert unsolved["steps"] >= 1024


def test_units_are_measured_in_workers_as_they_are_here(tmp_path: Path) -> None:
    """Returns are functions of the unit; only the seconds differ."""
    found = {}
    for name, executor in {"here": None, "workers": Processes(2)}.items():
        run(tmp_path / name, [0, 1], agents=[FORETHOUGHT], known=(CARTPOLE,), executor=executor)
        units = list(finished(tmp_path / name / "control", (CARTPOLE,)))
        assert [unit.seed for unit in units] == [0, 1]
        found[name] = [unit.found(tmp_path / name / "control") for unit in units]
    for here, there in zip(found["here"], found["workers"], strict=True):
        assert here is not None
        assert there is not None
        assert (there["curve"], there["episode_return"]) == (here["curve"], here["episode_return"])


def test_a_benchmark_without_such_units_takes_no_workers(tmp_path: Path) -> None:
    with pytest.raises(ForethoughtError, match="'energy' has no units that run apart: leave out --workers and --cluster"):
        run_benchmark("energy", tmp_path, executor=Processes(2))
