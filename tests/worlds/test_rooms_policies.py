"""Scripted policies: the expert is a true ceiling, exploration covers the rooms, all are functions of their seeds."""

from typing import Any

import numpy as np
import pytest

from forethought.worlds.rooms import POLICIES, RoomsWorld
from forethought.worlds.rooms.objects import TOUCH
from forethought.worlds.tasks import make_tasks

NAME = "forethought/Rooms-v0"


def rollout(name: str, seeds: list[int], steps: int, **options: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions [T + 1, N, 2], actions [T, N, 2], rooms [T + 1, N]."""
    world, policy = RoomsWorld(len(seeds), **options), POLICIES[name]()
    frame = world.reset(seeds)
    policy.reset(world, seeds)
    positions, actions, rooms = [frame.truth["position"]], [], [frame.truth["room"][:, 0]]
    for _ in range(steps):
        actions.append(policy.act(world, frame))
        frame = world.step(actions[-1])
        positions.append(frame.truth["position"])
        rooms.append(frame.truth["room"][:, 0])
    return np.stack(positions), np.stack(actions), np.stack(rooms)


@pytest.mark.parametrize("name", sorted(POLICIES))
def test_a_policy_is_a_function_of_its_seed_and_keeps_within_bounds(name: str) -> None:
    options: dict[str, Any] = {"layout": "four", "shut": 0.5, "keys": 1}
    positions, actions, _ = rollout(name, [1, 2, 3, 4], 40, **options)
    again, same, _ = rollout(name, [4, 2], 40, **options)
    assert np.array_equal(actions[:, [3, 1]], same)
    assert np.array_equal(positions[:, [3, 1]], again)
    assert np.abs(actions).max() <= 1
    assert actions.dtype == np.float32


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({}, "cross-room"),
        ({}, "same-room"),
        ({"layout": "four", "shut": 0.5}, "far-room"),
        ({"layout": "nine", "shut": 0.3, "keys": 1}, "cross-room"),
        ({"layout": "sixteen", "shut": 0.5, "balls": 1, "hazards": 1}, "far-room"),
        ({"layout": "trip", "doors": "fixed", "keys": 3}, "far-room"),
    ],
)
def test_the_expert_reaches_every_task_about_as_fast_as_can_be(options: dict[str, Any], kind: str) -> None:
    tasks = make_tasks(NAME, options, 25, 7, kind).tasks
    world, policy = RoomsWorld(25, **options), POLICIES["expert"]()
    frame = world.begin(tasks)
    policy.reset(world, [task.seed for task in tasks])
    arrival = np.full(25, np.inf)
    for step in range(1, max(task.budget for task in tasks) + 1):
        frame = world.step(policy.act(world, frame))
        arrival = np.where(world.reached() & np.isinf(arrival), step, arrival)
        if np.isfinite(arrival).all():
            break
    optimal = np.array([task.optimal_steps for task in tasks])
    assert (arrival <= 1.2 * optimal + 3).all()
    # `optimal_steps` counts to the goal itself and to keys themselves; touching them is enough.
    saved = 3.5 + 2 * TOUCH / world.plan.speed * options.get("keys", 0)
    assert (arrival >= optimal - saved).all()
    assert world.reached().mean() > 0.9


def test_the_expert_waits_for_a_door_that_flickers() -> None:
    tasks = make_tasks(NAME, {"flicker": 0.1}, 30, 7).tasks
    world, policy = RoomsWorld(30, flicker=0.1), POLICIES["expert"]()
    frame = world.begin(tasks)
    policy.reset(world, [task.seed for task in tasks])
    reached = np.zeros(30, dtype=np.bool_)
    for _ in range(150):
        frame = world.step(policy.act(world, frame))
        reached |= world.reached()
    assert reached.all()


def test_the_random_floor_is_low_and_its_actions_uniform() -> None:
    _, actions, rooms = rollout("random", [*range(100)], 60)
    assert np.histogram(actions, 10, (-1, 1))[0] == pytest.approx(np.full(10, 1200), rel=0.12)
    assert (rooms[0] != rooms[-1]).mean() < 0.15


@pytest.mark.parametrize(("name", "least"), [("exploring", 0.5), ("expert", 0.9), ("mixed", 0.7)])
def test_collection_changes_rooms_and_covers_them(name: str, least: float) -> None:
    positions, actions, rooms = rollout(name, [*range(100)], 100)
    assert ((rooms[1:] != rooms[:-1]).sum(0) > 0).mean() > least
    cells = np.unique(((positions - 6) // 6.5).astype(int).reshape(-1, 2), axis=0)
    assert len(cells) >= 64
    assert np.abs(actions).mean() > 0.3


def test_mixed_goes_by_the_seed() -> None:
    _, mixed, _ = rollout("mixed", [10, 11, 13], 20)
    _, expert, _ = rollout("expert", [10, 11, 13], 20)
    _, exploring, _ = rollout("exploring", [10, 11, 13], 20)
    assert np.array_equal(mixed[:, 0], expert[:, 0])
    assert np.array_equal(mixed[:, 1:], exploring[:, 1:])
