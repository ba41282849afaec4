"""All weights that an agent keeps, in one place: what a checkpoint and an agent file hold."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from forethought.actor.graph import LandmarkGraph
from forethought.actor.policy import Policy
from forethought.cost.composition import Composition, Energies, NearBlend, Weights
from forethought.cost.contract import Imagined
from forethought.cost.critic import Critic
from forethought.cost.goal import GoalDistance
from forethought.cost.intrinsic import DriveReadout, intrinsic_costs
from forethought.settings import Configuration
from forethought.world_model.level import Level


class Modules(nn.Module):
    """The trained parts, with the sizes that a configuration says.

    Attributes:
        world_model: perception and predictor.
        energy: the composition of all costs; `blend` and `critic` are parts of it.
        policy: Mode-1.
        graph: the level above, ways over landmarks; None in a flat agent.
        bank_states, bank_actions: [M, D] and [M, H, A], states and what was once done from there (model units).
    """

    bank_states: Tensor
    bank_actions: Tensor

    def __init__(self, configuration: Configuration) -> None:
        """Untrained; seeded by `learning.seed`."""
        super().__init__()
        body, actor, cost = configuration.body, configuration.actor, configuration.cost
        dim = configuration.perception.state_dim
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(configuration.learning.seed)
            self.world_model = Level(body, configuration.perception, configuration.world_model)
            critic = Critic(dim, len(body.drives), cost)
            self.policy = Policy(dim, body, actor)
            readout = DriveReadout(dim, len(body.drives)) if body.drives else None
        hierarchy = configuration.hierarchy
        above = hierarchy.levels > 1
        self.graph = LandmarkGraph(hierarchy.landmarks, dim, hierarchy.reach, critic.distance) if above else None
        blend = NearBlend(critic, GoalDistance(), cost.near, typical=1.0)
        self.energy = Composition(
            intrinsic_costs(body.drives), [blend, GoalDistance()], readout, critic.foresee if body.drives else None
        )
        self.register_buffer("bank_states", torch.zeros(actor.bank_size, dim))
        self.register_buffer("bank_actions", torch.zeros(actor.bank_size, actor.horizon, body.block_size))

    def energy_of(self, imagined: Imagined, goal: Tensor, weights: Weights) -> Energies:
        """The typed call of `energy`: see `Composition.forward`."""
        energies: Energies = self.energy(imagined, goal, weights)
        return energies

    @property
    def blend(self) -> NearBlend:
        """The critic, with latent distance in its place near the goal."""
        blend = self.energy.task[0]
        assert isinstance(blend, NearBlend)
        return blend

    @property
    def critic(self) -> Critic:
        """Temporal distance to the goal, and future drives."""
        critic = self.blend.far
        assert isinstance(critic, Critic)
        return critic
