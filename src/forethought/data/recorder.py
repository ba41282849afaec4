"""Recording: step worlds with a scripted policy into episodes, and record one shard of a collection."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forethought.data.frame_checks import check_episodes_differ, check_frames
from forethought.data.shard_writer import ShardWriter, recording_path
from forethought.data.store_format import SHARD_EPISODES, Failure, arrays_of, check_episode, read_recipe, shard_path
from forethought.errors import ForethoughtError
from forethought.types import Episode, Frame, WorldSpec
from forethought.worlds import registry
from forethought.worlds.adapter import GymnasiumWorld
from forethought.worlds.check import ignored_seed
from forethought.worlds.contract import ScriptedPolicy, StartingPolicy, World, close_world
from forethought.worlds.own_policy import PolicyMaker
from forethought.worlds.random_streams import TASK_SEEDS

BATCH_BYTES = 2**28
"""Copies of a vectorized world are stepped together as long as their longest episodes fit into this memory."""

_SCATTER = 0x9E3779B1  # odd, so that different numbers of one collection never share a seed

ProgressCallback = Callable[[str, int, str], None]
"""Callback (event, number, reason) for the events `alive`, `episode` (started), `recorded`, `failed`, and `noticed` (something
about the world); only the last two have a reason, else it is empty."""


def seed_of(seed: int, number: int) -> int:
    """The seed of episode `number`, 0 .. 2^31 - 1: a function of (seed, number), unique within a collection."""
    offset = int.from_bytes(hashlib.blake2b(f"collection {seed}".encode(), digest_size=8).digest(), "big")
    return (offset + number * _SCATTER) % TASK_SEEDS


def number_of(seed: int, episode_seed: int) -> int:
    """The number of the episode with this seed: `seed_of` backwards.

    >>> number_of(7, seed_of(7, 12))
    12
    """
    return (episode_seed - seed_of(seed, 0)) * pow(_SCATTER, -1, TASK_SEEDS) % TASK_SEEDS


@dataclass(frozen=True)
class Job:
    """A collection; shard k holds episodes 64 k .. 64 k + 63, independent of the worker that records them.

    Fields: store: its folder; spec: the world; block: steps per row; world, options, policy, seed, episodes: as in `collect`;
    maker: of the policy, if it is no scripted one of the world.
    """

    store: Path
    spec: WorldSpec
    block: int
    world: str
    options: Mapping[str, Any]
    policy: str
    seed: int
    episodes: int
    maker: PolicyMaker | None = None

    @staticmethod
    def read(store: Path, maker: PolicyMaker | None = None) -> Job:
        """Read the collection of an unfinished store. `maker`: of its policy, where that is none of the world's.

        Raises:
            CorruptFileError: the store's recipe is damaged.
            ForethoughtError: the store has an earlier version of the format.
        """
        recipe = read_recipe(store)
        recipe.require_current(store)
        return Job(store, recipe.spec, recipe.block, **recipe.asked, maker=maker)

    @property
    def shards(self) -> int:
        """Number of shards."""
        return -(-self.episodes // SHARD_EPISODES)

    def numbers(self, shard: int) -> range:
        """Numbers of the episodes of a shard."""
        return range(shard * SHARD_EPISODES, min((shard + 1) * SHARD_EPISODES, self.episodes))


class WorldDoesNotStart(ForethoughtError):
    """No copy of the world can be made for episode `number`, though one was made before the collection began."""

    def __init__(self, sentence: str, number: int) -> None:
        """`sentence`: the message."""
        super().__init__(sentence)
        self.number = number


class _Rows:
    """The rows of N episodes in progress, name -> [N, ...] for each; they grow as the episodes do."""

    def __init__(self, spec: WorldSpec, block: int, count: int) -> None:
        self._arrays = {name: ((count, *shape), dtype) for name, (shape, dtype) in arrays_of(spec, block).items()}
        self._arrays |= {stream.name: ((count,), np.dtype(object)) for stream in spec.streams if stream.kind == "text"}
        self._spec, self._rows = spec, list[dict[str, NDArray[Any]]]()

    def grow(self) -> dict[str, NDArray[Any]]:
        """A new last row of zeros."""
        self._rows.append({name: np.zeros(shape, dtype) for name, (shape, dtype) in self._arrays.items()})
        return self._rows[-1]

    def write(self, frame: Frame, copies: NDArray[np.bool_]) -> None:
        """Write observation, truth and end flags of these copies into the last row.

        Raises:
            ForethoughtError: a stream is missing or has another shape or kind of number than the world's description says.
        """
        if not copies.any():
            return
        row = self._rows[-1]
        row["terminated"][copies] = frame.terminated[copies]
        row["truncated"][copies] = frame.truncated[copies]
        for name, values in (*frame.observation.items(), *((f"truth.{name}", v) for name, v in frame.truth.items())):
            shape, dtype = self._arrays.get(name, ((), np.dtype(object)))
            if name not in row or values.shape != shape or not np.can_cast(values.dtype, dtype, "same_kind"):
                raise ForethoughtError(
                    f"world {self._spec.name}: {name} is {values.dtype}{list(values.shape)} where its description says "
                    f"{f'{dtype}{list(shape)}' if name in row else 'nothing of that name'}; correct either."
                )
            row[name][copies] = values[copies]

    def episode(self, index: int, length: int, seed: int) -> Episode:
        """The first `length` blocks of copy `index`. Copies are asked for in order: after the last one the rows are gone."""
        rows, spec = dict[str, NDArray[Any]](), self._spec
        for name, (shape, _) in self._arrays.items():
            rows[name] = np.stack([row[name][index] for row in self._rows[: length + 1]])
            if index == shape[0] - 1:
                for row in self._rows:
                    del row[name]
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


def record(world: World, policy: ScriptedPolicy, seeds: Sequence[int], block: int, sign: ProgressCallback) -> Iterator[Episode]:
    """Record one episode in each copy of the world; the iterator gives them in order.

    If an episode ends within a block, its last row is its final step.

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
    rows, lengths = _Rows(spec, block, world.num), np.zeros(world.num, np.int64)
    with world.isolation if isinstance(world, GymnasiumWorld) else contextlib.nullcontext():
        frame = policy.begin(world, seeds) if isinstance(policy, StartingPolicy) else world.reset(seeds)
        policy.reset(world, seeds)
        row = rows.grow()
        rows.write(frame, np.ones(world.num, np.bool_))
        for number in range(-(-spec.max_steps // block)):
            running = ~frame.ended
            if not running.any():
                break
            after = rows.grow()
            frame = _one_block(world, policy, frame, rows, row, after)
            row = after
            lengths += running
            sign("alive", number, "")
    return (rows.episode(index, int(lengths[index]), seed) for index, seed in enumerate(seeds))


def _one_block(
    world: World,
    policy: ScriptedPolicy,
    frame: Frame,
    rows: _Rows,
    row: dict[str, NDArray[Any]],
    after: dict[str, NDArray[Any]],
) -> Frame:
    """Execute the block of `row`, write it and the row `after` it, and return the last frame.

    After the end of a copy's episode, its later frames and actions are not written.
    """
    action = world.spec.action
    size, low, high = action.size, np.array(action.low, np.float32), np.array(action.high, np.float32)
    for first in range(0, row["actions"].shape[1], size):
        running = ~frame.ended
        if not running.any():
            break
        actions = policy.act(world, frame)
        if action.kind == "continuous":
            actions = np.clip(actions, low, high)
        frame = world.step(actions)
        row["actions"][running, first : first + size] = actions[running]
        row["steps"][running] += 1
        after["drives"][running] += frame.drives[running]
        after["rewards"][running] += frame.rewards[running]
        if (ended := running & frame.ended).any():
            rows.write(frame, ended)
    rows.write(frame, ~frame.ended)
    return frame


def record_shard(
    job: Job, shard: int, alone: bool, skip: Mapping[int, str], sign: ProgressCallback, patience: float | None = None
) -> None:
    """Record the episodes of a shard that are missing, each written when it is done, and publish the shard.

    An episode that cannot be recorded (a crash, a NaN, blank or frozen frames, no copy of the world) is left out and noted with
    its seed and its reason; it is not tried again.

    Args:
        job: the collection.
        shard: number of the shard.
        alone: record one episode at a time (after a process died or hung, to identify the episode).
        skip: episodes that killed a process, number -> reason.
        sign: see `ProgressCallback`.
        patience: seconds after which an environment in this process counts as hung; None: for ever.

    Raises:
        ForethoughtError: all episodes of the shard show one frame, or the system refused to write.
        WorldDoesNotStart: no copy of the world can be made.
    """
    writer = ShardWriter(recording_path(job.store, shard), job.spec, job.block)
    for number, reason in skip.items():
        if number not in writer.numbers:
            writer.lose(Failure(number, seed_of(job.seed, number), reason))
    done = writer.numbers
    numbers = [number for number in job.numbers(shard) if number not in done]
    copies = 1 if alone else _copies(job)
    with _Recorder(job, sign, patience) as recorder:
        for number, outcome in recorder.outcomes(numbers, copies):
            if isinstance(outcome, Episode):
                writer.add(outcome, number)
                sign("recorded", number, "")
            else:
                writer.lose(Failure(number, seed_of(job.seed, number), outcome))
                sign("failed", number, outcome)
    check_episodes_differ(writer.column, writer.episodes, job.spec)
    writer.publish(shard_path(job.store, shard))


def _copies(job: Job) -> int:
    """How many copies of the world are stepped together."""
    # A policy of one's own sees one episode at a time, as its author wrote it.
    if job.maker is not None:
        return 1
    # Adapted environments are stepped one after the other anyway: one copy is as fast, and a crash loses a single episode.
    if not registry.family_of(job.world).vectorized:
        return 1
    row = sum(int(np.prod(shape)) * dtype.itemsize for shape, dtype in arrays_of(job.spec, job.block).values())
    return max(1, min(SHARD_EPISODES, BATCH_BYTES // (row * (job.spec.max_steps // job.block + 2))))


def fault_of(episode: Episode, spec: WorldSpec, block: int) -> str:
    """Why an episode must be left out; empty if it is good."""
    if not len(episode):
        return "it was over before its first step"
    try:
        check_episode(episode, spec, block)
        check_frames(episode, spec)
    except ForethoughtError as error:
        return f"{type(error).__name__}: {error}"
    return ""


class _Recorder:
    """Records episodes in copies of the job's world, which it makes, replaces after a fault, and closes."""

    def __init__(self, job: Job, sign: ProgressCallback, patience: float | None) -> None:
        self._job, self._sign, self._patience = job, sign, patience
        self._world: World | None = None
        self._policy: ScriptedPolicy | None = None

    def __enter__(self) -> _Recorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._close()

    def outcomes(self, numbers: Sequence[int], copies: int) -> Iterator[tuple[int, Episode | str]]:
        """Yield each number with its episode, or with the reason of its loss; a batch that fails is recorded one by one."""
        for first in range(0, len(numbers), copies):
            batch = numbers[first : first + copies]
            try:
                episodes = self._record(batch)
            except WorldDoesNotStart:
                raise
            except Exception as error:
                # The next episode gets a new world, whatever state this one is in.
                self._close()
                if len(batch) > 1:
                    yield from self.outcomes(batch, 1)
                else:
                    yield batch[0], f"{type(error).__name__}: {error}"
                continue
            for number, episode in zip(batch, episodes, strict=True):
                yield number, fault_of(episode, self._job.spec, self._job.block) or episode

    def _record(self, numbers: Sequence[int]) -> Iterator[Episode]:
        job = self._job
        if self._world is None or self._world.num != len(numbers):
            self._close()
            try:
                self._world = registry.make(job.world, len(numbers), **job.options)
            except ForethoughtError as error:
                raise WorldDoesNotStart(str(error), numbers[0]) from error
            if isinstance(self._world, GymnasiumWorld):
                self._world.patience = self._patience
        self._sign("episode", numbers[0], "")
        seeds = [seed_of(job.seed, number) for number in numbers]
        if seeds == [seed_of(job.seed, 0)] and (sentence := ignored_seed(self._world, seeds[0])):
            self._sign("noticed", 0, sentence)
        if self._policy is None or job.maker is None:
            self._policy = registry.policy(job.world, job.policy) if job.maker is None else job.maker.make()
        return record(self._world, self._policy, seeds, job.block, self._sign)

    def _close(self) -> None:
        # A world that raised in `step` may raise in `close`, too.
        if self._world is not None:
            close_world(self._world)
        self._world = None
