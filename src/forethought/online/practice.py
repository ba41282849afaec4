"""Evaluation in passing: the return of Mode-1 in some episodes that the agent does not learn from."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from forethought.action_codec import ActionCodec
from forethought.agent import Agent
from forethought.agent_networks import AgentNetworks
from forethought.configurator.mode_selector import Mode
from forethought.evaluation.returns import EpisodeRewards, run_episodes
from forethought.memory import BeliefState
from forethought.perception import to_tensors
from forethought.types import Frame, Task
from forethought.worlds import World, registry

FIRST_SEED = 1_000_003
"""Seeds of these episodes begin here; those of lived episodes are scattered hashes."""
PLANNED_EPISODES, PLANNED_STEPS = 5, 200
"""Episodes, and steps of each at most, in which planning is compared with Mode-1."""
CLEARLY = 2.0
"""Standard errors by which planning must be better: it costs a hundred times as much."""


class Practice:
    """Runs episodes in copies of the world of its own."""

    def __init__(self, networks: AgentNetworks, codec: ActionCodec, name: str, options: Mapping[str, Any]) -> None:
        """`codec`: of the agent's actions. `name`, `options`: of the world."""
        self._networks, self._codec, self._name, self._options = networks, codec, name, dict(options)
        self._world: World | None = None

    @torch.no_grad()
    def run(self, episodes: int) -> EpisodeRewards:
        """The same `episodes` by the policy's likeliest actions; without those that the world loses.

        Raises:
            ForethoughtError: all of them are lost.
        """
        if self._world is None or self._world.num != episodes:
            self.close()
            self._world = registry.make(self._name, episodes, **self._options)
        policy, queue = self._networks.cost_policy, deque[NDArray[np.float32]]()
        assert policy is not None
        streams, device = self._networks.made_for.data.streams, self._codec.low.device
        belief, last = BeliefState(self._networks.belief), torch.zeros(episodes, len(self._codec.low), device=device)
        belief.reset(episodes)

        def act(frame: Frame) -> NDArray[np.float32]:
            if not queue:
                percept = self._networks.world_model.encode(to_tensors(frame.observation, streams, device))
                last.copy_(policy(belief.update(percept, last)))
                queue.extend(self._codec.to_world(last).cpu().numpy().swapaxes(0, 1))
            return queue.popleft()

        return run_episodes(self._world, act, FIRST_SEED).kept()

    def close(self) -> None:
        """Release the world."""
        if self._world is not None:
            self._world.close()
        self._world = None


def planning_pays(agent: Agent, name: str, options: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether Mode-2 gets clearly more reward than Mode-1 in the first steps of the same episodes, and why."""
    world = registry.make(name, PLANNED_EPISODES, **options)
    try:
        react, plan = _first_rewards(agent, world, "react"), _first_rewards(agent, world, "plan")
    finally:
        world.close()
    gain = plan - react
    clear = bool(gain.mean() > CLEARLY * gain.std(ddof=1) / len(gain) ** 0.5)
    steps = min(PLANNED_STEPS, world.spec.max_steps)
    why = (
        f"in the first {steps} steps of {len(gain)} episodes Mode-2 got {plan.mean():.4g} and Mode-1 {react.mean():.4g}: "
        f"planning {'pays' if clear else 'does not clearly pay'}"
    )
    return clear, why


def _first_rewards(agent: Agent, world: World, mode: Mode) -> NDArray[np.float64]:
    """Sum of rewards in the first steps of each episode, less weighted drives, [episodes]."""
    agent.reset(Task.world(world.num), seed=0)
    found = run_episodes(world, lambda frame: agent.act(frame.observation, mode), FIRST_SEED, PLANNED_STEPS)
    return found.total(agent.configuration.planner.cost, world.spec.drives)
