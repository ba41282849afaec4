"""The world as a whole: determinism, batch invariance, tasks, and every option doing what it says."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from forethought.errors import ForethoughtError, NonFiniteError
from forethought.types import Frame, WorldTask
from forethought.worlds.painting import SUCCESS_RADIUS
from forethought.worlds.rooms import NAME, RoomsWorld
from forethought.worlds.rooms.objects import HUNGER_STEPS, TOUCH
from forethought.worlds.rooms.policies import POLICIES, RoomsExploringPolicy
from forethought.worlds.tasks import make_tasks

EVERYTHING: dict[str, Any] = {
    "layout": "nine",
    "shut": 0.3,
    "flicker": 0.05,
    "keys": 2,
    "balls": 2,
    "noise": 5.0,
    "episode_noise": 5.0,
    "fog": 20.0,
    "hazards": 2,
    "food": 2,
}


def play(seeds: list[int], steps: int = 20, **options: Any) -> list[Frame]:
    """Frames of an episode with actions that depend on the seeds alone."""
    world = RoomsWorld(len(seeds), **options)
    policy = RoomsExploringPolicy()
    frames = [world.reset(seeds)]
    policy.reset(world, seeds)
    for _ in range(steps):
        frames.append(world.step(policy.act(world, frames[-1])))
    return frames


def arrays(frame: Frame) -> dict[str, NDArray[Any]]:
    return {**frame.observation, **frame.truth, "drives": frame.drives, "ended": frame.ended}


@pytest.mark.parametrize("options", [{}, {"doors": "fixed"}, EVERYTHING])
def test_a_copy_is_a_function_of_its_seed_alone(options: dict[str, Any]) -> None:
    seeds = [11, 12, 2**31 + 5]
    together = play(seeds, 12, **options)
    for order in ([1], [2, 0]):
        apart = play([seeds[i] for i in order], 12, **options)
        for whole, part in zip(together, apart, strict=True):
            for name, values in arrays(whole).items():
                assert np.array_equal(values[order], arrays(part)[name]), name


def test_a_second_episode_does_not_remember_the_first() -> None:
    world = RoomsWorld(2, **EVERYTHING)
    first = world.reset([1, 2])
    for _ in range(6):
        world.step(np.ones((2, 2), np.float32))
    for name, values in arrays(world.reset([1, 2])).items():
        assert np.array_equal(values, arrays(first)[name]), name


def test_frames_given_out_are_not_written_to_later() -> None:
    world = RoomsWorld(1)
    frame = world.reset([0])
    kept = frame.observation["pixels"].copy()
    world.step(np.ones((1, 2), np.float32))
    assert np.array_equal(frame.observation["pixels"], kept)


def test_frames_are_not_constant_and_have_the_declared_form() -> None:
    for options in ({}, EVERYTHING):
        frames = play([1, 2], **options)
        spec = RoomsWorld(1, **options).spec
        for frame in frames:
            assert frame.observation["pixels"].shape == (2, 64, 64, 3)
            assert frame.observation["pixels"].dtype == np.uint8
            assert {name: values.shape[1] for name, values in frame.truth.items()} == dict(spec.truth)
            assert all(values.dtype == np.float32 for values in frame.truth.values())
            assert frame.drives.shape == (2, len(spec.drives))
            assert (frame.observation["pixels"].std((1, 2, 3)) > 20).all()
        pictures = {frame.observation["pixels"][0].tobytes() for frame in frames}
        assert len(pictures) > 15


def task(start: tuple[Any, ...] | None, goal: tuple[Any, ...], seed: int = 1, budget: int = 50) -> WorldTask:
    as_floats = [None if place is None else tuple(float(value) for value in place) for place in (start, goal)]
    return WorldTask(seed, as_floats[0], as_floats[1], None, budget)


def test_a_task_starts_at_its_start_and_ends_at_its_goal_or_budget() -> None:
    world = RoomsWorld(2, doors="fixed")
    frame = world.begin([task((10, 10), (20, 10), budget=3), task((50.0, 50.0), (10, 10), budget=4)])
    assert frame.truth["position"].tolist() == [[10, 10], [50, 50]]
    right = np.array([[1, 0], [0, 0]], np.float32)
    history = []
    for _ in range(4):
        frame = world.step(right)
        history.append((world.reached().tolist(), frame.ended.tolist()))
    assert history[1] == ([False, False], [False, False])
    assert history[2] == ([True, False], [True, False])
    assert history[3][1] == [True, True]
    assert abs(SUCCESS_RADIUS - 4.571) < 1e-3


def test_the_goal_picture_is_what_the_agent_sees_at_the_goal() -> None:
    world = RoomsWorld(1, doors="fixed", food=1, hazards=1)
    world.begin([task((14.0, 40.0), (20.435, 40.0))])
    goal = world.goal_observation()["pixels"]
    for _ in range(3):
        frame = world.step(np.array([[1, 0]], np.float32))
    assert np.abs(frame.observation["pixels"].astype(int) - goal).max() <= 1


def test_the_goal_picture_shows_what_keys_will_have_been_taken_on_arrival() -> None:
    options: dict[str, Any] = {"layout": "trip", "doors": "fixed", "keys": 3}
    tasks = make_tasks(NAME, options, 12, 5, "far-room").tasks
    world, expert = RoomsWorld(12, **options), POLICIES["expert"]()
    frame = world.begin(tasks)
    goal, before = world.goal_observation()["pixels"], world.passable.sum(1)
    expert.reset(world, range(12))
    for _ in range(max(task.budget for task in tasks)):
        frame = world.step(expert.act(world, frame))
    assert (world.passable.sum(1) > before).sum() >= 6, "keys were taken"
    alike = np.abs(frame.observation["pixels"].astype(int) - goal).max((1, 2, 3)) <= 1
    # A key beside the way may be walked over; in the wrong building it never is.
    assert alike.mean() >= 0.7
    assert np.array_equal(world.goal_observation()["pixels"][alike], goal[alike])


def test_a_start_or_goal_in_a_wall_is_moved_out_of_it() -> None:
    world = RoomsWorld(1, doors="fixed")
    frame = world.begin([task((31.0, 50.0), (33.0, 50.0))])
    assert frame.truth["position"][0].tolist() == pytest.approx([29.8, 50.0], abs=1e-5)
    assert world.goals[0].tolist() == pytest.approx([34.2, 50.0], abs=1e-5)


def test_truth_tells_where_things_are() -> None:
    frame = play([5], steps=0, layout="four", keys=1, food=1)[0]
    assert frame.truth["doors"].shape == (1, 2 + 4)
    assert frame.truth["open"].sum() == 3
    assert frame.truth["keys"][0, 2] == 0
    assert 0 <= frame.truth["room"][0, 0] <= 3
    two = play([5], steps=0)[0]
    world = RoomsWorld(1)
    world.reset([5])
    assert two.truth["doors"][0].tolist() == pytest.approx([world.layout.offsets[0, 0], world.layout.centres[0, 0]])


def test_doors_random_or_fixed() -> None:
    assert len(np.unique(play([*range(20)], 0)[0].truth["doors"], axis=0)) == 20
    assert len(np.unique(play([*range(20)], 0, doors="fixed")[0].truth["doors"], axis=0)) == 1


def test_shut_doors_stay_shut() -> None:
    frames = play([*range(50)], layout="four", shut=1.0)
    assert (frames[0].truth["open"].sum(1) == 3).all()
    assert all(np.array_equal(frame.truth["open"], frames[0].truth["open"]) for frame in frames)


def test_flicker_opens_and_closes_at_its_rate_but_never_on_the_agent() -> None:
    frames = play([*range(60)], 40, flicker=0.1)
    opened = np.stack([frame.truth["open"][:, 0] for frame in frames])
    assert (opened[1:] != opened[:-1]).mean() == pytest.approx(0.1, abs=0.02)
    assert 0.35 < opened.mean() < 0.65
    world = RoomsWorld(1, doors="fixed", flicker=1.0)
    for seed in range(8):
        world.begin([task((32.0, 20.0), (50, 50), seed)])
        world.position[:] = (32.0, 20.0)
        world.ajar[:] = False
        assert world.step(np.zeros((1, 2), np.float32)).truth["open"][0, 0] == 1


def test_a_key_opens_its_door_and_disappears() -> None:
    world = RoomsWorld(1, doors="fixed", keys=1)
    start = (45.0, 45.0)
    world.begin([task(start, (10, 10))])
    x, y = world.keys.position[0, 0]
    assert x > 32
    # Beside the key: out of touch, then upon it.
    frame = world.begin([task(start, (10, 10))])
    assert frame.truth["open"].tolist() == [[0]]
    for _ in range(60):
        way = np.clip((np.array([x, y]) - world.position[0]) / 2.145, -1, 1)
        before = np.hypot(*(world.position[0] - (x, y)))
        assert frame.truth["open"][0, 0] == (before <= TOUCH)
        if before <= TOUCH:
            break
        frame = world.step(way[None].astype(np.float32))
    assert frame.truth["keys"][0, 2] == 1
    assert frame.truth["open"].tolist() == [[1]]


def test_keys_lie_where_the_start_can_reach_them() -> None:
    world = RoomsWorld(40, layout="nine", shut=0.5, keys=3)
    world.reset(range(40))
    for k in range(3):
        assert np.isfinite(world._route_by((), world.keys.position[:, k], 1, "known", {}).steps).all()
    locked = ~world.passable & ~world.layout.shut
    assert (locked.sum(1) == 3).all()


def test_balls_move_bounce_and_jump_at_their_rate() -> None:
    frames = play([*range(200)], 25, balls=2)
    places = np.stack([frame.truth["balls"] for frame in frames]).reshape(26, 200, 2, 2)
    assert places.min() >= 6
    assert places.max() <= 58
    leap = np.hypot(*np.moveaxis(np.diff(places, axis=0), -1, 0))
    assert (leap > 5).mean() == pytest.approx(1 / 35, rel=0.15)
    assert 0.5 < np.median(leap) < 1.5
    still = play([*range(200)], 25)
    assert np.array_equal(frames[-1].truth["position"], still[-1].truth["position"])


@pytest.mark.parametrize(("option", "per_frame"), [("noise", True), ("episode_noise", False)])
def test_noise_is_anew_per_frame_or_stays_for_the_episode(option: str, per_frame: bool) -> None:
    world = RoomsWorld(2, **{option: 12.0})
    plain = RoomsWorld(2)
    rest = np.zeros((2, 2), np.float32)
    clean = plain.reset([1, 2]).observation["pixels"].astype(int)
    first = world.reset([1, 2]).observation["pixels"].astype(int)
    second = world.step(rest).observation["pixels"].astype(int)
    assert (first == second).all() != per_frame
    # Walls are dark enough that nothing is clipped there.
    assert (first - clean)[clean == 40].std() == pytest.approx(12, rel=0.1)
    other = world.reset([3, 4]).observation["pixels"].astype(int)
    assert abs(np.corrcoef((other - first)[0, :4].ravel(), (first - clean)[0, :4].ravel())[0, 1]) > 0.5
    assert abs(np.corrcoef((first - clean)[0, :4].ravel(), (first - clean)[1, :4].ravel())[0, 1]) < 0.15


def test_fog_hides_the_far_side() -> None:
    pictures = [play([*range(10)], 0, **options)[0].observation["pixels"] for options in ({}, {"fog": 10.0})]
    assert (pictures[0] != pictures[1]).any(-1).mean() > 0.8
    world = RoomsWorld(1, doors="fixed", fog=10.0)
    near, far = (world.begin([task((10, 10), (9, 9), seed)]).observation["pixels"] for seed in (1, 2))
    assert np.array_equal(near, far)


def test_hazards_hurt_where_they_are_seen() -> None:
    world = RoomsWorld(1, doors="fixed", hazards=1)
    world.reset([3])
    x, y = world.hazards[0, 0]
    assert world.begin([task((x, y), (9, 9), 3)]).drives.tolist() == [[1]]
    assert world.begin([task((x, y - 12 if y > 32 else y + 12), (9, 9), 3)]).drives.tolist() == [[0]]
    assert world.spec.drives == ("pain",)


def test_hunger_grows_and_food_feeds_and_regrows() -> None:
    world = RoomsWorld(1, doors="fixed", food=1)
    world.reset([3])
    rest = np.zeros((1, 2), np.float32)
    x, y = world.food[0, 0]
    world.begin([task((x, y - 12 if y > 32 else y + 12), (9, 9), 3)])
    for _ in range(4):
        frame = world.step(rest)
    assert frame.drives[0, 0] == pytest.approx(4 / HUNGER_STEPS)
    assert frame.truth["energy"][0, 0] == pytest.approx(1 - 4 / HUNGER_STEPS)
    for _ in range(5):
        frame = world.step(np.array([[0, 1.0 if y > 32 else -1.0]], np.float32))
        if (frame.truth["food"][0] != np.float32([x, y])).any():
            break
    assert frame.drives[0, 0] == 0
    assert frame.truth["food"][0].tolist() != pytest.approx([x, y])


def test_episodes_end_when_they_should() -> None:
    assert [frame.ended[0] for frame in play([1], 3, max_steps=3)] == [False, False, False, True]
    assert RoomsWorld(1, layout="four").spec.max_steps == 200


def test_misuse_is_one_sentence() -> None:
    world = RoomsWorld(2)
    with pytest.raises(ForethoughtError, match="call reset"):
        world.step(np.zeros((2, 2), np.float32))
    with pytest.raises(ForethoughtError, match="2 copies .* not 1"):
        world.reset([1])
    world.reset([1, 2])
    with pytest.raises(ForethoughtError, match="shape \\(2, 2\\), not \\(2, 3\\)"):
        world.step(np.zeros((2, 3), np.float32))
    with pytest.raises(NonFiniteError, match="copy 1"):
        world.step(np.array([[0, 0], [0, np.nan]], np.float32))
    with pytest.raises(ForethoughtError, match="no task in progress"):
        world.reached()
    with pytest.raises(ForethoughtError, match="goal of task 1 is"):
        world.begin([task(None, (9, 9)), task(None, (9, float("nan")))])
    with pytest.raises(ForethoughtError, match="goal of task 0 is"):
        world.begin([task(None, (9, 9, 9)), task(None, (9, 9))])
    with pytest.raises(ForethoughtError, match="at least one copy"):
        RoomsWorld(0)
