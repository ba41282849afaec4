"""Control for the world's own task: Mode-1 acts by the policy of least future cost, Mode-2 plans from its proposals.

Axes: B episodes, M proposals, H blocks of a plan, D numbers in a state, A in a block.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from forethought.action_codec import ActionCodec
from forethought.actor.contract import Plan, Planner, PlanningProblem, shifted
from forethought.actor.cost_policy import gumbel
from forethought.actor.episode_rng import EpisodeGenerators
from forethought.agent_networks import AgentNetworks
from forethought.config import Configuration
from forethought.configurator.mode_selector import Mode
from forethought.cost.reward import BlockCost, ReturnCost
from forethought.goals import EncodedGoal
from forethought.memory import NearestNeighborActions
from forethought.planning.decision_timer import DecisionTimer
from forethought.planning.subgoals import SubgoalCommand
from forethought.world_model.level import Context

PROPOSALS = 24
"""Plans of the policy among the first candidates (TD-MPC2, 2310.16828, section 3.2); the first takes its likeliest blocks."""


class RewardControl:
    """Receding-horizon control without a goal state, for B parallel episodes; see `mpc.MPCController`.

    Attributes: retrieval: None; the policy proposes, and no logged actions.
    """

    retrieval: NearestNeighborActions | None = None

    def __init__(self, configuration: Configuration, networks: AgentNetworks, codec: ActionCodec, planner: Planner) -> None:
        """`networks`: with those for the world's own reward. `planner`: the search of Mode-2."""
        self.configuration, self.networks, self.codec, self.search = configuration, networks, codec, planner
        self.timer: DecisionTimer | None = None
        self.number = 1
        self._last: Tensor | None = None

    def reset(self, batch: int, streams: EpisodeGenerators) -> None:
        """Begin B episodes."""
        self.streams = streams
        self.forget()

    def forget(self) -> None:
        """Drop the plan of record."""
        self._last = None

    def react(self, state: Tensor, target: EncodedGoal) -> tuple[Plan, Tensor, None, Tensor]:
        """Mode-1 in states [B, D]: plan of one block, planned bool [B], no distance, calls [B]."""
        policy, batch = self.networks.cost_policy, len(state)
        assert policy is not None
        self.forget()
        plan = Plan(policy(state)[:, None], state.new_zeros(batch, 0, state.shape[-1]), state.new_zeros(batch), 0)
        return plan, torch.zeros(batch, dtype=torch.bool, device=state.device), None, torch.zeros(batch, dtype=torch.long)

    def decide(
        self, mode: Mode, context: Context, goal: EncodedGoal, command: SubgoalCommand
    ) -> tuple[Plan, Tensor, None, Tensor]:
        """One decision in `auto` or `plan`: plan [B, H, A], planned bool [B], no distance, calls [B]."""
        state = context.states[:, -1]
        if mode == "auto" and self.configuration.planner.reward_mode == "react":
            return self.react(state, goal)
        batch = len(state)
        timer = None if self.timer is None else self.timer.search(self.number, batch)
        plan = self.search.plan(replace(self._problem(context), candidates=self._candidates(context), timer=timer))
        self._last = plan.actions
        return plan, torch.ones(batch, dtype=torch.bool, device=state.device), None, torch.full((batch,), plan.calls)

    def cost(self, state: Tensor) -> ReturnCost:
        """The objective of plans that begin in states [B, D]."""
        outcomes, critic, policy = self.networks.outcomes, self.networks.future_cost, self.networks.cost_policy
        assert outcomes is not None
        assert critic is not None
        assert policy is not None

        def future_cost(states: Tensor) -> Tensor:
            return critic.pessimistic(states, policy(states))

        settings = self.configuration
        return ReturnCost(
            state,
            BlockCost.of(settings.planner.cost, settings.data.drives),
            outcomes.rewards,
            outcomes.drives,
            outcomes.continues,
            future_cost,
            settings.model.discount,
        )

    def _problem(self, context: Context) -> PlanningProblem:
        state, model, data = context.states[:, -1], self.networks.world_model, self.configuration.data
        return PlanningProblem(
            batch=len(state),
            rollout=lambda actions: model.rollout(context, actions),
            energy=self.cost(state),
            low=self.codec.low,
            high=self.codec.high,
            codes=data.action_size if data.action_kind == "discrete" else None,
            steps=data.decisions,
            candidates=None,
            streams=self.streams,
        )

    def _candidates(self, context: Context) -> Tensor:
        """The policy's plans, [B, M, H, A], and the last plan shifted by one block."""
        policy, model, horizon = self.networks.cost_policy, self.networks.world_model, self.search.horizon
        assert policy is not None
        states = context.states[:, -1:].expand(-1, PROPOSALS, -1)
        blocks = []
        for _ in range(horizon):
            size = len(self.codec.low)
            if policy.choices is None:
                noise = self.streams.normal(PROPOSALS, size)
            else:
                noise = gumbel(self.streams.uniform(PROPOSALS, size))
            block, _ = policy.sample(states, noise)
            block[:, 0] = policy(states[:, 0])
            states = model.step(states, block, None)
            blocks.append(block)
        plans = torch.stack(blocks, 2)
        return plans if self._last is None else torch.cat([plans, shifted(self._last)[:, None]], 1)
