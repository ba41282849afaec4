"""`tune`: search what the rules leave open, on validation tasks, within a budget; ends with the best agent and the evidence."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, SupportsIndex

from forethought.agent import Agent
from forethought.atomic_io import claimed, make_folder
from forethought.config import Configuration
from forethought.configurator import Budget
from forethought.data.store import EpisodeStore
from forethought.device import on_device
from forethought.errors import ForethoughtError, require_whole
from forethought.execution import make_executor
from forethought.extras import require_extra
from forethought.training.agent_files import load
from forethought.training.preflight import checked_options
from forethought.training.train import configuration_for
from forethought.tuning.comparison import compare, publish, verdict
from forethought.tuning.record import BEST, TuningRecord, TuningRequest, is_tuning, read_tuning, write_tuning
from forethought.tuning.search import TuningSearch
from forethought.tuning.validation import validation_episodes, with_validation
from forethought.worlds.goals import why_no_tasks
from forethought.worlds.success import SUCCESS_OPTIONS

log = logging.getLogger(__name__)
DEFAULT_TRIALS, MOST_TRIALS = 18, 10_000
"""Training trials without a time budget, and with one: there the clock decides."""


@dataclass(frozen=True)
class TuningResult:
    """The end of a tuning.

    Fields:
        run: the folder of the best agent's run, for `evaluate`, `report`, `show`. agent: the agent. record: all trials, and the
            comparison on fresh tasks.
    """

    run: Path
    agent: Agent
    record: TuningRecord

    @property
    def configuration(self) -> Configuration:
        """The tuned configuration; the reasons of what was tuned are its evidence."""
        return self.agent.configuration

    @property
    def sentences(self) -> list[str]:
        """What came out: how tuned and untuned did on fresh tasks, and what was not done."""
        return verdict(self.record)


def tune(
    store: EpisodeStore | Path | str,
    *,
    out: Path | str,
    seconds: float | None = None,
    trials: SupportsIndex | None = None,
    seed: SupportsIndex = 0,
    config: Mapping[str, Any] | None = None,
    tasks: SupportsIndex = 64,
    success: Mapping[str, Any] | None = None,
    resume: bool = False,
    workers: SupportsIndex | None = None,
    cluster: str | None = None,
    device: str | None = None,
) -> TuningResult:
    """Refine by search what the configurator's rules leave open, for agents of `train` on this store.

    Trials are scored by success on validation tasks: from training episodes that no trial trains on, or drawn by another seed
    where the world makes its own goals. The held-out episodes serve the comparison at the end alone. A recording without a
    world is scored by its predictions.

    Args:
        store: a store or its folder.
        out: folder of the tuning; `out/best` is the best agent's run, `out/config.json` its settings for `train --config`.
        seconds: limit of the whole tuning by the clock (None: none). Whole trainings are shortened so that enough fit.
        trials: number of trainings that begin (None: 18, or as many as fit into `seconds`). Without `seconds`, the same store,
            seed and settings give the same trials and scores, with any number of workers; with it, if the clock cut nothing.
        seed: of weights, batches, noise, and of the search.
        config: the user's settings, nested or dotted; they are kept and not searched.
        tasks: number of validation tasks, or fewer, so that trials fit into `seconds`; short trainings are scored on a part.
        success: options of the success test, as in `train`.
        resume: go on with the tuning in `out`, with its own settings.
        workers, cluster: where trials run, see `execution.make_executor`.
        device: as in `train`; of this process.

    Raises:
        MissingExtraError: Optuna is not installed.
        ForethoughtError: as `train`; or the budget is too small, or the folder holds a tuning and `resume` is not set.
        KeyboardInterrupt: Ctrl-C; continue with `resume`.
    """
    require_extra("tune")
    out = Path(out)
    source = store if isinstance(store, EpisodeStore) else EpisodeStore.open(store)
    executor = make_executor(workers, cluster)
    with on_device(device):
        if is_tuning(out):
            record = _resumed(out, source, resume, config, seconds, trials)
        elif resume:
            raise ForethoughtError(f"There is no tuning in {out} to resume: leave out --resume to start one.")
        else:
            record = _begun(source, out, seconds, trials, seed, config, tasks, success)
        make_folder(out)
        with claimed(out):
            if not is_tuning(out):
                write_tuning(out, record)
            search = TuningSearch(out, source, record, executor)
            search.run()
            if search.record.stage == "comparison":
                search.record = compare(search, source)
                search.write()
            if search.record.stage == "publication":
                publish(search, source)
        return TuningResult(out / BEST, load(out / BEST), search.record)


def _begun(
    source: EpisodeStore, out: Path, seconds: float | None, trials: SupportsIndex | None, seed: SupportsIndex,
    config: Mapping[str, Any] | None, tasks: SupportsIndex, success: Mapping[str, Any] | None,
) -> TuningRecord:  # fmt: skip
    """The record of a new tuning, with the configurator's own configuration."""
    Budget(seconds)  # refuses what is no number of seconds
    seed, wanted = require_whole(seed, "seed", 0), require_whole(tasks, "The number of tasks", 2)
    number = MOST_TRIALS if seconds is not None else DEFAULT_TRIALS
    number = number if trials is None else require_whole(trials, "The number of trials", 2)
    if out.exists() and any(out.iterdir()):
        raise ForethoughtError(f"{out} holds something else: name a new folder for the tuning.")
    source.verify()
    source.require_splits()
    validation = validation_episodes(source, wanted)
    view = with_validation(source, validation)
    options = checked_options(source, success)
    made = configuration_for(view, config, seed)
    own = made.model_copy(update={"data": made.data.model_copy(update={"options": options})})
    missing = why_no_tasks(source.spec)
    if missing:
        log.warning("%s Trials are compared by their predictions.", missing)
    test = {name: options[name] for name in SUCCESS_OPTIONS if options.get(name) is not None}
    request = TuningRequest(
        str(source.path.resolve()), source.fingerprint, seed, seconds, number, wanted, dict(config or {}), test
    )
    return TuningRecord(request, tuple(validation.tolist()), own.model_dump(mode="json"), missing, tasks=wanted)


def _resumed(
    out: Path, source: EpisodeStore, resume: bool, config: Mapping[str, Any] | None, seconds: float | None,
    trials: SupportsIndex | None,
) -> TuningRecord:  # fmt: skip
    """The record of a tuning that goes on."""
    if not resume:
        raise ForethoughtError(f"{out} already holds a tuning: add --resume to continue it, or name another folder.")
    record = read_tuning(out)
    request = record.request
    if request.fingerprint != source.fingerprint:
        raise ForethoughtError(
            f"{out} was started with the store at {request.store}, and {source.path} holds other episodes: resume with the "
            "first one, or start a new tuning."
        )
    same = dict(config or request.config) == dict(request.config)
    same = same and (seconds is None or math.isclose(seconds, request.seconds or math.nan))
    if not same or (trials is not None and require_whole(trials, "The number of trials") != request.trials):
        raise ForethoughtError(
            f"{out} is resumed with its own settings and budget: leave out --set, --config, --seconds and --trials, or start a "
            "new tuning."
        )
    return record
