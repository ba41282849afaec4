"""Running tasks: what counts as touched, what as held, and that the agent sees only what it may."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

import tiny
from forethought.evaluation.episodes import AgentController, Recording, ScriptedController, run_tasks
from forethought.evaluation.task_choice import choose_tasks
from forethought.types import ActionSpace, Frame, Observation, StreamSpec, TaskSet, WorldSpec, WorldTask
from forethought.worlds import registry
from forethought.worlds.contract import World


class Count(World):
    """Copy i stands on number `step`; it is at its goal while the number is in [first, last]. Drives: 1 a step."""

    def __init__(self, tasks: Sequence[WorldTask]) -> None:
        numbers = StreamSpec("proprioception", (4,), "float32")
        action = ActionSpace("continuous", 2, (-1.0, 0.0), (1.0, 2.0))
        self.spec = WorldSpec("count", {}, (numbers,), action, 100, 2, {}, ("pain",))
        self.num, self.tasks, self.at = len(tasks), tasks, 0
        self.taken: list[np.ndarray] = []

    def frame(self) -> Frame:
        at = np.full((self.num, 4), 0.01 * self.at, np.float32)
        return Frame({"proprioception": at}, {}, np.ones((self.num, 1), np.float32), np.zeros(self.num, np.bool_))

    def reset(self, seeds: Sequence[int]) -> Frame:
        self.at = 0
        return self.frame()

    def begin(self, tasks: Sequence[WorldTask]) -> Frame:
        return self.reset([])

    def step(self, actions: np.ndarray) -> Frame:
        self.at += 1
        self.taken.append(actions)
        return self.frame()

    def goal_observation(self) -> Observation:
        return {"proprioception": np.zeros((self.num, 4), np.float32)}

    def reached(self) -> np.ndarray:
        return np.array([task.goal[0] <= self.at <= task.goal[1] for task in self.tasks])

    def close(self) -> None:
        pass


class Idle:
    def begin(self, world: World, goal: Observation, seeds: Sequence[int]) -> None:
        pass

    def act(self, world: World, frame: Frame, step: int) -> np.ndarray:
        return np.zeros((world.num, 2), np.float32)


def tasks(*ways: tuple[float, float, int]) -> TaskSet:
    """(first, last, budget): at the goal while first <= step <= last."""
    made = tuple(WorldTask(7 + i, None, (first, last), None, budget) for i, (first, last, budget) in enumerate(ways))
    return TaskSet("count", {}, "standing there", made)


def test_only_what_happens_within_the_budget_counts() -> None:
    asked = tasks((3, 99, 10), (3, 5, 10), (10, 99, 10), (11, 99, 10), (0, 0, 10), (4, 4, 4), (5, 5, 4), (4, 99, 4), (2, 6, 4))
    outcomes = run_tasks(Count(asked.tasks), Idle(), asked)
    assert outcomes.steps.tolist() == [3, 3, 10, -1, 0, 4, -1, 4, 2]
    assert outcomes.touched.tolist() == [True, True, True, False, True, True, False, True, True]
    # Held: still there at the end of its own budget, whatever comes later while others go on.
    assert outcomes.held.tolist() == [True, False, True, False, False, True, False, True, True]


def test_the_agent_decides_once_a_block_and_feels_what_the_body_felt(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = tiny.point_agent(False)
    asked = tasks((3, 9, 6), (3, 9, 6))
    world = Count(asked.tasks)
    felt: list[list[list[float]]] = []
    plain = type(agent).decide

    def decide(self: Any, observation: Observation, mode: Any, drives: np.ndarray) -> Any:
        felt.append(drives.tolist())
        return plain(self, observation, mode, drives)

    monkeypatch.setattr(type(agent), "decide", decide)
    outcomes = run_tasks(world, AgentController(agent, "plan"), asked)
    assert felt == [[[0.0], [0.0]], [[2.0], [2.0]], [[2.0], [2.0]]], "two steps of one pain each in a block"
    assert outcomes.planned == outcomes.decisions == 6
    assert outcomes.planned_share == 1.0
    assert outcomes.calls_per_decision[0] > agent.configuration.planner.search.num_samples
    played = np.stack(world.taken).reshape(3, 2, 2, 2).swapaxes(1, 2)
    assert agent.plan_of_record is not None
    np.testing.assert_array_equal(played[-1], agent.plan_of_record.actions)


def test_outcomes_do_not_depend_on_which_other_tasks_run() -> None:
    """Rooms and a real agent: the first three tasks alone, and among six."""
    agent = tiny.rooms_agent()
    taken = []
    for count in (3, 6):
        chosen = choose_tasks(tiny.ROOMS, tiny.OPTIONS, count, None)
        few = TaskSet(chosen.world, chosen.options, chosen.success, tuple(
            WorldTask(t.seed, t.start, t.goal, t.optimal_steps, 15) for t in chosen.tasks
        ))  # fmt: skip
        recording = Recording(3)
        world = registry.make(tiny.ROOMS, count, **tiny.OPTIONS)
        run_tasks(world, AgentController(agent, "plan", recording), few, recording=recording)
        world.close()
        taken.append(np.stack(recording.positions))
    assert taken[0].shape == (16, 3, 2)
    np.testing.assert_allclose(taken[0], taken[1], atol=0.05)


def test_a_seed_shifts_the_planners_chance_and_nothing_else() -> None:
    agent = tiny.point_agent(False)
    asked = tasks(*[(3, 9, 2)] * 3)
    played = []
    for seed in (0, 0, 1):
        world = Count(asked.tasks)
        run_tasks(world, AgentController(agent, "plan", seed=seed), asked)
        played.append(np.stack(world.taken))
    np.testing.assert_array_equal(played[0], played[1])
    assert not np.array_equal(played[0], played[2])


def test_a_recording_keeps_what_the_page_wants() -> None:
    agent = tiny.rooms_agent()
    chosen = choose_tasks(tiny.ROOMS, tiny.OPTIONS, 2, None)
    short = TaskSet(
        chosen.world, chosen.options, chosen.success, tuple(WorldTask(t.seed, t.start, t.goal, None, 7) for t in chosen.tasks)
    )
    recording, world = Recording(1), registry.make(tiny.ROOMS, 2, **tiny.OPTIONS)
    run_tasks(world, AgentController(agent, "plan", recording), short, recording=recording)
    world.close()
    assert len(recording.frames) == len(recording.positions) == 8
    assert recording.frames[0].shape == (1, 64, 64, 3)
    assert recording.decisions == [0, 5]
    assert recording.imagined[0].shape == (1, agent.configuration.planner.horizon, 16)
    assert torch.isfinite(torch.stack(recording.distances)).all()
    np.testing.assert_allclose(recording.positions[0][0], chosen.tasks[0].start, atol=1e-3)


def test_scripted_policies_are_told_apart() -> None:
    chosen = choose_tasks(tiny.ROOMS, tiny.OPTIONS, 20, None)
    rates = []
    for name in ("random", "expert"):
        world = registry.make(tiny.ROOMS, 20, **tiny.OPTIONS)
        rates.append(run_tasks(world, ScriptedController(registry.policy(tiny.ROOMS, name)), chosen).touched.mean())
        world.close()
    assert rates[0] < 0.5 < 0.95 < rates[1]
