"""What the learned levels above decide: plans from the top down, each level's next state the subgoal of the one below.

H-JEPA (2610.06805, section 4), with what fixes its naive form (2607.12547): a search begins with macro-actions that were once
taken from such a state, and states far from all memory cost. Every level is searched by the same planner through the same
interface as level 1. Then, if wanted, the plans of all levels above the first are refined together, down the slope of the sum
of their energies.

Where the levels have a latent variable, plans are searched in several futures, weighed as level 1 weighs its own
(`actor/risk.py`); what is expected of the plan, and made the subgoal of the level below, is the likeliest.

Axes: B episodes, K candidates, S futures, H steps of a level, D numbers in its state, Z in its macro-action.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from forethought.actor.contract import Plan, PlanningProblem, shifted
from forethought.actor.episode_rng import EpisodeGenerators
from forethought.actor.joint_refinement import JointProblem
from forethought.actor.registry import make_planner
from forethought.actor.risk import Scenarios, risk_adjusted, rollout_scenarios, sample_scenarios
from forethought.agent_networks import Stage, encode_levels
from forethought.cost.composition import Weights, path_cost
from forethought.memory import FailedPlanMemory, NearestNeighborActions
from forethought.settings import ActorSettings, Configuration, HierarchySettings
from forethought.world_model.level import Context

NOISE = 0.5
"""First standard deviation of the search, in units of half the macros' range."""
RESIDUAL = 0.1
"""Standard deviation of what is added to half of the remembered macros, in units of their range."""
PROGRESS = 0.25
"""A plan was refused when, by the time of the next, the way is not shorter by this share of the blocks that went by."""
REACHED = 1.0
"""Blocks to a subgoal from which on the next one is due."""
SLACK = 0.5
"""A plan is made anew when its subgoal is farther off than it should be by this share of the level's step."""


@dataclass(frozen=True)
class LevelPlan:
    """One level's plan of record, for B episodes.

    Fields:
        macros: [B, H, Z]. states: [B, H, D], where they lead; the first, the subgoal of the level below, is where somebody got
            to from a state like this one, and most like what was foreseen.
        energy: [B], in blocks. active: bool [B]; where False, the goal is too near for this level, which is skipped.
    """

    macros: Tensor
    states: Tensor
    energy: Tensor
    active: Tensor


@dataclass(frozen=True)
class SubgoalCommand:
    """What the levels above want of level 1.

    Fields:
        subgoal: [B, D of level 2], where to be within a stride: the first state of level 2's plan.
        guided: bool [B]; where False, level 1 heads for the goal. target: [B, D of level 1], that same moment as level 1 saw
            it, or the goal: what Mode-1 heads for.
        plans: by level, from level 2 up. calls: int64 [B, L - 1], predictor calls spent at each.
    """

    subgoal: Tensor
    guided: Tensor
    target: Tensor
    plans: tuple[LevelPlan, ...]
    calls: Tensor


class HierarchicalPlanner:
    """The plans of all levels above the first, over B episodes side by side. Each level plans at its own rate."""

    def __init__(self, stages: Sequence[Stage], configuration: Configuration) -> None:
        """`stages`: from level 2 up. What counts of the rest: the hierarchy's search, the actor's risk, refusals' price."""
        settings = configuration.hierarchy
        self.stages, self.settings, self.actor = list(stages), settings, configuration.actor
        self.banks = [NearestNeighborActions(stage.bank_states, stage.bank_macros) for stage in self.stages]
        self.ends = [NearestNeighborActions(stage.bank_later, stage.bank_macros) for stage in self.stages]
        self.refusals, self.failure_weight = (
            [_failed_plans(stage) for stage in self.stages],
            configuration.memory.failed_plan_cost,
        )
        effort = effort_of(settings)
        self.planner, self.learning_rate = make_planner(effort), effort.learning_rate

    def reset(self, goal: Tensor, streams: EpisodeGenerators) -> None:
        """Begin B episodes with goals [B, D of level 1]."""
        self.goal, self.goals, self.streams = goal, encode_levels(self.stages, goal)[1:], streams
        batch, horizon = len(goal), self.settings.horizon
        idle = torch.zeros(batch, dtype=torch.bool, device=goal.device)
        self.plans = [
            LevelPlan(
                goal.new_zeros(batch, horizon, stage.level.macro_dim), goal.new_zeros(batch, horizon, stage.level.state_dim),
                goal.new_zeros(batch), idle,
            )
            for stage in self.stages
        ]  # fmt: skip
        self._target = goal.clone()
        self._age = torch.zeros(batch, len(self.stages), device=goal.device)
        self._promised = torch.zeros(batch, len(self.stages), device=goal.device)
        # Copies: a shared latent is the very tensor that it was made from.
        self._origins = [state.clone() for state in self.goals]
        for refusals in self.refusals:
            refusals.reset(batch)
        self._left = torch.full((batch, len(self.stages)), torch.inf, device=goal.device)
        self._leading = torch.zeros(batch, dtype=torch.int64, device=goal.device)

    def direct(self, state: Tensor) -> SubgoalCommand:
        """One decision of level 1 is due in states [B, D of level 1]: plan again where a level's time has come."""
        states = encode_levels(self.stages, state)[1:]
        self._age += 1
        away = [stage.reach.distance(*pair) for stage, *pair in zip(self.stages, states, self.goals, strict=True)]
        leading = torch.zeros_like(self._leading)
        for number, (stage, blocks) in enumerate(zip(self.stages, away, strict=True)):
            leading = torch.where(blocks > self.least(stage), number + 1, leading)
        calls = torch.zeros(len(state), len(self.stages), dtype=torch.int64)
        changed = renewed = leading != self._leading
        begun = torch.zeros_like(changed)
        # What a plan has achieved is measured by the subgoal that it was made for, before there is another.
        over = [
            self._needs_replan(number, states[number], self._remaining(number, states, away, self._leading))
            for number in range(len(self.stages))
        ]
        for number in reversed(range(len(self.stages))):
            active, leads = leading > number, leading == number + 1
            due = active & (renewed | over[number] | ~self.plans[number].active)
            remaining = self._remaining(number, states, away, leading)
            self._left[:, number] = torch.where(due, remaining, self._left[:, number])
            for rows, native in ((due & leads, True), (due & ~leads, False)):
                self._plan(number, torch.nonzero(rows).squeeze(1), states[number], native, calls)
            old = self.plans[number]
            self.plans[number] = LevelPlan(old.macros, old.states, old.energy, active)
            renewed, begun = changed | due, begun | (due & leads)
        self._leading = leading
        for count in range(2, len(self.stages) + 1) if self.settings.refine else ():
            self._refine(torch.nonzero(begun & (leading == count)).squeeze(1), states[:count], calls)
        subgoal, guided = self.plans[0].states[:, 0], leading > 0
        return SubgoalCommand(subgoal, guided, torch.where(guided[:, None], self._target, self.goal), tuple(self.plans), calls)

    def least(self, stage: Stage) -> float:
        """Blocks to the goal from which on a level has something to do.

        A level whose way is shorter than its own step is skipped (H-JEPA, section 4), and where the critic of level 1 is
        trusted, its own cost takes over: seen from above, the places around the goal look alike.
        """
        return max(stage.span, self.settings.critic_radius)

    def ways(self) -> tuple[Tensor, ...]:
        """Where each level's plan leads, level 2 first: [B, H, D of level 1], the remembered states most like its states."""
        found = []
        for stage, plan, ends in zip(self.stages, self.plans, self.ends, strict=True):
            alike = stage.bank_below[ends.nearest_moments(plan.states.flatten(0, 1), 1)].view(*plan.states.shape[:2], -1)
            found.append(torch.where(plan.active[:, None, None], alike, self.goal[:, None]))
        return tuple(found)

    def _remaining(self, number: int, states: list[Tensor], away: list[Tensor], leading: Tensor) -> Tensor:
        """Blocks [B] to where a level is headed: the goal where it leads, else the subgoal of the level above."""
        if number + 1 == len(self.stages):
            return away[number]
        above = self.stages[number + 1].reach.distance(states[number + 1], self.plans[number + 1].states[:, 0])
        return torch.where(leading == number + 1, away[number], above)

    def _needs_replan(self, number: int, state: Tensor, remaining: Tensor) -> Tensor:
        """Where a level must plan again: its subgoal is reached, its time is up, or it is farther off than it should be by now.

        What has not brought the episode nearer to where this level is headed, the world refused: it is remembered.
        """
        stage, plan, age = self.stages[number], self.plans[number], self._age[:, number]
        left = stage.reach.distance(state, plan.states[:, 0])
        late = left > self._promised[:, number] - age + SLACK * stage.span
        over = self._step_done(number, state) | late
        failed = plan.active & over & (self._left[:, number] - remaining < PROGRESS * age)
        self.refusals[number].write(self._origins[number], torch.where(failed[:, None], plan.states[:, 0], state), state)
        return over

    def _step_done(self, number: int, state: Tensor) -> Tensor:
        """Whether the first step of a level's plan is behind it, [B], in states [B, D]: its time is up, or it is there."""
        stage, plan = self.stages[number], self.plans[number]
        return (self._age[:, number] >= stage.span) | (stage.reach.distance(state, plan.states[:, 0]) < REACHED)

    def _plan(self, number: int, rows: Tensor, state: Tensor, native: bool, calls: Tensor) -> None:
        """Search some episodes' plans at one level: for the goal (`native`), or for the subgoal of the level above."""
        if len(rows) == 0:
            return
        problem = self._problem(number, rows, state[rows], native, self._futures(number, rows))
        first = self._candidates(number, rows, state, problem.streams)
        self._commit_plan(number, rows, state[rows], self.planner.plan(replace(problem, candidates=first)), calls)

    def _commit_plan(self, number: int, rows: Tensor, state: Tensor, found: Plan, calls: Tensor) -> None:
        """Some episodes' plan of record at one level, begun in their states [R, D]; of its futures, the likeliest is kept."""
        states = self._mode_rollout(number, state, found.actions[:, None], found.states[:, None])[:, 0]
        plan, step = self.plans[number], self._nearest_reachable(number, state, states[:, :1])[:, 0]
        subgoal = self.stages[number].bank_later[step]
        if number == 0:
            self._target[rows] = self.stages[0].bank_below[step]
        foreseen = torch.cat([subgoal[:, None], states[:, 1:]], 1)
        fields = (plan.macros.clone(), plan.states.clone(), plan.energy.clone())
        for old, new in zip(fields, (found.actions, foreseen, found.energy), strict=True):
            old[rows] = new
        self.plans[number] = LevelPlan(*fields, plan.active)
        self._age[rows, number] = 0
        self._origins[number][rows] = state
        self._promised[rows, number] = self.stages[number].reach.distance(state, subgoal)
        calls[rows.cpu(), number] += found.calls

    def _nearest_reachable(self, number: int, state: Tensor, states: Tensor) -> Tensor:
        """Which remembered step led to where it is most like each of the foreseen states [R, K, D]; indices [R, K].

        Of the steps that began in states most like `state` [R, D]: what is foreseen may lie in a wall, or behind a door
        whose key is out of reach, and is never there then; where somebody went from here can be reached from here.
        """
        alike = self.banks[number].nearest_moments(state, self.settings.known)
        return alike.gather(1, torch.cdist(states, self.stages[number].bank_later[alike]).argmin(-1))

    def _refine(self, rows: Tensor, states: list[Tensor], calls: Tensor) -> None:
        """Change some episodes' plans at the lowest levels together, whose `states` [B, D] these are, the highest leading.

        What is descended on is the sum of the levels' energies, so that a subgoal that is hard to reach moves where that saves
        more below than it costs above. It is the remembered state that is priced, which passes its gradient on as if it were
        the foreseen one: no episode's plans cost more in sum than before, in the same futures.
        """
        if len(rows) == 0:
            return
        here, top = [state[rows] for state in states], len(states) - 1
        futures = [self._futures(number, rows) for number in range(top + 1)]
        problems = [self._problem(number, rows, state, number == top, futures[number]) for number, state in enumerate(here)]

        def energies(foreseen: Sequence[Tensor], macros: Sequence[Tensor]) -> list[Tensor]:
            costs = []
            for number, above in enumerate(range(1, top + 1)):
                first = self._mode_rollout(above, here[above], macros[above], foreseen[above])[:, :, 0]
                lived = self.stages[above].bank_later[self._nearest_reachable(above, here[above], first)]
                subgoal = first + (lived - first).detach()
                price = partial(self._price, number, rows, here[number], subgoal, False)
                costs.append(risk_adjusted(futures[number], price)(foreseen[number], macros[number]))
            return [*costs, problems[top].energy(foreseen[top], macros[top])]

        dims, starts = [state.shape[-1] for state in here], [self.plans[number].macros[rows] for number in range(top + 1)]
        found = JointProblem(problems, dims, energies).descend(starts, self.settings.refine, self.learning_rate)
        for number, plan in enumerate(found):
            self._commit_plan(number, rows, here[number], plan, calls)
        for number in range(top):
            # The subgoals above have moved, and what is achieved will be measured by where they are now.
            subgoal = self.plans[number + 1].states[rows, 0]
            self._left[rows, number] = self.stages[number + 1].reach.distance(here[number + 1], subgoal)

    def _futures(self, number: int, rows: Tensor) -> Scenarios | None:
        """What chance brings in one search, from each episode's own stream; None where one future is enough."""
        streams = self.streams.subset(rows.tolist())
        return sample_scenarios(self.actor, streams, self.settings.horizon, self.stages[number].level.numbers)

    def _rollout(self, number: int, state: Tensor, macros: Tensor, chance: Tensor | None, trust: float = 1.0) -> Tensor:
        """What a level imagines from `state` [R, D]: see `Level.rollout`."""
        level = self.stages[number].level
        return level.rollout(Context(state[:, None], state.new_zeros(len(state), 0, level.macro_dim)), macros, chance, trust)

    def _mode_rollout(self, number: int, state: Tensor, macros: Tensor, states: Tensor) -> Tensor:
        """Where plans lead in the likeliest way, [R, K, H, D]: to `states`, unless these have an axis S of futures."""
        return states if states.ndim == macros.ndim else self._rollout(number, state, macros, None)

    def _problem(
        self, number: int, rows: Tensor, state: Tensor, native: bool, futures: Scenarios | None = None
    ) -> PlanningProblem:
        """What the planner of every level is given: a start, a rollout, an energy, bounds and one stream per episode."""
        level = self.stages[number].level
        goal = self.goals[number] if native else self.plans[number + 1].states[:, 0]
        return PlanningProblem(
            batch=len(rows),
            rollout=rollout_scenarios(futures, partial(self._rollout, number, state)),
            energy=risk_adjusted(futures, partial(self._price, number, rows, state, goal[rows, None], native)),
            low=level.low,
            high=level.high,
            codes=None,
            steps=1,
            candidates=None,
            streams=self.streams.subset(rows.tolist()),
        )

    def _price(
        self, number: int, rows: Tensor, state: Tensor, goal: Tensor, native: bool, states: Tensor, macros: Tensor
    ) -> Tensor:
        """What it costs [R, K] at one level to go from `state` [R, D] over `states` [R, K, H, D] to `goal`; macros are free.

        `goal` is the goal (`native`) or a subgoal of the level above, [R, 1 or K (before there were futures), D]: a lower
        rollout is judged after encoding it up (H-JEPA, section 4).
        """
        if goal.shape[1] > 1:
            goal = goal.repeat_interleave(states.shape[1] // goal.shape[1], 1)
        stage, judge = self.stages[number], self.stages[number if native else number + 1]
        seen = states if native else judge.level.encode(states)
        blocks = path_cost(judge.reach.distance(seen, goal[:, :, None]), Weights())
        strange = self.settings.ood_cost * stage.ood_distance(states).mean(-1)
        refused = self.failure_weight * self.refusals[number].cost(state, states[:, :, 0], rows)
        return torch.stack([blocks, strange, refused]).sum(0)

    def _candidates(self, number: int, rows: Tensor, state: Tensor, streams: EpisodeGenerators) -> Tensor:
        """The first population of episodes `rows` in `state` [B, D]: what was done in such states, half of it a little changed,
        and the last plan, less what is behind it.
        """
        stage, count = self.stages[number], self.settings.num_samples
        known = self.banks[number].nearest(state[rows], self.settings.known)
        noise = streams.normal(count // 2, *known.shape[2:]) * RESIDUAL * (stage.level.high - stage.level.low)
        last = self.plans[number].macros[rows, None]
        done = self._step_done(number, state)[rows].view(-1, 1, 1, 1)
        warm = torch.where(done, shifted(last[:, 0])[:, None], last)
        return torch.cat([known, known[:, : count // 2] + noise, warm], 1)


def effort_of(settings: HierarchySettings) -> ActorSettings:
    """The search of the levels above, in the words of level 1's. Macro-actions are no steps: their noise has no colour."""
    names = ("planner", "horizon", "num_samples", "num_iterations", "num_elites", "gradient_steps")
    return ActorSettings(**{name: getattr(settings, name) for name in names}, init_std=NOISE, noise_autocorrelation=0.0)


def _failed_plans(stage: Stage) -> FailedPlanMemory:
    """What the world refused at one level."""
    return FailedPlanMemory(stage.level.state_dim, float(stage.stride), stage.stride.device, tolerance=0.0)
