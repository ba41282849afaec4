"""Highway: whose intent is unseen and until when, who crashes, and that scripted drivers do not answer within a block."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from forethought.configurator import configure
from forethought.data.collection import collect
from forethought.errors import ForethoughtError
from forethought.types import WorldTask
from forethought.worlds import check_world, make_tasks, registry
from forethought.worlds.adapter import GymnasiumWorld
from forethought.worlds.env_adapter import StepResult
from forethought.worlds.highway import SCENES
from forethought.worlds.highway.safety import clearance, drive, nearest_ahead
from forethought.worlds.highway.scenes import accelerations, roll
from forethought.worlds.highway.task_maker import BUDGET
from forethought.worlds.highway.world import HighwayCopy
from forethought_benchmarks.stochastic_prediction.branches import play_out
from forethought_benchmarks.stochastic_prediction.stochastic_envs import evenly

pytest.importorskip("highway_env")
pytestmark = pytest.mark.worlds

MERGE, INTERSECTION = "highway-merge-v0", "highway-intersection-v0"
PLACES = pytest.mark.parametrize("name", [MERGE, INTERSECTION])
FEW = 4


def copies_of(world: GymnasiumWorld) -> list[HighwayCopy]:
    return [copy for copy in world.copies if isinstance(copy, HighwayCopy)]


def played(name: str, tasks: tuple[WorldTask, ...], policy: str, **options: object) -> tuple[GymnasiumWorld, np.ndarray]:
    """The world at the end of all tasks, and which of them were done."""
    world, acting = registry.make(name, len(tasks), **options), registry.policy(name, policy)
    frame = world.begin(tasks)
    acting.reset(world, [task.seed for task in tasks])
    reached = world.reached()
    for _ in range(BUDGET):
        frame = world.step(acting.act(world, frame))
        reached |= world.reached()
        if (reached | (frame.truth["down"][:, 0] > 0)).all():
            break
        assert (frame.drives[:, 0] == frame.truth["down"][:, 0]).all(), "a crash hurts, and nothing else does"
    return world, reached


@PLACES
def test_it_keeps_the_promises_of_a_world(name: str) -> None:
    check_world(lambda num: registry.make(name, num))


@PLACES
def test_going_on_is_a_gamble_and_waiting_is_not(name: str) -> None:
    tasks = make_tasks(name, {}, FEW, 7).tasks
    for yields in (0.0, 1.0):
        world, reached = played(name, tasks, "hasty", yields=yields)
        down = np.array([copy.down for copy in copies_of(world)])
        assert (down == ~reached).all()
        assert reached.all() if yields else down.all()
    for policy in ("careful", "expert"):
        assert played(name, tasks, policy)[1].all()
    assert not played(name, tasks, "random")[1].any()


@PLACES
def test_branches_part_when_the_driver_shows_what_he_means_and_not_before(name: str) -> None:
    tasks = make_tasks(name, {}, FEW, 3).tasks
    ways = evenly({"yields": 0.0}, {"yields": 1.0})
    branches = play_out(name, ways, tasks, "hasty", 1, 60, waiting=True)
    differ = np.abs(branches.following["motion"][0] - branches.following["motion"][1]).max(-1) > 0
    assert not branches.actions[::2].any()
    assert (branches.actions[1::2] == 1).all()
    world = registry.make(name, FEW)
    world.begin(tasks)
    for task, copy in enumerate(copies_of(world)):
        first = int(np.argmax(differ[task]))
        alike, apart = (copy.foretold(True)[first + row] - copy.foretold(False)[first + row] for row in (0, 1))
        assert differ[task].any()
        assert not differ[task, :first].any()
        assert not alike.any()
        assert apart.any()
        assert first > world.spec.block, "a task begins before anything has shown"


@PLACES
def test_the_driver_s_intent_is_his_seed_s(name: str) -> None:
    world = registry.make(name, 1, yields=0.3)
    hidden = [float(world.reset([seed]).truth["yields"][0, 0]) for seed in range(100)]
    assert 0.15 < np.mean(hidden) < 0.45


@PLACES
def test_what_is_foretold_happens(name: str) -> None:
    world = registry.make(name, 1)
    world.reset([4])
    copy = copies_of(world)[0]
    intent = copy.traffic.yields
    path, start = copy.foretold(intent), (np.array([copy.progress]), np.array([copy.speed]))
    actions = np.random.default_rng(0).uniform(-1, 1, 30)
    own = drive(SCENES[name], *start, actions)[0]
    for step, action in enumerate(actions, 1):
        world.step(np.array([[action]], np.float32))
        np.testing.assert_allclose(copy.traffic.states(), path[step], atol=1e-9)
        assert copy.progress == pytest.approx(own[step], abs=1e-4)
    assert np.array_equal(copy.foretold(intent)[0], path[30])


@PLACES
def test_episodes_begin_where_the_two_may_well_meet(name: str) -> None:
    world, scene = registry.make(name, 1, yields=0.0), SCENES[name]
    for seed in range(5):
        world.reset([seed])
        copy = copies_of(world)[0]
        meeting = np.array([scene.meeting(scene.other.begins(copy.draw.other), copy.speed)])
        assert nearest_ahead(scene, meeting, np.array([copy.speed]), copy.foretold(False))[0] < 0
        assert abs(copy.progress - np.clip(meeting[0], *scene.starts)) <= scene.top + 1e-6


def test_the_ego_never_reverses_and_never_speeds() -> None:
    progress, speed = np.zeros(2), np.array([1.0, 14.0])
    for _ in range(10):
        progress, speed = roll(progress, speed, accelerations(np.array([-1.0, 1.0])), 15.0)
    np.testing.assert_allclose(speed, [0.0, 15.0], atol=1e-9)
    assert accelerations(np.array([0.0]))[0] == -1, "who does nothing rolls out"


def test_cars_touch_where_their_boxes_do() -> None:
    scene = SCENES[MERGE]
    cars = np.array([[[50.0, 4.0, 0.0, 0.0], [50.0, 40.0, 0.0, 0.0]]] * 3)
    found = clearance(scene, np.array([[44.0, 45.0, 46.0]]), cars)
    np.testing.assert_allclose(found, [[1.0, 0.0, -1.0]])


def test_who_has_crashed_stays_where_he_is() -> None:
    tasks = make_tasks(MERGE, {}, 1, 7).tasks
    world, _ = played(MERGE, tasks, "hasty", yields=0.0)
    copy = copies_of(world)[0]
    before = copy.progress
    assert copy.step(np.ones(1, np.float32)) == StepResult()
    assert (copy.progress, copy.speed) == (before, 0.0)
    assert not copy.near(copy.sight(), copy.sight_of(np.array([before], np.float32)))


def test_a_goal_is_a_place_and_nothing_else() -> None:
    world = registry.make(MERGE, 2)
    world.begin([WorldTask(seed, (120.0, 5.0), (300.0,), None, 50) for seed in (0, 1)])
    goal = world.goal_observation()
    assert list(goal) == ["proprioception"] == list(world.spec.goals)
    assert goal["proprioception"].tolist() == [[pytest.approx((300 - SCENES[MERGE].line) / 50)]] * 2


@PLACES
def test_a_car_keeps_its_numbers_and_one_out_of_sight_has_none(name: str) -> None:
    world = registry.make(name, 1)
    there = [world.reset([2]).observation["motion"][0, 2:].reshape(2, 5)]
    for _ in range(90):
        there.append(world.step(-np.ones((1, 1), np.float32)).observation["motion"][0, 2:].reshape(2, 5))
    path = np.stack(there)
    assert set(path[..., 0].ravel()) <= {0.0, 1.0}
    assert not path[path[..., 0] == 0].any()
    seen = path[1:, :, 0] * path[:-1, :, 0] > 0
    assert (np.abs(np.diff(path[..., 1:3], axis=0)).max(-1) < 0.1)[seen].all()


@PLACES
def test_collectors_decide_by_what_the_block_begins_with(name: str) -> None:
    world, policy = registry.make(name, 4, yields=0.0), registry.policy(name, "mixed")
    other, same = registry.make(name, 4, yields=1.0), registry.policy(name, "mixed")
    seeds = [4, 5, 6, 7]
    frames = [world.reset(seeds), other.reset(seeds)]
    policy.reset(world, seeds)
    same.reset(other, seeds)
    shown = np.zeros(4, np.bool_)
    for step in range(60):
        if step % world.spec.block == 0:
            shown |= np.abs(frames[0].observation["motion"] - frames[1].observation["motion"]).max(-1) > 0
        actions = policy.act(world, frames[0]), same.act(other, frames[1])
        # Only of the careful kind is anything asked; it may know the certain worlds' drivers, so its copy is left out.
        alike = np.isclose(*actions, atol=1e-6)[:, 0] | shown
        assert alike[[0, 1, 3]].all()
        frames = [world.step(actions[0]), other.step(actions[1])]
    assert shown.all()


def test_the_careful_one_turns_around_at_a_block_s_beginning_only() -> None:
    world, policy = registry.make(MERGE, FEW), registry.policy(MERGE, "careful")
    tasks = make_tasks(MERGE, {}, FEW, 9).tasks
    frame = world.begin(tasks)
    policy.reset(world, range(FEW))
    before, turned = np.ones((FEW, 1), np.float32), []
    for step in range(80):
        actions = policy.act(world, frame)
        turned += [step] * int(((actions == 1) & (before < 0.9)).sum())
        before, frame = actions, world.step(actions)
    assert turned
    assert all(step % world.spec.block == 0 for step in turned)


def test_pictures_show_who_moves() -> None:
    options = {"streams": ["pixels", "proprioception"], "size": 48}
    world = registry.make(MERGE, 2, **options)
    check_world(lambda num: registry.make(MERGE, num, **options))
    world.reset([1, 2])
    frames = [np.array(world.step(np.ones((2, 1), np.float32)).observation["pixels"]) for _ in range(10)]
    assert frames[0].shape == (2, 48, 48, 3)
    assert frames[0].std() > 5
    assert all(not np.array_equal(one, other) for one, other in pairwise(frames))
    assert [stream.shape for stream in world.spec.streams] == [(48, 48, 3), (1,), (2,)]


def test_what_is_collected_can_be_learned_from(tmp_path: Path) -> None:
    store = collect(INTERSECTION, out=tmp_path / "store", episodes=10, options={"max_steps": 30}, workers=0)
    body = configure(store.spec, store.block, store.statistics()).data
    assert [(stream.name, len(stream.mean)) for stream in body.streams] == [("proprioception", 1), ("motion", 12)]
    assert body.drives == ("pain",)
    assert body.goals == ("proprioception",)


def test_bad_input_gets_a_sentence() -> None:
    with pytest.raises(ForethoughtError, match="no option 'yield'.*yields"):
        registry.make(MERGE, 1, **{"yield": 1.0})
    with pytest.raises(ForethoughtError, match="'yields'"):
        registry.make(MERGE, 1, yields=2)
    with pytest.raises(ForethoughtError, match="a goal shows a place"):
        registry.make(MERGE, 1, streams=["pixels"])
    with pytest.raises(ForethoughtError, match=r"starts at \(progress, speed\)"):
        registry.make(MERGE, 1).begin([WorldTask(0, (120.0,), (300.0,), None, 50)])
