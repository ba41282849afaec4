"""Push-T: exact states, relative actions, drawn goals, the success test, and a policy that pushes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from forethought.types import Episode, WorldTask
from forethought.worlds import registry
from forethought.worlds.adapter import GymnasiumWorld
from forethought.worlds.goals import tasks_from_episodes

pytest.importorskip("gym_pusht")
pytestmark = pytest.mark.worlds

NAME = "gym_pusht/PushT-v0"
START, GOAL = (100.0, 110.0, 250.0, 260.0, 2.5), (400.0, 120.0, 150.0, 300.0, 5.0)


def task(start: tuple[float, ...] = START, goal: tuple[float, ...] = GOAL) -> WorldTask:
    return WorldTask(0, start, goal, None, 50)


@pytest.fixture
def world() -> GymnasiumWorld:
    return registry.make(NAME, 1)


def test_the_state_asked_for_is_the_state_that_results(world: GymnasiumWorld) -> None:
    generator = np.random.default_rng(0)
    assert registry.family_of(NAME).can_be_set
    for _ in range(20):
        # The disc in a corner where no block can be, so that nothing overlaps.
        start = (30.0, 30.0, *generator.uniform(200, 350, 2), generator.uniform(0, 2 * math.pi))
        frame = world.begin([task(start=tuple(start))])
        np.testing.assert_allclose(frame.truth["state"][0], start, atol=1e-3)
        assert {name: values.shape[1] for name, values in frame.truth.items()} == dict(world.spec.truth)
        np.testing.assert_allclose(frame.truth["block"][0], start[2:4], atol=1e-3)
        stayed = world.step(np.zeros((1, 2), np.float32))
        np.testing.assert_allclose(stayed.truth["state"][0], start, atol=0.5)


def test_the_goal_is_drawn_as_its_state_looks(world: GymnasiumWorld) -> None:
    world.begin([task()])
    goal = np.array(world.goal_observation()["pixels"])
    there = world.begin([task(start=GOAL)])
    np.testing.assert_array_equal(there.observation["pixels"], goal)
    assert world.reached()[0]
    colours = np.unique(goal[0].reshape(-1, 3), axis=0).astype(int)
    light_green = np.abs(colours - [144, 238, 144]).sum(axis=1) < 30
    assert not light_green.any(), "the package's fixed goal must not show"


@pytest.mark.parametrize(
    ("shift", "reached"),
    [
        ((12, 0, 12, 0, 0), True),
        ((15, 0, 15, 0, 0), False),
        ((0, 0, 0, 0, math.radians(19)), True),
        ((0, 0, 0, 0, math.radians(21)), False),
        ((0, 0, 0, 0, 2 * math.pi), True),
    ],
)
def test_success(world: GymnasiumWorld, shift: tuple[float, ...], reached: bool) -> None:
    goal = tuple(np.add(START, shift).tolist())
    world.begin([task(goal=goal)])
    assert bool(world.reached()[0]) is reached


@pytest.mark.parametrize(
    ("shift", "reached"),
    [((300, 200, 9, 0, 0), True), ((0, 0, 9, 6, 0), False), ((0, 0, 0, 0, 0.16), True), ((0, 0, 0, 0, 0.19), False)],
)
def test_success_of_the_block_alone_is_stricter(shift: tuple[float, ...], reached: bool) -> None:
    strict = registry.make(NAME, 1, success="block")
    assert "10 px" in strict.maker.success
    strict.begin([task(goal=tuple(np.add(START, shift).tolist()))])
    assert bool(strict.reached()[0]) is reached


def test_actions_are_relative_and_bounded(world: GymnasiumWorld) -> None:
    frame = world.begin([task()])
    speeds = []
    for _ in range(8):
        before, frame = frame, world.step(np.array([[1.0, 0.0]], np.float32))
        speeds.append(frame.truth["state"][0, :2] - before.truth["state"][0, :2])
    assert all(8 < x < 20 and abs(y) < 1e-3 for x, y in speeds)


def test_without_pixels_the_block_is_sensed() -> None:
    seeing, blind = (
        registry.make(NAME, 1, streams=["pixels", "proprioception"]),
        registry.make(NAME, 1, streams=["proprioception"]),
    )
    np.testing.assert_allclose(seeing.begin([task()]).observation["proprioception"][0], START[:2], atol=1e-3)
    expected = [*START[:4], math.cos(START[4]), math.sin(START[4])]
    np.testing.assert_allclose(blind.begin([task()]).observation["proprioception"][0], expected, atol=1e-3)


def test_exploring_pushes_the_block_and_random_does_not() -> None:
    moved = {}
    for name in ("random", "exploring"):
        world = registry.make(NAME, 2, streams=["proprioception"])
        policy = registry.policy(NAME, name)
        frame = world.reset([3, 4])
        policy.reset(world, [3, 4])
        path = [frame.truth["state"]]
        for _ in range(100):
            frame = world.step(policy.act(world, frame))
            path.append(frame.truth["state"])
        moved[name] = np.abs(np.diff(np.array(path)[:, :, 2:4], axis=0)).sum(axis=(0, 2))
    assert (moved["exploring"] > 60).all()
    assert moved["random"].mean() < 0.5 * moved["exploring"].mean()


def test_episodes_repeat_and_their_frames_change() -> None:
    world = registry.make(NAME, 2)
    policy = registry.policy(NAME, "exploring")
    runs = []
    for _ in range(2):
        frame = world.reset([7, 8])
        policy.reset(world, [7, 8])
        for _ in range(30):
            frame = world.step(policy.act(world, frame))
        runs.append((frame.truth["state"], np.array(frame.observation["pixels"])))
    np.testing.assert_array_equal(runs[0][0], runs[1][0])
    np.testing.assert_array_equal(runs[0][1], runs[1][1])
    assert runs[0][1].std() > 5
    assert not np.array_equal(runs[0][1][0], runs[0][1][1])


def test_tasks_come_from_held_out_episodes(world: GymnasiumWorld) -> None:
    states = np.tile(np.array(START, np.float32), (11, 1))
    states[6:, 2] += 60
    episode = Episode(
        {"pixels": np.zeros((11, 64, 64, 3), np.uint8)},
        np.zeros((10, 10), np.float32),
        {"state": states},
        np.zeros((11, 0), np.float32),
        seed=5,
    )

    class Store:
        spec, block, heldout = world.spec, 5, np.array([0])

        def read(self, number: int) -> Episode:
            return episode

    tasks = tasks_from_episodes(Store(), 6, seed=0)
    assert {row for _, row in tasks.goal_rows} == {6, 7, 8, 9, 10}
    assert all(t.start == tuple(states[0].tolist()) and t.goal == tuple(states[6].tolist()) for t in tasks.tasks)
    assert (tasks.tasks[0].budget, tasks.tasks[0].seed) == (50, 5)
