"""Recording: step worlds with a scripted policy into episodes, and record one shard of a collection."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forethought.data.frame_checks import check_frames
from forethought.data.store_format import SHARD_EPISODES, Failure, arrays_of, publish_shard, read_recipe
from forethought.errors import ForethoughtError
from forethought.types import Episode, Frame, WorldSpec
from forethought.worlds import registry
from forethought.worlds.check import ignored_seed
from forethought.worlds.contract import ScriptedPolicy, World
from forethought.worlds.env_adapter import WorldCrashed
from forethought.worlds.random_streams import TASK_SEEDS

_SCATTER = 0x9E3779B1  # odd, so that different numbers of one collection never share a seed

ProgressCallback = Callable[[str, int, str], None]
"""Callback (event, number, reason) for the events `alive`, `episode` (started), `recorded`, `failed`, and `noticed` (something
about the world); only the last two have a reason, else it is empty."""


def seed_of(seed: int, number: int) -> int:
    """The seed of episode `number`, 0 .. 2^31 - 1: a function of (seed, number), unique within a collection."""
    offset = int.from_bytes(hashlib.blake2b(f"collection {seed}".encode(), digest_size=8).digest(), "big")
    return (offset + number * _SCATTER) % TASK_SEEDS


@dataclass(frozen=True)
class Job:
    """A collection; shard k holds episodes 64 k .. 64 k + 63, independent of the worker that records them.

    Fields: store: its folder; spec: the world; block: steps per row; world, options, policy, seed, episodes: as in `collect`.
    """

    store: Path
    spec: WorldSpec
    block: int
    world: str
    options: Mapping[str, Any]
    policy: str
    seed: int
    episodes: int

    @staticmethod
    def read(store: Path) -> Job:
        """Read the collection of an unfinished store.

        Raises:
            CorruptFileError: the store's recipe is damaged.
            ForethoughtError: the store has an earlier version of the format.
        """
        recipe = read_recipe(store)
        recipe.require_current(store)
        return Job(store, recipe.spec, recipe.block, **recipe.asked)

    @property
    def shards(self) -> int:
        """Number of shards."""
        return -(-self.episodes // SHARD_EPISODES)

    def numbers(self, shard: int) -> range:
        """Numbers of the episodes of a shard."""
        return range(shard * SHARD_EPISODES, min((shard + 1) * SHARD_EPISODES, self.episodes))


def record(world: World, policy: ScriptedPolicy, seeds: Sequence[int], block: int, sign: ProgressCallback) -> list[Episode]:
    """Record one episode in each copy of the world. If an episode ends within a block, its last row is its final step.

    Args:
        world: N copies.
        policy: chooses the actions, clipped to the world's bounds.
        seeds: N seeds, of world and policy.
        block: environment steps per row.
        sign: callback, called with `alive` after each block.

    Raises:
        ForethoughtError: the block is longer than an episode.
    """
    spec = world.spec
    if block > spec.max_steps:
        raise ForethoughtError(
            f"a block of {block} steps is longer than an episode of {spec.name} ({spec.max_steps} steps); use a smaller one."
        )
    columns = _columns(spec, block, world.num, -(-spec.max_steps // block) + 1)
    frame = world.reset(seeds)
    policy.reset(world, seeds)
    _write_row(columns, 0, frame, slice(None))
    lengths = np.zeros(world.num, np.int64)
    for row in range(columns["drives"].shape[1] - 1):
        running = ~frame.ended
        if not running.any():
            break
        frame = _one_block(world, policy, frame, columns, row)
        lengths += running
        sign("alive", row, "")
    return [_episode(columns, index, int(lengths[index]), seed, spec) for index, seed in enumerate(seeds)]


def _columns(spec: WorldSpec, block: int, count: int, rows: int) -> dict[str, NDArray[Any]]:
    """Empty arrays of `rows` rows for `count` copies, by name."""
    columns = {name: np.zeros((count, rows, *shape), dtype) for name, (shape, dtype) in arrays_of(spec, block).items()}
    texts = {stream.name: np.full((count, rows), "", object) for stream in spec.streams if stream.kind == "text"}
    return columns | texts


def _one_block(world: World, policy: ScriptedPolicy, frame: Frame, columns: Mapping[str, NDArray[Any]], row: int) -> Frame:
    """Execute the block of `row`, write it and the next row, and return the last frame.

    After the end of a copy's episode, its later frames and actions are not written.
    """
    size = world.spec.action.size
    for first in range(0, columns["actions"].shape[2], size):
        running = ~frame.ended
        if not running.any():
            break
        actions = policy.act(world, frame)
        if world.spec.action.kind == "continuous":
            actions = np.clip(
                actions, np.array(world.spec.action.low, np.float32), np.array(world.spec.action.high, np.float32)
            )
        frame = world.step(actions)
        columns["actions"][running, row, first : first + size] = actions[running]
        columns["steps"][running, row] += 1
        columns["drives"][running, row + 1] += frame.drives[running]
        columns["rewards"][running, row + 1] += frame.rewards[running]
        if (ended := running & frame.ended).any():
            _write_row(columns, row + 1, frame, ended)
    _write_row(columns, row + 1, frame, ~frame.ended)
    return frame


def _write_row(columns: Mapping[str, NDArray[Any]], row: int, frame: Frame, copies: NDArray[np.bool_] | slice) -> None:
    """Write observation, truth and end flags of these copies as a row. `check_episode` validates them later."""
    if not isinstance(copies, slice) and not copies.any():
        return
    columns["terminated"][copies, row] = frame.terminated[copies]
    columns["truncated"][copies, row] = frame.truncated[copies]
    for name, values in (*frame.observation.items(), *((f"truth.{name}", v) for name, v in frame.truth.items())):
        columns[name][copies, row] = values[copies]


def _episode(columns: Mapping[str, NDArray[Any]], index: int, length: int, seed: int, spec: WorldSpec) -> Episode:
    """The first `length` blocks of copy `index` as an episode."""
    rows = {name: values[index, : length + 1] for name, values in columns.items()}
    return Episode(
        observation={
            stream.name: rows[stream.name].astype(np.str_) if stream.kind == "text" else rows[stream.name]
            for stream in spec.streams
        },
        actions=rows["actions"][:length],
        truth={name: rows[f"truth.{name}"] for name in spec.truth},
        drives=rows["drives"],
        seed=seed,
        rewards=rows["rewards"],
        terminated=rows["terminated"],
        truncated=rows["truncated"],
        steps=rows["steps"][:length],
    )


def record_shard(job: Job, shard: int, alone: bool, skip: Mapping[int, str], sign: ProgressCallback) -> None:
    """Record and publish one shard. An episode that crashes is left out and listed as a failure.

    Args:
        job: the collection.
        shard: number of the shard.
        alone: record one episode at a time (after a process died or hung, to identify the episode).
        skip: episodes that killed a process, number -> reason.
        sign: see `ProgressCallback`.

    Raises:
        ForethoughtError: an error that the user must fix: unknown world, blank frames, NaN, full disk.
    """
    numbers = [number for number in job.numbers(shard) if number not in skip]
    # Adapted environments are stepped sequentially anyway: one copy is as fast, and a crash loses a single episode.
    copies = SHARD_EPISODES if registry.family_of(job.world).vectorized and not alone else 1
    try:
        outcomes = dict(_outcomes(job, numbers, copies, sign))
    except _BatchCrashed:
        outcomes = dict(_outcomes(job, numbers, 1, sign))
    episodes = [outcome for outcome in outcomes.values() if isinstance(outcome, Episode)]
    reasons = {**skip, **{number: outcome for number, outcome in outcomes.items() if isinstance(outcome, str)}}
    failures = [Failure(number, seed_of(job.seed, number), reasons[number]) for number in sorted(reasons)]
    check_frames(episodes, job.spec)
    publish_shard(job.store, shard, job.spec, job.block, episodes, failures)


class _BatchCrashed(Exception):
    """An exception with several copies in progress, so the failing episode is unknown."""


def _outcomes(job: Job, numbers: Sequence[int], copies: int, sign: ProgressCallback) -> Iterator[tuple[int, Episode | str]]:
    """Yield each number with its episode, or with the reason of its failure."""
    world: World | None = None
    remaining = iter(numbers)
    try:
        while chunk := list(itertools.islice(remaining, copies)):
            if world is None or world.num != len(chunk):
                if world is not None:
                    world.close()
                world = registry.make(job.world, len(chunk), **job.options)
            sign("episode", chunk[0], "")
            seeds = [seed_of(job.seed, number) for number in chunk]
            if chunk == [0] and (sentence := ignored_seed(world, seeds[0])):
                sign("noticed", 0, sentence)
            try:
                episodes = record(world, registry.policy(job.world, job.policy), seeds, job.block, sign)
            except Exception as error:
                if isinstance(error, ForethoughtError) and not isinstance(error, WorldCrashed):
                    raise
                if len(chunk) > 1:
                    raise _BatchCrashed from error
                # A world that raised in `step` may raise in `close` too; it is replaced by a new one either way.
                with contextlib.suppress(Exception):
                    world.close()
                world = None
                reason = f"{type(error).__name__}: {error}"
                sign("failed", chunk[0], reason)
                yield chunk[0], reason
                continue
            for number, episode in zip(chunk, episodes, strict=True):
                reason = "" if len(episode) else "it was over before its first step"
                sign("failed" if reason else "recorded", number, reason)
                yield number, reason or episode
    finally:
        if world is not None:
            world.close()
