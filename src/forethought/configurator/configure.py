"""From a store, a task and a budget to the configuration of every module."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from forethought.configurator import rules
from forethought.configurator.budget import Budget
from forethought.configurator.config_builder import ConfigBuilder
from forethought.data.statistics import StoreStatistics
from forethought.errors import ForethoughtError, did_you_mean
from forethought.parts import KINDS, is_built_in, is_known, require_known
from forethought.settings import Configuration, SpaceSettings, StreamSettings
from forethought.types import WorldSpec

log = logging.getLogger(__name__)

TASK_COSTS = ("critic", "goal_distance", "subgoal")
"""Names that `cost.extra` can't have."""


def configure(
    spec: WorldSpec,
    block: int,
    seen: StoreStatistics,
    *,
    budget: Budget | None = None,
    overrides: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Configuration:
    """Choose every setting and say why.

    Args:
        spec: the world that the data comes from. block: steps in an action block.
        seen: figures of the data.
        budget: limits; None for none.
        overrides: the user's own settings, nested (`{"actor": {"horizon": 4}}`) or dotted (`{"actor.horizon": 4}`).
        seed: of everything random in training.

    Raises:
        ForethoughtError: the budget is too small, the data too short, or an override wrong.
    """
    budget = budget or Budget()
    body = body_of(spec, block, seen)
    choices = ConfigBuilder()
    choices.override(overrides or {})
    choices.choose("training.seed", seed, "given")
    rules.perception(choices, body)
    rules.world_model(choices, seen, spec)
    rules.several_ways(choices)
    rules.hierarchy(choices, seen, body)
    rules.training(choices, seen, body, budget)
    rules.actor(choices, body, budget)
    rules.cost(choices, body)
    rules.require_memory(choices, seen, body, budget)
    configuration = choices.build(body)
    _refuse_contradictions(configuration, seen)
    require_room_above(configuration, seen)
    return configuration


def _refuse_contradictions(configuration: Configuration, seen: StoreStatistics) -> None:
    """What would fail hours later, when planning or drawing clips, is refused before anything is learned."""
    actor, training, kind = configuration.actor, configuration.training, configuration.space.action_kind
    cost = configuration.cost
    for name in cost.drive_weights:
        if name not in (known := ("effort", *configuration.space.drives)):
            raise ForethoughtError(f"cost.drive_weights has no drive '{name}'; {did_you_mean(name, known)}")
    for name in cost.extra:
        if name in TASK_COSTS:
            raise ForethoughtError(f"cost.extra: '{name}' is the name of a cost that every agent has: give yours another.")
        require_known("cost", name, "cost.extra")
    for name in configuration.loss.extra:
        if name in KINDS["loss"].reserved:
            raise ForethoughtError(f"loss.extra: '{name}' is the name of a term that every loss has: give yours another.")
        if not is_known("regulariser", name):
            require_known("loss", name, "loss.extra")
    if not any((*cost.task.values(), *(cost.drive_weights.get(name) for name in configuration.space.drives))):
        raise ForethoughtError("No cost has a weight but effort's, so to do nothing would be best: give cost.critic a weight.")
    if cost.discount == 1 and configuration.space.drives:
        raise ForethoughtError(
            f"cost.discount = 1 adds up what {' and '.join(configuration.space.drives)} will cost without end: set it below 1."
        )
    if training.sequence_length > seen.length_max:
        raise ForethoughtError(
            f"Clips of training.sequence_length = {training.sequence_length} blocks don't fit the longest episode of "
            f"{seen.length_max}: lower it."
        )
    if round(cost.latent_distance_radius) > seen.length_max:
        raise ForethoughtError(
            f"cost.latent_distance_radius = {cost.latent_distance_radius:g} blocks don't fit the longest episode of "
            f"{seen.length_max}, where it is measured what is near: lower it."
        )
    if is_built_in("planner", actor.planner) and (actor.planner == "categorical") != (kind == "discrete"):
        raise ForethoughtError(
            f"The planner '{actor.planner}' can't search {kind} actions: leave actor.planner to the configurator."
        )
    if configuration.hierarchy.planner == "categorical":
        raise ForethoughtError("The planner 'categorical' can't search macro-actions, which are numbers: set another.")
    if actor.gradient_steps and kind == "discrete":
        raise ForethoughtError(
            f"actor.gradient_steps = {actor.gradient_steps} can't polish discrete actions, which have no slope: set it to 0."
        )
    if actor.planner in ("cem", "icem", "categorical") and actor.num_elites > actor.num_samples:
        raise ForethoughtError(
            f"actor.num_elites ({actor.num_elites}) can't be more than actor.num_samples ({actor.num_samples}): set both."
        )
    model = configuration.world_model
    if model.uncertain and model.kind != "jepa":
        raise ForethoughtError(
            f"world_model.num_codes = {model.num_codes} needs world_model.kind = jepa (now {model.kind}): a latent variable is "
            "a part of the JEPA."
        )
    if model.uncertain and model.predictor != "mlp":
        raise ForethoughtError(
            f"world_model.num_codes = {model.num_codes} needs world_model.predictor = mlp (now {model.predictor}): a latent "
            "variable is not yet drawn along a past."
        )
    if actor.num_scenarios > 1 and not model.uncertain:
        raise ForethoughtError(
            f"actor.num_scenarios = {actor.num_scenarios} futures need a latent variable to differ by: set "
            "world_model.num_codes to 2 or more."
        )
    levels, goals = configuration.hierarchy.levels, configuration.space.goals
    if levels > 1 and goals:
        raise ForethoughtError(
            f"hierarchy.levels = {levels} needs goals that show everything, and this world's show {', '.join(goals)} "
            "alone: set hierarchy.levels = 1."
        )
    if configuration.memory.history < model.context:
        raise ForethoughtError(
            f"memory.history ({configuration.memory.history}) can't be less than world_model.context ({model.context}), the "
            "rows that a prediction reads: set both."
        )
    if 0 < actor.retrieval_size < actor.retrieved_candidates:
        raise ForethoughtError(
            f"actor.retrieved_candidates ({actor.retrieved_candidates}) can't be more than actor.retrieval_size "
            f"({actor.retrieval_size}): set both."
        )


def require_room_above(configuration: Configuration, seen: StoreStatistics) -> None:
    """Refuse levels that the episodes are too short for (H-JEPA's fell to 1 % where 14 % of the clips fitted).

    More than half of the episodes must be as long as what the highest level learns from.

    Raises:
        ForethoughtError: they are not, a graph with more than one level below it was asked for, or plans of levels that are not
            there are to be polished.
    """
    hierarchy = configuration.hierarchy
    if hierarchy.kind == "graph" and hierarchy.levels > 2:
        raise ForethoughtError(
            f"hierarchy.kind = graph is a search right above level 1: set hierarchy.levels = 2 (now {hierarchy.levels}), or "
            "hierarchy.kind = learned."
        )
    if hierarchy.kind == "graph" and hierarchy.levels > 1 and 2 * hierarchy.landmarks > seen.rows:
        raise ForethoughtError(
            f"hierarchy.landmarks = {hierarchy.landmarks} places to find a way over are more than half of the store's "
            f"{seen.rows} rows: lower it, or record more."
        )
    learned = hierarchy.levels - 1 if hierarchy.kind == "learned" else 0
    if hierarchy.gradient_steps and not learned:
        raise ForethoughtError(
            f"hierarchy.gradient_steps = {hierarchy.gradient_steps} changes the plans of learned levels above the first, "
            "1 at least, and there will be 0: set it to 0, or hierarchy.kind = learned with hierarchy.levels = 2."
        )
    if not learned:
        return
    if hierarchy.retrieval_size < hierarchy.known:
        raise ForethoughtError(
            f"hierarchy.retrieval_size ({hierarchy.retrieval_size}) can't be less than the {hierarchy.known} remembered plans "
            "that a search begins with, half of hierarchy.num_samples: set both."
        )
    if hierarchy.num_elites > hierarchy.num_samples:
        raise ForethoughtError(
            f"hierarchy.num_elites ({hierarchy.num_elites}) can't be more than hierarchy.num_samples "
            f"({hierarchy.num_samples}): set both."
        )
    need = hierarchy.room_of(hierarchy.levels)
    if need > seen.length_median:
        raise ForethoughtError(
            f"Level {hierarchy.levels} with hierarchy.stride = {hierarchy.stride} learns from {need} blocks in a row, and the "
            f"median episode has {seen.length_median:g}: lower hierarchy.levels, hierarchy.stride or hierarchy.upper_stride."
        )


def body_of(spec: WorldSpec, block: int, seen: StoreStatistics) -> SpaceSettings:
    """What the agent senses and can do, with normalisers from the data.

    Raises:
        ForethoughtError: a stream whose values never change; nothing but text.
    """
    streams = []
    for stream in spec.streams:
        if stream.kind == "text":
            log.info("The '%s' stream is text, which perception does not encode yet: it stays in the store.", stream.name)
            continue
        mean, std = seen.stream_mean[stream.name], seen.stream_std[stream.name]
        if max(std) < 1e-6:
            raise ForethoughtError(
                f"The '{stream.name}' stream of {spec.name} never changes in this store: renderer or sensor is dead."
            )
        floor = 1.0 if stream.kind == "image" else 1e-3
        streams.append(
            StreamSettings.model_validate(
                {
                    "name": stream.name,
                    "kind": stream.kind,
                    "shape": stream.shape,
                    "mean": mean,
                    "std": tuple(max(s, floor) for s in std),
                }
            )
        )
    if not streams:
        raise ForethoughtError(
            f"{spec.name} has no stream but text, which perception does not encode yet: add images or numbers."
        )
    return SpaceSettings(
        world=spec.name,
        options=dict(spec.options),
        streams=tuple(streams),
        action_kind=spec.action.kind,
        action_size=spec.action.size,
        low=spec.action.low,
        high=spec.action.high,
        block=block,
        drives=spec.drives,
        goals=spec.goals,
    )
