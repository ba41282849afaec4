"""Crossing: what holds in every traffic, who is hit, and what cannot be seen before it happens."""

import gymnasium
import numpy as np
import pytest

from forethought.errors import ForethoughtError, NonFiniteError
from forethought.types import WorldTask
from forethought.worlds import check_world, make_tasks
from forethought.worlds.crossing import POLICIES, CrossingWorld
from forethought.worlds.crossing.ground import BOTTOM, HIGH, LEFT, LOW, RIGHT, TOP, heading, settle, walk
from forethought.worlds.crossing.traffic import CRUISE, STOP, advance, new_traffic
from forethought.worlds.random_streams import as_seeds, uniform

NAME = "forethought/Crossing-v0"
STAND = np.zeros((1, 2), np.float32)


def test_it_keeps_the_promises_of_a_world() -> None:
    check_world(lambda num: CrossingWorld(num))


def test_nobody_walks_through_a_fence() -> None:
    u = uniform(as_seeds(range(500)), 0, 40, 2)
    position = settle(64 * u[:, 0])
    for step in range(1, 40):
        position = walk(position, 12 * (u[:, step] - 0.5))
        x, y = position.T
        assert ((x >= LOW) & (x <= HIGH) & (y >= LOW) & (y <= HIGH)).all()
        assert (((x <= LEFT) | (x >= RIGHT)) | ((y >= TOP) & (y <= BOTTOM))).all()


def test_the_way_leads_across_the_zebra_from_everywhere() -> None:
    u = uniform(as_seeds(range(200)), 0, 2, 2)
    position, target = settle(64 * u[:, 0]), settle(64 * u[:, 1])
    for _ in range(150):
        position = walk(position, heading(position, target))
    assert np.abs(position - target).max() < 1e-6


def test_who_stops_stands_before_the_zebra_and_who_is_late_drives_through() -> None:
    seeds = as_seeds(range(64))
    for late in (0.0, 1.0):
        traffic = new_traffic(seeds, late, 0.0)
        slowest, there = np.full(64, np.inf), np.zeros(64)
        for _ in range(50):
            traffic = advance(traffic, seeds, late, 0.0)
            slowest = np.minimum(slowest, traffic.speed)
            there = np.maximum(there, traffic.y)
        assert (slowest >= CRUISE).all() if late else ((slowest < 0.1) & (there <= STOP + 1e-6)).all()
        assert not late or not traffic.braking.any()


def test_cars_keep_coming_and_half_of_the_drivers_are_late() -> None:
    seeds, late, seen = as_seeds(range(400)), [], 0
    traffic = new_traffic(seeds, 0.5, 0.0)
    late.append(traffic.late)
    for _ in range(130):
        traffic = advance(traffic, seeds, 0.5, 0.0)
    assert (traffic.cars >= 1).all()
    late.append(traffic.late)
    seen = np.concatenate(late)
    assert abs(seen.mean() - 0.5) < 0.08
    assert abs((late[0] == late[1]).mean() - 0.5) < 0.1


def test_nothing_shows_who_is_late_until_he_has_to_brake() -> None:
    tasks = make_tasks(NAME, {}, 32, 5).tasks
    worlds = [CrossingWorld(32, late=late) for late in (0.0, 1.0)]
    frames = [world.begin(tasks) for world in worlds]
    told = np.zeros(32, dtype=np.bool_)
    for _ in range(60):
        relaxed, hurried = (frame.observation["pixels"] for frame in frames)
        same = (relaxed == hurried).reshape(32, -1).all(1)
        fresh = worlds[0].traffic.since < 4
        assert (same | told | ~fresh).all()
        told |= ~same
        frames = [world.step(np.zeros((32, 2), np.float32)) for world in worlds]
    assert told.all()


def test_a_cue_gives_the_driver_away() -> None:
    for cue, told in ((1.0, 1.0), (0.5, 0.75)):
        world = CrossingWorld(500, cue=cue)
        world.reset(range(500))
        assert (world.traffic.orange == world.traffic.late).mean() == pytest.approx(told, abs=0.06)


def test_every_task_is_a_gamble() -> None:
    tasks = make_tasks(NAME, {}, 100, 7)
    arrived = {}
    for late in (0.0, 1.0):
        world, hasty = CrossingWorld(100, late=late), POLICIES["hasty"]()
        frame = world.begin(tasks.tasks)
        hasty.reset(world, range(100))
        reached = np.zeros(100, dtype=np.bool_)
        for _ in range(80):
            frame = world.step(hasty.act(world, frame))
            reached |= world.reached()
        arrived[late] = reached
        assert (world.down == ~reached).all()
        assert (frame.drives[:, 0] == world.down).all()
    assert arrived[0.0].all()
    assert not arrived[1.0].any()


@pytest.mark.parametrize("name", ["careful", "expert"])
def test_who_looks_is_never_hit(name: str) -> None:
    tasks = make_tasks(NAME, {}, 100, 8)
    world, policy = CrossingWorld(100), POLICIES[name]()
    frame = world.begin(tasks.tasks)
    policy.reset(world, range(100))
    reached = np.zeros(100, dtype=np.bool_)
    for _ in range(tasks.tasks[0].budget):
        frame = world.step(policy.act(world, frame))
        reached |= world.reached()
    assert reached.all()
    assert not world.down.any()


def test_who_is_down_stays_down_and_reaches_nothing() -> None:
    world = CrossingWorld(1, late=1.0)
    world.begin([WorldTask(0, (32.0, 40.0, 0.0), (32.0, 40.0), None, 200)])
    for _ in range(60):
        world.step(STAND)
    assert world.down[0]
    before = world.position.copy()
    world.step(np.ones((1, 2), np.float32))
    assert np.array_equal(world.position, before)
    assert not world.reached()[0]


def test_a_goal_is_a_place_and_nothing_else() -> None:
    world = CrossingWorld(2)
    tasks = [WorldTask(seed, (10.0, 40.0, 5.0), (50.0, 20.0), None, 50) for seed in (0, 1)]
    world.begin(tasks)
    goal = world.goal_observation()
    assert list(goal) == ["proprioception"] == list(world.spec.goals)
    assert np.array_equal(goal["proprioception"][0], goal["proprioception"][1])


def test_bad_input_gets_a_sentence() -> None:
    world = CrossingWorld(1)
    with pytest.raises(ForethoughtError, match="before it was reset"):
        world.step(STAND)
    world.reset([0])
    with pytest.raises(NonFiniteError, match="copy 0"):
        world.step(np.full((1, 2), np.nan, np.float32))
    with pytest.raises(ForethoughtError, match="steps into the traffic"):
        world.begin([WorldTask(0, (10.0, 10.0), (50.0, 20.0), None, 50)])
    for start, goal in (((1000.0, 9.0, 0.0), (50.0, 20.0)), ((9.0, 9.0, 0.0), (50.0, 65.0)), ((9.0, 9.0, -1.0), (50.0, 20.0))):
        with pytest.raises(ForethoughtError, match="not in the picture"):
            world.begin([WorldTask(0, start, goal, None, 50)])
    with pytest.raises(ForethoughtError, match="no option 'lat'.*late"):
        CrossingWorld(1, lat=0.5)
    with pytest.raises(ForethoughtError, match="'late' cannot be 2"):
        CrossingWorld(1, late=2)


def test_gymnasium_can_make_it() -> None:
    env = gymnasium.make(NAME).unwrapped
    observation, _ = env.reset(seed=3)
    frame = CrossingWorld(1).reset([3])
    assert np.array_equal(observation["pixels"], frame.observation["pixels"][0])


def test_who_hopes_for_the_best_and_looks_again_is_hit_less_than_who_does_not_look() -> None:
    tasks, down = make_tasks("forethought/Crossing-v0", {"late": 0.5}, 200, 4).tasks, {}
    for name in ("hasty", "hopeful", "careful"):
        world, policy = CrossingWorld(len(tasks), late=0.5), POLICIES[name]()
        frame = world.begin(tasks)
        policy.reset(world, [task.seed for task in tasks])
        for _ in range(100):
            frame = world.step(policy.act(world, frame))
        down[name] = float(world.down.mean())
    assert down["careful"] == 0
    assert 0 < down["hopeful"] < 0.2 < 0.4 < down["hasty"]


def test_a_frame_shows_its_own_moment_however_late_one_looks() -> None:
    at_once, later = CrossingWorld(8), CrossingWorld(8)
    looked, kept = [], []
    for world, frames in ((at_once, looked), (later, kept)):
        frame = world.reset(range(8))
        for step in range(60):
            frames.append(frame.observation if world is later else dict(frame.observation))
            frame = world.step(np.full((8, 2), 1.0 if step < 30 else -1.0, np.float32))
    for seen, late in zip(looked, kept, strict=True):
        for name in seen:
            np.testing.assert_array_equal(seen[name], late[name])
    assert not np.array_equal(looked[0]["pixels"], looked[-1]["pixels"])
