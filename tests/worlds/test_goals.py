"""Tasks from held-out episodes: as many as differ, and each can be done by what was recorded."""

from __future__ import annotations

import numpy as np
import pytest

from forethought.errors import ForethoughtError
from forethought.types import ActionSpace, Episode, WorldSpec, WorldTask
from forethought.worlds import registry
from forethought.worlds.adapter import GymnasiumWorld
from forethought.worlds.goals import goal_observations, start_at_reset, tasks_from_episodes
from forethought.worlds.tasks import make_tasks
from toy_env import BOTH, DOT, PIXEL_DOT, actions, dot


class Store:
    """Episodes in memory, of blocks of 2 steps."""

    block = 2

    def __init__(self, world: GymnasiumWorld, seeds: list[int], blocks: int) -> None:
        self.spec, self.heldout, self.train = world.spec, np.arange(len(seeds)), np.arange(0)
        self.episodes = [self.record(world, seed, blocks) for seed in seeds]

    def read(self, episode: int) -> Episode:
        return self.episodes[episode]

    def record(self, world: GymnasiumWorld, seed: int, blocks: int) -> Episode:
        frames, plan = [world.reset([seed])], actions(world, blocks * self.block, seed)
        # A picture is read before the next step.
        seen = [dict(frames[-1].observation)]
        for block in plan.reshape(blocks, self.block, 1, -1):
            frames.append([world.step(action) for action in block][-1])
            seen.append(dict(frames[-1].observation))
        observation = {s.name: np.concatenate([rows[s.name] for rows in seen]) for s in world.spec.streams}
        truth = {name: np.concatenate([f.truth[name] for f in frames]) for name in world.spec.truth}
        return Episode(observation, plan.reshape(blocks, -1), truth, np.zeros((blocks + 1, 0), np.float32), seed)


@pytest.mark.parametrize(("name", "streams"), [(DOT, BOTH), (PIXEL_DOT, ("pixels",))])
def test_goals_from_held_out_episodes(name: str, streams: tuple[str, ...]) -> None:
    world = registry.make(name, 1, streams=streams, success_pixels=0.2)
    store = Store(world, [1, 2, 3], blocks=8)
    store.heldout = np.array([0, 2])
    tasks = tasks_from_episodes(store, 5, seed=0, gap_rows=4)
    assert len(tasks.tasks) == len(set(tasks.goal_rows)) == 2, "two episodes, each from its beginning: no more differ"
    assert tasks == tasks_from_episodes(store, 5, seed=0, gap_rows=4)
    assert {episode for episode, _ in tasks.goal_rows} == {0, 2}
    goals = goal_observations(store, tasks)
    for index, task in enumerate(tasks.tasks):
        assert (task.start, task.budget) == (None, 16)
        frame = world.begin([task])
        with pytest.raises(ForethoughtError, match="set_goal_observation"):
            world.goal_observation()
        world.set_goal_observation({stream: goals[stream][[index]] for stream in streams})
        np.testing.assert_array_equal(world.goal_observation()["pixels"][0], goals["pixels"][index])
        assert not world.reached()[0]
        # Taking the recorded actions again from the same seed must end at the goal, and succeed.
        for action in store.read(tasks.goal_rows[index][0]).actions[:4].reshape(-1, 1, 2):
            frame = world.step(action)
        np.testing.assert_array_equal(frame.observation["pixels"][0], goals["pixels"][index])
        assert world.reached()[0]


def test_goal_errors() -> None:
    world = dot()
    with pytest.raises(ForethoughtError, match="before step"):
        world.step(np.zeros((1, 2), np.float32))
    world.reset([0])
    with pytest.raises(ForethoughtError, match="call begin first"):
        world.reached()
    world.begin([WorldTask(0, None, (1.0, 2.0), None, 10)])
    with pytest.raises(ForethoughtError, match=r"goal's pixels has shape \(1, 32, 32, 3\) where \(1, 64, 64, 3\)"):
        world.set_goal_observation({"pixels": np.zeros((1, 32, 32, 3), np.uint8)})
    with pytest.raises(ForethoughtError, match="cannot be put into a given state"):
        world.begin([WorldTask(0, (1.0, 2.0), (1.0, 2.0), None, 10)])
    with pytest.raises(ForethoughtError, match="tasks_from_episodes"):
        make_tasks(DOT, {}, 3, 0)
    still = Store(world, [1], blocks=8)
    with pytest.raises(ForethoughtError, match="No held-out episode"):
        tasks_from_episodes(still, 2, 0, gap_rows=20)


@pytest.mark.parametrize(
    ("name", "truth", "alone"),
    [
        (DOT, {"state": 2}, True),
        (DOT, {"state": 2, "desired_goal": 2}, False),
        ("forethought/Rooms-v0", {"state": 2}, False),
        ("gym_pusht/PushT-v0", {"state": 2}, False),
        ("no world/at all", {"state": 2}, False),
    ],
)
def test_tasks_start_at_reset_where_the_world_neither_sets_states_nor_makes_goals(
    name: str, truth: dict[str, int], alone: bool
) -> None:
    spec = WorldSpec(name, {}, (), ActionSpace("discrete", 2), 100, 1, truth)
    assert start_at_reset(spec) == alone
