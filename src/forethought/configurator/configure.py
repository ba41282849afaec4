"""Derives the configuration of every module from a store, a task and a budget."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from forethought.config import Configuration, DataSpec, StreamSettings
from forethought.configurator import budget_rules, online_rules, rules
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
    statistics: StoreStatistics,
    *,
    budget: Budget | None = None,
    unexplained: tuple[float, float] = (0.0, 0.0),
    overrides: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Configuration:
    """Choose all settings, with a reason for each.

    Args:
        spec: the world of the data. block: steps in an action block.
        statistics: of the data.
        budget: limits; None for none.
        unexplained: shares of the change, by the present row, and given one more; (0, 0) where it was not measured.
        overrides: the user's own settings, nested (`{"planner": {"horizon": 4}}`) or dotted (`{"planner.horizon": 4}`).
        seed: of all random generators in training.

    Raises:
        ForethoughtError: the budget is too small, the episodes are too short, or an override is invalid.
    """
    budget = budget or Budget()
    data = data_spec(spec, block, statistics)
    builder = ConfigBuilder(overrides or {})
    with builder.because("given"):
        builder.training.seed = seed
    rules.encoder(builder, data, statistics)
    rules.predictor(builder, spec, *unexplained)
    rules.regularisers(builder, data, statistics)
    rules.contacts(builder, data, statistics)
    rules.changing_layouts(builder, statistics)
    rules.stochastic_world(builder)
    hierarchy(builder, statistics, data, rules.hides_velocities(*unexplained))
    rules.clips(builder, statistics, data)
    if budget.seconds is None:
        budget_rules.steps_from_data(builder, statistics, data)
    else:
        budget_rules.steps_from_budget(builder, data, budget.seconds, budget.reproducible)
    rules.search(builder, data, statistics)
    rules.retrieval(builder)
    budget_rules.effort(builder, budget)
    rules.cost(builder, data)
    rules.object_cost(builder, data, statistics)
    budget_rules.require_memory(builder, statistics, data, budget)
    configuration = builder.build(data)
    require_parts_and_clips(configuration, statistics)
    require_room_above(configuration, statistics)
    return configuration


def configure_online(
    spec: WorldSpec,
    block: int,
    statistics: StoreStatistics,
    steps: int,
    reward_size: float,
    *,
    action_repeat: bool = False,
    why_block: str = "given",
    drive_sizes: Mapping[str, float] = MappingProxyType({}),
    curious: bool = False,
    unexplained: tuple[float, float] = (0.0, 0.0),
    recorded: int = 0,
    overrides: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Configuration:
    """Choose all settings of an agent that learns by acting, with a reason for each.

    Args:
        spec: the world. block: steps in an action block. statistics: of the first, random episodes.
        steps: environment steps of its life. reward_size: root mean square of the rewards in these episodes.
        action_repeat: whether one action is repeated over a block. why_block: the reason of `block`.
        drive_sizes: the same of the cost of each drive. curious: whether these episodes tell nothing of where the reward is.
        recorded: how many episodes were recorded before its life.
        unexplained: by the present observation, and with one more past block; see `online_rules.belief`.
        overrides, seed: as in `configure`.

    Raises:
        ForethoughtError: an override is invalid, or the observation has no numbers and no images.
    """
    data = data_spec(spec, block, statistics, action_repeat)
    builder = ConfigBuilder(overrides or {})
    builder.measured("data.block", block, why_block)
    with builder.because("given"):
        builder.training.seed = seed
    online_rules.reward_networks(builder, data)
    rules.cost(builder, data)
    online_rules.drives(builder, reward_size, drive_sizes)
    online_rules.discount(builder, spec.max_steps / block, reward_size, drive_sizes)
    online_rules.schedule(builder, data, steps)
    online_rules.curiosity(builder, curious)
    online_rules.cloning(builder, recorded)
    online_rules.belief(builder, data, *unexplained)
    rules.search(builder, data, statistics)
    online_rules.search(builder, data)
    with builder.because("no goals are retrieved in a world's own task"):
        builder.model.retrieval_size = 0
        builder.planner.retrieved_candidates = 0
    return builder.build(data)


def require_parts_and_clips(configuration: Configuration, statistics: StoreStatistics) -> None:
    """Check before training that all parts are known and the episodes are long enough.

    Raises:
        ForethoughtError: they are not; names the setting.
    """
    if configuration.model.belief_dim:
        raise ForethoughtError(
            "model.belief_dim: a belief is learned by acting (`forethought live`), not yet from recorded goals: set it to 0."
        )
    for name in configuration.planner.cost.extra:
        require_known("cost", name, "planner.cost.extra")
    for name in configuration.training.loss.extra:
        if name in KINDS["loss"].reserved:
            raise ForethoughtError(
                f"training.loss.extra: '{name}' is the name of a built-in loss term: give yours another name."
            )
        if not is_known("regulariser", name):
            require_known("loss", name, "training.loss.extra")
    length, radius = configuration.training.sequence_length, configuration.model.latent_distance_radius
    if length > statistics.length_max:
        raise ForethoughtError(
            f"Clips of training.sequence_length = {length} blocks don't fit the longest episode of "
            f"{statistics.length_max}: lower it."
        )
    if round(radius) > statistics.length_max:
        raise ForethoughtError(
            f"model.latent_distance_radius = {radius:g} blocks don't fit the longest episode of {statistics.length_max}, "
            "which are used to measure the latent distance at this radius: lower it."
        )
    levels, goals = configuration.model.hierarchy.levels, configuration.data.goals
    if levels > 1 and goals:
        raise ForethoughtError(
            f"model.hierarchy.levels = {levels} needs goals that show everything, but goals of this world show only "
            f"{', '.join(goals)}: set model.hierarchy.levels = 1."
        )


def require_room_above(configuration: Configuration, statistics: StoreStatistics) -> None:
    """Check that episodes are long enough for all levels (H-JEPA fell to 1 % success where 14 % of the clips fitted).

    More than half of the episodes must have the length of the highest level's training windows.

    Raises:
        ForethoughtError: they are shorter, or a graph has more landmarks than half of the rows.
    """
    hierarchy = configuration.model.hierarchy
    if hierarchy.levels == 1:
        return
    if hierarchy.kind == "graph":
        if 2 * hierarchy.landmarks > statistics.rows:
            raise ForethoughtError(
                f"model.hierarchy.landmarks = {hierarchy.landmarks} is more than half of the "
                f"store's {statistics.rows} rows: lower it, or record more."
            )
        return
    need = hierarchy.room_of(hierarchy.levels)
    if need > statistics.length_median:
        raise ForethoughtError(
            f"Level {hierarchy.levels} with model.hierarchy.stride = {hierarchy.stride} learns from {need} blocks in a row, "
            f"and the median episode has {statistics.length_median:g}: lower model.hierarchy.levels, model.hierarchy.stride or "
            "model.hierarchy.upper_stride."
        )


FLOOR = 1e-3
FARTHEST = 10.0
"""No training value is farther than this from the mean after normalisation."""


def _scales(stream: str, mean: tuple[float, ...], std: tuple[float, ...], far: tuple[float, ...]) -> tuple[float, ...]:
    """What each number of a vector stream is divided by: its standard deviation, but for three kinds.

    A constant is divided by 1, or by the precision of float32 where it is large, so that a change after training does not drown
    the other numbers. What is rarely far from its mean, such as a flag that is up in one row of a thousand, is divided by
    enough to stay within `FARTHEST`. Nothing is divided by less than `FLOOR`.
    """
    scales = []
    for number, (centre, spread, farthest) in enumerate(zip(mean, std, far, strict=True)):
        if spread == 0:
            scales.append(max(1.0, abs(centre) * 2.0**-22))
            if farthest > FLOOR:
                log.warning(
                    "The '%s' stream: number %d varies by %g around %g, which float32 can't resolve: it counts as constant; "
                    "subtract an offset, such as the episode's first value, where it is recorded.",
                    stream, number, farthest, centre,
                )  # fmt: skip
            continue
        if farthest > FARTHEST * max(spread, FLOOR):
            log.warning(
                "The '%s' stream: number %d is up to %.0f standard deviations from its mean; it is scaled down to %g.",
                stream, number, farthest / spread, FARTHEST,
            )  # fmt: skip
        scales.append(max(spread, FLOOR, farthest / FARTHEST))
    return tuple(scales)


def data_spec(spec: WorldSpec, block: int, statistics: StoreStatistics, action_repeat: bool = False) -> DataSpec:
    """Observation streams and action space of the agent, with normalisers from the data.

    `action_repeat`: whether one action is repeated over all steps of a block.

    Raises:
        ForethoughtError: a stream is constant, or there are only text streams.
    """
    streams = []
    for stream in spec.streams:
        if stream.kind == "text":
            log.info("The '%s' stream is text, which perception does not encode yet: it stays in the store.", stream.name)
            continue
        mean, std = statistics.stream_mean[stream.name], statistics.stream_std[stream.name]
        if max(std) < 1e-6:
            raise ForethoughtError(
                f"The '{stream.name}' stream of {spec.name} never changes in this store: check the renderer or the sensor."
            )
        far = statistics.stream_far.get(stream.name, (0.0,) * len(std))
        scale = tuple(max(s, 1.0) for s in std) if stream.kind == "image" else _scales(stream.name, mean, std, far)
        streams.append(
            StreamSettings.model_validate(
                {
                    "name": stream.name,
                    "kind": stream.kind,
                    "shape": stream.shape,
                    "mean": mean,
                    "std": scale,
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
        action_repeat=action_repeat,
        drives=spec.drives,
        goals=spec.goals,
    )
