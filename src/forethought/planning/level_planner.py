"""The planner of one level: planning problem, scenarios, first candidates, failed plans, replanning rule and plan of record.

Level 1 plans action blocks, an upper level macro-actions (H-JEPA, 2610.06805, section 4). `PlanningLevel` holds what differs
between levels; `planning.subgoals` sets the goal. If a level has a latent variable, the search evaluates plans in several
scenarios, and the plan of record stores the most probable one.

Axes: B episodes, R of them that are planned for, K candidates, M first candidates, S scenarios, H steps of the level, D numbers
in its state, A in its action.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from forethought.actor.contract import Plan, Planner, PlanningProblem, shifted
from forethought.actor.deadline import FEWEST
from forethought.actor.episode_rng import EpisodeGenerators
from forethought.config import PlannerConfig
from forethought.cost.composition import Composition, Weights
from forethought.goals import EncodedGoal
from forethought.memory import FailedPlanMemory, NearestNeighborActions
from forethought.planning.decision_timer import DecisionTimer
from forethought.planning.planning_cost import FailedPlanPenalty, OODPenalty, PlanningCost
from forethought.planning.scenarios import Scenarios, risk_adjusted, rollout_scenarios, sample_scenarios
from forethought.world_model.level import Context, Level


@dataclass(frozen=True)
class PlanningLevel:
    """The components that differ between levels.

    Fields:
        model: the world model of this level. terms: the costs of its plans.
        distance: states [..., D] and goals [..., D] of this level to blocks [...].
        low, high: [A], bounds of its actions. codes, steps: see `PlanningProblem`.
        span: blocks in one of its steps.
        ood: penalty on out-of-distribution states; None for no penalty.
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
    """Retrieval of first candidates: actions taken in states similar to the present one.

    Fields:
        bank: the nearest-neighbor index. count: number of retrieved candidates.
        perturbed: number of additional candidates with noise, copies of the nearest ones.
        residual: standard deviation of that noise, as a fraction of the actions' range.
    """

    bank: NearestNeighborActions
    count: int
    perturbed: int = 0
    residual: float = 0.0


@dataclass(frozen=True)
class LevelPlan:
    """One level's plan of record, for B episodes.

    Fields:
        actions: [B, H, A]. states: [B, H, D], the predicted states. At a learned level the first state, which is the subgoal of
            the level below, is a training state: the nearest to the predicted one that was reached from a similar state.
        energy: [B], in blocks. active: bool [B]; False where the level is skipped because the goal is too near.
    """

    actions: Tensor
    states: Tensor
    energy: Tensor
    active: Tensor


def planning_problem(
    level: PlanningLevel,
    context: Context,
    cost: PlanningCost,
    scenarios: Scenarios | None,
    streams: EpisodeGenerators,
    rollout: Callable[..., Tensor] | None = None,
) -> PlanningProblem:
    """The planning problem of a level: rollout, cost, bounds and one random generator per episode.

    Args:
        context: recent states and actions of R episodes. cost: of candidates with one future each. streams: R generators.
        scenarios: S futures per candidate, with states [R, K, S, H, D]; None for the most probable future only.
        rollout: that of the level's model, compiled; None: as it is.
    """
    return PlanningProblem(
        batch=len(cost.goal),
        rollout=rollout_scenarios(scenarios, partial(rollout or level.model.rollout, context)),
        energy=risk_adjusted(scenarios, cost),
        low=level.low,
        high=level.high,
        codes=level.codes,
        steps=level.steps,
        candidates=None,
        streams=streams,
    )


class LevelPlanner:
    """Plans at one level, for B parallel episodes.

    Attributes:
        level: the planned level. planner: the search. retrieval: first candidates from training data (None for none).
        failed_plans: plans that failed in the episodes in progress.
        record: the plan of record; None after a decision that this planner did not make.
        age: [B], blocks since the plan was made. origin: [B, D], the state in which it was made.
        timer, number: the time of the agent's decisions (None: no limit), and the number of this level there, from 1.
        expected: [B], blocks from there to the plan's first state. remaining: [B], blocks from there to its goal.
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
        """Call `reset` before the first use.

        Args:
            settings: risk and replanning rule. failure_cost: penalty of a plan that failed once, in blocks.
            measure_progress: the criterion of failure. True: a finished plan reduced the remaining distance by less than
                `settings.replanning.progress` of the elapsed blocks. False: the predicted first state did not occur, which
                needs a level that predicts each block.
        """
        self.level, self.planner, self.settings = level, planner, settings
        self.failed_plans, self.failure_cost = failed_plans, failure_cost
        self.retrieval, self.measure_progress = retrieval, measure_progress
        self.rollout = torch.compile(level.model.rollout) if settings.compile else level.model.rollout
        self.record: LevelPlan | None = None
        self.timer: DecisionTimer | None = None
        self.number = 1

    def reset(self, batch: int, streams: EpisodeGenerators) -> None:
        """Begin B episodes with an idle plan of record, which is not active."""
        self.streams = streams
        self.failed_plans.reset(batch)
        self.record = self._idle(batch)
        self.age = self.level.low.new_zeros(batch)
        self.origin = self.level.low.new_zeros(batch, self.level.model.state_dim)
        self.remaining, self.expected = torch.full_like(self.age, torch.inf), torch.zeros_like(self.age)
        self.alternatives: Tensor | None = None

    def _idle(self, batch: int) -> LevelPlan:
        new, dim, horizon = self.level.low.new_zeros, self.level.model.state_dim, self.planner.horizon
        idle = torch.zeros(batch, dtype=torch.bool, device=self.level.low.device)
        return LevelPlan(new(batch, horizon, len(self.level.low)), new(batch, horizon, dim), new(batch), idle)

    def forget(self) -> None:
        """Drop the plan of record: this planner does not make the present decision."""
        self.record = None

    @property
    def plan(self) -> LevelPlan:
        """The plan of record; there must be one."""
        assert self.record is not None, "no plan of record: call reset, and commit one after forget"
        return self.record

    # --- when to plan ----------------------------------------------------------------------------------------------

    def assess(self, state: Tensor, remaining: Tensor | None = None) -> Tensor:
        """After each block: which plans of record need replanning, bool [B]. Failed plans are stored.

        Replanning is due when the first step is done, or when its state is farther away than the plan's age allows.

        Args:
            state: [B, D], the present. remaining: [B], blocks from there to the plan's goal; for `measure_progress`.
        """
        if self.record is None:
            return torch.ones(len(state), dtype=torch.bool, device=state.device)
        self.age += 1
        over = self.step_done(torch.arange(len(state), device=state.device), state)
        if not bool(over.all()):
            distance = self.level.distance(state, self.plan.states[:, 0])
            over = over | (distance > self.expected - self.age + self.settings.replanning.slack * self.level.span)
        self._remember_failures(state, remaining, over)
        return over

    def step_done(self, rows: Tensor, state: Tensor) -> Tensor:
        """Whether the first step of R plans is done, bool [R], in states [R, D]: its time is over, or its state is reached."""
        timed_out = self.age[rows] >= self.level.span
        return (
            timed_out
            if bool(timed_out.all())
            else timed_out | (self.level.distance(state, self.plan.states[rows, 0]) < self.settings.replanning.reached)
        )

    def _remember_failures(self, state: Tensor, remaining: Tensor | None, over: Tensor) -> None:
        first = self.plan.states[:, 0]
        if not self.measure_progress:
            self.failed_plans.write(self.origin, first, state, self.alternatives)
            return
        assert remaining is not None, "progress needs the remaining distance: pass `remaining`"
        failed = self.plan.active & over & (self.remaining - remaining < self.settings.replanning.progress * self.age)
        self.failed_plans.write(self.origin, torch.where(failed[:, None], first, state), state)

    # --- how to plan -----------------------------------------------------------------------------------------------

    def scenarios(self, rows: Tensor) -> Scenarios | None:
        """Samples of the latent variable for one search of R episodes, from their generators; None for a single future."""
        streams = self.streams.subset(rows)
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
        """The cost of plans of R episodes.

        Args:
            rows: int64 [R]. state: [R, D]. goal: of these R episodes, the task's or a subgoal. weights: of the level's terms.
            scenarios: their risk measure selects the mean or the worst-case terminal value.
            penalize_failed: bool [R], where failed plans get a penalty; None for everywhere.
            task_goal: see `PlanningCost`.
        """
        failed = None
        if self.failure_cost:
            enabled = torch.ones(len(rows), device=state.device) if penalize_failed is None else penalize_failed
            failed = FailedPlanPenalty(self.failed_plans, self.failure_cost * enabled, state, rows)
        worst_case = scenarios is not None and scenarios.risk_averse
        return PlanningCost(self.level.terms, weights, goal, worst_case, self.level.ood, failed, task_goal)

    def problem(self, rows: Tensor, context: Context, cost: PlanningCost, scenarios: Scenarios | None) -> PlanningProblem:
        """The planning problem of episodes `rows` with their `context` [R, ...]."""
        return planning_problem(self.level, context, cost, scenarios, self.streams.subset(rows), self.rollout)

    def search(
        self,
        rows: Tensor,
        context: Context,
        cost: PlanningCost,
        scenarios: Scenarios | None,
        policy: Tensor | None = None,
    ) -> Plan:
        """The cheapest plan found, with its most probable states; its energy is risk-adjusted over all scenarios.

        Args: as `problem`. policy: [R, 1, H, A], Mode-1's actions as a first candidate; None for none.
        """
        first = self.candidates(rows, context.states[:, -1], policy)
        timer = None if self.timer is None else self.timer.search(self.number, len(rows))
        plan = self.planner.plan(replace(self.problem(rows, context, cost, scenarios), candidates=first, timer=timer))
        if timer is not None and not timer.iterations:
            # A planner that does not ask the timer counts as one iteration.
            timer.done(FEWEST)
        if plan.states.ndim == plan.actions.ndim:
            return plan
        return replace(plan, states=self.level.model.rollout(context, plan.actions[:, None])[:, 0])

    def may_replan(self, rows: int) -> bool:
        """Whether the decision has time for a search of R episodes."""
        return self.timer is None or self.timer.may_replan(self.number, rows)

    def candidates(self, rows: Tensor, state: Tensor, policy: Tensor | None = None) -> Tensor | None:
        """First candidates of a search in states [R, D], [R, M, H, A]; None for none.

        They are Mode-1's plan, the shifted plan of record, and retrieved actions, some of them with noise.
        """
        first = [] if policy is None else [policy]
        if self.record is not None:
            first.append(self._warm_start(rows, state))
        if self.retrieval is not None:
            retrieved = self.retrieval.bank.nearest(state, self.retrieval.count)[:, :, : self.planner.horizon]
            first.append(retrieved)
            if count := self.retrieval.perturbed:
                noise = self.streams.subset(rows).normal(count, *retrieved.shape[2:])
                first.append(retrieved[:, :count] + noise * self.retrieval.residual * (self.level.high - self.level.low))
        return torch.cat(first, 1) if first else None

    def _warm_start(self, rows: Tensor, state: Tensor) -> Tensor:
        """The plan of record of R episodes, [R, 1, H, A], shifted by one step where its first step is done."""
        actions, done = self.plan.actions[rows], self.step_done(rows, state)
        return torch.where(done[:, None, None], shifted(actions), actions)[:, None]

    # --- the plan of record ----------------------------------------------------------------------------------------

    def commit(self, rows: Tensor, state: Tensor, plan: Plan, alternatives: Tensor | None = None) -> None:
        """Set a new plan of record for episodes `rows`, made in states [R, D].

        Args:
            plan: with its most probable states [R, H, D].
            alternatives: [B, S, D], sampled outcomes of the first step, which do not count as failures. None for none.
        """
        old = self._idle(len(self.age)) if self.record is None else self.record
        fields = (old.actions.clone(), old.states.clone(), old.energy.clone())
        for field, new in zip(fields, (plan.actions, plan.states, plan.energy), strict=True):
            field[rows] = new
        self.record = LevelPlan(*fields, old.active)
        self.age[rows] = 0
        self.origin[rows] = state
        self.expected[rows] = self.level.distance(state, plan.states[:, 0])
        self.alternatives = alternatives
