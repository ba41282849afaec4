"""The explicit rules: what follows from the data, the task and the budget, each with the measurement that it reads.

A rule is one function. It sets typed attributes of the configuration in the making, inside `with choices.because(...)`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from forethought.config import DataSpec
from forethought.configurator.budget import Budget
from forethought.configurator.config_builder import ConfigBuilder
from forethought.data.statistics import StoreStatistics
from forethought.errors import ForethoughtError
from forethought.types import WorldSpec

# What one core of a laptop-class CPU did when these rules were written; only ratios between choices hang on them.
FRAMES_PER_SECOND = 1400.0
CALLS_PER_MS = 90.0
LEAST_FRAMES = 15_000
LAYOUT, MOSTLY_LAYOUT = 0.02, 0.8
"""Shares of variance between episodes above which there is a layout to keep, and above which there is little else."""
LONG = 40
"""Blocks in an episode from which on the critic's distances to far goals are not to be trusted."""
ABOVE: Mapping[str, tuple[float, float]] = MappingProxyType({"levels": (0.1, 14.0), "distances": (0.05, 16.0)})
"""Of a training budget where there are learned levels above, and the optimiser steps a second that one of them takes."""
# Shares of a training budget, and optimiser steps a second on cached states.
SHARES = {"world_model": 0.45, "predictor": 0.1, "rollout": 0.15, "critic": 0.15, "policy": 0.15}
CACHED_STEPS_PER_SECOND = {"predictor": 100.0, "rollout": 40.0, "critic": 60.0, "policy": 40.0}


def encoder(choices: ConfigBuilder, data: DataSpec) -> None:
    """Reads the streams: which image encoder, how large a state."""
    if any(stream.kind == "image" for stream in data.streams):
        with choices.because("a stride-4 convolution keeps positions and is the fastest on a CPU"):
            choices.model.encoder.image = "conv"
        with choices.because("pixels of one scene: some ten factors, with room for functions of them"):
            choices.model.encoder.state_dim = 64
    else:
        numbers = sum(math.prod(stream.shape) for stream in data.streams)
        with choices.because(f"only {numbers} numbers come in"):
            choices.model.encoder.state_dim = 32


def predictor(choices: ConfigBuilder, spec: WorldSpec) -> None:
    """Reads the world's option `fog`: whether one observation tells the state."""
    if not spec.options.get("fog"):
        with choices.because("one observation tells the state, so no memory is needed"):
            choices.model.predictor.kind = "mlp"
        return
    with choices.because("fog hides part of the world, so the past must be read"):
        choices.model.predictor.kind = "transformer"
    with choices.because("the last four rows show what the present one hides"):
        choices.model.predictor.context = 4
    with choices.because("hidden parts are estimated, so train on masked input"):
        choices.training.loss.masked_prediction = 1.0


def regularisers(choices: ConfigBuilder, seen: StoreStatistics) -> None:
    """Reads the share of variance between episodes: whether there is a layout that the state must keep."""
    loss, share = choices.training.loss, seen.between_episodes
    with choices.because("without it the state keeps the background and drops the agent"):
        loss.inverse_dynamics = 10.0
    if share <= LAYOUT:
        with choices.because(f"only {share:.1%} of what is seen differs between episodes: there is no layout to keep apart"):
            loss.episode_infonce = 0.0
        return
    with choices.because(
        f"{share:.0%} of what is seen differs between episodes, not within: the state must keep the layout too"
    ):
        loss.episode_infonce = 0.5
    with choices.because("far actions depend on the layout in between"):
        loss.multi_step_inverse = 3.0
    with choices.because("more decorrelated features than one slow factor can fill"):
        loss.expander = 512
    with choices.because("the agent must not drown in the layout"):
        loss.within_episode_variance = 1.0


def changing_layouts(choices: ConfigBuilder, seen: StoreStatistics) -> None:
    """Reads the share of variance between episodes: larger networks where nearly all is layout."""
    if seen.between_episodes <= MOSTLY_LAYOUT:
        return
    with choices.because("nearly all that varies is layout, and scaled-up random features hide its finer parts"):
        choices.training.loss.lsuv_init = False
    with choices.because("what a wall does depends on where it is, on its door, on the place and on the heading, all at once"):
        choices.model.predictor.hidden = 512
        choices.model.predictor.depth = 3
    with choices.because("further than a plan: what it does to walls at its end must not pay"):
        choices.training.rollout_horizon = 8
    with choices.because("the path round a wall depends on the place, the goal, the wall and its door"):
        choices.model.critic_hidden = 512


def clips(choices: ConfigBuilder, seen: StoreStatistics, data: DataSpec) -> None:
    """Reads episode lengths and rows: clip length and batch.

    Raises:
        ForethoughtError: episodes too short to learn from.
    """
    if seen.length_max < 2:
        raise ForethoughtError(
            f"Episodes of {seen.length_max} action block(s) are too short to learn from: record at least "
            f"{2 * data.block} steps an episode, or a smaller block."
        )
    clip = int(min(3, seen.length_median))
    with choices.because(f"rollouts of {clip} blocks fit the median episode of {seen.length_median:g}"):
        choices.training.sequence_length = clip
    with choices.because(f"{seen.rows} rows to draw from"):
        choices.training.batch = 128 if seen.rows >= 1000 else 32


def steps_from_data(choices: ConfigBuilder, seen: StoreStatistics, data: DataSpec) -> None:
    """Reads episode lengths and the variance between them: optimiser steps where there is no budget of time."""
    frames, levelled = _frames(seen, data)
    with choices.because(levelled):
        choices.training.world_model_steps = frames // _frames_per_step(choices)
    if seen.between_episodes <= LAYOUT:
        return
    with choices.because("what a wall does must be learned for every layout, not for one"):
        choices.training.predictor_steps = 5000
        choices.training.rollout_steps = 5000
        choices.training.levels_steps = 3000
        choices.training.critic_steps = 12000 if seen.between_episodes > MOSTLY_LAYOUT else 6000


def steps_from_budget(choices: ConfigBuilder, seconds: float) -> None:
    """Reads the budget of time: optimiser steps of each phase, by its share.

    Raises:
        ForethoughtError: too little for a world model.
    """
    budget, training = seconds, choices.training
    above = choices.model.hierarchy.levels - 1
    if above and choices.model.hierarchy.kind == "learned":
        for phase, (part, speed) in ABOVE.items():
            with choices.because(f"{part:.0%} of {budget:g} s"):
                setattr(training, f"{phase}_steps", int(budget * part * speed / above))
        seconds *= 1 - sum(part for part, _ in ABOVE.values())
    share = SHARES["world_model"]
    frames = int(seconds * share * FRAMES_PER_SECOND)
    if frames < LEAST_FRAMES:
        need = LEAST_FRAMES / FRAMES_PER_SECOND / share * budget / seconds
        raise ForethoughtError(
            f"A budget of {budget:g} s is too small: a world model needs about {need:.0f} s on this kind of machine."
        )
    with choices.because(f"{share:.0%} of {seconds:g} s at about {FRAMES_PER_SECOND:g} frames a second"):
        training.world_model_steps = frames // _frames_per_step(choices)
    for phase, speed in CACHED_STEPS_PER_SECOND.items():
        speed = speed / slowness(choices) if phase in {"predictor", "rollout"} else speed
        speed = speed / (choices.model.critic_hidden / 256) ** 1.5 if phase == "critic" else speed
        with choices.because(f"{SHARES[phase]:.0%} of {seconds:g} s"):
            setattr(training, f"{phase}_steps", int(seconds * SHARES[phase] * speed))


def _frames_per_step(choices: ConfigBuilder) -> int:
    return choices.training.batch * (int(choices.training.sequence_length) + 2)


def _frames(seen: StoreStatistics, data: DataSpec) -> tuple[int, str]:
    """Frames to learn to see from where there is no budget, and why: there probes level off."""
    if seen.between_episodes > LAYOUT:
        return 750_000, "750,000 frames is where probes level off where layouts differ"
    if seen.length_median > 2 * LONG and any(stream.kind == "image" for stream in data.streams):
        # OGBench's giant maze: R2 of the place .73 and 43 % of the tasks after 300,000, .98 and 100 % after 960,000.
        return 960_000, f"paths of {seen.length_median:g} blocks lead through many places, which are told apart late"
    return 300_000, "300,000 frames is where probes level off"


def stochastic_world(choices: ConfigBuilder) -> None:
    """Reads whether the user asks for a latent variable: scenarios, and what its codes need of the state."""
    if choices.model.latent.kind == "none":
        return
    with choices.because("each plan is imagined in eight futures, so that what has one chance in eight is met"):
        choices.planner.risk.num_scenarios = 8
    loss = choices.training.loss
    with choices.because("what others do must be kept, though no action of the agent's tells of it"):
        loss.expander = 512
        loss.variance = 10.0
        loss.covariance = 1.0
        loss.inverse_dynamics = 1.0


def require_memory(choices: ConfigBuilder, seen: StoreStatistics, data: DataSpec, budget: Budget) -> None:
    """Reads the budget of memory: refuses what can't fit, before it fails half-way."""
    if budget.memory_gib is None:
        return
    frame = sum(4 * math.prod(stream.shape) for stream in data.streams)
    batch = choices.training.batch * (choices.training.sequence_length + 2) * frame * 8
    states = seen.rows * choices.model.encoder.state_dim * max(1, choices.model.encoder.tokens) * 4
    need = (batch + states) / 2**30 + 0.5
    if need > budget.memory_gib:
        raise ForethoughtError(
            f"Training needs about {need:.1f} GiB and {budget.memory_gib:g} GiB are allowed: lower training.batch "
            f"(now {choices.training.batch}) or give more memory."
        )


def search(choices: ConfigBuilder, data: DataSpec) -> None:
    """Reads the action space: which planner."""
    if data.action_kind == "discrete":
        with choices.because(f"{data.action_size} discrete actions: search over choices"):
            choices.planner.search.kind = "categorical"
    else:
        with choices.because("continuous actions: sampling with correlated noise needs no gradient"):
            choices.planner.search.kind = "icem"


def retrieval(choices: ConfigBuilder) -> None:
    """Reads the plans' lengths: remembered sequences are as long, at each level."""
    with choices.because("as long as a plan"):
        choices.model.retrieval_horizon = choices.planner.horizon
        choices.model.hierarchy.retrieval_horizon = choices.planner.upper.horizon


def effort(choices: ConfigBuilder, budget: Budget) -> None:
    """Reads the budget of a decision's time: how many plans are tried.

    Raises:
        ForethoughtError: too little to plan at all.
    """
    if budget.ms_per_decision is None:
        return
    horizon, iterations = choices.planner.horizon, choices.planner.search.num_iterations
    calls_per_ms = CALLS_PER_MS / slowness(choices) / choices.planner.risk.num_scenarios
    candidates = int(budget.ms_per_decision * calls_per_ms / (horizon * iterations))
    if candidates < 16:
        need = 16 * horizon * iterations / calls_per_ms
        raise ForethoughtError(
            f"{budget.ms_per_decision:g} ms a decision is too little to plan {horizon} blocks ahead: give at least "
            f"{need:.0f} ms, or act with mode='react'."
        )
    candidates = min(candidates, 1000)
    with choices.because(
        f"{budget.ms_per_decision:g} ms allow about {candidates} plans of {horizon} blocks, {iterations} times"
    ):
        choices.planner.search.num_samples = candidates
    if choices.planner.search.kind in ("cem", "icem", "categorical"):
        with choices.because("a tenth of the candidates"):
            setattr(choices.planner.search, "num_elites", max(2, candidates // 10))  # noqa: B010 - not every kind has elites


def cost(choices: ConfigBuilder, data: DataSpec) -> None:
    """Reads the drives and what goals show: weights u and v of the energy."""
    drives = dict.fromkeys(data.drives, 1.0)
    weights = choices.planner.cost
    with choices.because(f"the body feels {', '.join(data.drives)}" if drives else "the body feels nothing but effort"):
        weights.drive_weights = {"effort": 0.01, **drives}
    with choices.because("a wall makes latent distance lie; time to the goal does not"):
        weights.critic = 1.0
    if data.goals:
        because = f"a goal shows {', '.join(data.goals)} alone: latent distance would compare it with a whole observation"
        with choices.because(because):
            choices.model.latent_distance_radius = 0.0


def slowness(choices: ConfigBuilder) -> float:
    """How many times longer a predictor call takes than one of the default size, roughly (512 wide, 3 deep: measured 3.9)."""
    predictor = choices.model.predictor
    return float((predictor.hidden / 256) ** 1.5 * predictor.depth / 2)
