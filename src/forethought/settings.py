"""Typed settings of every module. Nothing in a configuration is imported or evaluated: names look up a closed registry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from forethought.errors import ForethoughtError, did_you_mean

SECTIONS = ("perception", "world_model", "loss", "cost", "actor", "hierarchy", "memory", "training")
"""Of a configuration: all but the body."""
CONFIGURATION = "configuration.json"
"""A run's file of settings."""
STRIDES = 3
"""Of its own steps, how many a level above the first imagines in a row while it learns."""


class Settings(BaseModel):
    """Base: frozen, and a key that does not exist is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class StreamSettings(Settings):
    """One stream of the observation, with the normaliser that perception applies to it."""

    name: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]*$", description="Names the sense that this stream carries.")
    kind: Literal["image", "vector"] = Field(
        "vector",
        description="Says whether the stream is an image or numbers; left out, 'pixels' is an image and all else numbers.",
    )
    shape: tuple[int, ...] = Field(
        description="Gives one observation's shape: height, width and channels of an image, or the number of values."
    )
    mean: tuple[float, ...] = Field(
        description="Is subtracted, per channel (images, in 0..255 units) or per value (the others)."
    )
    std: tuple[float, ...] = Field(description="Divides what is left, one per channel or value, in the units of `mean`.")

    @model_validator(mode="before")
    @classmethod
    def _derive_kind(cls, given: Any) -> Any:
        """Runs of before streams had a kind know images by their name."""
        if isinstance(given, Mapping) and "kind" not in given:
            return {**given, "kind": "image" if given.get("name") == "pixels" else "vector"}
        return given


class SpaceSettings(Settings):
    """The agent's interface to its world: what it senses and what it can do."""

    world: str = Field(description="Names the world that the data comes from.")
    options: dict[str, Any] = Field(default_factory=dict, description="Holds the options that the world is made with, by name.")
    streams: tuple[StreamSettings, ...] = Field(description="Lists what the body senses, each stream with its normaliser.")
    action_kind: Literal["continuous", "discrete"] = Field(
        description="Says whether an action is a vector of numbers or one choice."
    )
    action_size: int = Field(description="Counts the numbers of one step's action, or its choices.")
    low: tuple[float, ...] = Field(description="Bounds one step's action from below, in environment units.")
    high: tuple[float, ...] = Field(description="Bounds one step's action from above, in environment units.")
    block: int = Field(ge=1, description="Counts the environment steps in one action block.")
    drives: tuple[str, ...] = Field((), description="Names the intrinsic signals that the body senses.")
    goals: tuple[str, ...] = Field((), description="Names the streams that a goal shows; empty means all.")

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

    pixels: Literal["conv", "vit"] = Field("conv", description="Picks the image encoder: a stride-4 convolution or patches.")
    state_dim: int = Field(64, ge=2, description="Counts the numbers in a state of level 1.")
    width: int = Field(32, ge=4, description="Sets the convolution's base channels, or a ViT token's width per head.")
    patch: int = Field(8, ge=2, description="Sets the side of a ViT's patches, in pixels.")
    depth: int = Field(4, ge=1, description="Counts the ViT's transformer blocks.")
    heads: int = Field(4, ge=1, description="Counts the attention heads of each ViT block.")
    hidden: int = Field(256, ge=8, description="Sets the features per stream before they are fused into a state.")


class WorldModelSettings(Settings):
    """The predictor and its latent variable."""

    predictor: Literal["mlp", "transformer"] = Field("mlp", description="Picks the network that predicts the next state.")
    hidden: int = Field(256, ge=8, description="Sets the width of the predictor's hidden layers.")
    depth: int = Field(2, ge=1, description="Counts the predictor's hidden layers or transformer blocks.")
    heads: int = Field(4, ge=1, description="Counts the attention heads of a transformer predictor.")
    context: int = Field(
        1, ge=1, description="Counts the rows of the recent past that the predictor may see, the present included."
    )
    latent: Literal["codes", "gaussian", "sparse", "noisy"] = Field(
        "codes", description="Picks what limits the latent: few codes, or few numbers that are priced, sparse or noisy."
    )
    num_codes: int = Field(1, ge=1, le=64, description="Counts the ways that things may go; 1 is the deterministic model.")
    latent_dim: int = Field(2, ge=1, description="Counts the numbers of a latent variable without codes.")
    kl_weight: float = Field(0.001, ge=0, description="Is the squared error that one nat of the latent must save.")

    @property
    def uncertain(self) -> bool:
        """Whether there is a latent variable."""
        return self.latent != "codes" or self.num_codes > 1


class LossSettings(Settings):
    """Weights of the world model's loss terms; 0 leaves a term out. Papers and equations: `world_model.regularisers`."""

    one_step: float = Field(1.0, ge=0, description="Weighs the squared error of predicting one block ahead.")
    multi_step: float = Field(1.0, ge=0, description="Weighs the squared error of a rollout over a clip.")
    variance: float = Field(1.0, ge=0, description="Weighs VICReg's variance hinge over the batch.")
    covariance: float = Field(0.04, ge=0, description="Weighs VICReg's covariance penalty.")
    within_episode_variance: float = Field(
        0.0, ge=0, description="Weighs VICReg's variance hinge on differences within an episode."
    )
    sigreg: float = Field(0.0, ge=0, description="Weighs SIGReg, the normality test on random projections.")
    infonce_prediction: float = Field(0.0, ge=0, description="Weighs InfoNCE between predictions and the rows that follow.")
    inverse_dynamics: float = Field(10.0, ge=0, description="Weighs the squared error of reading an action off two rows.")
    multi_step_inverse: float = Field(
        0.0,
        ge=0,
        description="Weighs the error of reading off the first block's action where two rows lie several blocks apart.",
    )
    episode_infonce: float = Field(
        0.1, ge=0, description="Weighs InfoNCE that finds the far row of one's own episode among the batch's."
    )
    episode_infonce_start: float = Field(
        0.0, ge=0, le=1, description="Starts episode contrast after this share 0..1 of the steps."
    )
    episode_infonce_ramp: float = Field(
        0.0, ge=0, le=1, description="Ramps episode contrast up to its weight over this share 0..1 of the steps."
    )
    expander: int = Field(0, ge=0, description="Counts the features of VICReg's expander; 0 looks at the state itself.")
    lsuv_init: bool = Field(True, description="Scales the untrained states to unit variance first (LSUV).")
    temporal_similarity: float = Field(0.0, ge=0, description="Weighs the mean squared change of states from row to row.")
    masked_prediction: float = Field(
        0.0, ge=0, description="Weighs the squared error of estimating a row's whole state from a masked view of it."
    )
    ema: float = Field(
        0.0, ge=0, lt=1, description="Is the share 0..1 that a target encoder keeps of itself a step; 0 has none."
    )


Weight = Annotated[float, Field(ge=0)]
"""Of a cost: what is below 0 would be sought."""


class CostSettings(Settings):
    """Weights u (intrinsic) and v (task) of the energy, and how the critic learns (the paper, pp. 13-15)."""

    drive_weights: dict[str, Weight] = Field(
        default_factory=dict, description="Weighs effort and the body's drives, by name (u)."
    )
    goal_distance: float = Field(0.0, ge=0, description="Weighs the squared error between imagined state and goal.")
    critic: float = Field(1.0, ge=0, description="Weighs the critic's distance to the goal, in blocks.")
    extra: dict[str, Weight] = Field(
        default_factory=dict, description="Weighs your own costs by name where level 1 heads for the goal, not a subgoal (v)."
    )
    latent_distance_radius: float = Field(
        2.0, ge=0, description="Is how near the goal, in blocks, latent distance takes over from the critic; 0 never does."
    )
    hidden: int = Field(256, ge=8, description="Sets the width of the critic's hidden layers.")
    discount: float = Field(0.98, gt=0, le=1, description="Is the factor 0..1 by which each further block counts for less.")
    expectile: float = Field(0.1, gt=0, lt=1, description="Is TD's expectile: below 0.5 the shortest logged ways count.")

    @property
    def task(self) -> dict[str, float]:
        """Weights v by the name of their cost."""
        return {**self.extra, "critic": self.critic, "goal_distance": self.goal_distance}


class ActorSettings(Settings):
    """Planner, its effort, and Mode-1; several futures need a latent variable in the world model."""

    planner: Literal["cem", "icem", "mppi", "gradient", "categorical"] = Field(
        "icem", description="Picks the search for actions: CEM, iCEM, MPPI, gradient descent or categorical CEM."
    )
    horizon: int = Field(5, ge=1, description="Sets how far a plan looks ahead, in blocks.")
    num_samples: int = Field(300, ge=2, description="Counts the plans that each iteration tries.")
    num_iterations: int = Field(
        5, ge=1, description="Counts the rounds of search in a decision, for the planner `gradient` its steps."
    )
    num_elites: int = Field(20, ge=1, description="Counts the best candidates that CEM refits its proposal to.")
    temperature: float = Field(0.5, gt=0, description="Is MPPI's lambda, in standard deviations of energy.")
    learning_rate: float = Field(
        0.1,
        gt=0,
        description="Sets how far a step down the slope moves an action, in halves of its range, for `polish` and `gradient`.",
    )
    gradient_steps: int = Field(0, ge=0, description="Counts the steps down the energy's slope from the plan found.")
    init_std: float = Field(
        0.9, gt=0, description="Is the first candidates' standard deviation, in halves of an action's range."
    )
    noise_autocorrelation: float = Field(
        0.9, ge=0, lt=1, description="Is the correlation 0..1 of the noise from one step to the next."
    )
    retrieved_candidates: int = Field(32, ge=0, description="Counts the remembered action sequences that are tried first.")
    policy_candidate: bool = Field(True, description="Lets the search try Mode-1's plan first, too.")
    retrieval_size: int = Field(4096, ge=0, description="Counts the remembered action sequences that seeds come from.")
    policy_hidden: int = Field(256, ge=8, description="Sets the width of Mode-1's hidden layers.")
    mode1_accept_gain: float = Field(
        0.3, ge=0, description="Is the share of the blocks it takes that Mode-1 must gain to act in `auto`."
    )
    num_scenarios: int = Field(1, ge=1, description="Counts the futures that each candidate is imagined in.")
    risk: Literal["mean", "mean_std", "cvar", "worst"] = Field(
        "mean", description="Picks what counts of the futures' energies: mean, mean + cvar_level * std, CVaR or the worst."
    )
    cvar_level: float = Field(
        0.5, ge=0, description="Weighs the std, or makes CVaR the mean of the energies' worst share 1 - cvar_level."
    )
    prior_exponent: float = Field(
        0.3, gt=0, le=1, description="Is the power that futures' odds are raised to unless the mean counts."
    )
    branches: int = Field(
        1,
        ge=1,
        le=4,
        description="Counts the ways in which a plan may go on, by what will have been seen by then; 1 is one for all futures.",
    )


class HierarchySettings(Settings):
    """The levels above the first; the learned ones' latent variable is as the world model's."""

    levels: int = Field(1, ge=1, le=4, description="Counts the levels; 1 is flat.")
    kind: Literal["graph", "learned"] = Field(
        "graph", description="Picks a graph of remembered landmarks or learned JEPA levels."
    )
    landmarks: int = Field(400, ge=2, description="Counts the remembered states that a graph's ways lead over.")
    critic_radius: float = Field(
        6.0, gt=0, description="Is how far the critic's distances, and so a graph's edges, are trusted, in blocks."
    )
    stride: int = Field(5, ge=2, description="Sets one step of level 2, in blocks.")
    upper_stride: int | None = Field(
        None, ge=2, description="Sets a step of level 3 and up, in steps of the level below; None is `stride`."
    )
    encoder: Literal["separate", "shared"] = Field(
        "separate", description="Gives each level an encoder of its own, or all one."
    )
    state_dim: int = Field(32, ge=2, description="Counts the numbers in a learned level's own state.")
    macro_dim: int = Field(8, ge=1, description="Counts the numbers in a macro-action.")
    hidden: int = Field(256, ge=8, description="Sets the width of the learned levels' hidden layers.")
    planner: Literal["cem", "icem", "mppi", "gradient"] = Field("icem", description="Picks the search for macro-actions.")
    horizon: int = Field(4, ge=1, description="Sets how far a level's plan looks ahead, in its own steps.")
    num_samples: int = Field(100, ge=2, description="Counts the plans that each iteration of a level tries.")
    num_iterations: int = Field(3, ge=1, description="Counts a level's rounds of search in a decision.")
    num_elites: int = Field(10, ge=1, description="Counts the best plans that a level's CEM refits to.")
    gradient_steps: int = Field(0, ge=0, description="Counts the steps down the slope from a level's plan.")
    refine: int = Field(0, ge=0, description="Counts the steps down the slope of the learned levels' summed energies.")
    ood_cost: float = Field(2.0, ge=0, description="Prices imagining a state twice as far out as memories are, in blocks.")
    retrieval_size: int = Field(2048, ge=2, description="Counts the remembered moments that a level's search begins from.")

    def stride_of(self, number: int) -> int:
        """Steps of the level below in one of level `number`, 2 or more."""
        return self.stride if number == 2 or self.upper_stride is None else self.upper_stride

    def span_of(self, number: int) -> int:
        """Blocks in one step of level `number`, 2 or more."""
        return int(self.stride * self.stride_of(number) ** (number - 2))

    def room_of(self, number: int) -> int:
        """Blocks in a row that level `number`, 2 or more, learns from: some of its steps."""
        return STRIDES * self.span_of(number)

    @property
    def known(self) -> int:
        """How many remembered steps from states like the present one a search begins with: half of its first candidates."""
        return (self.num_samples + 1) // 2


class MemorySettings(Settings):
    """Short-term memory: what is kept of the present episode."""

    history: int = Field(64, ge=1, description="Counts the recent rows that short-term memory keeps.")
    failed_plan_cost: float = Field(4.0, ge=0, description="Prices a plan that the world refused before, in blocks.")


class TrainingSettings(Settings):
    """Steps, batches and rates of the phases: world model, predictor, critic, levels above and their distances, Mode-1."""

    seed: int = Field(0, ge=0, lt=2**63, description="Seeds every random draw of the training.")
    batch: int = Field(128, ge=2, description="Counts the clips in a batch of the world model.")
    sequence_length: int = Field(4, ge=1, description="Sets the length of a training clip, in blocks.")
    learning_rate: float = Field(1e-3, gt=0, description="Is AdamW's peak learning rate.")
    weight_decay: float = Field(1e-4, ge=0, description="Is AdamW's weight decay.")
    world_model_steps: int = Field(1000, ge=0, description="Counts the optimiser steps of the world model.")
    predictor_steps: int = Field(4000, ge=0, description="Counts the predictor's steps of learning one block ahead.")
    predictor_batch: int = Field(512, ge=2, description="Counts the rows in a batch of the predictor.")
    rollout_horizon: int = Field(
        5, ge=1, description="Sets how far the predictor rolls out from its own imagined states, in blocks."
    )
    rollout_steps: int = Field(2000, ge=0, description="Counts the predictor's steps of learning by rollouts.")
    rollout_batch: int = Field(256, ge=2, description="Counts the rollouts in a batch of the predictor.")
    critic_steps: int = Field(4000, ge=0, description="Counts the optimiser steps of the critic.")
    critic_batch: int = Field(512, ge=2, description="Counts the pairs of state and goal in a critic's batch.")
    policy_steps: int = Field(1500, ge=0, description="Counts the optimiser steps of Mode-1.")
    policy_batch: int = Field(512, ge=2, description="Counts the pairs of state and goal in a Mode-1 batch.")
    distillation_plans: int = Field(2048, ge=1, description="Counts the Mode-2 plans that Mode-1 is distilled from.")
    levels_steps: int = Field(1500, ge=0, description="Counts the optimiser steps of the learned levels.")
    levels_batch: int = Field(256, ge=2, description="Counts the windows in a batch of the learned levels.")
    distances_steps: int = Field(3000, ge=0, description="Counts the steps of the learned levels' distances.")
    distances_batch: int = Field(1024, ge=2, description="Counts the pairs in a batch of distances.")
    checkpoint_every: int = Field(500, ge=1, description="Counts the optimiser steps from one checkpoint to the next.")


class Reason(Settings):
    """Why one setting has its value, in words; `overridden` marks a user's own choice."""

    setting: str = Field(description="Names the setting as `section.key`.")
    value: str = Field(description="Shows the setting's value as people read it.")
    because: str = Field(description="Says in words why the value is so.")
    overridden: bool = Field(False, description="Marks a user's own choice.")


def shown(value: Any) -> str:
    """A setting's value as people read it."""
    return f"{value:g}" if isinstance(value, float) else str(value)


class Configuration(Settings):
    """The configuration of every module, with the reasons; `forethought show RUN` prints it."""

    schema_version: Literal[2] = Field(2, description="Says which names the settings have; older files are converted.")
    space: SpaceSettings = Field(description="Describes the agent's interface to its world.")
    perception: PerceptionSettings = Field(PerceptionSettings(), description="Shapes the encoder from observations to states.")
    world_model: WorldModelSettings = Field(
        WorldModelSettings(), description="Shapes the predictor, its losses and regularisers."
    )
    loss: LossSettings = Field(LossSettings(), description="Weighs the terms that the world model learns from.")
    cost: CostSettings = Field(CostSettings(), description="Weighs the energy and shapes its critic.")
    actor: ActorSettings = Field(ActorSettings(), description="Sets how level 1 plans and reacts.")
    hierarchy: HierarchySettings = Field(HierarchySettings(), description="Sets the levels above the first.")
    memory: MemorySettings = Field(MemorySettings(), description="Sets what an episode keeps in mind.")
    training: TrainingSettings = Field(TrainingSettings(), description="Sets steps, batches and rates of training.")
    reasons: tuple[Reason, ...] = Field((), description="Says why settings have their values.")

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
        return [name for name in ("space", *SECTIONS) if getattr(self, name) != getattr(other, name)]

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
