"""What can be known before a training is checked before it: the world, tasks for the evaluation, the success test, memory.

Before a training is resumed, its files are compared with the store.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from forethought.config import CONFIGURATION, Configuration, DataSpec
from forethought.configurator.configure import require_parts_and_clips, require_room_above
from forethought.configurator.memory import require_available
from forethought.data.store import EpisodeStore
from forethought.device import available_memory, default_device
from forethought.errors import ForethoughtError, did_you_mean
from forethought.training.record import TRAINING, training_record
from forethought.types import WorldSpec
from forethought.worlds import registry
from forethought.worlds.goals import TRIAL_SEED, TRIALS, measure_success, tasks_from_episodes, why_no_tasks, with_success_test
from forethought.worlds.success import SUCCESS_OPTIONS, WEAK_TEST, require_a_test

log = logging.getLogger(__name__)


def checked_options(store: EpisodeStore, success: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The options of the store's world for a run, with the success test that its evaluation will use.

    A store without a world to act in is trained on all the same, and the missing evaluation is said now.

    Args:
        store: the dataset. success: options of the success test that replace those of the store.

    Raises:
        ForethoughtError: no held-out episode gives a task, or the success test passes everything.
    """
    spec, asked = store.spec, dict(success or {})
    for name in asked.keys() - set(SUCCESS_OPTIONS):
        raise ForethoughtError(f"'{name}' is no option of a success test: {did_you_mean(name, SUCCESS_OPTIONS)}")
    if missing := why_no_tasks(spec):
        log.warning("%s Training goes on; success will not be measured, and the report shows predictions only", missing)
        return dict(spec.options)
    if registry.family_of(spec.name).make_tasks is not None:
        if asked:
            raise ForethoughtError(f"World {spec.name!r} has a success test of its own: leave out {', '.join(asked)}.")
        return dict(spec.options)
    given = {**spec.options, **asked}
    options = with_success_test(store, given)
    tasks = tasks_from_episodes(store, TRIALS, TRIAL_SEED, options=options)
    log.info("success test: %s", tasks.success)
    _try_the_test(store, given, options)
    return options


def _try_the_test(store: EpisodeStore, given: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """Check a success test by distance with the random policy: a given one is refused if it tests nothing."""
    name = next((name for name in ("success_distance", "success_pixels") if options.get(name) is not None), None)
    if name is None:
        return
    trials = measure_success(store, options)
    threshold = float(options[name])
    share, tasks = trials.share_of_tasks(threshold)
    log.info("success test: random actions pass it in %.0f %% of %d tasks", 100 * share, tasks)
    if given.get(name) is not None:
        require_a_test(trials, name, threshold)
    elif share >= WEAK_TEST:
        log.warning(
            "random actions reach half of the goals or more, so success will tell little about the agent; longer "
            "episodes give goals that are farther away"
        )


def require_memory_now(store: EpisodeStore, configuration: Configuration) -> None:
    """Check that training and planning fit into the memory that is free now.

    Raises:
        ForethoughtError: they do not.
    """
    require_available(configuration, store.num_rows, available_memory(default_device()))


def require_even_shares(configuration: Configuration, processes: int) -> None:
    """Check that so many processes can share each batch evenly.

    Raises:
        ForethoughtError: a batch has another number of rows than a multiple of the processes; names the setting.
    """
    for name, rows in configuration.training.model_dump().items():
        if name.split("_")[-1] == "batch" and rows % processes:
            raise ForethoughtError(
                f"training.{name} = {rows} rows cannot be shared evenly by {processes} processes: set it to a multiple of "
                f"{processes}, or start another number of processes."
            )


def require_own_store(run: Path, configuration: Configuration, store: EpisodeStore) -> None:
    """Check that a run can be resumed on a store: it was started on it, and its configuration describes it.

    Raises:
        CorruptFileError: the training record is damaged.
        ForethoughtError: the run was started with another store, or its configuration has other spaces than the store, or
            asks for what a new run is refused.
    """
    if (run / TRAINING).exists() and (record := training_record(run))["fingerprint"] != store.fingerprint:
        raise ForethoughtError(
            f"{run} was started with the store at {record['store']}, and {store.path} holds other episodes: resume with the "
            "first one, or start a new run."
        )
    data, spec = configuration.data, store.spec
    own = _spaces(data) | {
        "block": data.block, "action": (data.action_kind, data.action_size, data.low, data.high),
    }  # fmt: skip
    stored = _spaces(spec) | {
        "block": store.block, "action": (spec.action.kind, spec.action.size, spec.action.low, spec.action.high),
    }  # fmt: skip
    for name, value in own.items():
        if value != stored[name]:
            raise ForethoughtError(
                f"{run / CONFIGURATION} does not describe the store at {store.path}: its {name} is {value!r}, and the store's "
                f"is {stored[name]!r}; restore the file, or start a new run."
            )
    statistics = store.statistics()
    require_parts_and_clips(configuration, statistics)
    require_room_above(configuration, statistics)
    require_memory_now(store, configuration)


def _spaces(space: DataSpec | WorldSpec) -> dict[str, Any]:
    """What a configuration and the spec of a store say in the same words; text streams are not encoded."""
    streams = {stream.name: (stream.kind, tuple(stream.shape)) for stream in space.streams if stream.kind != "text"}
    world = space.name if isinstance(space, WorldSpec) else space.world
    return {"world": world, "list of streams": streams, "list of drives": space.drives}
