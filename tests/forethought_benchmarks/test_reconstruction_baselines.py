"""The protocol of `generative`: conditions that are what they say, and rows of every arm from a run in small."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tiny
from forethought.types import TaskSet
from forethought.worlds import registry
from forethought.worlds.tasks import make_tasks
from forethought_benchmarks.reconstruction_baselines import protocol

KEPT = (
    *("model.encoder.state_dim", "training.loss.lsuv_init", "training.sequence_length"),
    *("model.encoder.kind", "model.kind"),
)


def pictures(condition: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two successive pictures and the goal's, of an agent that stands still."""
    world = registry.make(protocol.WORLD, 2, **protocol.BASE, **protocol.CONDITIONS[condition])
    tasks = make_tasks(protocol.WORLD, {**protocol.BASE, **protocol.CONDITIONS[condition]}, 2, 5)
    first = world.begin(tasks.tasks).observation["pixels"].astype(int)
    second = world.step(np.zeros((2, 2), np.float32)).observation["pixels"].astype(int)
    goal = world.goal_observation()["pixels"].astype(int)
    world.close()
    return first, second, goal


def test_changing_noise_changes_and_fixed_noise_stays_for_the_episode() -> None:
    first, second, goal = pictures("rooms-changing-noise")
    assert (first != second).mean() > 0.5
    assert (first != goal).mean() > 0.5
    first, second, goal = pictures("rooms-fixed-noise")
    assert np.array_equal(first, second)
    assert (first != goal).mean() < 0.05, "the goal differs by the agent alone"
    assert (first[0] != first[1]).mean() > 0.5
    first, second, goal = pictures("rooms-no-noise")
    assert np.array_equal(first, second)


def brief(tasks: TaskSet) -> TaskSet:
    """The same tasks with two decisions each."""
    return replace(tasks, tasks=tuple(replace(task, budget=10) for task in tasks.tasks))


def test_every_arm_gives_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    search = {
        "planner.search.num_samples": 3,
        "planner.search.num_elites": 2,
        "planner.search.num_iterations": 1,
        "planner.horizon": 1,
        "planner.retrieved_candidates": 1,
    }
    search |= {"training.distillation_plans": 1, "training.policy_steps": 0}
    small = [
        protocol.BaselineVariant(
            arm.name, arm.phases, tiny.SMALL | search | {name: arm.settings[name] for name in KEPT if name in arm.settings}
        )
        for arm in protocol.ARMS
    ]
    monkeypatch.setattr(protocol, "ARMS", small)
    monkeypatch.setattr(protocol, "CONDITIONS", {"rooms-fixed-noise": protocol.CONDITIONS["rooms-fixed-noise"]})
    monkeypatch.setattr(protocol, "BASE", tiny.OPTIONS)
    monkeypatch.setattr(protocol, "EPISODES", 40)
    monkeypatch.setattr("forethought.evaluation.open_loop.CLIPS", 8)
    monkeypatch.setattr(protocol, "make_tasks", lambda world, options, *given: brief(make_tasks(world, options, 2, 5)))
    rows = json.loads(protocol.run(tmp_path).read_text())["rows"]
    metrics = {"success_rate", "held_rate", "probe_position_r2", "position_error_3_blocks"}
    assert {(row["agent"], row["metric"]) for row in rows} == {(arm.name, metric) for arm in small for metric in metrics}
    monkeypatch.setattr(protocol, "what_is_kept", lambda *given: pytest.fail("it is on disk"))
    assert json.loads(protocol.run(tmp_path).read_text())["rows"] == rows
