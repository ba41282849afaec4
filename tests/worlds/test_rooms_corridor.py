"""The corridor: nothing tells from afar whether the gate is shut, haste is a gamble, and nobody acts on what did not show."""

from __future__ import annotations

import numpy as np
import pytest

from forethought.errors import ForethoughtError
from forethought.types import PIXELS, PROPRIOCEPTION, TaskSet
from forethought.worlds.check import check_world
from forethought.worlds.rooms.policies import POLICIES
from forethought.worlds.rooms.world import NAME, REACTION, RoomsWorld
from forethought.worlds.tasks import make_tasks

NUM = 60
OPTIONS = {"layout": "corridor", "speed": 1.43}


@pytest.fixture(scope="module")
def tasks() -> TaskSet:
    return make_tasks(NAME, OPTIONS, NUM, 9)


def played(tasks: TaskSet, policy: str, blocked: float, steps: int) -> tuple[RoomsWorld, list[np.ndarray], list[np.ndarray]]:
    """The world after so many steps, the pictures, and what was done."""
    world, acting = RoomsWorld(NUM, **OPTIONS, blocked=blocked), POLICIES[policy]()
    frame = world.begin(tasks.tasks)
    acting.reset(world, [task.seed for task in tasks.tasks])
    pictures, actions = [frame.observation[PIXELS]], []
    for _ in range(steps):
        actions.append(acting.act(world, frame))
        frame = world.step(actions[-1])
        pictures.append(frame.observation[PIXELS])
    return world, pictures, actions


def in_time(tasks: TaskSet, policy: str, blocked: float) -> np.ndarray:
    world, acting = RoomsWorld(NUM, **OPTIONS, blocked=blocked), POLICIES[policy]()
    frame = world.begin(tasks.tasks)
    acting.reset(world, [task.seed for task in tasks.tasks])
    reached, budgets = np.zeros(NUM, dtype=bool), np.array([task.budget for task in tasks.tasks])
    for step in range(int(budgets.max())):
        frame = world.step(acting.act(world, frame))
        reached |= world.reached() & (step < budgets)
    return reached


def test_it_is_a_world() -> None:
    check_world(lambda num: RoomsWorld(num, **OPTIONS))


def test_the_gate_shows_at_its_opening_and_not_before(tasks: TaskSet) -> None:
    shut, seen_shut, done_shut = played(tasks, "hasty", 1.0, 30)
    free, seen_free, done_free = played(tasks, "hasty", 0.0, 30)
    assert not shut.passable[:, 0].any()
    assert free.passable.all()
    assert np.array_equal(shut.shown, free.shown), "both look at the same step"
    when = shut.shown[:, 0]
    assert ((when > 10) & (when < 30)).all()
    for copy, step in enumerate(when):
        alike = [np.array_equal(a[copy], b[copy]) for a, b in zip(seen_shut, seen_free, strict=True)]
        assert alike[:step] == [True] * step
        assert not alike[step]
        for later in range(min(step + REACTION, 30)):
            assert np.array_equal(done_shut[later][copy], done_free[later][copy]), "nobody answers within a block"


def test_haste_is_a_gamble_and_care_is_not(tasks: TaskSet) -> None:
    assert in_time(tasks, "hasty", 0.0).all()
    assert not in_time(tasks, "hasty", 1.0).any()
    assert in_time(tasks, "hasty", 0.5).mean() == pytest.approx(0.5, abs=0.2)
    assert in_time(tasks, "careful", 0.5).all()
    assert in_time(tasks, "expert", 0.5).all()
    assert not in_time(tasks, "random", 0.5).any()


def test_a_goal_is_a_place(tasks: TaskSet) -> None:
    world = RoomsWorld(NUM, **OPTIONS)
    frame = world.begin(tasks.tasks)
    assert world.spec.goals == (PROPRIOCEPTION,)
    goal = world.goal_observation()
    assert set(goal) == {PROPRIOCEPTION}
    assert np.allclose((goal[PROPRIOCEPTION] + 1) * 32, [task.goal for task in tasks.tasks], atol=1e-3)
    assert np.allclose((frame.observation[PROPRIOCEPTION] + 1) * 32, [task.start for task in tasks.tasks], atol=1e-3)


def test_half_of_the_gates_are_shut_and_either_end_may_have_it() -> None:
    world = RoomsWorld(400, **OPTIONS)
    world.reset(range(400))
    assert 0.4 < world.passable[:, 0].mean() < 0.6
    assert world.passable[:, 1].all()
    assert 0.4 < (world.layout.centres[:, 0] < 32).mean() < 0.6
    fixed = RoomsWorld(50, **OPTIONS, doors="fixed")
    fixed.reset(range(50))
    assert (fixed.layout.centres[:, 0] < 32).all()


@pytest.mark.parametrize("wrong", [{"flicker": 0.1}, {"keys": 1}, {"shut": 0.5}])
def test_what_a_corridor_cannot_be(wrong: dict[str, float]) -> None:
    with pytest.raises(ForethoughtError, match="set 'blocked'"):
        RoomsWorld(1, **OPTIONS, **wrong)


def test_only_a_corridor_has_a_gate() -> None:
    with pytest.raises(ForethoughtError, match="layout='corridor'"):
        RoomsWorld(1, blocked=0.3)
    assert "blocked" not in RoomsWorld(1).spec.options, "other worlds are recorded as they always were"
