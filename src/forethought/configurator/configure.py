"""From a store, a task and a budget to the configuration of every module."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from forethought.config import Configuration, DataSpec, StreamSettings
from forethought.configurator import rules
from forethought.configurator.budget import Budget
from forethought.configurator.config_builder import ConfigBuilder
from forethought.configurator.hierarchy_rules import hierarchy
from forethought.data.statistics import StoreStatistics
from forethought.errors import ForethoughtError
from forethought.parts import KINDS, is_known, require_known
from forethought.types import WorldSpec

log = logging.getLogger(__name__)


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
        overrides: the user's own settings, nested (`{"planner": {"horizon": 4}}`) or dotted (`{"planner.horizon": 4}`).
        seed: of everything random in training.

    Raises:
        ForethoughtError: the budget is too small, the data too short, or an override wrong.
    """
    budget = budget or Budget()
    data = data_spec(spec, block, seen)
    choices = ConfigBuilder(overrides or {})
    with choices.because("given"):
        choices.training.seed = seed
    rules.encoder(choices, data)
    rules.predictor(choices, spec)
    rules.regularisers(choices, seen)
    rules.changing_layouts(choices, seen)
    rules.stochastic_world(choices)
    hierarchy(choices, seen, data)
    rules.clips(choices, seen, data)
    if budget.seconds is None:
        rules.steps_from_data(choices, seen, data)
    else:
        rules.steps_from_budget(choices, budget.seconds)
    rules.search(choices, data)
    rules.retrieval(choices)
    rules.effort(choices, budget)
    rules.cost(choices, data)
    rules.require_memory(choices, seen, data, budget)
    configuration = choices.build(data)
    _require_parts_and_clips(configuration, seen)
    require_room_above(configuration, seen)
    return configuration


def _require_parts_and_clips(configuration: Configuration, seen: StoreStatistics) -> None:
    """Unknown parts, and what the episodes of a store are too short for, are refused before anything is learned."""
    for name in configuration.planner.cost.extra:
        require_known("cost", name, "planner.cost.extra")
    for name in configuration.training.loss.extra:
        if name in KINDS["loss"].reserved:
            raise ForethoughtError(
                f"training.loss.extra: '{name}' is the name of a term that every loss has: give yours another."
            )
        if not is_known("regulariser", name):
            require_known("loss", name, "training.loss.extra")
    length, radius = configuration.training.sequence_length, configuration.model.latent_distance_radius
    if length > seen.length_max:
        raise ForethoughtError(
            f"Clips of training.sequence_length = {length} blocks don't fit the longest episode of {seen.length_max}: lower it."
        )
    if round(radius) > seen.length_max:
        raise ForethoughtError(
            f"model.latent_distance_radius = {radius:g} blocks don't fit the longest episode of {seen.length_max}, "
            "where it is measured what is near: lower it."
        )
    levels, goals = configuration.model.hierarchy.levels, configuration.data.goals
    if levels > 1 and goals:
        raise ForethoughtError(
            f"model.hierarchy.levels = {levels} needs goals that show everything, and this world's show {', '.join(goals)} "
            "alone: set model.hierarchy.levels = 1."
        )


def require_room_above(configuration: Configuration, seen: StoreStatistics) -> None:
    """Refuse levels that the episodes are too short for (H-JEPA's fell to 1 % where 14 % of the clips fitted).

    More than half of the episodes must be as long as what the highest level learns from.

    Raises:
        ForethoughtError: they are not, or a graph has more landmarks than the data has places.
    """
    hierarchy = configuration.model.hierarchy
    if hierarchy.levels == 1:
        return
    if hierarchy.kind == "graph":
        if 2 * hierarchy.landmarks > seen.rows:
            raise ForethoughtError(
                f"model.hierarchy.landmarks = {hierarchy.landmarks} places to find a path over are more than half of the "
                f"store's {seen.rows} rows: lower it, or record more."
            )
        return
    need = hierarchy.room_of(hierarchy.levels)
    if need > seen.length_median:
        raise ForethoughtError(
            f"Level {hierarchy.levels} with model.hierarchy.stride = {hierarchy.stride} learns from {need} blocks in a row, "
            f"and the median episode has {seen.length_median:g}: lower model.hierarchy.levels, model.hierarchy.stride or "
            "model.hierarchy.upper_stride."
        )


def data_spec(spec: WorldSpec, block: int, seen: StoreStatistics) -> DataSpec:
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
    return DataSpec(
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
