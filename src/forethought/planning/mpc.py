"""Receding-horizon MPC with Mode-1 or Mode-2: both are evaluated in the same scenarios (the paper, section 3.1.2).

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
    """A rollout of Mode-1, with the scenarios of one decision of B episodes.

    Fields:
        actions: [B, H, A], Mode-1's actions. states: [B, H, D], their most probable states.
        scenarios: the futures in which all plans of this decision are evaluated; None for a single future.
        outcomes: states of the actions in these scenarios, [B, 1, S, H, D]; for a single future [B, 1, H, D].
    """

    actions: Tensor
    states: Tensor
    scenarios: Scenarios | None
    outcomes: Tensor

    @property
    def calls(self) -> int:
        """Predictor calls per episode: one per block for the most probable future, and one per block and scenario."""
        return self.actions.shape[1] * (1 if self.scenarios is None else 1 + self.scenarios.chance.shape[1])


def rollout_policy(networks: AgentNetworks, context: Context, goal: Tensor, horizon: int) -> tuple[Tensor, Tensor]:
    """Mode-1's rollout towards states `goal` [B, D]: actions [B, H, A] and states [B, H, D].

    The policy is evaluated again at each imagined state.
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
    """Receding-horizon control at level 1, for B parallel episodes: each decision uses Mode-1 or a searched plan.

    Attributes:
        planner: the planner of level 1; its plan of record is the last decision.
        retrieval: logged action sequences by state; None if no training episode is as long as a plan.
    """

    def __init__(
        self,
        configuration: Configuration,
        networks: AgentNetworks,
        codec: ActionCodec,
        selector: ModeChooser,
        planner: Planner,
    ) -> None:
        """A controller for these settings and weights; `selector` chooses the mode, `planner` is the search of Mode-2."""
        self.configuration, self.networks, self.selector = configuration, networks, selector
        settings, device = configuration.planner, networks.bank_states.device
        # All zeros if no training episode is as long as a plan.
        filled, metric = bool(networks.bank_states.any()), networks.world_model.metric
        self.retrieval = NearestNeighborActions(networks.bank_states, networks.bank_actions, metric) if filled else None
        self.planner = LevelPlanner(
            first_level(networks, codec),
            planner,
            settings,
            FailedPlanMemory(networks.world_model.state_dim, float(networks.blend.scale), device),
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
        """Drop the plans of record: the agent acts without this controller."""
        self.planner.forget()

    def react(self, state: Tensor, target: EncodedGoal) -> tuple[Plan, Tensor, None, Tensor]:
        """Mode-1 only: the policy's action in states [B, D], without a rollout (the paper, section 3.1.1).

        Returns: as `decide`; the critic is not evaluated.
        """
        batch = len(state)
        action = self.networks.policy(state, target.leading)[:, None]
        plan = Plan(action, state.new_zeros(batch, 0, state.shape[-1]), state.new_zeros(batch), 0)
        self.forget()
        calls = torch.zeros(batch, dtype=torch.long)
        return plan, calls.bool(), None, calls

    def decide(
        self, mode: Mode, context: Context, goal: EncodedGoal, command: SubgoalCommand
    ) -> tuple[Plan, Tensor, Tensor, Tensor]:
        """One decision in `plan` (Mode-2), or in `auto`: Mode-1 where its predicted outcome is good enough (section 3.1.2).

        Args:
            context: recent states and actions. goal: the task's. command: the subgoal of level 1.

        Returns:
            The plan; bool [B], whether it was searched (Mode-2); the critic's blocks to the goal [B]; predictor calls [B].
        """
        state = context.states[:, -1]
        self.planner.assess(state)
        policy_rollout = self.rollout_policy_to(context, command.target)
        expected = self._expected if self.configuration.planner.cost.critic else self._expected_energy
        distance, predicted = expected(context, command.target, policy_rollout)
        remaining = goal.distance(self.networks.critic.distance, state)
        signal = self.selector.direct(mode, distance, predicted, policy_rollout.actions.shape[1], remaining)
        plan, calls = self._choose(signal, context, goal, command, policy_rollout)
        alternatives = self._alternatives(context, plan.actions[:, :1])
        self.planner.commit(_all_rows(state), state, plan, alternatives)
        return plan, signal.plan, remaining, calls if alternatives is None else calls + alternatives.shape[1]

    def rollout_policy_to(self, context: Context, target: EncodedGoal) -> PolicyRollout:
        """Mode-1's rollout to `target`, with the scenarios that this decision uses for it and for all plans."""
        actions, states = rollout_policy(self.networks, context, target.leading, self.configuration.planner.horizon)
        scenarios = self.planner.scenarios(_all_rows(actions))
        if scenarios is None:
            return PolicyRollout(actions, states, None, states[:, None])
        rollout = rollout_scenarios(scenarios, partial(self.networks.world_model.rollout, context))
        return PolicyRollout(actions, states, scenarios, rollout(actions[:, None]))

    def _expected(self, context: Context, target: EncodedGoal, policy_rollout: PolicyRollout) -> tuple[Tensor, Tensor]:
        """The critic's blocks [B] to `target`, from the present states and from the end of Mode-1's rollout.

        With several scenarios the risk measure applies to these distances as to the energies of plans.
        """
        scenarios, now = policy_rollout.scenarios, context.states[:, -1]
        blocks = partial(self.networks.critic.distance, worst_case=scenarios is not None and scenarios.risk_averse)
        if scenarios is None:
            return target.distance(blocks, now), target.distance(blocks, policy_rollout.states[:, -1])
        distances = target.distance(blocks, policy_rollout.outcomes[:, :, :, -1])
        return target.distance(blocks, now), scenarios.weigh(distances)[:, 0]

    def _expected_energy(self, context: Context, target: EncodedGoal, policy_rollout: PolicyRollout) -> tuple[Tensor, Tensor]:
        """The energy of the task [B] in the present states, and the least on Mode-1's rollout: where plans do not count the
        critic, it does not choose between the modes.
        """
        cost, now = self.configuration.planner.cost, context.states[:, -1]
        weights, rows = Weights({}, cost.task, 0.0, 0.0, dict(cost.extra), 1.0), _all_rows(now)
        energy = self.planner.cost(rows, now, target, weights, policy_rollout.scenarios, torch.zeros_like(rows))
        problem = self.planner.problem(rows, context, energy, policy_rollout.scenarios)
        actions = policy_rollout.actions[:, None]
        present = energy(now[:, None, None], torch.zeros_like(actions[:, :, :1]))[:, 0]
        return present, problem.energy(policy_rollout.outcomes, actions)[:, 0]

    def _alternatives(self, context: Context, action: Tensor) -> Tensor | None:
        """Sampled outcomes of a block [B, 1, A], [B, S, D]; None if the model is deterministic or there is no penalty."""
        level, settings = self.networks.world_model, self.configuration.planner
        if level.latent is None or not settings.cost.failed_plan:
            return None
        return sample_rollouts(level, context, action, settings.risk.num_scenarios, self.planner.streams)[:, :, 0]

    def _choose(
        self, signal: ControlSignal, context: Context, goal: EncodedGoal, command: SubgoalCommand, policy_rollout: PolicyRollout
    ) -> tuple[Plan, Tensor]:
        """Mode-1's rollout where the selector chose to react, a searched plan where it chose to plan."""
        batch = len(goal)
        plan = Plan(
            policy_rollout.actions.clone(),
            policy_rollout.states.clone(),
            policy_rollout.actions.new_zeros(batch),
            policy_rollout.calls,
        )
        calls = torch.full((batch,), policy_rollout.calls)
        use_policy = self.configuration.planner.policy_candidate
        for rows, target, weights in _goal_groups(signal, goal, command):
            cost = self._cost(rows, target, weights, signal, context, goal, policy_rollout.scenarios)
            scenarios = None if policy_rollout.scenarios is None else policy_rollout.scenarios.of(rows)
            problem = self.planner.problem(rows, _of(context, rows), cost, scenarios)
            plan.energy[rows] = problem.energy(policy_rollout.outcomes[rows], policy_rollout.actions[rows, None])[:, 0]
            searched = signal.plan[rows]
            planned = rows[searched]
            if len(planned) == 0:
                continue
            cost = self._cost(planned, target.subset(searched), weights, signal, context, goal, policy_rollout.scenarios)
            scenarios = None if policy_rollout.scenarios is None else policy_rollout.scenarios.of(planned)
            policy = policy_rollout.actions[planned, None] if use_policy else None
            searched_plan = self.planner.search(planned, _of(context, planned), cost, scenarios, policy)
            plan.put(planned, searched_plan)
            calls[planned.cpu()] += searched_plan.calls
        return replace(plan, calls=int(calls.max())), calls

    def _cost(
        self,
        rows: Tensor,
        target: EncodedGoal,
        weights: Weights,
        signal: ControlSignal,
        context: Context,
        goal: EncodedGoal,
        scenarios: Scenarios | None,
    ) -> PlanningCost:
        """The cost of plans of R episodes `rows` towards their `target`; `goal` is of all B episodes."""
        penalize = signal.penalize_failed_plans[rows]
        state, task_goal = context.states[rows, -1], goal.subset(rows)
        return self.planner.cost(rows, state, target, weights, scenarios, penalize, task_goal)


def _goal_groups(
    signal: ControlSignal, goal: EncodedGoal, command: SubgoalCommand
) -> list[tuple[Tensor, EncodedGoal, Weights]]:
    """Episodes by their kind of target: rows int64 [R], their goals or subgoals, and the weights of the costs."""
    to_goal = Weights(signal.intrinsic, signal.task, signal.path, signal.final, signal.extra, signal.nearest)
    to_subgoal = to_goal if command.task is None else Weights(signal.intrinsic, command.task, extra=signal.extra)
    groups = ((~command.guided, goal, to_goal), (command.guided, command.subgoal, to_subgoal))
    by_rows = [(torch.nonzero(mask).squeeze(1), target, weights) for mask, target, weights in groups]
    return [(rows, target.subset(rows), weights) for rows, target, weights in by_rows if len(rows)]


def _of(context: Context, rows: Tensor) -> Context:
    """The context of episodes `rows`."""
    return Context(context.states[rows], context.actions[rows])


def _all_rows(values: Tensor) -> Tensor:
    """Indices of all B episodes of values [B, ...], int64 [B]."""
    return torch.arange(len(values), device=values.device)
