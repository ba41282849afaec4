"""Mode-2: Mode-1's own path and what a search finds, weighed against one another in the same futures (the paper, 3.1.2).

Axes: B episodes, H blocks of a plan, A numbers in an action, D in a state.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from forethought.action_codec import ActionCodec
from forethought.actor.contract import Branches, Plan, Planner, PlanningProblem, shifted
from forethought.actor.episode_rng import EpisodeGenerators
from forethought.actor.risk import Scenarios, rollout_scenarios, sample_scenarios
from forethought.agent_networks import AgentNetworks
from forethought.configurator.mode_selector import ControlSignal, Mode, ModeSelector
from forethought.cost.composition import Weights
from forethought.hierarchical_planner import SubgoalCommand
from forethought.memory import FailedPlanMemory, NearestNeighborActions
from forethought.planning_problem import planning_problem, rollout_policy, sample_rollouts
from forethought.settings import Configuration
from forethought.world_model.level import Context

TO_SUBGOAL = {"subgoal": 1.0}
"""Weights v where a level above says where to go."""


@dataclass(frozen=True)
class PolicyRollout:
    """What Mode-1 would do, and what chance may bring, for one decision of B episodes.

    Fields:
        habit: [B, H, A], Mode-1's own path. imagined: [B, H, D], where it leads as is likeliest.
        futures: what all paths are judged in; None where one future is enough.
        lived: where the path leads in these futures, [B, 1, S, H, D]; where one is enough, [B, 1, H, D].
    """

    habit: Tensor
    imagined: Tensor
    futures: Scenarios | None
    lived: Tensor

    @property
    def calls(self) -> int:
        """Predictor calls that the path has cost: as is likeliest, and once more in each of the futures."""
        return self.habit.shape[1] * (1 if self.futures is None else 1 + self.futures.chance.shape[1])


class MPCController:
    """What weighs plans, over B episodes side by side; it remembers the last ones and which of them the world refused.

    Attributes:
        bank: what was once done from many states; None where no training episode was as long as a plan.
        refusals: plans that the world refused in the episodes in progress. warm: [B, M, H, A], what is left of the last plans.
    """

    def __init__(
        self, configuration: Configuration, modules: AgentNetworks, body: ActionCodec, executive: ModeSelector, planner: Planner
    ) -> None:
        """Of an agent with these settings and weights; `executive` says whether to react or to plan, `planner` searches."""
        self.configuration, self.modules, self.body, self.executive = configuration, modules, body, executive
        self.planner = planner
        # All zeros where no training episode was as long as a plan.
        filled = bool(modules.bank_states.any())
        self.bank = NearestNeighborActions(modules.bank_states, modules.bank_actions) if filled else None
        self.refusals = FailedPlanMemory(
            configuration.perception.state_dim, float(modules.blend.typical), modules.bank_states.device
        )
        self.forget()

    def reset(self, batch: int, streams: EpisodeGenerators) -> None:
        """Begin B episodes."""
        self.streams = streams
        self.refusals.reset(batch)
        self.forget()

    def forget(self) -> None:
        """The last plans are none of these any more: something else has acted."""
        self.warm: Tensor | None = None
        self._promise: tuple[Tensor, Tensor, Tensor | None] | None = None

    def decide(
        self, mode: Mode, context: Context, target: Tensor, goal: Tensor, above: SubgoalCommand | None
    ) -> tuple[Plan, Tensor, Tensor, Tensor]:
        """One decision in `auto` or `plan`.

        Args:
            context: the recent past. target: [B, D], what to head for now: the `goal` [B, D], or a subgoal from `above`.

        Returns:
            The plan; bool [B], whether it was searched for; the critic's blocks to the goal [B]; predictor calls spent [B].
        """
        state = context.states[:, -1]
        if self._promise is not None:
            origin, promised, others = self._promise
            self.refusals.write(origin, promised, state, others)
        outlook = self.rollout_policy_to(context, target)
        distance, promised = self._promised(state, target, outlook)
        wary = outlook.futures is not None and outlook.futures.wary
        left = distance if target is goal and not wary else self.modules.critic.distance(state, goal)
        direction = self.executive.direct(mode, distance, promised, outlook.habit.shape[1], left)
        plan, calls = self._choose(direction, context, target, outlook, above)
        self.warm = shifted(plan.ways())
        others = self._others(context, plan.actions[:, :1])
        self._promise = (state, plan.states[:, 0], others)
        return plan, direction.plan, left, calls if others is None else calls + others.shape[1]

    def rollout_policy_to(self, context: Context, target: Tensor) -> PolicyRollout:
        """Mode-1's own path to `target` [B, D], and what chance may bring in this decision, to it and to each plan alike."""
        settings, level = self.configuration.actor, self.modules.world_model
        habit, imagined = rollout_policy(self.modules, context, target, settings.horizon)
        futures = sample_scenarios(settings, self.streams, settings.horizon, level.numbers)
        if futures is None:
            return PolicyRollout(habit, imagined, None, imagined[:, None])
        return PolicyRollout(
            habit, imagined, futures, rollout_scenarios(futures, partial(level.rollout, context))(habit[:, None])
        )

    def _promised(self, now: Tensor, target: Tensor, outlook: PolicyRollout) -> tuple[Tensor, Tensor]:
        """The critic's blocks [B] to `target` [B, D], from `now` [B, D] and from the end of Mode-1's path.

        In several futures they are weighed as a plan's energies are: a reflex may gamble, too.
        """
        blocks, futures = self.modules.critic.distance, outlook.futures
        if futures is None:
            return blocks(now, target), blocks(outlook.imagined[:, -1], target)
        ends = outlook.lived[..., -1, :]
        every = blocks(ends, target[:, None, None].expand_as(ends), futures.wary)
        return blocks(now, target, futures.wary), futures.weigh(every)[:, 0]

    def _others(self, context: Context, action: Tensor) -> Tensor | None:
        """Where else a block [B, 1, A] may lead, [B, S, D]; None where nothing is left open, or refusals cost nothing."""
        level = self.modules.world_model
        if level.latent is None or not self.configuration.memory.failed_plan_cost:
            return None
        return sample_rollouts(level, context, action, self.configuration.actor.num_scenarios, self.streams)[:, :, 0]

    def _choose(
        self, direction: ControlSignal, context: Context, goal: Tensor, outlook: PolicyRollout, above: SubgoalCommand | None
    ) -> tuple[Plan, Tensor]:
        """Mode-1's imagined path where the executive lets it react, a searched plan where it does not."""
        habit, imagined = outlook.habit, outlook.imagined
        guided = torch.zeros(len(habit), dtype=torch.bool, device=habit.device) if above is None else above.guided
        energy = habit.new_zeros(len(habit))
        plan = Plan(habit.clone(), imagined.clone(), energy, outlook.calls, self._undivided(habit, imagined))
        calls = torch.full((len(habit),), outlook.calls)
        for rows, wanted, weights in (
            (~guided, goal, Weights(direction.intrinsic, direction.task)),
            (guided, above.subgoal if above else goal, Weights(direction.intrinsic, TO_SUBGOAL)),
        ):
            mine = torch.nonzero(rows).squeeze(1)
            if len(mine) == 0:
                continue
            problem = self._problem(mine, direction, context, wanted[mine], weights, outlook.futures)
            plan.energy[mine] = problem.energy(outlook.lived[mine], habit[mine, None])[:, 0]
            searched = mine[direction.plan[mine]]
            if len(searched) == 0:
                continue
            problem = self._problem(searched, direction, context, wanted[searched], weights, outlook.futures)
            found = self._search(problem, Context(context.states[searched], context.actions[searched]), habit, searched)
            plan.put(searched, found)
            calls[searched.cpu()] += found.calls
        return replace(plan, calls=int(calls.max())), calls

    def _problem(
        self,
        rows: Tensor,
        direction: ControlSignal,
        context: Context,
        goal: Tensor,
        weights: Weights,
        futures: Scenarios | None,
    ) -> PlanningProblem:
        """What some episodes' paths are judged by; `goal`: theirs."""
        mine = Context(context.states[rows], context.actions[rows])
        price = self.configuration.memory.failed_plan_cost
        failure_weight = price * direction.penalize_failed_plans[rows, None]

        def shadow(following: Tensor) -> Tensor:
            return failure_weight * self.refusals.cost(mine.states[:, -1], following, rows)

        chance = None if futures is None else futures.of(rows)
        streams = self.streams.subset(rows.tolist())
        shade = shadow if price else None
        return planning_problem(self.modules, self.body, mine, goal, weights, streams, shade, chance, self._recall())

    def _search(self, problem: PlanningProblem, context: Context, habit: Tensor, rows: Tensor) -> Plan:
        """The cheapest plan that is found from `context` of some episodes, and where it leads as is likeliest."""
        found = self.planner.plan(replace(problem, candidates=self._first(rows, context, habit)))
        if problem.forks is None:
            return found
        # What is expected of it is kept on record; its price is that of all its futures.
        if found.branches is not None:
            return replace(found, states=found.branches.states[:, 0])
        states = self.modules.world_model.rollout(context, found.actions[:, None])[:, 0]
        # A planner of the user's own may know of sequences alone.
        return replace(found, states=states, branches=self._undivided(found.actions, states))

    def _undivided(self, actions: Tensor, states: Tensor) -> Branches | None:
        """A plan [B, H, A] that goes one way, where plans may part; None where they may not."""
        ways = self.configuration.actor.branches
        return Branches.one(actions, states, ways + 1) if ways > 1 else None

    def _first(self, rows: Tensor, context: Context, habit: Tensor) -> Tensor | None:
        """What a search tries first: Mode-1's own path, the last plan, and what was once done in such states."""
        candidates = [habit[rows, None]] if self.configuration.actor.policy_candidate else []
        if self.warm is not None:
            candidates.append(self.warm[rows])
        if (recall := self._recall()) is not None:
            candidates.append(recall(context.states[:, -1]))
        return torch.cat(candidates, 1) if candidates else None

    def _recall(self) -> Callable[[Tensor], Tensor] | None:
        """States [N, D] to what was once done in the like, [N, M, H, A]; None where nothing is remembered."""
        count = self.configuration.actor.retrieved_candidates
        return partial(self.bank.nearest, count=count) if count and self.bank else None
