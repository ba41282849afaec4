"""Ceiling of Push-T: the same model and the same search, with a cost that reads the pose."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from forethought.agent import Agent
from forethought.cost.contract import Cost, Imagined
from forethought.data.store import EpisodeStore
from forethought.evaluation.probes import encoded_truth
from forethought.goals import EncodedGoal, state_of
from forethought.worlds.pusht import NEAR
from forethought_benchmarks.standard.pose_probe import FIT_EPISODES, SCALE, PoseProbe, pose_numbers

_, NEAR_PIXELS, NEAR_DEGREES = NEAR["state"]
"""Of the peers' success test."""


class PoseCost(Cost):
    """How far the pose that a probe reads from imagined states is from the goal's: the larger of its two parts of the success
    test, 1 at its border.
    """

    name = "pose"

    def __init__(self, probe: PoseProbe) -> None:
        """`probe`: fitted to states of the agent's encoder and their true poses."""
        super().__init__()
        self.probe = probe

    def forward(self, imagined: Imagined, goal: EncodedGoal) -> Tensor:
        """See `Cost.forward`: [B, K, H]."""
        now, wanted = self.probe(imagined.states), self.probe(state_of(goal))[:, None, None]
        apart = (now - wanted)[..., :4].square().sum(-1) * (SCALE / NEAR_PIXELS) ** 2
        # The chord between two directions: nearly the angle for small ones, and smooth for all.
        turned = (now - wanted)[..., 4:].square().sum(-1) / math.radians(NEAR_DEGREES) ** 2
        return torch.maximum(apart, turned).sqrt()


def with_pose_cost(agent: Agent, store: EpisodeStore) -> Agent:
    """The same agent with the pose as its only task cost; the probe reads truth of training episodes, which no agent has."""
    states, truth = encoded_truth(agent, store, store.train[:FIT_EPISODES])
    cost = PoseCost(PoseProbe(torch.from_numpy(states), pose_numbers(truth["state"])))
    changes = {"planner.cost.critic": 0.0, "planner.cost.goal_distance": 0.0, "planner.cost.extra": {cost.name: 1.0}}
    configuration = agent.configuration.changed(changes, "so that the pose alone counts")
    return Agent(configuration, agent.modules, agent.device, costs=[cost])
