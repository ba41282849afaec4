"""Configuration rules: settings derived from the data and the task.

A rule is one function; its docstring names the quantity that it reads. It sets attributes of the builder inside
`with builder.because(...)`.
"""

from __future__ import annotations

import math

from forethought.config import DataSpec
from forethought.configurator.config_builder import ConfigBuilder
from forethought.data.statistics import StoreStatistics
from forethought.errors import ForethoughtError
from forethought.types import WorldSpec

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
SPREAD = 2.0
"""Of the first candidates of a search, in standard deviations of recorded actions. Push-T, 100 validation tasks, three seeds:
75, 80 and 79 % for 2, and 76, 69 and 74 % for the default (4.2); 1.4 is no better than 2."""
LONG = 40
"""Episode length in blocks above which the critic's distances to far goals are inaccurate."""


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
        builder.model.predictor.kind = "window"
    if builder.model.predictor.kind not in ("window", "transformer"):
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


def has_many_positions(data: DataSpec, statistics: StoreStatistics) -> bool:
    """Whether numbers follow long paths, as in a maze. Pictures of such paths need more frames only; see `_frames`."""
    return statistics.length_median > 2 * LONG and not data.has_images


def regularisers(builder: ConfigBuilder, data: DataSpec, statistics: StoreStatistics) -> None:
    """Reads what differs between episodes and lasts, and path lengths: sets the losses that make the state encode it."""
    loss, share = builder.training.loss, statistics.layout
    if holds_objects(statistics):
        _objects(builder, statistics)
        return
    with builder.because("without it the state encodes the background and not the agent"):
        loss.inverse_dynamics = 10.0
    if share > LAYOUT:
        because = f"{share:.0%} of the variance lasts an episode: the state must also encode the layout"
    elif has_many_positions(data, statistics):
        # OGBench's large maze from numbers: 97 of 100 goals held with these losses, 75 without.
        because = (
            f"paths of {statistics.length_median:g} blocks have many positions: the state must also encode the walls there"
        )
    else:
        with builder.because(f"only {share:.1%} of the variance lasts an episode: there are no layouts to distinguish"):
            loss.episode_infonce = 0.0
        return
    with builder.because(because):
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


def search(builder: ConfigBuilder, data: DataSpec, statistics: StoreStatistics) -> None:
    """Reads the action space and the recorded actions: sets the planner, and how far its first candidates spread."""
    if data.action_kind == "discrete":
        with builder.because(f"{data.action_size} discrete actions: search over categorical distributions"):
            builder.planner.search.kind = "categorical"
        return
    with builder.because("continuous actions: sampling with correlated noise needs no gradient"):
        builder.planner.search.kind = "icem"
    if statistics.action_variance is None:
        return
    recorded = math.sqrt(max(statistics.action_variance, LEAST_VARIANCE))
    if SPREAD * recorded < builder.planner.search.init_std:
        with builder.because(
            f"recorded actions have a standard deviation of {recorded:.2g}, with the bounds at -1 and 1: "
            "the world model is accurate near them only"
        ):
            builder.planner.search.init_std = round(SPREAD * recorded, 2)


def retrieval(builder: ConfigBuilder) -> None:
    """Reads the planning horizons: sets the length of retrieved sequences to them, at each level."""
    with builder.because("retrieved sequences have the length of a plan"):
        builder.model.retrieval_horizon = builder.planner.horizon
        builder.model.hierarchy.retrieval_horizon = builder.planner.upper.horizon


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
