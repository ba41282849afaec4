"""Typed settings of every module. The configurator fills them in and says why; a checkpoint carries them.

Nothing in a configuration is ever imported, evaluated or executed: names look up a closed registry.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from forethought.errors import ForethoughtError, did_you_mean

SECTIONS = ("perception", "world_model", "cost", "actor", "hierarchy", "memory", "learning")
"""Of a configuration: all but the body."""
CONFIGURATION = "configuration.json"
"""A run's file of settings."""
STRIDES = 3
"""Of its own steps, how many a level above the first imagines in a row while it learns."""


class Settings(BaseModel):
    """Base: frozen, and a key that does not exist is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class StreamSettings(Settings):
    """One stream of the observation, with the normaliser that perception applies to it.

    mean, std: per channel (pixels, in 0..255 units) or per value (the others).
    """

    name: Literal["pixels", "proprioception", "motion"]
    shape: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]


class BodySettings(Settings):
    """The agent's interface to its world: what it senses and what it can do.

    world, options: where the data comes from. block: environment steps in one action block.
    low, high: action bounds of one step in environment units. drives: names of the intrinsic signals.
    goals: streams that a goal shows; empty: all.
    """

    world: str
    options: dict[str, Any] = Field(default_factory=dict)
    streams: tuple[StreamSettings, ...]
    action_kind: Literal["continuous", "discrete"]
    action_size: int
    low: tuple[float, ...]
    high: tuple[float, ...]
    block: int = Field(ge=1)
    drives: tuple[str, ...] = ()
    goals: tuple[str, ...] = ()

    @property
    def goal_streams(self) -> tuple[StreamSettings, ...]:
        """The streams that a goal shows."""
        return tuple(stream for stream in self.streams if not self.goals or stream.name in self.goals)

    @property
    def block_size(self) -> int:
        """A: numbers in one action block."""
        return self.block * self.action_size


class PerceptionSettings(Settings):
    """The encoder: `conv` (stride-4 stem), `vit` (patches) for pixels; `mlp` for proprioception; fused when both are there."""

    pixels: Literal["conv", "vit"] = "conv"
    state_dim: int = Field(64, ge=2)
    width: int = Field(32, ge=4)
    patch: int = Field(8, ge=2)
    depth: int = Field(4, ge=1)
    heads: int = Field(4, ge=1)
    hidden: int = Field(256, ge=8)


class WorldModelSettings(Settings):
    """The predictor, the losses and the regularisers; a weight of 0 leaves a term out.

    context: rows of the recent past that the predictor may see. latent: how its latent variable is limited: a few
    codes, or a few numbers (`gaussian`, `sparse`, `noisy`). codes: how many, each one way that things may go; 1 is the
    deterministic model. latent_dim: how many numbers. latent_price: squared error that one nat of the latent must save.
    expander: features that VICReg's terms look at (0: the state itself). unit_start: scale the untrained states to unit
    variance.
    Weights: see `world_model.regularisers` for papers and equations.
    """

    predictor: Literal["mlp", "transformer"] = "mlp"
    hidden: int = Field(256, ge=8)
    depth: int = Field(2, ge=1)
    heads: int = Field(4, ge=1)
    context: int = Field(1, ge=1)
    latent: Literal["codes", "gaussian", "sparse", "noisy"] = "codes"
    codes: int = Field(1, ge=1, le=64)
    latent_dim: int = Field(2, ge=1)
    latent_price: float = Field(0.001, ge=0)
    one_step: float = Field(1.0, ge=0)
    multi_step: float = Field(1.0, ge=0)
    variance: float = Field(1.0, ge=0)
    covariance: float = Field(0.04, ge=0)
    within_episode_variance: float = Field(0.0, ge=0)
    sigreg: float = Field(0.0, ge=0)
    contrastive: float = Field(0.0, ge=0)
    inverse_dynamics: float = Field(10.0, ge=0)
    multi_step_inverse: float = Field(0.0, ge=0)
    episode_contrast: float = Field(0.1, ge=0)
    contrast_start: float = Field(0.0, ge=0, le=1)
    contrast_ramp: float = Field(0.0, ge=0, le=1)
    expander: int = Field(0, ge=0)
    unit_start: bool = True
    smoothness: float = Field(0.0, ge=0)
    filling_in: float = Field(0.0, ge=0)
    ema: float = Field(0.0, ge=0, lt=1)

    @property
    def uncertain(self) -> bool:
        """Whether there is a latent variable."""
        return self.latent != "codes" or self.codes > 1


Weight = Annotated[float, Field(ge=0)]
"""Of a cost: what is below 0 would be sought."""


class CostSettings(Settings):
    """Weights u (intrinsic) and v (task) of the energy, and how the critic learns (the paper, pp. 13-15).

    own: weights v of costs of the user's own, by name; they count where level 1 heads for the goal, not for a subgoal.
    """

    intrinsic: dict[str, Weight] = Field(default_factory=dict)
    goal_distance: float = Field(0.0, ge=0)
    critic: float = Field(1.0, ge=0)
    own: dict[str, Weight] = Field(default_factory=dict)
    near: float = Field(2.0, ge=0)
    hidden: int = Field(256, ge=8)
    discount: float = Field(0.98, gt=0, le=1)
    expectile: float = Field(0.1, gt=0, lt=1)

    @property
    def task(self) -> dict[str, float]:
        """Weights v by the name of their cost."""
        return {**self.own, "critic": self.critic, "goal_distance": self.goal_distance}


class ActorSettings(Settings):
    """Planner, its effort, and Mode-1.

    polish: steps down the energy's slope from the plan that the search has found. learning_rate: of polish and of the planner
    `gradient`: about how far a number of an action moves in one step, in units of half its range.
    memory_seeds, policy_seed: what the planner tries first: remembered action sequences from similar states, and Mode-1's.
    react_margin: in `auto`, Mode-1 acts if it gains at least this share of the blocks that it takes.
    samples: futures that each candidate is imagined in, where the world model has a latent variable. risk: what counts of their
    energies: the mean, mean + caution * std, the mean of the worst (the share 1 - caution of them: CVaR), or the worst.
    trust: where it is not the mean that counts, the power to which the futures' odds are raised: 1 takes them at their word.
    branches: ways in which a plan may go on, by what will have been seen by then (`actor.tree`); 1: one for all futures.
    """

    planner: Literal["cem", "icem", "mppi", "gradient", "categorical"] = "icem"
    horizon: int = Field(5, ge=1)
    candidates: int = Field(300, ge=2)
    iterations: int = Field(5, ge=1)
    elites: int = Field(20, ge=1)
    temperature: float = Field(0.5, gt=0)
    learning_rate: float = Field(0.1, gt=0)
    polish: int = Field(0, ge=0)
    noise: float = Field(0.9, gt=0)
    correlation: float = Field(0.9, ge=0, lt=1)
    memory_seeds: int = Field(32, ge=0)
    policy_seed: bool = True
    bank_size: int = Field(4096, ge=0)
    policy_hidden: int = Field(256, ge=8)
    react_margin: float = Field(0.3, ge=0)
    samples: int = Field(1, ge=1)
    risk: Literal["mean", "mean_std", "cvar", "worst"] = "mean"
    caution: float = Field(0.5, ge=0)
    trust: float = Field(0.3, gt=0, le=1)
    branches: int = Field(1, ge=1, le=4)


class HierarchySettings(Settings):
    """The levels above the first.

    levels: 1 is flat. top: `graph` is a search over remembered landmarks right above level 1; `learned` are JEPA levels with
    macro-actions.
    reach: how far, in blocks, the critic's distances are trusted: so near the goal level 1 is on its own; it is also the length
    of a graph's edge at most, and of the way to its subgoal.
    The graph's: landmarks: remembered states that a way leads over.
    The learned levels', whose latent variable is as the world model's: stride: blocks in one step of level 2. stride_above:
    steps of the level below in one step of each level from 3 on; None: as many as `stride`. states: each level's `own`
    encoder, or one `shared` latent. state_dim, macro_dim: of a state and of a macro-action. planner, horizon, candidates,
    iterations, elites, polish: the search's, at each level. refine: steps down the slope of the sum of these levels' energies,
    whose plans then change together, each time that the highest has planned. off_manifold: what it costs, in blocks, to
    imagine a state twice as far from all memory as memories are.
    """

    levels: int = Field(1, ge=1, le=4)
    top: Literal["graph", "learned"] = "graph"
    landmarks: int = Field(400, ge=2)
    reach: float = Field(6.0, gt=0)
    stride: int = Field(5, ge=2)
    stride_above: int | None = Field(None, ge=2)
    states: Literal["own", "shared"] = "own"
    state_dim: int = Field(32, ge=2)
    macro_dim: int = Field(8, ge=1)
    hidden: int = Field(256, ge=8)
    planner: Literal["cem", "icem", "mppi", "gradient"] = "icem"
    horizon: int = Field(4, ge=1)
    candidates: int = Field(100, ge=2)
    iterations: int = Field(3, ge=1)
    elites: int = Field(10, ge=1)
    polish: int = Field(0, ge=0)
    refine: int = Field(0, ge=0)
    off_manifold: float = Field(2.0, ge=0)
    bank_size: int = Field(2048, ge=2)

    def stride_of(self, number: int) -> int:
        """Steps of the level below in one of level `number`, 2 or more."""
        return self.stride if number == 2 or self.stride_above is None else self.stride_above

    def span_of(self, number: int) -> int:
        """Blocks in one step of level `number`, 2 or more."""
        return int(self.stride * self.stride_of(number) ** (number - 2))

    def room_of(self, number: int) -> int:
        """Blocks in a row that level `number`, 2 or more, learns from: some of its steps."""
        return STRIDES * self.span_of(number)

    @property
    def known(self) -> int:
        """How many remembered steps from states like the present one a search begins with: half of its first candidates."""
        return (self.candidates + 1) // 2


class MemorySettings(Settings):
    """Short-term memory: how many recent rows are kept, and what a plan costs (in blocks) that the world refused before."""

    rows: int = Field(64, ge=1)
    refusals: float = Field(4.0, ge=0)


class LearningSettings(Settings):
    """Steps, batches and rates of the phases: world model, predictor, critic, levels above and their distances, Mode-1.

    clip: blocks in a training clip. predictor_steps: of learning one block ahead. rollout: blocks that the predictor then
    imagines from its own imagined states, `rollout_batch` at a time, for `rollout_steps`. planned_pairs: how many Mode-2
    plans Mode-1 is distilled from.
    """

    seed: int = Field(0, ge=0, lt=2**63)
    batch: int = Field(128, ge=2)
    clip: int = Field(4, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    world_model_steps: int = Field(1000, ge=0)
    predictor_steps: int = Field(4000, ge=0)
    predictor_batch: int = Field(512, ge=2)
    rollout: int = Field(5, ge=1)
    rollout_steps: int = Field(2000, ge=0)
    rollout_batch: int = Field(256, ge=2)
    critic_steps: int = Field(4000, ge=0)
    critic_batch: int = Field(512, ge=2)
    policy_steps: int = Field(1500, ge=0)
    policy_batch: int = Field(512, ge=2)
    planned_pairs: int = Field(2048, ge=1)
    levels_steps: int = Field(1500, ge=0)
    levels_batch: int = Field(256, ge=2)
    distances_steps: int = Field(3000, ge=0)
    distances_batch: int = Field(1024, ge=2)
    checkpoint_every: int = Field(500, ge=1)


class Reason(Settings):
    """Why one setting has its value, in words; `overridden` marks a user's own choice."""

    setting: str
    value: str
    because: str
    overridden: bool = False


def shown(value: Any) -> str:
    """A setting's value as people read it."""
    return f"{value:g}" if isinstance(value, float) else str(value)


class Configuration(Settings):
    """The configuration of every module, with the reasons; `forethought show RUN` prints it."""

    body: BodySettings
    perception: PerceptionSettings = PerceptionSettings()
    world_model: WorldModelSettings = WorldModelSettings()
    cost: CostSettings = CostSettings()
    actor: ActorSettings = ActorSettings()
    hierarchy: HierarchySettings = HierarchySettings()
    memory: MemorySettings = MemorySettings()
    learning: LearningSettings = LearningSettings()
    reasons: tuple[Reason, ...] = ()

    def changed(self, changes: Mapping[str, Mapping[str, Any]], because: str) -> Configuration:
        """The same but for some settings (section -> name -> value) that somebody has asked for, in words why.

        Raises:
            ForethoughtError: a section or setting that does not exist, or a value that it can't have.
        """
        update: dict[str, Any] = {}
        reasons = {reason.setting: reason for reason in self.reasons}
        for section, values in changes.items():
            kept = {name: validated(section, name, value) for name, value in values.items()}
            update[section] = getattr(self, section).model_copy(update=kept)
            for name, value in kept.items():
                setting = f"{section}.{name}"
                reasons[setting] = Reason(setting=setting, value=shown(value), because=because, overridden=True)
        return self.model_copy(update={**update, "reasons": tuple(reasons[name] for name in sorted(reasons))})

    def differing(self, other: Configuration) -> list[str]:
        """The sections in which another configuration has other settings; why they are so is not asked."""
        return [name for name in ("body", *SECTIONS) if getattr(self, name) != getattr(other, name)]

    def because(self, setting: str) -> str:
        """Why `section.key` has its value; a default says so."""
        found = [reason.because for reason in self.reasons if reason.setting == setting]
        return found[0] if found else "the default"


def validated(section: str, key: str, value: Any) -> Any:
    """The value of `section.key` in its own type.

    Raises:
        ForethoughtError: a section or key that does not exist, with the nearest one that does; or a value of the wrong type or
            out of range, with the setting's name.
    """
    if section not in SECTIONS:
        raise ForethoughtError(f"The configuration has no section '{section}': {did_you_mean(section, SECTIONS)}")
    model = model_of(section)
    if key not in model.model_fields:
        raise ForethoughtError(
            f"The configuration has no setting '{section}.{key}': {did_you_mean(key, model.model_fields)}"
            if key
            else f"Give '{section}' as a group of settings, such as {section}.{next(iter(model.model_fields))}."
        )
    try:
        return getattr(model.model_validate({key: value}), key)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join([section, *(str(part) for part in first["loc"])])
        raise ForethoughtError(f"The setting '{where}' can't be {first['input']!r}: {first['msg'].lower()}.") from error


def model_of(section: str) -> type[Settings]:
    """The settings that a section holds."""
    model = Configuration.model_fields[section].annotation
    assert isinstance(model, type)
    assert issubclass(model, Settings)
    return model
