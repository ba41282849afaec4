"""Filling a store from a world: in parallel processes, resumable, with the same result however it was collected."""

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
"""So many failures without one success, and the world, not the episode, is at fault."""


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
    """Records episodes into a new store.

    What is in the store depends on `world`, `options`, `policy`, `seed`, `episodes` and `block` alone: not on the
    number of workers, nor on how often the collection was killed and resumed. An episode whose environment crashes,
    dies or hangs is left out, and noted with its seed in the store's `failures`.

    Args:
        world: a built-in name or any Gymnasium id, also `package.module:Env-v0`.
        out: the store's folder.
        episodes: how many.
        policy: a scripted policy of the world; `default`: the first of mixed, exploring, random that it has.
        seed: every episode's own seed is derived from it and the episode's number.
        options: of the world, JSON values.
        workers: processes side by side; 0: in this process (quick to start, but a hang is not noticed).
        block: environment steps per row (None: what the world suggests).
        resume: go on with an unfinished store, or begin it if it is not there; a finished one is opened.
        progress: a bar on a terminal, plain log lines otherwise; False: neither.
        patience: seconds without a sign of life after which a process counts as hung.

    Returns:
        The finished store.

    Raises:
        ForethoughtError: unknown world or policy, the folder is taken, blank frames, NaN, full disk, nothing recorded.
        CorruptFileError: a shard of the store to resume is damaged.
    """
    out = Path(out)
    if episodes < 1 or workers < 0:
        raise ForethoughtError(f"collect needs 1 or more episodes and 0 or more workers, not {episodes} and {workers}.")
    asked = {"world": world, "options": dict(options or {}), "policy": policy, "seed": seed, "episodes": episodes}
    recipe = _recipe(asked, block)
    begun = resume and (out / RECIPE).exists()
    if begun:
        _same_recipe(recipe, read_recipe(out), out)
        if (out / MANIFEST).exists():
            log.info("%s is finished already", out)
            return EpisodeStore.open(out)
    writer = StoreWriter.resume(out) if begun else StoreWriter(out, recipe.spec, recipe.block, recipe.asked)
    job = Job.read(out)
    done = set(writer.shards)
    missing = [shard for shard in range(job.shards) if shard not in done]
    with CollectionProgress(job, sum(len(job.numbers(shard)) for shard in done), progress) as tally:
        if workers:
            collect_parallel(out, missing, min(workers, max(len(missing), 1)), patience, tally.sign)
        else:
            for shard in missing:
                record_shard(job, shard, False, {}, tally.sign)
    return writer.finalise()


def _recipe(asked: dict[str, Any], block: int | None) -> Recipe:
    """What the store will be made of; makes the world once, to learn what it looks like and whether it works at all."""
    made = registry.make(asked["world"], 1, **asked["options"])
    made.close()
    known = registry.policies(asked["world"])
    if asked["policy"] == "default":
        asked["policy"] = next(name for name in DEFAULT_POLICIES if name in known)
    if asked["policy"] not in known:
        raise ForethoughtError(f"{asked['world']} has no policy {asked['policy']!r}; {did_you_mean(asked['policy'], known)}")
    block = made.spec.block if block is None else block
    if not 1 <= block <= made.spec.max_steps:
        raise ForethoughtError(
            f"a block of {block} steps does not fit an episode of {made.spec.name}; use 1 to {made.spec.max_steps}."
        )
    return Recipe(made.spec, block, 0.1, asked)


def _same_recipe(wanted: Recipe, found: Recipe, store: Path) -> None:
    """Refuses to resume a collection with other settings, with a `ForethoughtError` that names the first difference."""
    fix = "resume with the same settings, or choose another folder"
    for key, value in wanted.asked.items():
        if found.asked.get(key) != value:
            raise ForethoughtError(f"the store at {store} was begun with {key} {found.asked.get(key)!r}, not {value!r}; {fix}.")
    if found.block != wanted.block:
        raise ForethoughtError(f"the store at {store} was begun with block {found.block}, not {wanted.block}; {fix}.")
    if found.spec != spec_from_json(spec_to_json(wanted.spec), store):
        raise ForethoughtError(f"the world {wanted.spec.name} is not what it was when {store} was begun; collect anew.")


class CollectionProgress:
    """Counts episodes, shows how far the collection is, and gives up a world in which nothing works."""

    def __init__(self, job: Job, done: int, show: bool) -> None:
        """`done` episodes were there before."""
        self._job, self._show = job, show
        self._before, self._good, self._bad = done, set[int](), set[int]()
        self._said = time.monotonic()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=Console(stderr=True), disable=not (show and sys.stderr.isatty()))
        self._line = self._bar.add_task("episodes", total=job.episodes, completed=done)

    def __enter__(self) -> CollectionProgress:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.stop()
        if self._show and kind is KeyboardInterrupt:
            log.warning("stopped; finished shards are kept: go on with --resume --out %s", self._job.store)

    def sign(self, event: str, number: int, why: str) -> None:
        """Takes `recorded` and `failed` with an episode's number, and `why` it failed; other events pass by.

        Raises:
            ForethoughtError: nothing but failures so far.
        """
        if event == "failed":
            self._bad.add(number)
            log.warning("episode %d (%s) failed and is left out: %s", number, self._job.world, why)
        if event == "recorded":
            self._good.add(number)
        if not self._before and not self._good and len(self._bad) >= min(MAX_INITIAL_FAILURES, self._job.episodes):
            raise ForethoughtError(
                f"the first {len(self._bad)} episodes of {self._job.world} all failed; the last one: {why.rstrip('.')}. "
                "Mend the world, or its options, first."
            )
        finished = self._before + len(self._good | self._bad)
        self._bar.update(self._line, completed=finished)
        if self._show and self._bar.disable and time.monotonic() - self._said >= SECONDS_BETWEEN_LINES:
            self._said = time.monotonic()
            log.info("%d of %d episodes", finished, self._job.episodes)
