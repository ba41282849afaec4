"""Configuration rules of what a training and a decision may take: optimiser steps, candidates, memory.

A rule is one function; its docstring names the quantity that it reads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from forethought.config import DataSpec
from forethought.configurator.budget import Budget
from forethought.configurator.config_builder import ConfigBuilder
from forethought.configurator.rules import LAYOUT, LONG, MOSTLY_LAYOUT, has_many_positions, holds_objects, shows_objects
from forethought.data.statistics import StoreStatistics
from forethought.errors import ForethoughtError

# Throughput of one core of a laptop-class CPU when these rules were written; only ratios of settings depend on it.
FRAMES_PER_SECOND = 1400.0
CALLS_PER_MS = 90.0
ENCODER_SLOWNESS: Mapping[str, float] = MappingProxyType({"spatial-softmax": 1.8})
"""Time of a frame relative to the other image encoders."""
LEAST_FRAMES = 15_000
"""Frames below which a world model has learned too little."""
FASTEST, FASTEST_NUMBERS = 3.0, 15.0
"""Speeds of a fast machine relative to these, with images and without: less time than it needs is refused before training."""
HEADROOM, FEWEST = 2.0, 32
"""Candidates where the clock decides how many fit: multiple of the estimate, and least number."""
ABOVE: Mapping[str, tuple[float, float]] = MappingProxyType({"levels": (0.1, 14.0), "distances": (0.05, 16.0)})
"""Phases of the learned levels: share of the training budget, and optimiser steps per second of one level."""
# Shares of the training budget, and optimiser steps per second on encoded states.
SHARES = {"world_model": 0.45, "predictor": 0.1, "rollout": 0.15, "critic": 0.15, "policy": 0.15}
CACHED_STEPS_PER_SECOND = {"predictor": 100.0, "rollout": 40.0, "critic": 60.0, "policy": 40.0}


def steps_from_data(builder: ConfigBuilder, statistics: StoreStatistics, data: DataSpec) -> None:
    """Reads episode lengths, layouts and objects: sets optimiser steps without a time budget."""
    frames, reason = _frames(statistics, data)
    with builder.because(reason):
        builder.training.world_model_steps = frames // _frames_per_step(builder)
    many_layouts = statistics.layout > LAYOUT or holds_objects(statistics)
    if not many_layouts and not has_many_positions(data, statistics):
        return
    with builder.because("the effects of walls must be learned for many " + ("layouts" if many_layouts else "positions")):
        builder.training.predictor_steps = 5000
        builder.training.rollout_steps = 5000
        builder.training.levels_steps = 3000
        builder.training.critic_steps = 12000 if statistics.layout > MOSTLY_LAYOUT else 6000


def steps_from_budget(builder: ConfigBuilder, data: DataSpec, seconds: float, reproducible: bool) -> None:
    """Reads the time budget: sets the optimiser steps of each phase by its share, as a plan that the clock corrects.

    Raises:
        ForethoughtError: the budget is too small to train a world model; unless it is `reproducible`, on any machine.
    """
    budget, training = seconds, builder.training
    images = data.has_images
    factor = 1.0 if reproducible else FASTEST if images else FASTEST_NUMBERS
    upper_levels = builder.model.hierarchy.levels - 1
    if upper_levels and builder.model.hierarchy.kind == "learned":
        for phase, (part, speed) in ABOVE.items():
            with builder.because(f"{part:.0%} of {budget:g} s"):
                setattr(training, f"{phase}_steps", int(budget * part * speed / upper_levels))
        seconds *= 1 - sum(part for part, _ in ABOVE.values())
    share = SHARES["world_model"]
    speed = FRAMES_PER_SECOND / ENCODER_SLOWNESS.get(builder.model.encoder.image, 1.0)
    frames = int(seconds * share * speed)
    if frames * factor < LEAST_FRAMES:
        need = math.ceil(LEAST_FRAMES / factor / speed / share * budget / seconds)
        where = "this kind of machine" if reproducible else "a fast machine"
        raise ForethoughtError(f"A budget of {budget:g} s is too small: a world model needs about {need} s on {where}.")
    with builder.because(f"{share:.0%} of {seconds:g} s at about {speed:.0f} frames a second"):
        training.world_model_steps = max(1, frames // _frames_per_step(builder))
    for phase, pace in CACHED_STEPS_PER_SECOND.items():
        pace = pace / slowness(builder) if phase in {"predictor", "rollout"} else pace
        pace = pace / (builder.model.critic_hidden / 256) ** 1.5 if phase == "critic" else pace
        with builder.because(f"{SHARES[phase]:.0%} of {seconds:g} s"):
            setattr(training, f"{phase}_steps", int(seconds * SHARES[phase] * pace))


def _frames_per_step(builder: ConfigBuilder) -> int:
    return builder.training.batch * (int(builder.training.sequence_length) + 2)


def _frames(statistics: StoreStatistics, data: DataSpec) -> tuple[int, str]:
    """Frames to train the encoder on without a budget, with the reason: linear probes saturate there."""
    if shows_objects(data, statistics):
        return 1_500_000, "the positions of agent and objects are still read better after 1,500,000 frames than after 750,000"
    if statistics.layout > LAYOUT or holds_objects(statistics):
        return 750_000, "with different layouts, linear probes saturate at 750,000 frames"
    if statistics.length_median > 2 * LONG:
        # OGBench's giant maze from pictures: position R2 .73 and 43 % success after 300,000, .98 and 100 % after 960,000.
        return (
            960_000 if data.has_images else 750_000,
            f"paths of {statistics.length_median:g} blocks have many positions, which need more training to distinguish",
        )
    return 300_000, "linear probes saturate at 300,000 frames"


def effort(builder: ConfigBuilder, budget: Budget) -> None:
    """Reads the time budget of a decision: sets its deadline and the largest number of candidates.

    Raises:
        ForethoughtError: the budget is too small for planning: all iterations if it is `reproducible`, else one.
    """
    if budget.ms_per_decision is None:
        return
    if not budget.reproducible:
        with builder.because(f"you allow {budget.ms_per_decision:g} ms"):
            builder.planner.ms_per_decision = budget.ms_per_decision
    horizon, iterations = builder.planner.horizon, builder.planner.search.num_iterations
    calls_per_ms = CALLS_PER_MS / slowness(builder) / builder.planner.risk.num_scenarios
    candidates = int(budget.ms_per_decision * calls_per_ms / (horizon * iterations))
    least = 16 if budget.reproducible else 16 / iterations / FASTEST
    if budget.ms_per_decision * calls_per_ms / (horizon * iterations) < least:
        need = math.ceil(least * horizon * iterations / calls_per_ms)
        raise ForethoughtError(
            f"{budget.ms_per_decision:g} ms a decision is too little to plan {horizon} blocks ahead: give at least "
            f"{need} ms, or act with mode='react'."
        )
    if not budget.reproducible:
        candidates = max(FEWEST, int(HEADROOM * candidates))
    candidates = min(candidates, 1000)
    with builder.because(
        f"{budget.ms_per_decision:g} ms allow about {candidates} plans of {horizon} blocks, {iterations} times"
    ):
        builder.planner.search.num_samples = candidates
    if builder.planner.search.kind in ("cem", "icem", "categorical"):
        with builder.because("a tenth of the candidates"):
            setattr(builder.planner.search, "num_elites", max(2, candidates // 10))  # noqa: B010 - not every kind has elites


def require_memory(builder: ConfigBuilder, statistics: StoreStatistics, data: DataSpec, budget: Budget) -> None:
    """Reads the memory budget: checks before training that it is sufficient.

    Raises:
        ForethoughtError: training needs more.
    """
    if budget.memory_gib is None:
        return
    frame = sum(4 * math.prod(stream.shape) for stream in data.streams)
    batch = builder.training.batch * (builder.training.sequence_length + 2) * frame * 8
    states = statistics.rows * builder.model.encoder.state_dim * max(1, builder.model.encoder.tokens) * 4
    need = (batch + states) / 2**30 + 0.5
    if need > budget.memory_gib:
        raise ForethoughtError(
            f"Training needs about {need:.1f} GiB and {budget.memory_gib:g} GiB are allowed: lower training.batch "
            f"(now {builder.training.batch}) or give more memory."
        )


def slowness(builder: ConfigBuilder) -> float:
    """Approximate time of a predictor call relative to the default size (512 wide, 3 deep: measured 3.9)."""
    predictor = builder.model.predictor
    return float((predictor.hidden / 256) ** 1.5 * predictor.depth / 2)
