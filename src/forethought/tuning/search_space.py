"""What is searched: the settings that the configurator's rules only guess, as short lists of options around its choice.

Every axis is a list of options; one of them changes nothing and is the configurator's own. An option is validated as a whole
configuration before any trial, so a world or a user's override that excludes it takes it out of the search.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from forethought.config import Configuration, shown
from forethought.config.configuration import exists, lookup, nested, paths
from forethought.errors import ForethoughtError

Stage = Literal["training", "planning"]
"""`training`: the weights depend on it. `planning`: a trained agent takes it at once."""


@dataclass(frozen=True)
class AxisOption:
    """One option of an axis. Fields: label: for people. changes: dotted name -> value; empty for the configurator's own."""

    label: str
    changes: Mapping[str, Any]


@dataclass(frozen=True)
class SearchAxis:
    """One question of the search.

    Fields:
        name: a setting's dotted name, or words where an option changes several. stage: what an option needs.
        options: in order, the configurator's own among them. own: the index of that one.
        ordered: whether neighbours are alike (numbers), which the sampler uses.
        why: why the rules leave it open.
    """

    name: str
    stage: Stage
    options: tuple[AxisOption, ...]
    own: int
    ordered: bool
    why: str

    @property
    def settings(self) -> frozenset[str]:
        """Dotted names of all settings that an option changes."""
        return frozenset(name for option in self.options for name in option.changes)


@dataclass(frozen=True)
class Ladder:
    """A number around the configurator's choice: `factors` of it, or the `values` where it chose 0."""

    setting: str
    stage: Stage
    why: str
    factors: tuple[float, ...] = (1 / 3, 3.0)
    values: tuple[float, ...] = ()
    with_it: tuple[str, ...] = ()


@dataclass(frozen=True)
class Alternatives:
    """Whole ideas beside the configurator's: `own` is the label of its choice; each other option is a group of changes."""

    name: str
    stage: Stage
    why: str
    options: Mapping[str, Mapping[str, Any]]
    images_only: bool = False


LOSS, PLANNER = "training.loss", "planner"
VICREG: dict[str, Any] = {f"{LOSS}.variance": 1.0, f"{LOSS}.covariance": 0.04, f"{LOSS}.sigreg": 0.0, f"{LOSS}.ema": 0.0}

QUESTIONS: tuple[Ladder | Alternatives, ...] = (
    Alternatives(
        "what prevents collapse",
        "training",
        "which regulariser suits a world's data is not known before it is tried",
        {
            "VICReg": VICREG,
            "VICReg with EMA targets": VICREG | {f"{LOSS}.ema": 0.8},
            "SIGReg": {f"{LOSS}.variance": 0.0, f"{LOSS}.covariance": 0.0, f"{LOSS}.sigreg": 0.1},
        },
    ),
    Ladder(
        f"{LOSS}.inverse_dynamics", "training", "the rule knows three kinds of world, not the size of their actions' effects",
        (0.1, 0.3, 3.0), (1.0, 10.0),
    ),
    Ladder(f"{LOSS}.covariance", "training", "how many decorrelated numbers a state needs is a guess", (0.2, 5.0), (0.04,)),
    Ladder("training.learning_rate", "training", "one rate for all worlds", (0.3, 3.0)),
    Ladder("model.encoder.state_dim", "training", "two sizes for all worlds", (0.5, 2.0)),
    Alternatives(
        "size of the predictor",
        "training",
        "how hard the dynamics are is known only of worlds with walls or contacts",
        {
            "256 wide, 2 deep": {"model.predictor.hidden": 256, "model.predictor.depth": 2},
            "512 wide, 3 deep": {"model.predictor.hidden": 512, "model.predictor.depth": 3},
        },
    ),
    Alternatives(
        "image encoder",
        "training",
        "what the pictures show is guessed from their variance",
        {
            "convolution": {"model.encoder.image": "conv"},
            "spatial softmax": {"model.encoder.image": "spatial-softmax"},
        },
        images_only=True,
    ),
    Ladder("training.expectile", "training", "how far the recording is from shortest paths is not measured", (0.3, 3.0)),
    Alternatives(
        "what plans are judged by",
        "training",
        "the critic needs good coverage of distances, the goal's energy good predictions",
        {
            "the critic": {f"{PLANNER}.cost.critic": 1.0, f"{PLANNER}.cost.extra": {}, f"{PLANNER}.cost.goal_distance": 0.0},
            "the goal's energy": {
                f"{PLANNER}.cost.critic": 0.0, f"{PLANNER}.cost.extra": {"goal_energy": 1.0}, f"{PLANNER}.cost.path": 0.1,
                f"{PLANNER}.cost.final": 0.0, f"{PLANNER}.cost.nearest": 1.0, f"{PLANNER}.cost.failed_plan": 0.0,
            },
        },
    ),
    Ladder(
        f"{PLANNER}.horizon", "training", "how far ahead the model can be trusted is known after training", (0.6, 1.6),
        with_it=("model.retrieval_horizon", "training.rollout_horizon"),
    ),
    Ladder(f"{PLANNER}.cost.path", "planning", "how much the way counts beside the end is a guess", (0.3,), (0.1, 1.0)),
    Ladder(f"{PLANNER}.cost.final", "planning", "the same", (0.3, 3.0), (0.3, 1.0)),
    Ladder(f"{PLANNER}.cost.nearest", "planning", "whether a goal must be held or passed is not in the data", (0.3,), (1.0,)),
    Ladder(f"{PLANNER}.cost.goal_distance", "planning", "the critic is coarse near the goal", (0.3, 3.0), (0.3, 1.0)),
    Ladder(f"{PLANNER}.cost.failed_plan", "planning", "one penalty for all worlds", (0.0, 0.3), (4.0,)),
    Ladder(f"{PLANNER}.search.num_samples", "planning", "what a decision may cost is the user's", (0.5, 2.0)),
    Ladder(f"{PLANNER}.search.num_iterations", "planning", "the same", (0.6, 2.0)),
    Ladder(f"{PLANNER}.search.init_std", "planning", "one factor of the recorded spread for all worlds", (0.5,)),
    Ladder(f"{PLANNER}.search.noise_autocorrelation", "planning", "one correlation for all action spaces", (0.0, 0.6)),
    Ladder(f"{PLANNER}.retrieved_candidates", "planning", "how good the recorded actions are is not measured", (0.0, 2.0)),
)  # fmt: skip
"""Every question of the search, in the order of the page."""


def search_space(own: Configuration, fixed: Collection[str] = ()) -> tuple[SearchAxis, ...]:
    """The axes for a configuration.

    Args:
        own: the configurator's choice. fixed: dotted names of settings that the user set; their axes are left out.
    """
    axes = []
    for question in QUESTIONS:
        found = _of_ladder(question, own) if isinstance(question, Ladder) else _of_alternatives(question, own)
        axis = None if found is None else _valid(found, own)
        if axis is not None and not axis.settings & set(fixed):
            axes.append(axis)
    return tuple(axes)


def fixed_settings(config: Mapping[str, Any] | None) -> frozenset[str]:
    """Dotted names of the settings in a user's overrides, which may be nested."""
    return frozenset(paths(nested(config or {})))


def changes_of(axes: Sequence[SearchAxis], options: Mapping[str, int]) -> dict[str, Any]:
    """The changes of a trial: axis -> index of its option. Axes that it does not name keep the configurator's own."""
    changes: dict[str, Any] = {}
    for axis in axes:
        changes |= axis.options[options.get(axis.name, axis.own)].changes
    return changes


def _of_ladder(ladder: Ladder, own: Configuration) -> SearchAxis | None:
    names = (ladder.setting, *ladder.with_it)
    if not all(exists(own, name) for name in names):
        return None
    centre = lookup(own, ladder.setting)
    if not centre:
        values = list(ladder.values)
    elif isinstance(centre, int):
        values = [round(centre * factor) for factor in ladder.factors]
    else:
        values = [float(f"{centre * factor:.2g}") for factor in ladder.factors]
    rungs = sorted({centre, *values})
    options = tuple(
        AxisOption(shown(value), {} if value == centre else {name: _scaled(own, name, centre, value) for name in names})
        for value in rungs
    )
    return SearchAxis(ladder.setting, ladder.stage, options, rungs.index(centre), True, ladder.why)


def _scaled(own: Configuration, name: str, centre: float, value: float) -> Any:
    """The value of a setting that goes with the ladder's, in the same proportion; for that one itself, the value."""
    former = lookup(own, name)
    if former == centre or not centre:
        return value
    return type(former)(round(former * value / centre) if isinstance(former, int) else former * value / centre)


def _of_alternatives(question: Alternatives, own: Configuration) -> SearchAxis | None:
    if question.images_only and not own.data.has_images:
        return None
    others = {
        label: changes
        for label, changes in question.options.items()
        if any(exists(own, name) and lookup(own, name) != value for name, value in changes.items())
    }
    same = next((label for label in question.options if label not in others), "the configurator's own")
    options = (AxisOption(same, {}), *(AxisOption(label, changes) for label, changes in others.items()))
    return SearchAxis(question.name, question.stage, options, 0, False, question.why)


def _valid(axis: SearchAxis, own: Configuration) -> SearchAxis | None:
    """The axis without options that are no configuration; None if only the configurator's own is left."""
    kept = tuple(option for option in axis.options if _is_valid(option, own))
    if len(kept) < 2:
        return None
    return SearchAxis(axis.name, axis.stage, kept, kept.index(axis.options[axis.own]), axis.ordered, axis.why)


def _is_valid(option: AxisOption, own: Configuration) -> bool:
    try:
        own.changed(option.changes, "tried")
    except ForethoughtError:
        return False
    return True
