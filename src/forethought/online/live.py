"""Live in a world: act, record, learn, from nothing to the world's own task (`forethought live`)."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, SupportsIndex

from forethought.agent import Agent
from forethought.atomic_io import claimed, make_folder
from forethought.config.configuration import nested
from forethought.configurator.config_builder import ConfigBuilder
from forethought.data.collection import PATIENCE
from forethought.data.store import EpisodeStore
from forethought.device import one_thread
from forethought.errors import ForethoughtError, require_number, require_whole
from forethought.execution import Executor, make_executor
from forethought.online.lifetime import Lifetime
from forethought.online.progress import Observer
from forethought.online.record import LIFE, Record, read_request
from forethought.online.recorded import as_request, require_fitting
from forethought.training.agent_files import load
from forethought.types import WorldSpec
from forethought.worlds import registry
from forethought.worlds.any_gymnasium.making import registered_limit
from forethought.worlds.any_gymnasium.registration import OnlyHereError
from forethought.worlds.parsing import plain

log = logging.getLogger(__name__)
MOST_STEPS = 10**9
MOST_ACTORS = 64
MOST_LIVED = 1000
"""Steps of an episode in a world without a time limit, as in dm_control, whose episodes end themselves there."""


def live(
    world: str | Callable[..., Any],
    *,
    out: Path | str,
    steps: SupportsIndex,
    seed: SupportsIndex = 0,
    until: float | None = None,
    options: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    block: SupportsIndex | None = None,
    actors: SupportsIndex = 1,
    recorded: Path | str | None = None,
    resume: bool = False,
    watch: Observer | None = None,
    patience: float = PATIENCE,
    cluster: str | None = None,
) -> Agent:
    """Learn a world's own task: act, record what happens, and learn from it; from nothing, or from recorded experience.

    The result depends on the world, its options, `steps`, `until`, `seed`, `actors` and `config` alone. A life that was killed
    and resumed comes to the same numbers, where the world is a function of its seeds and actions.

    Args:
        world: as in `collect`. out: the run's folder; afterwards it holds the agent, the dataset of its life, and its record.
        steps: environment steps of its life at most, random ones included; with `resume` they may be more than before.
        seed: of weights, batches, noise and episodes.
        until: the life ends at the first evaluation with this mean return; None: after all steps.
        options: of the world. Without `streams` the agent observes the numbers of the observation, or else its pictures.
        config: the user's settings; they override the configurator's. New runs only.
        block: environment steps in an action block, over which one action is repeated; None: by how fast the world changes in
            the first, random steps, or that of `recorded`.
        actors: processes that act in parallel, 1 to 64, each in a copy of the world of its own, while this one learns; 1: this
            one acts, too.
        recorded: folder of a store of this world, from which the agent learns before it acts (offline to online); it then
            takes no random actions. None: from nothing.
        resume: go on with the run in `out`.
        watch: called with the run's folder at most once a minute, and at the end; whatever it raises is one warning.
        patience: seconds after which a call of the environment counts as hung, which costs its episode.
        cluster: Ray cluster whose CPUs the actors act on, one each: `auto` or HOST:PORT of its head; None: processes of this
            machine. The life is the same.

    Returns:
        The agent that had the highest return in the evaluations.

    Raises:
        ForethoughtError: the folder holds another run, the world can't be made, too many episodes are lost, the world gives
            no reward that differs, another process can't make the world for `actors`, or the cluster can't be used.
    """
    run, name = Path(out), registry.world_name(world)
    total = require_whole(steps, "steps", 1, MOST_STEPS)
    if until is not None and not math.isfinite(require_number(until, "until")):
        raise ForethoughtError(f"until can't be {until}: give the mean return at which the life ends, or leave it out.")
    if not resume and (run / LIFE).exists():
        raise ForethoughtError(f"{run} already holds a life: add --resume to go on, or name another folder.")
    begun = read_request(run) if resume else None
    if recorded is None and begun is not None and begun.get("recorded"):
        recorded = begun["recorded"]["path"]
    store = None if recorded is None else EpisodeStore.open(recorded)
    spec, streams = described(name, plain(options or {}) if store is None or options is not None else dict(store.spec.options))
    asked_block = None if block is None else require_whole(block, "block", 1, spec.max_steps)
    if store is not None:
        require_fitting(store, spec, asked_block)
    request: dict[str, Any] = {"world": name, "options": streams, "seed": require_whole(seed, "seed"), "steps": total}
    request["block"], request["actors"] = asked_block, require_whole(actors, "actors", 1, MOST_ACTORS)
    if request["actors"] > 1:
        require_sendable(name)
    executor = executor_of(request["actors"], cluster)
    request["config"], request["recorded"] = nested(config or {}), None if store is None else as_request(store)
    if begun is not None:
        request["config"] = begun.get("config", {}) if config is None else request["config"]
        request["steps"] = begun.get("steps", total)
        request["block"] = begun.get("block") if asked_block is None else asked_block
        begun.setdefault("actors", 1)
        differing = [key for key, value in request.items() if begun.get(key) != value]
        if differing:
            key = differing[0]
            raise ForethoughtError(
                f"The life in {run} was begun with {key} = {begun.get(key)}, not {request[key]}: resume it with the same, or "
                "begin one in another folder."
            )
    ConfigBuilder(request["config"])  # refuses unknown settings and invalid values before the first step
    make_folder(run)
    with claimed(run), one_thread(all(stream.kind != "image" for stream in spec.streams)):
        if begun is None:
            Record().write(run, request)
        Lifetime(run, spec, request, store, total, until, watch, patience, executor).go()
    return load(run)


def executor_of(actors: int, cluster: str | None) -> Executor:
    """Where actors act: processes of this machine, or a cluster.

    Raises:
        ForethoughtError: there is no such cluster, it has too few CPUs, or a single actor, which acts in this process, has one.
    """
    if cluster is not None and actors == 1:
        raise ForethoughtError("A single actor acts in this process: give --actors 2 or more, or leave out --cluster.")
    executor = make_executor(cluster=cluster)
    if cluster is not None and executor.workers < actors:
        raise ForethoughtError(
            f"{actors} actors need a CPU each, and the cluster has {executor.workers}: give --actors {executor.workers}, or "
            "add a machine (`ray start --address HOST:PORT`)."
        )
    return executor


def require_sendable(name: str) -> None:
    """Check that another process can make this world.

    Raises:
        ForethoughtError: it can't.
    """
    try:
        registry.registration(name)
    except OnlyHereError as error:
        raise ForethoughtError(
            f"World {name!r} is of this script or notebook, or registered with what no other process can get, so that only one "
            "actor can live there: use actors=1, or move it into a module."
        ) from error


def described(name: str, options: Mapping[str, Any]) -> tuple[WorldSpec, dict[str, Any]]:
    """The world's description, and its options with the streams that the agent observes.

    Raises:
        ForethoughtError: the world can't be made.
    """
    chosen, spec = dict(options), None
    if "streams" not in options and not registry.built_in(name):
        numbers = chosen | {"streams": ["proprioception"]}
        try:
            spec, chosen = spec_of(name, numbers), numbers
        except ForethoughtError as error:
            spec = spec_of(name, chosen)  # a world that does not start at all raises here, before anything is said
            log.info("%s has no numbers to observe (%s): its pictures are observed", name, error)
    spec = spec_of(name, chosen) if spec is None else spec
    if "max_steps" not in options and not registry.built_in(name) and registered_limit(name) is None:
        log.info("%s has no time limit of its own: an episode that goes on is cut after %d steps (max_steps)", name, MOST_LIVED)
        chosen["max_steps"] = MOST_LIVED
        spec = spec_of(name, chosen)
    return spec, chosen


def spec_of(name: str, options: Mapping[str, Any]) -> WorldSpec:
    """The description of a world, which is made for it and closed."""
    world = registry.make(name, 1, **options)
    world.close()
    return world.spec
