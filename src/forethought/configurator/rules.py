"""Configuration rules: settings derived from the data, the task and the budget.

A rule is one function; its docstring names the quantity that it reads. It sets attributes of the builder inside
`with builder.because(...)`.
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
LAYOUT, MOSTLY_LAYOUT = 0.05, 0.8
"""Shares of variance that last an episode unmoved: above the first layouts differ, above the second most of it is layout.
Worlds of one scene have up to 0.012, and those whose layouts differ 0.18 or more."""
OBJECTS, AT_TIMES = 0.1, 0.5
"""Of objects beside the agent: shares of variance between episodes, and of contours that rest for a block but do not last,
above which there are some. Push-T: 0.13 to 0.26, and 0.76. Others have less of the first, or up to 0.41 of the second."""
HIDDEN, LEFT, CONTEXT = 0.2, 0.5, 3
"""Least share of change that one row leaves unexplained, and the largest part of it that may stay so given one more row, where
the predictor gets a context of so many rows. Worlds that hide velocities leave 0.33 or less of it, others 0.7 or more."""
LEAST_VARIANCE = 0.01
"""Of actions, with the bounds at -1 and 1, below which they hardly do anything: a tenth of the bounds in standard deviation."""
LONG = 40
"""Episode length in blocks above which the critic's distances to far goals are inaccurate."""
ABOVE: Mapping[str, tuple[float, float]] = MappingProxyType({"levels": (0.1, 14.0), "distances": (0.05, 16.0)})
"""Phases of the learned levels: share of the training budget, and optimiser steps per second of one level."""
# Shares of the training budget, and optimiser steps per second on encoded states.
SHARES = {"world_model": 0.45, "predictor": 0.1, "rollout": 0.15, "critic": 0.15, "policy": 0.15}
CACHED_STEPS_PER_SECOND = {"predictor": 100.0, "rollout": 40.0, "critic": 60.0, "policy": 40.0}


def encoder(builder: ConfigBuilder, data: DataSpec, statistics: StoreStatistics) -> None:
    """Reads the streams and whether objects rest at times: sets the image encoder and the size of a state."""
    settings = builder.model.encoder
    if not data.has_images:
        numbers = sum(math.prod(stream.shape) for stream in data.streams)
        with builder.because(f"observations have only {numbers} numbers"):
            settings.state_dim = 32
        return
    if shows_objects(data, statistics):
        with builder.because("coordinates of points on an object are linear in its pose, and its way can be predicted"):
            settings.image = "spatial-softmax"
    else:
        with builder.because("a stride-4 convolution preserves positions and is the fastest on a CPU"):
            settings.image = "conv"
    with builder.because("images of one scene have some ten factors, and functions of them need more dimensions"):
        settings.state_dim = 64


def holds_objects(statistics: StoreStatistics) -> bool:
    """Whether there are objects beside the agent, which lie elsewhere in each episode and move in it, but at times only."""
    return statistics.between_episodes > OBJECTS and statistics.at_rest - statistics.layout > AT_TIMES


def shows_objects(data: DataSpec, statistics: StoreStatistics) -> bool:
    """Whether images show objects beside the agent, as Push-T's do; the choices that follow were measured there."""
    return data.has_images and holds_objects(statistics)


def predictor(builder: ConfigBuilder, spec: WorldSpec, without: float, given: float) -> None:
    """Reads the world's option `fog`, how well one step is predicted, and what supports a context: sets the predictor.

    `without`, `given`: shares of the change that stay unexplained by the present row, and given one more.
    """
    if spec.options.get("fog"):
        _fog(builder)
        return
    model, told = builder.model, f"one row leaves {without:.0%} of the change unexplained, one more row {given:.0%}"
    because = f"{told}: the predictor needs no context" if without else "nothing tells that it needs a context"
    if hides_velocities(without, given):
        unsupported = "a latent variable" if model.latent.kind != "none" else "tokens" if model.encoder.tokens else None
        if unsupported is None:
            _context(builder, told)
            return
        because = f"{told}, but {unsupported} cannot have a context yet"
    with builder.because(because):
        model.predictor.kind = "mlp"


def _context(builder: ConfigBuilder, told: str) -> None:
    with builder.because(f"{told}: the predictor needs a context"):
        builder.model.predictor.kind = "transformer"
    if builder.model.predictor.kind != "transformer":
        return
    with builder.because("what moves and whether it speeds up is seen in three rows"):
        builder.model.predictor.context = CONTEXT
    with builder.because("about as many rows in a batch as without a context, so that a step takes as long"):
        # A multiple of 8, which processes can share.
        builder.training.predictor_batch = builder.training.predictor_batch // CONTEXT // 8 * 8
        builder.training.rollout_batch = builder.training.rollout_batch // CONTEXT // 8 * 8


def hides_velocities(without: float, given: float) -> bool:
    """Whether the row before the present one tells what comes next; see `predictor`."""
    return without >= HIDDEN and given <= LEFT * without


def _fog(builder: ConfigBuilder) -> None:
    with builder.because("fog makes the world partially observable, so the predictor needs a context"):
        builder.model.predictor.kind = "transformer"
    with builder.because("the last four rows show what is hidden in the present one"):
        builder.model.predictor.context = 4
    with builder.because("hidden parts must be estimated, so training uses masked input"):
        builder.training.loss.masked_prediction = 1.0


def regularisers(builder: ConfigBuilder, statistics: StoreStatistics) -> None:
    """Reads what differs between episodes, and whether it lasts: sets the losses that make the state encode it."""
    loss, share = builder.training.loss, statistics.layout
    if holds_objects(statistics):
        _objects(builder, statistics)
        return
    with builder.because("without it the state encodes the background and not the agent"):
        loss.inverse_dynamics = 10.0
    if share <= LAYOUT:
        with builder.because(f"only {share:.1%} of the variance lasts an episode: there are no layouts to distinguish"):
            loss.episode_infonce = 0.0
        return
    with builder.because(f"{share:.0%} of the variance lasts an episode: the state must also encode the layout"):
        loss.episode_infonce = 0.5
    with builder.because("inverse dynamics over several blocks depend on the layout"):
        loss.multi_step_inverse = 3.0
    with builder.because("many decorrelated features need more than one slowly changing factor"):
        loss.expander = 512
    with builder.because("the agent's position must not be lost in the variance of the layout"):
        loss.within_episode_variance = 1.0


def _objects(builder: ConfigBuilder, statistics: StoreStatistics) -> None:
    """Losses that keep objects which actions move only at times, such as Push-T's block (docs/lab-notes, 2026-11-30)."""
    loss, share, variance = builder.training.loss, statistics.between_episodes, statistics.action_variance
    with builder.because(
        f"{share:.0%} of the variance is between episodes, and {statistics.at_rest:.0%} of what is seen rests at times: there "
        "are objects beside the agent, and an encoder that gives its own targets makes prediction easy by dropping them"
    ):
        loss.ema = 0.8
    if variance is None:
        with builder.because("inverse dynamics need the agent alone: a larger weight takes the state from the objects"):
            loss.inverse_dynamics = 3.0
    else:
        with builder.because(
            f"recorded actions have a variance of {variance:.3g}, with the bounds at -1 and 1: an error is counted in units of "
            "it. A smaller weight loses the agent's position, a larger one the objects"
        ):
            loss.inverse_dynamics = 1.0 / max(variance, LEAST_VARIANCE)
    with builder.because("the poses of objects need more decorrelated dimensions than the agent's position"):
        loss.covariance = 0.2
    with builder.because("objects move within an episode: contrast between episodes would keep where they were only"):
        loss.episode_infonce = 0.0


def contacts(builder: ConfigBuilder, data: DataSpec, statistics: StoreStatistics) -> None:
    """Reads the streams and whether objects rest at times: sets predictor and loss where an agent pushes objects."""
    if not shows_objects(data, statistics):
        return
    if builder.model.latent.kind == "none":
        with builder.because(
            "a state with objects holds much that cannot be predicted, which would take most of the network in a plain mean"
        ):
            builder.training.predictor_loss = "mahalanobis"
    with builder.because("a contact depends jointly on the object's pose, the agent's position and its direction"):
        builder.model.predictor.hidden = 512
        builder.model.predictor.depth = 3


def changing_layouts(builder: ConfigBuilder, statistics: StoreStatistics) -> None:
    """Reads the share of variance that lasts an episode: sets larger networks if most of it is layout."""
    if statistics.layout <= MOSTLY_LAYOUT:
        return
    with builder.because("most of the variance is layout, and scaled random features hide its details"):
        builder.training.loss.lsuv_init = False
    with builder.because(
        "the effect of a wall depends jointly on its position, its door, the agent's position and its direction"
    ):
        builder.model.predictor.hidden = 512
        builder.model.predictor.depth = 3
    with builder.because("longer than a plan, so that the planner cannot exploit errors at walls near its end"):
        builder.training.rollout_horizon = 8
    with builder.because("the distance around a wall depends on the position, the goal, the wall and its door"):
        builder.model.critic_hidden = 512


def clips(builder: ConfigBuilder, statistics: StoreStatistics, data: DataSpec) -> None:
    """Reads episode lengths and rows: sets clip length and batch size.

    Raises:
        ForethoughtError: the episodes are too short for training.
    """
    if statistics.length_max < 2:
        raise ForethoughtError(
            f"Episodes of {statistics.length_max} action block(s) are too short to learn from: record at least "
            f"{2 * data.block} steps an episode, or a smaller block."
        )
    clip = int(min(3, statistics.length_median))
    with builder.because(f"rollouts of {clip} blocks fit the median episode of {statistics.length_median:g}"):
        builder.training.sequence_length = clip
    with builder.because(f"there are {statistics.rows} rows to sample from"):
        builder.training.batch = 128 if statistics.rows >= 1000 else 32


def steps_from_data(builder: ConfigBuilder, statistics: StoreStatistics, data: DataSpec) -> None:
    """Reads episode lengths, layouts and objects: sets optimiser steps without a time budget."""
    frames, reason = _frames(statistics, data)
    with builder.because(reason):
        builder.training.world_model_steps = frames // _frames_per_step(builder)
    many_layouts = statistics.layout > LAYOUT or holds_objects(statistics)
    # Pictures need them in the encoder: a giant maze was solved with fewer steps here.
    many_positions = statistics.length_median > 2 * LONG and not data.has_images
    if not many_layouts and not many_positions:
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
        # The large maze from numbers: 57 % held after 300,000, as many touched as before.
        return (
            960_000 if data.has_images else 750_000,
            f"paths of {statistics.length_median:g} blocks have many positions, which need more training to distinguish",
        )
    return 300_000, "linear probes saturate at 300,000 frames"


def stochastic_world(builder: ConfigBuilder) -> None:
    """Reads whether the user asks for a latent variable: sets scenarios, and the losses that latent codes need."""
    if builder.model.latent.kind == "none":
        return
    with builder.because("eight scenarios per plan cover events of probability 1/8"):
        builder.planner.risk.num_scenarios = 8
    loss = builder.training.loss
    with builder.because("the state must encode other agents, which do not affect inverse dynamics"):
        loss.expander = 512
        loss.variance = 10.0
        loss.covariance = 1.0
        loss.inverse_dynamics = 1.0


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


def search(builder: ConfigBuilder, data: DataSpec) -> None:
    """Reads the action space: sets the planner."""
    if data.action_kind == "discrete":
        with builder.because(f"{data.action_size} discrete actions: search over categorical distributions"):
            builder.planner.search.kind = "categorical"
    else:
        with builder.because("continuous actions: sampling with correlated noise needs no gradient"):
            builder.planner.search.kind = "icem"


def retrieval(builder: ConfigBuilder) -> None:
    """Reads the planning horizons: sets the length of retrieved sequences to them, at each level."""
    with builder.because("retrieved sequences have the length of a plan"):
        builder.model.retrieval_horizon = builder.planner.horizon
        builder.model.hierarchy.retrieval_horizon = builder.planner.upper.horizon


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


def cost(builder: ConfigBuilder, data: DataSpec) -> None:
    """Reads the drives and the streams of goals: sets the weights u and v of the energy."""
    drives = dict.fromkeys(data.drives, 1.0)
    weights = builder.planner.cost
    with builder.because(f"the sensed drives are {', '.join(data.drives)}" if drives else "effort is the only drive"):
        weights.drive_weights = {"effort": 0.01, **drives}
    with builder.because("latent distance ignores walls; temporal distance accounts for them"):
        weights.critic = 1.0
    if data.goals:
        because = f"goals show only {', '.join(data.goals)}: latent distance would compare them with whole observations"
        with builder.because(because):
            builder.model.latent_distance_radius = 0.0


def object_cost(builder: ConfigBuilder, data: DataSpec, statistics: StoreStatistics) -> None:
    """Reads the streams and whether objects rest at times: sets the cost for goals that place objects."""
    if not shows_objects(data, statistics):
        return
    weights = builder.planner.cost
    with builder.because(
        "a state with objects holds much that cannot be predicted: distances count in units of the prediction's error"
    ):
        weights.extra = {"goal_energy": 1.0}
        weights.critic = 0.0
    with builder.because("a plan that reaches the goal early must not pay for the errors of the model after it"):
        weights.path, weights.final, weights.nearest = 0.1, 0.0, 1.0
    with builder.because("the penalty is in blocks, and this cost is not"):
        weights.failed_plan = 0.0
    with builder.because(
        "this cost grows with small errors: a Mode-1 that brings it down by a third is still far from planning"
    ):
        builder.planner.mode1_accept_gain = 0.6


def slowness(builder: ConfigBuilder) -> float:
    """Approximate time of a predictor call relative to the default size (512 wide, 3 deep: measured 3.9)."""
    predictor = builder.model.predictor
    return float((predictor.hidden / 256) ** 1.5 * predictor.depth / 2)
