"""How the agent decides: search, risk, costs and thresholds. All of it may change while weights stay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from forethought.config.base import Settings, Weights
from forethought.parts import KINDS


class _Sampling(Settings):
    """What every search by samples has."""

    num_samples: int = Field(300, ge=2, description="Counts the plans that each iteration tries.")
    num_iterations: int = Field(5, ge=1, description="Counts the rounds of search in a decision.")
    init_std: float = Field(
        0.9, gt=0, description="Is the first candidates' standard deviation, in halves of an action's range."
    )
    noise_autocorrelation: float = Field(
        0.9, ge=0, lt=1, description="Is the correlation 0..1 of the noise from one step to the next."
    )


class _Refined(_Sampling):
    """A search whose best plan may be refined by gradient steps."""

    gradient_steps: int = Field(0, ge=0, description="Counts the gradient steps from the plan that was found.")
    learning_rate: float = Field(0.1, gt=0, description="Sets how far a gradient step moves an action, in halves of its range.")


class _Elites(Settings):
    num_elites: int = Field(20, ge=1, description="Counts the best candidates that the proposal is refitted to.")

    @model_validator(mode="after")
    def _elites_are_samples(self) -> _Elites:
        samples = getattr(self, "num_samples", self.num_elites)
        if self.num_elites > samples:
            raise ValueError(f"num_elites ({self.num_elites}) can't be more than num_samples ({samples}): set both")
        return self


class CEMConfig(_Elites, _Refined):
    """The cross-entropy method."""

    kind: Literal["cem"] = Field("cem", description="Is the cross-entropy method (CEM).")


class ICEMConfig(_Elites, _Refined):
    """CEM with coloured noise and kept elites (Pinneri et al. 2020)."""

    kind: Literal["icem"] = Field("icem", description="Is iCEM: coloured noise, and elites that are kept.")


class MPPIConfig(_Refined):
    """Model-predictive path integral control (Williams et al. 2017)."""

    kind: Literal["mppi"] = Field("mppi", description="Is MPPI: candidates weighed by their cost.")
    temperature: float = Field(0.5, gt=0, description="Is MPPI's lambda, in standard deviations of cost.")


class GradientConfig(_Refined):
    """Gradient descent on the cost from several starts; `num_iterations` counts its steps."""

    kind: Literal["gradient"] = Field("gradient", description="Is gradient descent on the cost, from several starts.")


class CategoricalConfig(_Elites, _Sampling):
    """CEM over discrete actions."""

    kind: Literal["categorical"] = Field("categorical", description="Is CEM over discrete actions.")


class OwnPlannerConfig(_Refined):
    """A planner of your own, by the name under which it is registered (`forethought.parts`)."""

    kind: str = Field(description="Names a planner of your own.")
    num_elites: int = Field(20, ge=1, description="Counts the best candidates, where your planner keeps any.")


def _kind_of(search: Any) -> str:
    kind = search.get("kind", "icem") if isinstance(search, Mapping) else getattr(search, "kind", None)
    return kind if isinstance(kind, str) and kind in KINDS["planner"].built_in else "own"


SearchConfig = Annotated[
    Annotated[CEMConfig, Tag("cem")]
    | Annotated[ICEMConfig, Tag("icem")]
    | Annotated[MPPIConfig, Tag("mppi")]
    | Annotated[GradientConfig, Tag("gradient")]
    | Annotated[CategoricalConfig, Tag("categorical")]
    | Annotated[OwnPlannerConfig, Tag("own")],
    Discriminator(_kind_of),
]
"""The search for the plan of least cost; `kind` tells which."""


class RiskConfig(Settings):
    """In how many futures a plan is imagined, and which of them count; several need a latent variable."""

    num_scenarios: int = Field(1, ge=1, description="Counts the futures that each candidate is imagined in.")
    measure: Literal["mean", "mean_std", "cvar", "worst"] = Field(
        "mean", description="Picks what counts of the futures' costs: mean, mean + cvar_level * std, CVaR or the worst."
    )
    cvar_level: float = Field(
        0.5, ge=0, description="Weighs the std, or makes CVaR the mean of the costs' worst share 1 - cvar_level."
    )
    prior_exponent: float = Field(
        0.3, gt=0, le=1, description="Is the power that futures' odds are raised to unless the mean counts."
    )


class CostConfig(Settings):
    """Weights u (intrinsic) and v (task) of the energy (the paper, pp. 13-15)."""

    drive_weights: Weights = Field(default_factory=dict, description="Weighs effort and the sensed drives, by name (u).")
    goal_distance: float = Field(0.0, ge=0, description="Weighs the squared error between imagined state and goal.")
    critic: float = Field(1.0, ge=0, description="Weighs the critic's distance to the goal, in blocks.")
    extra: Weights = Field(
        default_factory=dict, description="Weighs your own costs by name; they judge by the goal, whichever level leads (v)."
    )
    failed_plan: float = Field(4.0, ge=0, description="Prices a plan that failed before in this episode, in blocks.")

    @property
    def task(self) -> dict[str, float]:
        """Weights v of the costs that lead to the goal, by name."""
        return {"critic": self.critic, "goal_distance": self.goal_distance}


class ReplanningConfig(Settings):
    """When a plan of record is over, and when it has failed; the same at every level."""

    reached: float = Field(1.0, ge=0, description="Is how near a plan's first state, in blocks, the next plan is due.")
    slack: float = Field(0.5, ge=0, description="Makes a plan anew that is behind by more than this share of its level's step.")
    progress: float = Field(
        0.25,
        ge=0,
        le=1,
        description="Is the share of the blocks gone by that a plan above level 1 must have gained, or it has failed.",
    )


class UpperPlannerConfig(Settings):
    """How the levels above the first plan."""

    search: SearchConfig = Field(
        ICEMConfig(num_samples=100, num_iterations=3, num_elites=10, init_std=0.5, noise_autocorrelation=0.0),
        description="Picks the search for macro-actions, and its effort.",
    )
    horizon: int = Field(4, ge=1, description="Sets how far a level's plan looks ahead, in its own steps.")
    max_levels: int = Field(4, ge=1, description="Bounds how many of the trained levels plan; 1 is flat.")
    critic_radius: float = Field(
        6.0, gt=0, description="Is how far the critic's distances, and so a graph's edges, are trusted, in blocks."
    )
    ood_cost: float = Field(2.0, ge=0, description="Prices imagining a state twice as far out as memories are, in blocks.")
    perturbation: float = Field(
        0.1, ge=0, description="Is the standard deviation added to retrieved macro-actions, in shares of their range."
    )

    @property
    def retrieved_candidates(self) -> int:
        """How many remembered steps from states like the present one a search begins with: half of its first candidates."""
        return (self.search.num_samples + 1) // 2


class PlannerConfig(Settings):
    """How the agent plans, reacts and weighs: everything that may change without new weights."""

    search: SearchConfig = Field(ICEMConfig(), description="Picks the search for actions, and its effort.")
    horizon: int = Field(5, ge=1, description="Sets how far a plan looks ahead, in blocks.")
    retrieved_candidates: int = Field(32, ge=0, description="Counts the remembered action sequences that are tried first.")
    policy_candidate: bool = Field(True, description="Lets the search try Mode-1's plan first, too.")
    mode1_accept_gain: float = Field(
        0.3, ge=0, description="Is the share of the blocks it takes that Mode-1 must gain to act in `auto`."
    )
    history: int = Field(64, ge=1, description="Counts the recent rows that short-term memory keeps.")
    risk: RiskConfig = Field(RiskConfig(), description="Weighs a plan's futures.")
    cost: CostConfig = Field(CostConfig(), description="Weighs the terms of the energy.")
    replanning: ReplanningConfig = Field(ReplanningConfig(), description="Says when a plan is over.")
    upper: UpperPlannerConfig = Field(UpperPlannerConfig(), description="Sets how the levels above the first plan.")
