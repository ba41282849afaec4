"""Settings of decisions: search, risk, costs and thresholds. All may change without new weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from forethought.config.base import Settings, Weights
from forethought.parts import KINDS


class _Sampling(Settings):
    """Settings of all sampling-based searches."""

    num_samples: int = Field(300, ge=2, description="Counts the candidates of each iteration.")
    num_iterations: int = Field(5, ge=1, description="Counts the iterations of the search in a decision.")
    init_std: float = Field(
        0.9, gt=0, description="Is the first candidates' standard deviation, in halves of an action's range."
    )
    noise_autocorrelation: float = Field(
        0.9, ge=0, lt=1, description="Is the correlation 0..1 of the noise from one step to the next."
    )


class _Refined(_Sampling):
    """A search with optional gradient steps from its best plan."""

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
    num_elites: int = Field(20, ge=1, description="Counts the elites, if your planner has any.")


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
"""The search for the plan of least cost, by its `kind`."""


class RiskConfig(Settings):
    """The number of scenarios per plan, and the risk measure; several scenarios need a latent variable."""

    num_scenarios: int = Field(1, ge=1, description="Counts the scenarios per candidate.")
    measure: Literal["mean", "mean_std", "cvar", "worst"] = Field(
        "mean", description="Picks the risk measure of the scenarios' costs: mean, mean + cvar_level * std, CVaR or the worst."
    )
    cvar_level: float = Field(
        0.5, ge=0, description="Weighs the std, or makes CVaR the mean of the costs' worst share 1 - cvar_level."
    )
    prior_exponent: float = Field(
        0.3, gt=0, le=1, description="Is the exponent of the prior's probabilities in risk-averse planning; the mean uses 1."
    )


class CostConfig(Settings):
    """Weights u (intrinsic) and v (task) of the energy (the paper, pp. 13-15)."""

    drive_weights: Weights = Field(default_factory=dict, description="Weighs effort and the sensed drives, by name (u).")
    goal_distance: float = Field(0.0, ge=0, description="Weighs the squared error between imagined state and goal.")
    critic: float = Field(1.0, ge=0, description="Weighs the critic's distance to the goal, in blocks.")
    reward: float = Field(1.0, ge=0, description="Weighs the world's reward, negated, in an agent that learns by acting.")
    extra: Weights = Field(
        default_factory=dict,
        description="Weighs goal_energy and your own costs by name; they use the task's goal, also during subgoals (v).",
    )
    path: float = Field(1.0, ge=0, description="Weighs the mean cost over the imagined path.")
    final: float = Field(1.0, ge=0, description="Weighs the cost of a plan's last step.")
    nearest: float = Field(0.0, ge=0, description="Weighs the cost of a plan's step of least cost.")
    failed_plan: float = Field(4.0, ge=0, description="Is the penalty of a plan that failed before in this episode, in blocks.")

    @property
    def task(self) -> dict[str, float]:
        """Weights v of the goal costs, by name."""
        return {"critic": self.critic, "goal_distance": self.goal_distance}


class ReplanningConfig(Settings):
    """When to replan, and when a plan has failed; the same at every level."""

    reached: float = Field(1.0, ge=0, description="Is the distance in blocks at which a plan's first state counts as reached.")
    slack: float = Field(
        0.5, ge=0, description="Is the tolerated delay of a plan before replanning, as a share of its level's step."
    )
    progress: float = Field(
        0.25,
        ge=0,
        le=1,
        description="Is the progress, as a share of the elapsed blocks, below which a plan above level 1 has failed.",
    )


class UpperPlannerConfig(Settings):
    """Planning at the levels above the first."""

    search: SearchConfig = Field(
        ICEMConfig(num_samples=100, num_iterations=3, num_elites=10, init_std=0.5, noise_autocorrelation=0.0),
        description="Picks the search for macro-actions, and its size.",
    )
    horizon: int = Field(4, ge=1, description="Sets the planning horizon of a level, in its own steps.")
    max_levels: int = Field(4, ge=1, description="Bounds how many of the trained levels plan; 1 is flat.")
    critic_radius: float = Field(
        6.0, gt=0, description="Is the range in blocks within which the critic is used, also for a graph's edges."
    )
    ood_cost: float = Field(
        2.0, ge=0, description="Is the weight of the OOD penalty, in blocks per unit of (nearest-neighbor distance / p95 - 1)."
    )
    perturbation: float = Field(
        0.1, ge=0, description="Is the standard deviation of noise on retrieved macro-actions, in shares of their range."
    )

    @property
    def retrieved_candidates(self) -> int:
        """Number of retrieved candidates of a search: half of its first candidates, rounded up."""
        return (self.search.num_samples + 1) // 2


class PlannerConfig(Settings):
    """All settings of decisions, which may change without new weights."""

    search: SearchConfig = Field(ICEMConfig(), description="Picks the search for actions, and its size.")
    horizon: int = Field(5, ge=1, description="Sets the planning horizon, in blocks.")
    retrieved_candidates: int = Field(32, ge=0, description="Counts the retrieved action sequences among the first candidates.")
    policy_candidate: bool = Field(True, description="Adds Mode-1's rollout to the first candidates.")
    ms_per_decision: float | None = Field(
        None, gt=0, description="Bounds the milliseconds of a decision at p95, all levels together; null has no deadline."
    )
    compile: bool = Field(
        False,
        description="Compiles the rollouts of searches (`torch.compile`): the first decision takes about a minute, and those "
        "after it less time where rollouts are many small operations, as on a GPU.",
    )
    mode1_accept_gain: float = Field(
        0.3,
        ge=0,
        description="Is the progress, as a share of the elapsed blocks or of the energy, from which `auto` uses Mode-1.",
    )
    reward_mode: Literal["react", "plan"] = Field(
        "react", description="Picks the mode of `auto` in the world's own task: Mode-1, or Mode-2 where it was measured to pay."
    )
    history: int = Field(64, ge=1, le=10_000, description="Counts the rows of short-term memory.")
    risk: RiskConfig = Field(RiskConfig(), description="Sets scenarios and risk measure.")
    cost: CostConfig = Field(CostConfig(), description="Weighs the terms of the energy.")
    replanning: ReplanningConfig = Field(ReplanningConfig(), description="Sets the replanning rule.")
    upper: UpperPlannerConfig = Field(UpperPlannerConfig(), description="Sets planning at the levels above the first.")
