"""Data collection: fill a store from a world, in parallel processes, resumable, with a deterministic result."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from forethought.atomic_io import claimed
from forethought.data.recorder import Job, record_shard
from forethought.data.store import EpisodeStore
from forethought.data.store_format import MANIFEST, RECIPE, Recipe, read_recipe, spec_from_json, spec_to_json
from forethought.data.worker_pool import collect_parallel
from forethought.data.writer import StoreWriter
from forethought.errors import ForethoughtError, did_you_mean
from forethought.worlds import registry

log = logging.getLogger(__name__)

DEFAULT_POLICIES = ("mixed", "exploring", "random")
PATIENCE = 120.0
SECONDS_BETWEEN_LINES = 10.0
MAX_INITIAL_FAILURES = 8
"""After this many failures and no success the collection stops: the world is at fault, not single episodes."""


def collect(
    world: str,
    *,
    out: Path | str,
    episodes: int,
    policy: str = "default",
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
    workers: int = 1,
    block: int | None = None,
    resume: bool = False,
    progress: bool = True,
    patience: float = PATIENCE,
) -> EpisodeStore:
    """Record episodes into a new store.

    The content depends on `world`, `options`, `policy`, `seed`, `episodes` and `block` alone, not on the number of workers or
    on interruptions. An episode whose environment crashes, dies or hangs is left out and listed with its seed in the store's
    `failures`.

    Args:
        world: a built-in name or any Gymnasium id, also `package.module:Env-v0`.
        out: the store's folder.
        episodes: number of episodes.
        policy: a scripted policy of the world; `default`: the first of mixed, exploring, random that it has.
        seed: each episode's seed is derived from it and the episode's number.
        options: of the world, JSON values.
        workers: parallel processes; 0: in this process (starts fast, but hangs are not detected).
        block: environment steps per row (action chunk); None: the world's default.
        resume: continue an unfinished store, or start it if there is none; a finished one is opened.
        progress: a bar on a terminal, plain log lines otherwise; False: neither.
        patience: timeout: seconds without an event after which a process counts as hung.

    Returns:
        The finished store.

    Raises:
        ForethoughtError: unknown world or policy, the folder is taken, blank frames, NaN, full disk, nothing recorded.
        CorruptFileError: a shard of the store to resume is damaged.
    """
    out = Path(out)
    if episodes < 1 or workers < 0:
        raise ForethoughtError(f"collect needs 1 or more episodes and 0 or more workers, not {episodes} and {workers}.")
    request = {"world": world, "options": dict(options or {}), "policy": policy, "seed": seed, "episodes": episodes}
    recipe = _recipe(request, block)
    if resume and (out / MANIFEST).exists():
        return _finished(out, recipe)
    with claimed(out):
        return _collected(out, recipe, resume, workers, patience, progress)


def _collected(out: Path, recipe: Recipe, resume: bool, workers: int, patience: float, progress: bool) -> EpisodeStore:
    """The store, recorded in a folder that no other process writes into."""
    resuming = resume and (out / RECIPE).exists()
    if resuming:
        _require_same_recipe(recipe, read_recipe(out), out)
        if (out / MANIFEST).exists():  # finished by another process since
            return EpisodeStore.open(out)
    writer = StoreWriter.resume(out) if resuming else StoreWriter(out, recipe.spec, recipe.block, recipe.asked)
    job = Job.read(out)
    done = set(writer.shards)
    missing = [shard for shard in range(job.shards) if shard not in done]
    with CollectionProgress(job, sum(len(job.numbers(shard)) for shard in done), progress) as counter:
        if workers:
            collect_parallel(out, missing, min(workers, max(len(missing), 1)), patience, counter.sign)
        else:
            for shard in missing:
                record_shard(job, shard, False, {}, counter.sign)
    return writer.finalise()


def _finished(out: Path, recipe: Recipe) -> EpisodeStore:
    """A finished store, opened; its folder may be read-only."""
    _require_same_recipe(recipe, read_recipe(out), out)
    log.info("%s is already finished", out)
    return EpisodeStore.open(out)


def _recipe(request: dict[str, Any], block: int | None) -> Recipe:
    """The recipe of the store. The world is built once, for its description and to check that it works."""
    world = registry.make(request["world"], 1, **request["options"])
    world.close()
    policies = registry.policies(request["world"])
    if request["policy"] == "default":
        request["policy"] = next(name for name in DEFAULT_POLICIES if name in policies)
    if request["policy"] not in policies:
        raise ForethoughtError(
            f"{request['world']} has no policy {request['policy']!r}; {did_you_mean(request['policy'], policies)}"
        )
    block = world.spec.block if block is None else block
    if not 1 <= block <= world.spec.max_steps:
        raise ForethoughtError(
            f"a block of {block} steps does not fit an episode of {world.spec.name}; use 1 to {world.spec.max_steps}."
        )
    return Recipe(world.spec, block, 0.1, request)


def _require_same_recipe(recipe: Recipe, stored: Recipe, store: Path) -> None:
    """Refuse to resume a collection with other settings: a `ForethoughtError` names the first difference."""
    fix = "resume with the same settings, or choose another folder"
    for key, value in recipe.asked.items():
        if stored.asked.get(key) != value:
            raise ForethoughtError(
                f"the store at {store} was begun with {key} {stored.asked.get(key)!r}, not {value!r}; {fix}."
            )
    if stored.block != recipe.block:
        raise ForethoughtError(f"the store at {store} was begun with block {stored.block}, not {recipe.block}; {fix}.")
    if stored.spec != spec_from_json(spec_to_json(recipe.spec), store):
        raise ForethoughtError(f"the world {recipe.spec.name} has changed since {store} was begun; collect in a new folder.")


class CollectionProgress:
    """Counts episodes, shows the progress, and stops a collection in which every episode fails."""

    def __init__(self, job: Job, done: int, show: bool) -> None:
        """`done`: episodes recorded by earlier processes."""
        self._job, self._show = job, show
        self._before, self._recorded, self._failed = done, set[int](), set[int]()
        self._last_line = time.monotonic()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=Console(stderr=True), disable=not (show and sys.stderr.isatty()))
        self._line = self._bar.add_task("episodes", total=job.episodes, completed=done)

    def __enter__(self) -> CollectionProgress:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.stop()
        if self._show and kind is KeyboardInterrupt:
            log.warning("stopped; finished shards are kept: continue with --resume --out %s", self._job.store)

    def sign(self, event: str, number: int, why: str) -> None:
        """Progress callback: counts `recorded` and `failed` episodes by number, with the reason `why`; ignores other events.

        Raises:
            ForethoughtError: all episodes so far failed.
        """
        if event == "failed":
            self._failed.add(number)
            log.warning("episode %d (%s) failed and is left out: %s", number, self._job.world, why)
        if event == "recorded":
            self._recorded.add(number)
        if not self._before and not self._recorded and len(self._failed) >= min(MAX_INITIAL_FAILURES, self._job.episodes):
            raise ForethoughtError(
                f"the first {len(self._failed)} episodes of {self._job.world} all failed; the last one: {why.rstrip('.')}. "
                "Fix the world or its options first."
            )
        finished = self._before + len(self._recorded | self._failed)
        self._bar.update(self._line, completed=finished)
        if self._show and self._bar.disable and time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            log.info("%d of %d episodes", finished, self._job.episodes)
