"""Data collection: fill a store from a world, in parallel processes, resumable, with a deterministic result."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, SupportsIndex

from forethought.atomic_io import claimed
from forethought.data.recorder import Job
from forethought.data.shard_units import record_shards
from forethought.data.shard_writer import discard, read_journal, recording_path
from forethought.data.store import EpisodeStore
from forethought.data.store_format import (
    MANIFEST,
    RECIPE,
    Recipe,
    read_recipe,
    read_shard_index,
    shard_path,
    spec_from_json,
    spec_to_json,
)
from forethought.data.writer import StoreWriter
from forethought.errors import ForethoughtError, did_you_mean, first_reasons, require_whole
from forethought.execution import Executor, InProcess, make_executor
from forethought.worlds import registry
from forethought.worlds.any_gymnasium.registration import OnlyHereError
from forethought.worlds.goals import start_at_reset
from forethought.worlds.notices import warn_once
from forethought.worlds.own_policy import PolicyMaker, own_policy
from forethought.worlds.parsing import plain

log = logging.getLogger(__name__)

DEFAULT_POLICIES = ("demonstrator", "mixed", "exploring", "random")
PATIENCE = 120.0
SECONDS_BETWEEN_LINES = 10.0
MAX_INITIAL_FAILURES = 8
"""After this many failures and no success the collection stops: the world is at fault, not single episodes."""
HELD_OUT, MOST_HELD_OUT, TASKS = 0.1, 0.3, 60
"""Share of held-out episodes, the largest one, and the number of tasks that an evaluation should have."""
MAX_LOST = 0.1


def collect(
    world: str | Callable[..., Any],
    *,
    out: Path | str,
    episodes: SupportsIndex,
    policy: str | Callable[..., Any] | PolicyMaker = "default",
    seed: SupportsIndex = 0,
    options: Mapping[str, Any] | None = None,
    workers: SupportsIndex | None = None,
    cluster: str | None = None,
    block: SupportsIndex | None = None,
    resume: bool = False,
    progress: bool = True,
    patience: float = PATIENCE,
    max_lost: float = MAX_LOST,
) -> EpisodeStore:
    """Record episodes into a new store.

    The content depends on `world`, `options`, `policy`, `seed`, `episodes` and `block` alone, not on the number of workers or
    on interruptions. An episode whose environment crashes, dies, hangs, returns NaN, or shows blank or frozen frames is left
    out and listed with its seed in the store's `failures`; so is one for which no copy of the world starts. Episodes are
    written as they finish, so a kill loses the one in progress, and memory does not grow with their number.

    Args:
        world: a built-in name; any Gymnasium id, also `package.module:Env-v0`; or what makes the environment, `module:maker`
            or the class or function itself (see `worlds.make`).
        out: the store's folder.
        episodes: number of episodes.
        policy: a scripted policy of the world (`default`: the first that it has of `DEFAULT_POLICIES`); or one's own,
            `observation -> action` as the environment observes and acts (see `worlds.own_policy`): a function, or its name
            `module:function`; or, with `forethought.collect`, an agent or the folder of its run.
        seed: each episode's seed is derived from it and the episode's number.
        options: of the world, JSON values.
        workers: parallel processes; 0: in this process, which starts fast, but notices a hang only in Python code of the main
            thread; so is a world whose class is of the script itself. None: 1, or all CPUs of the cluster.
        cluster: `auto` or HOST:PORT of a Ray cluster whose nodes record, and all have the folder `out`; None: this machine.
        block: environment steps per row (action chunk); None: the world's default.
        resume: continue an unfinished store, or start it if there is none; a finished one is opened.
        progress: a bar on a terminal, plain log lines otherwise; False: neither.
        patience: timeout: seconds without an event after which a process counts as hung.
        max_lost: share of the episodes that may be lost before the collection stops, 0 to 1; one always may. What is recorded
            until then is kept, and `resume` goes on with the episodes that were not tried.

    Returns:
        The finished store.

    Raises:
        ForethoughtError: unknown world or policy, the folder is taken, too many episodes lost, full disk, nothing recorded.
        CorruptFileError: a shard of the store to resume is damaged.
    """
    out, world = Path(out), registry.world_name(world)
    episodes = require_whole(episodes, "episodes")
    if episodes < 1:
        raise ForethoughtError(f"collect needs 1 or more episodes, not {episodes}.")
    if not 0 <= max_lost <= 1:
        raise ForethoughtError(f"collect: max_lost is {max_lost}; give the share of episodes that may be lost, 0 to 1.")
    maker = _maker(policy, world)
    name = maker.name if maker else policy
    request = {"world": world, "options": plain(options or {}), "policy": name, "seed": require_whole(seed, "seed")}
    recipe = _recipe(request | {"episodes": episodes}, None if block is None else require_whole(block, "block"), maker)
    if resume and (out / MANIFEST).exists():
        return _finished(out, recipe)
    executor = make_executor(1 if workers is None and cluster is None else workers, cluster)
    with claimed(out) as claim:
        return _collected(out.absolute(), recipe, maker, resume, executor, patience, progress, max_lost, claim)


def _maker(policy: str | Callable[..., Any] | PolicyMaker, world: str) -> PolicyMaker | None:
    """The maker of a policy that is no scripted one of the world; None for one that is, or whose name means nothing."""
    if isinstance(policy, PolicyMaker):
        return policy
    scripted = isinstance(policy, str) and (":" not in policy or policy in registry.policies(world))
    return None if scripted else own_policy(policy)


def _collected(
    out: Path,
    recipe: Recipe,
    maker: PolicyMaker | None,
    resume: bool,
    executor: Executor,
    patience: float,
    progress: bool,
    max_lost: float,
    claim: tuple[int, ...],
) -> EpisodeStore:
    """The store, recorded in a folder that no other process writes into; its workers inherit the `claim`."""
    registration = "" if executor.here else _registration(str(recipe.asked["world"]), maker)
    if registration is None:
        executor, registration = InProcess(), ""
    resuming = resume and (out / RECIPE).exists()
    if resuming:
        _require_same_recipe(recipe, read_recipe(out), out)
        if (out / MANIFEST).exists():  # finished by another process since
            return EpisodeStore.open(out)
    writer = StoreWriter.resume(out) if resuming else StoreWriter(out, recipe.spec, recipe.block, recipe.asked, recipe.held_out)
    job = Job.read(out, maker)
    done = set(writer.shards)
    missing = [shard for shard in range(job.shards) if shard not in done]
    with CollectionProgress(job, done, progress, max_lost) as counter:
        record_shards(executor, job, missing, patience, counter.sign, registration, claim)
        counter.report()
    return writer.finalise()


def _registration(world: str, maker: PolicyMaker | None) -> str | None:
    """The world's registration for a worker; None, with a warning, where only this process has the world or the policy."""
    try:
        registration = registry.registration(world)
        if maker is not None and not maker.place:
            raise OnlyHereError(
                f"the policy {maker.name!r} is of this process alone, and no collecting process can import it: use workers=0, "
                "or give it as module:function"
            )
    except OnlyHereError as error:
        log.warning("%s; it is recorded in this process now, where a hang is not always detected", error)
        return None
    return registration


def _finished(out: Path, recipe: Recipe) -> EpisodeStore:
    """A finished store, opened; its folder may be read-only."""
    _require_same_recipe(recipe, read_recipe(out), out)
    log.info("%s is already finished", out)
    return EpisodeStore.open(out)


def _recipe(request: dict[str, Any], block: int | None, maker: PolicyMaker | None) -> Recipe:
    """The recipe of the store. The world is built once, for its description and to check that it works."""
    world = registry.make(request["world"], 1, **request["options"])
    world.close()
    policies = registry.policies(request["world"])
    if request["policy"] == "default":
        request["policy"] = next(name for name in DEFAULT_POLICIES if name in policies)
    if maker is not None:
        maker.check(world.spec)
    elif request["policy"] not in policies:
        raise ForethoughtError(
            f"{request['world']} has no policy {request['policy']!r}; {did_you_mean(request['policy'], policies)} One of your "
            "own is module:function, and an agent is the folder of its run."
        )
    if block is None:
        block = (maker.block if maker else None) or world.spec.block
    if not 1 <= block <= world.spec.max_steps:
        raise ForethoughtError(
            f"a block of {block} steps does not fit an episode of {world.spec.name}; use 1 to {world.spec.max_steps}."
        )
    share = held_out_share(request["episodes"]) if start_at_reset(world.spec) else HELD_OUT
    return Recipe(world.spec, block, share, request)


def held_out_share(episodes: int) -> float:
    """Share of held-out episodes where each of these gives one task of the evaluation.

    A tenth of 200 episodes gave 13 tasks, too few to tell 60 % success from a random policy's 30 %.

    >>> held_out_share(200), held_out_share(400), held_out_share(5000)
    (0.3, 0.15, 0.1)
    """
    return min(MOST_HELD_OUT, max(HELD_OUT, TASKS / episodes))


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
    """Counts recorded and lost episodes, shows the progress, and stops a collection that loses too many."""

    def __init__(self, job: Job, shards: Iterable[int], show: bool, max_lost: float = MAX_LOST) -> None:
        """Starts from what earlier processes have done: the published `shards`, and those that are being recorded."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._job, self._show, self._max_lost = job, show, max_lost
        self._recorded, self._lost = set[int](), dict[int, str]()
        for shard in range(job.shards):
            self._read(shard, shard in set(shards))
        if not self._recorded:
            # Nothing worked before, so the world was at fault; once it is mended, its episodes are tried again.
            for shard in range(job.shards):
                discard(recording_path(job.store, shard))
            self._lost = {}
        self._last_line = time.monotonic()
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=Console(stderr=True), disable=not (show and sys.stderr.isatty()))
        self._line = self._bar.add_task("episodes", total=job.episodes, completed=self._finished)

    def _read(self, shard: int, published: bool) -> None:
        if published:
            failures = {
                failure.number: failure.reason for failure in read_shard_index(shard_path(self._job.store, shard)).failures
            }
            self._recorded |= set(self._job.numbers(shard)) - failures.keys()
            self._lost |= failures
            return
        for entry in read_journal(recording_path(self._job.store, shard)):
            if "reason" in entry:
                self._lost[entry["number"]] = entry["reason"]
            else:
                self._recorded.add(entry["number"])

    @property
    def _finished(self) -> int:
        return len(self._recorded | self._lost.keys())

    def __enter__(self) -> CollectionProgress:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.stop()
        if self._show and kind is KeyboardInterrupt:
            log.warning("stopped; what is recorded is kept: continue with --resume --out %s", self._job.store)

    def sign(self, event: str, number: int, why: str) -> None:
        """Progress callback: counts `recorded` and `failed` episodes by number, with the reason `why`; ignores other events.

        Raises:
            ForethoughtError: all episodes so far failed, or more than the allowed share.
        """
        if event == "failed" and number not in self._lost:
            self._lost[number] = why
            log.warning("episode %d (%s) failed and is left out: %s", number, self._job.world, why)
            self._stop_if_too_many()
        if event == "noticed":
            warn_once(self._job.world, why)
        if event == "recorded":
            self._recorded.add(number)
        self._bar.update(self._line, completed=self._finished)
        if self._show and self._bar.disable and time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            log.info("%d of %d episodes", self._finished, self._job.episodes)

    def report(self) -> None:
        """Log how many episodes were lost, if any."""
        if self._lost:
            log.warning(
                "%d of %d episodes were lost and are left out (the store's `failures`): %s",
                len(self._lost),
                self._job.episodes,
                self._reasons(),
            )

    def _stop_if_too_many(self) -> None:
        lost, episodes = len(self._lost), self._job.episodes
        what = "the world or its options" if self._job.maker is None else "the policy or the world"
        if not self._recorded:
            if lost >= min(MAX_INITIAL_FAILURES, episodes):
                raise ForethoughtError(
                    f"the first {lost} episodes of {self._job.world} all failed; {self._reasons()}; fix {what} first."
                )
        elif lost > max(1, int(self._max_lost * episodes)):
            raise ForethoughtError(
                f"{lost} of the first {self._finished} episodes of {self._job.world} were lost, more than {self._max_lost:.0%} "
                f"of {episodes}; {self._reasons()}; what is recorded is kept: fix {what}, then go on with --resume, or "
                "allow more with --max-lost."
            )

    def _reasons(self) -> str:
        return first_reasons(self._lost, "episode")
