from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from forethought.data.recorder import Job, record, record_shard, seed_of
from forethought.data.store_format import read_shard_index, shard_path
from forethought.errors import ForethoughtError
from forethought.types import ActionSpace, Frame, Observation, StreamSpec, WorldSpec, WorldTask
from forethought.worlds import registry
from forethought.worlds.contract import World
from forethought.worlds.env_adapter import WorldCrashed
from forethought.worlds.env_family import EnvFamily
from forethought.worlds.random_streams import TASK_SEEDS


def sign(event: str, number: int, why: str = "") -> None:
    """Nobody listens."""


class Counting(World):
    """Shows how many steps it has made; copy i ends after `seed` steps; each step hurts by 1 and pays its number."""

    def __init__(self, num: int = 1, kind: str = "continuous") -> None:
        action = ActionSpace(kind, 2, (-1.0, 0.0), (1.0, 0.5)) if kind == "continuous" else ActionSpace("discrete", 2)
        streams = (StreamSpec("pixels", (4, 4, 3), "uint8"),)
        self.spec = WorldSpec("counting", {}, streams, action, 13, 3, {"steps": 1}, ("pain",))
        self.num, self.closed, self.given = num, 0, []

    def _frame(self) -> Frame:
        steps = self.steps.astype(np.float32)[:, None]
        pixels = np.zeros((self.num, 4, 4, 3), np.uint8)
        pixels[:, 0, 0] = 50 + self.steps[:, None]
        pixels[:, 1, 0] = self.seeds[:, None] % 100
        ended = self.steps >= np.minimum(self.seeds, 13)
        rewards = self.steps.astype(np.float32)
        return Frame({"pixels": pixels}, {"steps": steps}, (steps > 0).astype(np.float32), ended, rewards)

    def reset(self, seeds: Sequence[int]) -> Frame:
        self.seeds, self.steps = np.array(seeds), np.zeros(self.num, np.int64)
        return self._frame()

    def step(self, actions: NDArray[np.float32]) -> Frame:
        self.given.append(actions)
        self.steps += 1
        return self._frame()

    def begin(self, tasks: Sequence[WorldTask]) -> Frame:
        raise NotImplementedError

    def goal_observation(self) -> Observation:
        raise NotImplementedError

    def reached(self) -> NDArray[np.bool_]:
        raise NotImplementedError

    def close(self) -> None:
        self.closed += 1


class Wild:
    """Actions beyond the bounds: seed + step, in both dimensions."""

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        self.now = np.array(seeds, np.float32)[:, None] * np.ones((1, 2), np.float32) / 100

    def act(self, world: World, frame: Frame) -> NDArray[np.float32]:
        self.now = self.now + np.float32(0.3)
        return self.now


def test_an_episode_is_rows_and_blocks() -> None:
    world = Counting(2)
    first, second = record(world, Wild(), [50, 60], 3, sign)
    assert len(first) == 5
    assert first.seed == 50
    np.testing.assert_array_equal(first.truth["steps"][:, 0], [0, 3, 6, 9, 12, 13])
    np.testing.assert_array_equal(first.drives[:, 0], [0, 3, 3, 3, 3, 1])
    np.testing.assert_array_equal(first.rewards, [0, 6, 15, 24, 33, 13])
    assert first.steps.tolist() == [3, 3, 3, 3, 1]
    assert not first.terminated.any()
    assert first.truncated.tolist() == [False] * 5 + [True]
    assert first.actions.shape == (5, 6)
    # Step-major, and what the world was given: within the bounds.
    given = np.stack([step[1] for step in world.given])
    np.testing.assert_array_equal(second.actions.reshape(15, 2)[:13], given)
    assert not second.actions[4, 2:].any()
    np.testing.assert_allclose(given.max(axis=0), [1, 0.5])


@pytest.mark.parametrize(("ends", "blocks"), [(0, 0), (1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (6, 2), (12, 4), (13, 5)])
def test_an_episode_that_ends_keeps_its_last_moment(ends: int, blocks: int) -> None:
    """`Counting` moves on after its end, which is left out."""
    cut, whole = record(Counting(2), Wild(), [ends, 99], 3, sign)
    assert len(cut) == blocks
    assert len(cut.truth["steps"]) == blocks + 1
    assert cut.steps.sum() == ends
    assert cut.whole_blocks(3) == ends // 3
    np.testing.assert_array_equal(cut.truth["steps"][-1], [ends])
    assert cut.observation["pixels"][-1, 0, 0, 0] == 50 + ends
    assert cut.drives.sum() == ends
    assert cut.rewards.sum() == ends * (ends + 1) / 2
    assert not cut.actions.reshape(-1, 2)[ends:].any()
    assert len(whole) == 5


def test_one_hot_actions_are_left_alone() -> None:
    world = Counting(1, "discrete")
    episode = next(record(world, Wild(), [50], 3, sign))
    np.testing.assert_array_equal(episode.actions.reshape(15, 2)[:13], np.concatenate(world.given))
    assert episode.actions.max() > 1


def test_a_block_longer_than_an_episode_is_refused() -> None:
    with pytest.raises(ForethoughtError, match="a block of 14 steps is longer than an episode of counting"):
        record(Counting(), Wild(), [1], 14, sign)


def test_an_episode_does_not_depend_on_its_batch() -> None:
    together = list(record(Counting(3), Wild(), [50, 7, 60], 3, sign))
    for number, seed in enumerate((50, 7, 60)):
        alone = next(record(Counting(1), Wild(), [seed], 3, sign))
        np.testing.assert_array_equal(alone.observation["pixels"], together[number].observation["pixels"])
        np.testing.assert_array_equal(alone.actions, together[number].actions)


def test_seeds_are_never_shared() -> None:
    seeds = [seed_of(3, number) for number in range(20_000)]
    assert len(set(seeds)) == 20_000
    assert all(0 <= seed < TASK_SEEDS for seed in seeds)
    assert seed_of(3, 17) == seeds[17]
    assert not set(seeds) & {seed_of(4, number) for number in range(1000)}


# -- shards --------------------------------------------------------------------------------------------------------------


def family(make: Callable[[int], World]) -> EnvFamily:
    """A vectorized world called `counting`."""
    return EnvFamily(
        name="counting",
        worlds={},
        matches=lambda name: name == "counting",
        make=lambda name, num, options: make(num),
        policies=lambda name: {"wild": Wild},
        vectorized=True,
    )


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """130 episodes of a built-in world whose seeds are large, so that every episode runs to its end."""
    monkeypatch.setattr(registry, "FAMILIES", (family(Counting),))
    return Job(tmp_path, Counting().spec, 3, "counting", {}, "wild", 0, 130)


def test_shards_divide_the_episodes(job: Job) -> None:
    assert job.shards == 3
    assert [number for shard in range(3) for number in job.numbers(shard)] == list(range(130))


def test_a_shard_is_the_same_however_it_is_recorded(job: Job, tmp_path: Path) -> None:
    other = replace(job, store=tmp_path / "other")
    record_shard(job, 2, False, {}, sign)
    record_shard(other, 2, True, {}, sign)
    for path in shard_path(job.store, 2).iterdir():
        assert path.read_bytes() == (shard_path(other.store, 2) / path.name).read_bytes()
    index = read_shard_index(shard_path(job.store, 2))
    assert index.seeds == (seed_of(0, 128), seed_of(0, 129))
    assert index.failures == ()


@pytest.mark.parametrize("error", [RuntimeError("boom"), WorldCrashed("boom", 0, 0)])
def test_a_crash_costs_one_episode(job: Job, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    bad, heard = seed_of(0, 70), []

    class Crashing(Counting):
        def step(self, actions: NDArray[np.float32]) -> Frame:
            if bad in self.seeds and self.steps[0] == 5:
                raise error
            return super().step(actions)

    monkeypatch.setattr(registry, "FAMILIES", (family(Crashing),))
    record_shard(job, 1, False, {72: "it hung"}, lambda event, number, why="": heard.append((event, number, why)))
    index = read_shard_index(shard_path(job.store, 1))
    assert len(index.lengths) == 62
    assert [(failure.number, failure.seed) for failure in index.failures] == [(70, bad), (72, seed_of(0, 72))]
    assert "boom" in index.failures[0].reason
    assert index.failures[1].reason == "it hung"
    assert ("failed", 70, index.failures[0].reason) in heard
    assert [number for event, number, _ in heard if event == "recorded"] == [n for n in range(64, 128) if n not in (70, 72)]


def test_an_episode_that_is_over_at_once_is_left_out(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    class Short(Counting):
        def reset(self, seeds: Sequence[int]) -> Frame:
            super().reset(seeds)
            self.seeds = np.where(self.seeds == seed_of(0, 129), 0, self.seeds)
            return self._frame()

    monkeypatch.setattr(registry, "FAMILIES", (family(Short),))
    record_shard(job, 2, False, {}, sign)
    index = read_shard_index(shard_path(job.store, 2))
    assert (index.lengths, index.whole) == ((5,), (4,))
    assert index.failures[0].number == 129
    assert "over before its first step" in index.failures[0].reason


def test_a_blank_or_wrong_episode_costs_itself(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    blank, wide, nan = (seed_of(0, number) for number in (3, 5, 9))

    class Faulty(Counting):
        def _frame(self) -> Frame:
            frame = super()._frame()
            pixels, steps = frame.observation["pixels"], frame.truth["steps"]
            pixels[self.seeds == blank] = 0
            steps[(self.seeds == nan) & (self.steps == 4)] = np.nan
            shown = np.repeat(pixels, 1 + (wide in self.seeds and self.steps[0] > 2), axis=1)
            return replace(frame, observation={"pixels": shown}, truth={"steps": steps})

    monkeypatch.setattr(registry, "FAMILIES", (family(Faulty),))
    record_shard(job, 0, False, {}, sign)
    index = read_shard_index(shard_path(job.store, 0))
    assert [(failure.number, failure.seed) for failure in index.failures] == [(3, blank), (5, wide)]
    assert "6 of 6 frames are blank" in index.failures[0].reason
    assert "pixels is uint8[1, 8, 4, 3] where its description says uint8[1, 4, 4, 3]" in index.failures[1].reason
    assert len(index.lengths) == 62


def test_a_world_of_one_frame_is_an_error(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    class Still(Counting):
        def _frame(self) -> Frame:
            frame = super()._frame()
            pixels = np.broadcast_to(np.arange(48, dtype=np.uint8).reshape(4, 4, 3), frame.observation["pixels"].shape)
            return replace(frame, observation={"pixels": pixels})

    monkeypatch.setattr(registry, "FAMILIES", (family(Still),))
    with pytest.raises(ForethoughtError, match="64 episodes show one and the same frame"):
        record_shard(job, 0, False, {}, sign)
    assert not shard_path(job.store, 0).exists()


def test_every_world_is_closed(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def make(num: int) -> Counting:
        made.append(Counting(num))
        return made[-1]

    monkeypatch.setattr(registry, "FAMILIES", (family(make),))
    record_shard(job, 0, True, {}, sign)
    record_shard(job, 0, False, {}, sign)
    assert [world.num for world in made] == [1, 64]
    assert all(world.closed == 1 for world in made)
