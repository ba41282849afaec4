"""Mode-1 or Mode-2: Mode-1's own path and what a search finds, weighed in the same scenarios (the paper, section 3.1.2).

Axes: B episodes, R of them, S scenarios, H blocks of a plan, A numbers in an action, D in a state.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from forethought.action_codec import ActionCodec
from forethought.actor.contract import Plan, Planner
from forethought.actor.episode_rng import EpisodeGenerators
from forethought.agent_networks import AgentNetworks
from forethought.config import Configuration
from forethought.configurator.mode_selector import ControlSignal, Mode, ModeChooser
from forethought.cost.composition import Weights
from forethought.goals import EncodedGoal
from forethought.memory import FailedPlanMemory, NearestNeighborActions
from forethought.planning.level_planner import LevelPlanner, Retrieval
from forethought.planning.levels import first_level
from forethought.planning.planning_cost import PlanningCost
from forethought.planning.scenarios import Scenarios, rollout_scenarios, sample_rollouts
from forethought.planning.subgoals import SubgoalCommand
from forethought.world_model.level import Context


@dataclass(frozen=True)
class PolicyRollout:
    """What Mode-1 would do, and what chance may bring, for one decision of B episodes.

    Fields:
        actions: [B, H, A], Mode-1's own path. states: [B, H, D], where it most likely leads.
        scenarios: what all paths are judged in; None where one future is enough.
        outcomes: where the path leads in these, [B, 1, S, H, D]; where one is enough, [B, 1, H, D].
    """

    actions: Tensor
    states: Tensor
    scenarios: Scenarios | None
    outcomes: Tensor

    @property
    def calls(self) -> int:
        """Predictor calls that the path has cost: as is likeliest, and once more in each of the scenarios."""
        return self.actions.shape[1] * (1 if self.scenarios is None else 1 + self.scenarios.chance.shape[1])


def rollout_policy(networks: AgentNetworks, context: Context, goal: Tensor, horizon: int) -> tuple[Tensor, Tensor]:
    """Mode-1's own future on its way to states `goal` [B, D], actions [B, H, A] and states [B, H, D].

    It is asked again at each imagined state.
    """
    actions, states = [], []
    for _ in range(horizon):
        action = networks.policy(context.states[:, -1], goal)
        following = networks.world_model.rollout(context, action[:, None, None])[:, 0]
        actions.append(action)
        states.append(following[:, 0])
        context = Context(torch.cat([context.states, following], 1), torch.cat([context.actions, action[:, None]], 1))
    return torch.stack(actions, 1), torch.stack(states, 1)


class MPCController:
    """Receding-horizon control at level 1, over B episodes side by side: each decision, Mode-1 acts or a plan does.

    Attributes:
        planner: the planner of level 1; its plan of record is the last decision.
        retrieval: what was once done from many states; None where no training episode was as long as a plan.
    """

    def __init__(
        self,
        configuration: Configuration,
        networks: AgentNetworks,
        codec: ActionCodec,
        selector: ModeChooser,
        planner: Planner,
    ) -> None:
        """Of an agent with these settings and weights; `selector` says whether to react or to plan, `planner` searches."""
        self.configuration, self.networks, self.selector = configuration, networks, selector
        settings, device = configuration.planner, networks.bank_states.device
        # All zeros where no training episode was as long as a plan.
        filled, metric = bool(networks.bank_states.any()), networks.world_model.metric
        self.retrieval = NearestNeighborActions(networks.bank_states, networks.bank_actions, metric) if filled else None
        self.planner = LevelPlanner(
            first_level(networks, codec),
            planner,
            settings,
            FailedPlanMemory(networks.world_model.state_dim, float(networks.blend.typical), device),
            settings.cost.failed_plan,
            Retrieval(self.retrieval, settings.retrieved_candidates)
            if self.retrieval and settings.retrieved_candidates
            else None,
        )

    def reset(self, batch: int, streams: EpisodeGenerators) -> None:
        """Begin B episodes."""
        self.planner.reset(batch, streams)
        self.forget()

    def forget(self) -> None:
        """The last plans are none of these any more: something else has acted."""
        self.planner.forget()

    def decide(
        self, mode: Mode, context: Context, goal: EncodedGoal, command: SubgoalCommand
    ) -> tuple[Plan, Tensor, Tensor, Tensor]:
        """One decision in `auto` or `plan`.

        Args:
            context: the recent past. goal: the task's. command: what is wanted of level 1 on the way there.

        Returns:
            The plan; bool [B], whether it was searched for; the critic's blocks to the goal [B]; predictor calls spent [B].
        """
        state = context.states[:, -1]
        self.planner.assess(state)
        reflex = self.rollout_policy_to(context, command.target)
        distance, promised = self._expected(state, command.target, reflex)
        left = goal.distance(self.networks.critic.distance, state)
        signal = self.selector.direct(mode, distance, promised, reflex.actions.shape[1], left)
        plan, calls = self._choose(signal, context, goal, command, reflex)
        alternatives = self._alternatives(context, plan.actions[:, :1])
        self.planner.commit(_every(state), state, plan, alternatives)
        return plan, signal.plan, left, calls if alternatives is None else calls + alternatives.shape[1]

    def rollout_policy_to(self, context: Context, target: EncodedGoal) -> PolicyRollout:
        """Mode-1's own path to `target`, and what chance may bring in this decision, to it and to each plan alike."""
        actions, states = rollout_policy(self.networks, context, target.leading, self.configuration.planner.horizon)
        scenarios = self.planner.scenarios(_every(actions))
        if scenarios is None:
            return PolicyRollout(actions, states, None, states[:, None])
        rollout = rollout_scenarios(scenarios, partial(self.networks.world_model.rollout, context))
        return PolicyRollout(actions, states, scenarios, rollout(actions[:, None]))

    def _expected(self, now: Tensor, target: EncodedGoal, reflex: PolicyRollout) -> tuple[Tensor, Tensor]:
        """The critic's blocks [B] to `target`, from `now` [B, D] and from the end of Mode-1's path.

        In several scenarios they are weighed as a plan's energies are: a reflex may gamble, too.
        """
        scenarios = reflex.scenarios
        blocks = partial(self.networks.critic.distance, wary=scenarios is not None and scenarios.wary)
        if scenarios is None:
            return target.distance(blocks, now), target.distance(blocks, reflex.states[:, -1])
        every = target.distance(blocks, reflex.outcomes[:, :, :, -1])
        return target.distance(blocks, now), scenarios.weigh(every)[:, 0]

    def _alternatives(self, context: Context, action: Tensor) -> Tensor | None:
        """Where else a block [B, 1, A] may lead, [B, S, D]; None where nothing is left open, or failed plans cost nothing."""
        level, settings = self.networks.world_model, self.configuration.planner
        if level.latent is None or not settings.cost.failed_plan:
            return None
        return sample_rollouts(level, context, action, settings.risk.num_scenarios, self.planner.streams)[:, :, 0]

    def _choose(
        self, signal: ControlSignal, context: Context, goal: EncodedGoal, command: SubgoalCommand, reflex: PolicyRollout
    ) -> tuple[Plan, Tensor]:
        """Mode-1's imagined path where the selector lets it react, a searched plan where it does not."""
        batch = len(goal)
        plan = Plan(reflex.actions.clone(), reflex.states.clone(), reflex.actions.new_zeros(batch), reflex.calls)
        calls = torch.full((batch,), reflex.calls)
        seed = self.configuration.planner.policy_candidate
        for rows, wanted, weights in _headings(signal, goal, command):
            cost = self._cost(rows, wanted, weights, signal, context, goal, reflex.scenarios)
            scenarios = None if reflex.scenarios is None else reflex.scenarios.of(rows)
            problem = self.planner.problem(rows, _of(context, rows), cost, scenarios)
            plan.energy[rows] = problem.energy(reflex.outcomes[rows], reflex.actions[rows, None])[:, 0]
            searched = signal.plan[rows]
            mine = rows[searched]
            if len(mine) == 0:
                continue
            cost = self._cost(mine, wanted.subset(searched), weights, signal, context, goal, reflex.scenarios)
            scenarios = None if reflex.scenarios is None else reflex.scenarios.of(mine)
            policy = reflex.actions[mine, None] if seed else None
            found = self.planner.search(mine, _of(context, mine), cost, scenarios, policy)
            plan.put(mine, found)
            calls[mine.cpu()] += found.calls
        return replace(plan, calls=int(calls.max())), calls

    def _cost(
        self,
        rows: Tensor,
        heading: EncodedGoal,
        weights: Weights,
        signal: ControlSignal,
        context: Context,
        goal: EncodedGoal,
        scenarios: Scenarios | None,
    ) -> PlanningCost:
        """What paths of episodes `rows` cost: to where each of these R is heading now, and to all B episodes' goals."""
        penalize = signal.penalize_failed_plans[rows]
        state, task_goal = context.states[rows, -1], goal.subset(rows)
        return self.planner.cost(rows, state, heading, weights, scenarios, penalize, task_goal)


def _headings(signal: ControlSignal, goal: EncodedGoal, command: SubgoalCommand) -> list[tuple[Tensor, EncodedGoal, Weights]]:
    """Which episodes head for what: rows int64 [R], their goals or subgoals, and the weights that judge it."""
    to_goal = Weights(signal.intrinsic, signal.task, extra=signal.extra)
    to_subgoal = to_goal if command.task is None else Weights(signal.intrinsic, command.task, extra=signal.extra)
    groups = ((~command.guided, goal, to_goal), (command.guided, command.subgoal, to_subgoal))
    found = [(torch.nonzero(mask).squeeze(1), wanted, weights) for mask, wanted, weights in groups]
    return [(rows, wanted.subset(rows), weights) for rows, wanted, weights in found if len(rows)]


def _of(context: Context, rows: Tensor) -> Context:
    """The recent past of some episodes."""
    return Context(context.states[rows], context.actions[rows])


def _every(values: Tensor) -> Tensor:
    """All B episodes of values [B, ...], int64 [B]."""
    return torch.arange(len(values), device=values.device)
