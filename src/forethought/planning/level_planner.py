"""The planner of every level: problem, scenarios, first candidates, failed plans, replanning rule and plan of record, once.

Level 1 plans action blocks, a level above it macro-actions (H-JEPA, 2610.06805, section 4). `PlanningLevel` holds what differs
between levels, and `planning.subgoals` says where the goal comes from. Where a level has a latent variable, plans are searched
in several scenarios; the most likely one is kept on record.

Axes: B episodes, R of them that are planned for, K candidates, M first candidates, S scenarios, H steps of the level, D numbers
in its state, A in its action.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from forethought.actor.contract import Plan, Planner, PlanningProblem, shifted
from forethought.actor.episode_rng import EpisodeGenerators
from forethought.config import PlannerConfig
from forethought.cost.composition import Composition, Weights
from forethought.goals import EncodedGoal
from forethought.memory import FailedPlanMemory, NearestNeighborActions
from forethought.planning.planning_cost import FailedPlanPenalty, OODPenalty, PlanningCost
from forethought.planning.scenarios import Scenarios, risk_adjusted, rollout_scenarios, sample_scenarios
from forethought.world_model.level import Context, Level


@dataclass(frozen=True)
class PlanningLevel:
    """What one level brings to planning; whatever is not here is the same at every level.

    Fields:
        model: imagines. terms: the costs that judge its plans.
        distance: states [..., D] and goals [..., D] of this level to blocks [...].
        low, high: [A], bounds of its actions. codes, steps: see `PlanningProblem`.
        span: blocks in one of its steps.
        ood: what it costs to imagine states far from memory; None for nothing.
    """

    model: Level
    terms: Composition
    distance: Callable[[Tensor, Tensor], Tensor]
    low: Tensor
    high: Tensor
    codes: int | None
    steps: int
    span: int
    ood: OODPenalty | None = None


@dataclass(frozen=True)
class Retrieval:
    """What was once done in states like the present one, as first candidates.

    Fields:
        bank: where it is looked up. count: how many. perturbed: how many of these are tried a little changed, too.
        residual: standard deviation of these changes, in shares of the actions' range.
    """

    bank: NearestNeighborActions
    count: int
    perturbed: int = 0
    residual: float = 0.0


@dataclass(frozen=True)
class LevelPlan:
    """One level's plan of record, for B episodes.

    Fields:
        actions: [B, H, A]. states: [B, H, D], where they are expected to lead; at a learned level the first, the subgoal of the
            level below, is where somebody got to from a state like this one, and most like what was foreseen.
        energy: [B], in blocks. active: bool [B]; where False, the goal is too near for this level, which is skipped.
    """

    actions: Tensor
    states: Tensor
    energy: Tensor
    active: Tensor


def planning_problem(
    level: PlanningLevel, context: Context, cost: PlanningCost, scenarios: Scenarios | None, streams: EpisodeGenerators
) -> PlanningProblem:
    """What a planner is given, at every level: a start, a rollout, a cost, bounds and one stream per episode.

    Args:
        context: the recent past of R episodes. cost: of a candidate with one future. streams: R.
        scenarios: where a plan is imagined in S futures: states are then [R, K, S, H, D]; None for the most likely one alone.
    """

    def rollout(actions: Tensor, chance: Tensor | None, trust: float) -> Tensor:
        return level.model.rollout(context, actions, chance, trust)

    return PlanningProblem(
        batch=len(cost.goal),
        rollout=rollout_scenarios(scenarios, rollout),
        energy=risk_adjusted(scenarios, cost),
        low=level.low,
        high=level.high,
        codes=level.codes,
        steps=level.steps,
        candidates=None,
        streams=streams,
    )


class LevelPlanner:
    """Plans at one level, over B episodes side by side.

    Attributes:
        level, planner, retrieval: what is planned, what searches, what is remembered from training (None for nothing).
        failed_plans: plans that failed in the episodes in progress.
        record: the plan of record; None where something else has acted since.
        age: [B], blocks since it was made. origin: [B, D], where.
        promised: [B], blocks from there to its first state. remaining: [B], blocks to where it is headed, then.
    """

    def __init__(
        self,
        level: PlanningLevel,
        planner: Planner,
        settings: PlannerConfig,
        failed_plans: FailedPlanMemory,
        failure_cost: float,
        retrieval: Retrieval | None = None,
        measure_progress: bool = False,
    ) -> None:
        """Begins with `reset`.

        Args:
            settings: the risk, and when to plan again. failure_cost: of a plan that failed once, in blocks.
            measure_progress: a plan has failed that is over and has not shortened the path by `settings.replanning.progress` of
                the blocks that went by; else one whose first state did not come (a level that predicts
                each block knows that much).
        """
        self.level, self.planner, self.settings = level, planner, settings
        self.failed_plans, self.failure_cost = failed_plans, failure_cost
        self.retrieval, self.measure_progress = retrieval, measure_progress
        self.record: LevelPlan | None = None

    def reset(self, batch: int, streams: EpisodeGenerators) -> None:
        """Begin B episodes; the plan of record is to stay."""
        self.streams = streams
        self.failed_plans.reset(batch)
        self.record = self._idle(batch)
        self.age = self.level.low.new_zeros(batch)
        self.origin = self.level.low.new_zeros(batch, self.level.model.state_dim)
        self.remaining, self.promised = torch.full_like(self.age, torch.inf), torch.zeros_like(self.age)
        self.alternatives: Tensor | None = None

    def _idle(self, batch: int) -> LevelPlan:
        new, dim, horizon = self.level.low.new_zeros, self.level.model.state_dim, self.planner.horizon
        idle = torch.zeros(batch, dtype=torch.bool, device=self.level.low.device)
        return LevelPlan(new(batch, horizon, len(self.level.low)), new(batch, horizon, dim), new(batch), idle)

    def forget(self) -> None:
        """There is no plan of record any more: something else acts."""
        self.record = None

    @property
    def plan(self) -> LevelPlan:
        """The plan of record, where there is one."""
        assert self.record is not None, "no plan of record: call reset, and commit one after forget"
        return self.record

    # --- when to plan ----------------------------------------------------------------------------------------------

    def assess(self, state: Tensor, remaining: Tensor | None = None) -> Tensor:
        """A block has gone by: where the plan of record is over, bool [B]. Plans that failed are remembered.

        A plan is over when its first step is behind it, or its first state is farther off than it should be by now.

        Args:
            state: [B, D], now. remaining: [B], blocks from here to where the plan was headed; for progress.
        """
        if self.record is None:
            return torch.ones(len(state), dtype=torch.bool, device=state.device)
        self.age += 1
        over = self.step_done(torch.arange(len(state), device=state.device), state)
        if not bool(over.all()):
            left = self.level.distance(state, self.plan.states[:, 0])
            over = over | (left > self.promised - self.age + self.settings.replanning.slack * self.level.span)
        self._remember_failures(state, remaining, over)
        return over

    def step_done(self, rows: Tensor, state: Tensor) -> Tensor:
        """Whether the first step of the plans of R episodes is behind them, bool [R], in states [R, D].

        Its time is up, or it is there.
        """
        late = self.age[rows] >= self.level.span
        return (
            late
            if bool(late.all())
            else late | (self.level.distance(state, self.plan.states[rows, 0]) < self.settings.replanning.reached)
        )

    def _remember_failures(self, state: Tensor, remaining: Tensor | None, over: Tensor) -> None:
        first = self.plan.states[:, 0]
        if not self.measure_progress:
            self.failed_plans.write(self.origin, first, state, self.alternatives)
            return
        assert remaining is not None, "what has been gained is told by how far it still is"
        failed = self.plan.active & over & (self.remaining - remaining < self.settings.replanning.progress * self.age)
        self.failed_plans.write(self.origin, torch.where(failed[:, None], first, state), state)

    # --- how to plan -----------------------------------------------------------------------------------------------

    def scenarios(self, rows: Tensor) -> Scenarios | None:
        """What the latent variable brings in one search of R episodes, from their own streams; None where one is enough."""
        streams = self.streams.subset(rows.tolist())
        return sample_scenarios(self.settings.risk, streams, self.planner.horizon, self.level.model.numbers)

    def cost(
        self,
        rows: Tensor,
        state: Tensor,
        goal: EncodedGoal,
        weights: Weights,
        scenarios: Scenarios | None,
        penalize_failed: Tensor | None = None,
        task_goal: EncodedGoal | None = None,
    ) -> PlanningCost:
        """What plans of R episodes cost.

        Args:
            rows: int64 [R]. state: [R, D]. goal: of these R, the task's or a subgoal. weights: of the level's terms.
            scenarios: whose risk decides how the end of a plan is judged.
            penalize_failed: bool [R], where plans that failed cost; None for everywhere.
            task_goal: see `PlanningCost`.
        """
        failed = None
        if self.failure_cost:
            where = torch.ones(len(rows), device=state.device) if penalize_failed is None else penalize_failed
            failed = FailedPlanPenalty(self.failed_plans, self.failure_cost * where, state, rows)
        worst_case = scenarios is not None and scenarios.wary
        return PlanningCost(self.level.terms, weights, goal, worst_case, self.level.ood, failed, task_goal)

    def problem(self, rows: Tensor, context: Context, cost: PlanningCost, scenarios: Scenarios | None) -> PlanningProblem:
        """The search for the cheapest plans of episodes `rows`, whose `context` [R, ...] this is."""
        return planning_problem(self.level, context, cost, scenarios, self.streams.subset(rows.tolist()))

    def search(
        self,
        rows: Tensor,
        context: Context,
        cost: PlanningCost,
        scenarios: Scenarios | None,
        policy: Tensor | None = None,
    ) -> Plan:
        """The cheapest plan that is found, and where it most likely leads; its energy is that of all its scenarios.

        Args: as `problem`. policy: [R, 1, H, A], what Mode-1 would do, a first candidate; None for none.
        """
        first = self.candidates(rows, context.states[:, -1], policy)
        found = self.planner.plan(replace(self.problem(rows, context, cost, scenarios), candidates=first))
        if found.states.ndim == found.actions.ndim:
            return found
        return replace(found, states=self.level.model.rollout(context, found.actions[:, None])[:, 0])

    def candidates(self, rows: Tensor, state: Tensor, policy: Tensor | None = None) -> Tensor | None:
        """What a search in states [R, D] tries first, [R, M, H, A]; None for nothing.

        Mode-1's plan, the plan of record less what is behind it, and what was done in such states, some of it a little changed.
        """
        first = [] if policy is None else [policy]
        if self.record is not None:
            first.append(self._warm_start(rows, state))
        if self.retrieval is not None:
            known = self.retrieval.bank.nearest(state, self.retrieval.count)[:, :, : self.planner.horizon]
            first.append(known)
            if count := self.retrieval.perturbed:
                noise = self.streams.subset(rows.tolist()).normal(count, *known.shape[2:])
                first.append(known[:, :count] + noise * self.retrieval.residual * (self.level.high - self.level.low))
        return torch.cat(first, 1) if first else None

    def _warm_start(self, rows: Tensor, state: Tensor) -> Tensor:
        """The plan of record of R episodes, [R, 1, H, A], one step on where its first one is behind it."""
        last, done = self.plan.actions[rows], self.step_done(rows, state)
        return torch.where(done[:, None, None], shifted(last), last)[:, None]

    # --- the plan of record ----------------------------------------------------------------------------------------

    def commit(self, rows: Tensor, state: Tensor, plan: Plan, alternatives: Tensor | None = None) -> None:
        """A new plan of record for episodes `rows`, made in states [R, D].

        Args:
            plan: with its most likely states [R, H, D].
            alternatives: [B, S, D], other first states that were thought possible: none of them is a failure. None for none.
        """
        old = self._idle(len(self.age)) if self.record is None else self.record
        fields = (old.actions.clone(), old.states.clone(), old.energy.clone())
        for kept, new in zip(fields, (plan.actions, plan.states, plan.energy), strict=True):
            kept[rows] = new
        self.record = LevelPlan(*fields, old.active)
        self.age[rows] = 0
        self.origin[rows] = state
        self.promised[rows] = self.level.distance(state, plan.states[:, 0])
        self.alternatives = alternatives
