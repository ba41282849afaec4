"""OGBench's PointMaze: positions set and drawn, shortest paths, tasks, and an expert that is a ceiling."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from forethought.errors import ForethoughtError
from forethought.types import WorldTask
from forethought.worlds import registry
from forethought.worlds.adapter import GymnasiumWorld
from forethought.worlds.maze_paths import UNREACHABLE, MazeGrid
from forethought.worlds.pointmaze import LONGEST_WALK, far_tasks, gambles, standard_tasks
from forethought.worlds.tasks import TASK_SEEDS, make_tasks

pytest.importorskip("ogbench.locomaze")
pytestmark = pytest.mark.worlds

NAME = "ogbench/pointmaze-medium-v0"
TASK = WorldTask(0, (0.0, 0.0), (20.0, 20.0), None, 300)


@pytest.fixture(scope="module")
def seen() -> Iterator[GymnasiumWorld]:
    """From pixels; made once, because its renderer takes a second."""
    world = registry.make(NAME, 2, streams=["pixels", "proprioception"])
    yield world
    world.close()


@pytest.fixture(scope="module")
def felt() -> GymnasiumWorld:
    """From state."""
    return registry.make(NAME, 1, streams=["proprioception"])


def test_goal_looks_as_it_will_when_reached(seen: GymnasiumWorld) -> None:
    elsewhere = WorldTask(1, (20.0, 20.0), (0.0, 0.0), None, 10)
    frame = seen.begin([TASK, elsewhere])
    np.testing.assert_allclose(frame.truth["state"], [[0, 0], [20, 20]])
    np.testing.assert_array_equal(frame.truth["state"], frame.observation["proprioception"])
    pixels, goals = np.array(frame.observation["pixels"]), np.array(seen.goal_observation()["pixels"])
    np.testing.assert_array_equal(pixels[0], goals[1])
    np.testing.assert_array_equal(pixels[1], goals[0])
    assert not np.array_equal(pixels[0], pixels[1])
    assert pixels.std(axis=(1, 2, 3)).min() > 20
    np.testing.assert_allclose(seen.step(np.zeros((2, 2), np.float32)).truth["state"], [[0, 0], [20, 20]], atol=1e-6)


def test_small_moves_show(seen: GymnasiumWorld) -> None:
    before = seen.begin([TASK, TASK])
    after = seen.step(np.array([[1, 0], [0, 0]], np.float32))
    np.testing.assert_allclose(after.truth["state"][0] - before.truth["state"][0], [0.2, 0], atol=1e-6)
    change = np.abs(after.observation["pixels"].astype(int) - before.observation["pixels"]).max(axis=(1, 2, 3))
    assert change[0] > 5
    assert change[1] == 0


def test_success_is_one_unit(felt: GymnasiumWorld) -> None:
    for shift, reached in ((0.95, True), (1.05, False)):
        felt.begin([WorldTask(0, (20.0 - shift, 20.0), TASK.goal, None, 10)])
        assert bool(felt.reached()[0]) is reached


@pytest.mark.parametrize("name", ["random", "exploring", "expert", "mixed"])
def test_episodes_repeat_and_stay_in_the_maze(felt: GymnasiumWorld, name: str) -> None:
    policy = registry.policy(NAME, name)
    free = registry.make(NAME, 1, streams=["proprioception"]).maker.maze  # type: ignore[attr-defined]
    runs = []
    for seed in (3, 3, 4):
        frame = felt.reset([seed])
        policy.reset(felt, [seed])
        path = [frame.truth["state"][0]]
        for _ in range(50):
            frame = felt.step(policy.act(felt, frame))
            path.append(frame.truth["state"][0])
        runs.append(np.array(path))
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])
    walls = [free.walls[round((y + 4) / 4), round((x + 4) / 4)] for x, y in np.concatenate(runs)]
    assert not any(walls)


def test_steps_to_is_exact_in_the_open_and_goes_round_walls() -> None:
    room = np.ones((5, 7), int)
    room[1:4, 1:6] = 0
    open_room = MazeGrid(room, 4.0)
    steps = open_room.steps_to(np.array([0.0, 0.0]))
    # 8 units along x at 0.2 a step, of which the last unit is within the tolerance.
    assert steps[open_room.point(np.array([8.0, 0.0]))] == 8 / 0.2 - 4
    assert steps[open_room.point(np.array([8.0, 8.0]))] <= 8 / 0.2 - 3
    room[1:3, 3] = 1
    walled = MazeGrid(room, 4.0).steps_to(np.array([0.0, 0.0]))
    assert walled[open_room.point(np.array([8.0, 0.0]))] > 60
    room[3, 3] = 1
    assert MazeGrid(room, 4.0).steps_to(np.array([0.0, 0.0]))[open_room.point(np.array([8.0, 0.0]))] == UNREACHABLE


def test_expert_solves_far_tasks_in_nearly_the_fewest_steps(felt: GymnasiumWorld) -> None:
    tasks = make_tasks(NAME, {"streams": ["proprioception"]}, 4, seed=1)
    assert tasks.tasks[:2] == make_tasks(NAME, {"streams": ["proprioception"]}, 2, seed=1).tasks
    assert [task.seed for task in tasks.tasks] == [TASK_SEEDS + 2**16 + index for index in range(4)]
    assert registry.make(tasks.world, 1, **tasks.options).spec == felt.spec
    policy = registry.policy(NAME, "expert")
    for task in tasks.tasks:
        frame = felt.begin([task])
        policy.reset(felt, [task.seed])
        steps = 0
        while not felt.reached()[0]:
            assert not frame.ended[0]
            frame = felt.step(policy.act(felt, frame))
            steps += 1
        assert task.optimal_steps is not None
        assert task.optimal_steps > 40
        assert task.optimal_steps - 3 <= steps <= 1.25 * task.optimal_steps + 5


def test_standard_tasks_are_ogbench_s_own() -> None:
    tasks = standard_tasks("pointmaze-large-v0", {"streams": ["proprioception"]}, 10, seed=0).tasks
    # Task 1 of the large maze: from cell (1, 1) to cell (7, 10).
    np.testing.assert_allclose(tasks[0].start, [0, 0], atol=1)
    np.testing.assert_allclose(tasks[5].goal, [36, 24], atol=1)
    assert tasks[0].goal != tasks[5].goal
    assert {task.budget for task in tasks} == {1000}


def test_closing_is_final_and_leaves_the_next_world_bright() -> None:
    for _ in range(2):
        world = registry.make(NAME, 1, size=32)
        frame = world.reset([0])
        assert frame.observation["pixels"].mean() > 50
        unread = world.step(np.ones((1, 2), np.float32))
        world.close()
        world.close()
        with pytest.raises(ForethoughtError, match="closed"):
            unread.observation["pixels"]


TELEPORT = ("pointmaze-teleport-v0", {"streams": ["proprioception"]})


def test_a_teleport_leads_to_one_of_three_places_and_hangs_on_the_copys_seed_alone() -> None:
    def sent(seeds: range) -> np.ndarray:
        world = registry.make(TELEPORT[0], len(seeds), **TELEPORT[1])
        frame = world.begin([WorldTask(seed, (0.0, 13.0), (36.0, 0.0), None, 50) for seed in seeds])
        for _ in range(12):
            np.random.seed(1)  # noqa: NPY002 - OGBench reads the global stream; the copies must not
            frame = world.step(np.tile(np.array([[0.0, 1.0]], np.float32), (len(seeds), 1)))
        world.close()
        return frame.truth["state"]

    found = sent(range(60))
    places, count = np.unique(np.round(found / 4), axis=0, return_counts=True)
    assert len(places) == 3
    assert count.min() > 8
    assert np.array_equal(sent(range(30, 60)), found[30:])


def test_the_expert_of_the_teleport_maze_walks_around_them() -> None:
    tasks = far_tasks(*TELEPORT, 6, 1)
    world, expert = registry.make(TELEPORT[0], 6, **TELEPORT[1]), registry.policy(TELEPORT[0], "expert")
    frame, reached = world.begin(tasks.tasks), np.zeros(6, dtype=bool)
    expert.reset(world, [task.seed for task in tasks.tasks])
    for _ in range(int(1.3 * max(task.optimal_steps or 0 for task in tasks.tasks))):
        before = frame.truth["state"]
        frame = world.step(expert.act(world, frame))
        reached |= world.reached()
        assert np.abs(frame.truth["state"] - before).max() < 1, "nobody is sent anywhere"
    assert reached.all()
    world.close()


def test_a_teleport_can_be_made_to_lead_to_one_exit() -> None:
    ends = []
    for way in range(3):
        world = registry.make(TELEPORT[0], 2, **TELEPORT[1], exit=way)
        assert world.spec.options["exit"] == way
        world.begin([WorldTask(seed, (0.0, 13.0), (36.0, 0.0), None, 50) for seed in (1, 2)])
        for _ in range(12):
            frame = world.step(np.tile(np.array([[0.0, 1.0]], np.float32), (2, 1)))
        ends.append(np.round(frame.truth["state"] / 4))
        world.close()
    # Exits (row, column) of OGBench's map: (1, 7), a cell without a way out, (6, 1) and (6, 10).
    np.testing.assert_array_equal(np.abs(np.array(ends) - np.array([[[6, 0]], [[0, 5]], [[9, 5]]])).max((1, 2)) <= 1, True)
    assert "exit" not in registry.make(TELEPORT[0], 1, **TELEPORT[1]).spec.options, "stores and manifests know no such option"


def test_an_exit_is_refused_where_there_is_none() -> None:
    with pytest.raises(ForethoughtError, match="no teleports and no option 'exit': remove the option"):
        registry.make(NAME, 1, streams=["proprioception"], exit=0)
    with pytest.raises(ForethoughtError, match="option 'exit'"):
        registry.make(TELEPORT[0], 1, **TELEPORT[1], exit=3)


def test_lucky_steps_count_a_teleport_as_a_door_to_the_best_exit() -> None:
    row = np.ones((3, 12), int)
    row[1, 1:11] = 0
    gone = {"teleports": np.array([[8.0, 0.0]]), "exits": np.array([[20.0, 0.0], [28.0, 0.0]])}
    maze, goal = MazeGrid(row, 4.0, **gone), np.array([32.0, 0.0])
    start = maze.point(np.array([0.0, 0.0]))
    assert maze.steps_to(goal)[start] == UNREACHABLE
    # 8 units to the teleport and 4 on from the nearer exit at 0.2 a step; the last unit of both is within the tolerance.
    assert maze.optimistic_steps_to(goal)[start] == 36 + 16
    beyond = maze.point(np.array([24.0, 0.0]))
    assert maze.optimistic_steps_to(goal)[beyond] == maze.steps_to(goal)[beyond]


def test_gambles_are_won_by_walking_and_lost_by_most_haste() -> None:
    tasks = gambles(*TELEPORT, 40, 5)
    assert tasks.tasks[:3] == gambles(*TELEPORT, 3, 5).tasks
    assert max(task.optimal_steps or 0 for task in tasks.tasks) <= LONGEST_WALK + 20, "places within cells vary"
    touched = {}
    for name in ("expert", "hasty"):
        world, policy = registry.make(TELEPORT[0], 40, **TELEPORT[1]), registry.policy(TELEPORT[0], name)
        frame = world.begin(tasks.tasks)
        policy.reset(world, [task.seed for task in tasks.tasks])
        reached, taken = world.reached(), np.zeros(40, bool)
        for _ in range(max(task.budget for task in tasks.tasks)):
            before = frame.truth["state"]
            frame = world.step(policy.act(world, frame))
            taken |= np.abs(frame.truth["state"] - before).max(1) > 1
            reached |= world.reached()
        touched[name] = reached.mean()
        assert taken.all() if name == "hasty" else not taken.any()
        world.close()
    assert touched["expert"] == 1
    assert 0.2 < touched["hasty"] < 0.8
    with pytest.raises(ForethoughtError, match="no teleports for gamble tasks"):
        gambles(NAME, {"streams": ["proprioception"]}, 1, 0)


def test_who_is_taken_elsewhere_goes_on_for_a_block() -> None:
    world, policy = registry.make(TELEPORT[0], 4, **TELEPORT[1], exit=2), registry.policy(TELEPORT[0], "hasty")
    frame = world.begin(gambles(*TELEPORT, 4, 5).tasks)
    policy.reset(world, range(4))
    paths, actions = [frame.truth["state"]], []
    for _ in range(60):
        actions.append(policy.act(world, frame))
        frame = world.step(actions[-1])
        paths.append(frame.truth["state"])
    for copy in range(4):
        path, done = np.array(paths)[:, copy], np.array(actions)[:, copy]
        taken = int(np.argmax(np.abs(np.diff(path, axis=0)).max(1) > 1))
        assert (done[taken : taken + world.spec.block] == done[taken]).all()
    world.close()
