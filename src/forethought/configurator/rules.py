"""The explicit rules, one function per module: what follows from the data, the task and the budget, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from forethought.configurator.budget import Budget
from forethought.configurator.config_builder import ConfigBuilder
from forethought.data.statistics import StoreStatistics
from forethought.errors import ForethoughtError
from forethought.settings import HierarchySettings, SpaceSettings
from forethought.types import WorldSpec

# What one core of a laptop-class CPU did when these rules were written; only ratios between choices hang on them.
FRAMES_PER_SECOND = 1400.0
CALLS_PER_MS = 90.0
LEAST_FRAMES = 15_000
LAYOUT, MOSTLY_LAYOUT = 0.02, 0.8
"""Shares of variance between episodes above which there is a layout to keep, and above which there is little else."""
LONG = 40
"""Blocks in an episode from which on the critic's distances to far goals are not to be trusted."""
SHORTEST_STRIDE, LONGEST_STRIDE = 2, 6
"""Steps of the level below in one of a level."""
DENSE = 16384
"""Remembered moments where ways are long."""
ABOVE: Mapping[str, tuple[float, float]] = MappingProxyType({"levels": (0.1, 14.0), "distances": (0.05, 16.0)})
"""Of a training budget where there are learned levels above, and the optimiser steps a second that one of them takes."""
# Shares of a training budget, and optimiser steps a second on cached states.
SHARES = {"world_model": 0.45, "predictor": 0.1, "rollout": 0.15, "critic": 0.15, "policy": 0.15}
CACHED_STEPS_PER_SECOND = {"predictor": 100.0, "rollout": 40.0, "critic": 60.0, "policy": 40.0}


def perception(choices: ConfigBuilder, body: SpaceSettings) -> None:
    """Which encoder, how large a state."""
    if any(stream.kind == "image" for stream in body.streams):
        choices.choose("perception.pixels", "conv", "a stride-4 convolution keeps positions and is the fastest on a CPU")
        choices.choose("perception.state_dim", 64, "pixels of one scene: some ten factors, with room for functions of them")
    else:
        numbers = sum(_size(stream.shape) for stream in body.streams)
        choices.choose("perception.state_dim", 32, f"only {numbers} numbers come in")


def world_model(choices: ConfigBuilder, seen: StoreStatistics, spec: WorldSpec) -> None:
    """Predictor, context, and which regularisers the data calls for."""
    if spec.options.get("fog"):
        choices.choose("world_model.predictor", "transformer", "fog hides part of the world, so the past must be read")
        choices.choose("world_model.context", 4, "the last four rows show what the present one hides")
        choices.choose("loss.masked_prediction", 1.0, "hidden parts are estimated, so train on masked input")
    else:
        choices.choose("world_model.predictor", "mlp", "one observation tells the state, so no memory is needed")
    choices.choose("loss.inverse_dynamics", 10.0, "without it the state keeps the background and drops the agent")
    share = seen.between_episodes
    if share > LAYOUT:
        because = f"{share:.0%} of what is seen differs between episodes, not within: the state must keep the layout too"
        choices.choose("loss.episode_infonce", 0.5, because)
        choices.choose("loss.multi_step_inverse", 3.0, "far actions depend on the layout in between")
        choices.choose("loss.expander", 512, "more decorrelated features than one slow factor can fill")
        choices.choose("loss.within_episode_variance", 1.0, "the agent must not drown in the layout")
        if share > MOSTLY_LAYOUT:
            because = "nearly all that varies is layout, and scaled-up random features hide its finer parts"
            choices.choose("loss.lsuv_init", False, because)
            because = "what a wall does depends on where it is, on its door, on the place and on the heading, all at once"
            choices.choose("world_model.hidden", 512, because)
            choices.choose("world_model.depth", 3, because)
            choices.choose("training.rollout_horizon", 8, "further than a plan: what it does to walls at its end must not pay")
            choices.choose("cost.hidden", 512, "the way round a wall depends on the place, the goal, the wall and its door")
    else:
        because = f"only {share:.1%} of what is seen differs between episodes: there is no layout to keep apart"
        choices.choose("loss.episode_infonce", 0.0, because)


def training(choices: ConfigBuilder, seen: StoreStatistics, body: SpaceSettings, budget: Budget) -> None:
    """Clip length from episode length; steps from the budget, or from the data where there is none."""
    if seen.length_max < 2:
        raise ForethoughtError(
            f"Episodes of {seen.length_max} action block(s) are too short to learn from: record at least "
            f"{2 * body.block} steps an episode, or a smaller block."
        )
    clip = int(min(3, seen.length_median))
    choices.choose(
        "training.sequence_length", clip, f"rollouts of {clip} blocks fit the median episode of {seen.length_median:g}"
    )
    frames, levelled = _frames(seen, body)
    batch = 128 if seen.rows >= 1000 else 32
    choices.choose("training.batch", batch, f"{seen.rows} rows to draw from")
    per_step = batch * (clip + 2)
    if budget.seconds is None:
        choices.choose("training.world_model_steps", frames // per_step, levelled)
        if seen.between_episodes > LAYOUT:
            because = "what a wall does must be learned for every layout, not for one"
            choices.choose("training.predictor_steps", 5000, because)
            choices.choose("training.rollout_steps", 5000, because)
            choices.choose("training.levels_steps", 3000, because)
            choices.choose("training.critic_steps", 12000 if seen.between_episodes > MOSTLY_LAYOUT else 6000, because)
        return
    share, seconds = SHARES["world_model"], budget.seconds
    above = choices.chosen("hierarchy.levels") - 1
    if above and choices.chosen("hierarchy.kind") == "learned":
        for phase, (part, speed) in ABOVE.items():
            steps = int(seconds * part * speed / above)
            choices.choose(f"training.{phase}_steps", steps, f"{part:.0%} of {seconds:g} s")
        seconds *= 1 - sum(part for part, _ in ABOVE.values())
    frames = int(seconds * share * FRAMES_PER_SECOND)
    if frames < LEAST_FRAMES:
        need = LEAST_FRAMES / FRAMES_PER_SECOND / share * budget.seconds / seconds
        raise ForethoughtError(
            f"A budget of {budget.seconds:g} s is too small: a world model needs about {need:.0f} s on this kind of machine."
        )
    because = f"{share:.0%} of {seconds:g} s at about {FRAMES_PER_SECOND:g} frames a second"
    choices.choose("training.world_model_steps", frames // per_step, because)
    for phase, speed in CACHED_STEPS_PER_SECOND.items():
        speed = speed / slowness(choices) if phase in {"predictor", "rollout"} else speed
        speed = speed / (choices.chosen("cost.hidden") / 256) ** 1.5 if phase == "critic" else speed
        steps = int(seconds * SHARES[phase] * speed)
        choices.choose(f"training.{phase}_steps", steps, f"{SHARES[phase]:.0%} of {seconds:g} s")


def _frames(seen: StoreStatistics, body: SpaceSettings) -> tuple[int, str]:
    """Frames to learn to see from where there is no budget, and why: there probes level off."""
    if seen.between_episodes > LAYOUT:
        return 750_000, "750,000 frames is where probes level off where layouts differ"
    if seen.length_median > 2 * LONG and any(stream.kind == "image" for stream in body.streams):
        # OGBench's giant maze: R2 of the place .73 and 43 % of the tasks after 300,000, .98 and 100 % after 960,000.
        return 960_000, f"ways of {seen.length_median:g} blocks lead through many places, which are told apart late"
    return 300_000, "300,000 frames is where probes level off"


def several_ways(choices: ConfigBuilder) -> None:
    """What follows where the user asks for a latent variable (`world_model.num_codes` or `latent`)."""
    if choices.chosen("world_model.latent") == "codes" and choices.chosen("world_model.num_codes") == 1:
        return
    choices.choose(
        "actor.num_scenarios", 8, "each plan is imagined in eight futures, so that what has one chance in eight is met"
    )
    because = "what others do must be kept, though no action of the body's tells of it"
    choices.choose("loss.expander", 512, because)
    choices.choose("loss.variance", 10.0, because)
    choices.choose("loss.covariance", 1.0, because)
    choices.choose("loss.inverse_dynamics", 1.0, because)


def require_memory(choices: ConfigBuilder, seen: StoreStatistics, body: SpaceSettings, budget: Budget) -> None:
    """Refuse what can't fit in memory, before it fails half-way."""
    if budget.memory_gib is None:
        return
    frame = sum(4 * _size(stream.shape) for stream in body.streams)
    batch = choices.chosen("training.batch") * (choices.chosen("training.sequence_length") + 2) * frame * 8
    states = seen.rows * choices.chosen("perception.state_dim") * max(1, choices.chosen("perception.tokens")) * 4
    need = (batch + states) / 2**30 + 0.5
    if need > budget.memory_gib:
        raise ForethoughtError(
            f"Training needs about {need:.1f} GiB and {budget.memory_gib:g} GiB are allowed: lower training.batch "
            f"(now {choices.chosen('training.batch')}) or give more memory."
        )


def actor(choices: ConfigBuilder, body: SpaceSettings, budget: Budget) -> None:
    """Planner by action space, effort by the decision's time."""
    if body.action_kind == "discrete":
        choices.choose("actor.planner", "categorical", f"{body.action_size} discrete actions: search over choices")
    else:
        choices.choose("actor.planner", "icem", "continuous actions: sampling with correlated noise needs no gradient")
    if budget.ms_per_decision is None:
        return
    horizon, iterations = choices.chosen("actor.horizon"), choices.chosen("actor.num_iterations")
    calls_per_ms = CALLS_PER_MS / slowness(choices) / choices.chosen("actor.num_scenarios")
    candidates = int(budget.ms_per_decision * calls_per_ms / (horizon * iterations))
    if candidates < 16:
        need = 16 * horizon * iterations / calls_per_ms
        raise ForethoughtError(
            f"{budget.ms_per_decision:g} ms a decision is too little to plan {horizon} blocks ahead: give at least "
            f"{need:.0f} ms, or act with mode='react'."
        )
    candidates = min(candidates, 1000)
    because = f"{budget.ms_per_decision:g} ms allow about {candidates} plans of {horizon} blocks, {iterations} times"
    choices.choose("actor.num_samples", candidates, because)
    choices.choose("actor.num_elites", max(2, candidates // 10), "a tenth of the candidates")


def hierarchy(choices: ConfigBuilder, seen: StoreStatistics, body: SpaceSettings) -> None:
    """How many levels, and of what stride: one where the critic can count the whole way, else enough to see its end.

    A task is taken to be as long as half an episode. The highest level should see that far in a few steps, and no stride
    should be long: k = (task length / top horizon)^(1 / (levels - 1)). What the user has said of levels or strides, the rest
    follows.
    """
    horizon, long = choices.chosen("hierarchy.horizon"), seen.length_median
    span = long / 2 / horizon
    choices.choose("hierarchy.levels", *_depth(choices, seen, body, span))
    levels = choices.chosen("hierarchy.levels")
    if levels == 1 or body.goals:
        return
    choices.choose("hierarchy.kind", "learned", "learned levels need no landmarks, and see doors that differ between episodes")
    if choices.chosen("hierarchy.kind") == "graph":
        return
    if long > 2 * LONG:
        because = f"a subgoal is a remembered place, and ways of {long:g} blocks lead through more than {DENSE // 8} tell apart"
        choices.choose("hierarchy.retrieval_size", DENSE, because)
    above = choices.chosen("hierarchy.upper_stride")
    wanted = span ** (1 / (levels - 1)) if above is None else span / above ** (levels - 2)
    stride = max(SHORTEST_STRIDE, min(round(wanted), LONGEST_STRIDE))
    while stride > SHORTEST_STRIDE and not _fits(levels, stride, above, long):
        stride -= 1
    sees = horizon * HierarchySettings(stride=stride, upper_stride=above).span_of(levels)
    because = f"{horizon} steps of level {levels} then see {sees:g} blocks ahead, where half an episode has {long / 2:g}"
    choices.choose("hierarchy.stride", stride, because)


def _depth(choices: ConfigBuilder, seen: StoreStatistics, body: SpaceSettings, span: float) -> tuple[int, str]:
    """Levels, and why; `span`: blocks that one step of the highest should take."""
    long, share = seen.length_median, seen.between_episodes
    if body.goals:
        return 1, f"a goal shows {', '.join(body.goals)} alone, and levels above compare whole states"
    if choices.asked("hierarchy.kind") and choices.chosen("hierarchy.kind") == "graph":
        return 2, "you asked for a graph, which stands right above level 1"
    if long < LONG:
        return 1, f"episodes of {long:g} blocks are short enough for the critic to count"
    if share > MOSTLY_LAYOUT:
        return 1, f"{share:.0%} of what is seen differs between episodes: ways must be found in layouts never seen before"
    longest, shortest = (
        (choices.chosen("hierarchy.stride"),) * 2 if choices.asked("hierarchy.stride") else (LONGEST_STRIDE, SHORTEST_STRIDE)
    )
    above = choices.chosen("hierarchy.upper_stride")
    strides = HierarchySettings(stride=longest, upper_stride=above)
    levels = wanted = next((levels for levels in (2, 3) if strides.span_of(levels) >= span), 4)
    while levels > 2 and not _fits(levels, shortest, above, long):
        levels -= 1
    far = f"episodes of {long:g} blocks are longer than the critic counts well"
    if levels == wanted:
        return levels, f"{far}; a few steps of the top see half of one"
    room = _room(levels + 1, shortest, above)
    return levels, f"{far}; level {levels + 1} would learn from {room:g} blocks in a row, which they do not have"


def _fits(levels: int, stride: int, above: int | None, long: float) -> bool:
    """Whether episodes of so many blocks are long enough for the highest level to learn from."""
    return _room(levels, stride, above) <= long


def _room(level: int, stride: int, above: int | None) -> int:
    """Blocks in a row that a level learns from, see `HierarchySettings.room_of`."""
    return HierarchySettings(stride=stride, upper_stride=above).room_of(level)


def cost(choices: ConfigBuilder, body: SpaceSettings) -> None:
    """Weights u and v of the energy."""
    drives = dict.fromkeys(body.drives, 1.0)
    words = f"the body feels {', '.join(body.drives)}" if drives else "the body feels nothing but effort"
    choices.choose("cost.drive_weights", {"effort": 0.01, **drives}, words)
    choices.choose("cost.critic", 1.0, "a wall makes latent distance lie; time to the goal does not")
    if body.goals:
        because = f"a goal shows {', '.join(body.goals)} alone: latent distance would compare it with a whole observation"
        choices.choose("cost.latent_distance_radius", 0.0, because)


def slowness(choices: ConfigBuilder) -> float:
    """How many times longer a predictor call takes than one of the default size, roughly (512 wide, 3 deep: measured 3.9)."""
    width, depth = choices.chosen("world_model.hidden"), choices.chosen("world_model.depth")
    return float((width / 256) ** 1.5 * depth / 2)


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size
