"""All weights that an agent keeps, in one place: what a checkpoint and an agent file hold."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from forethought.actor.landmark_graph import LandmarkGraph
from forethought.actor.policy import Policy
from forethought.config import Configuration
from forethought.cost.composition import Composition, Energies, RadiusSwitchedCost, Weights
from forethought.cost.contract import Cost, Imagined
from forethought.cost.critic import Critic
from forethought.cost.goal import GoalDistance, SubgoalDistance
from forethought.cost.intrinsic import DrivePredictor, intrinsic_costs
from forethought.cost.reachability import Reachability
from forethought.cost.registry import make_extra_costs
from forethought.errors import ForethoughtError
from forethought.goals import EncodedGoal
from forethought.states import StateMetric
from forethought.world_model.jepa import make_world_model
from forethought.world_model.level import FirstLevel
from forethought.world_model.upper import UpperLevel

MOST = 0.95
"""Share of lived states that count as being within memory."""
REFERENCE_STATES = 2048
"""Moments of the bank that imagined states are compared with; a subgoal is looked up among all."""
COMPARED = 2**16
"""Imagined states that are compared with them at a time: many futures of many plans would not fit in memory."""


class Stage(nn.Module):
    """A learned level above the first, with what it takes to plan at it.

    Attributes:
        level: encoder, macro-actions, predictor. reach: how far its states are from one another, in blocks.
        span: blocks in one step of this level.
        bank_states: [M, D], bank_macros: [M, H, Z]: moments of the training episodes, and what was done from there.
        bank_later: [M, D], bank_below: [M, D of level 1]: where that led in one step, as this level and as level 1 saw it.
        apart: distance from a state to the nearest of the bank's first, as far as nearly all lived states have it.
        stride: mean squared distance between states one step of this level apart, at the median.
    """

    bank_states: Tensor
    bank_macros: Tensor
    bank_later: Tensor
    bank_below: Tensor
    apart: Tensor
    stride: Tensor

    def __init__(self, number: int, below: StateMetric, action_dim: int, first_dim: int, configuration: Configuration) -> None:
        """Level `number` (2 or more); states and actions of the level below, and D of level 1."""
        super().__init__()
        settings = configuration.model.hierarchy
        self.span = settings.span_of(number)
        self.level = UpperLevel(below, action_dim, settings.stride_of(number), settings, configuration.model.latent)
        dim = self.level.state_dim
        self.reach = Reachability(dim, settings.hidden)
        self.register_buffer("bank_states", torch.zeros(settings.retrieval_size, dim))
        self.register_buffer(
            "bank_macros", torch.zeros(settings.retrieval_size, settings.retrieval_horizon, settings.macro_dim)
        )
        self.register_buffer("bank_later", torch.zeros(settings.retrieval_size, dim))
        self.register_buffer("bank_below", torch.zeros(settings.retrieval_size, first_dim))
        self.register_buffer("apart", torch.ones(()))
        self.register_buffer("stride", torch.ones(()))

    @torch.no_grad()
    def remember(self, states: Tensor, macros: Tensor, later: Tensor, below: Tensor) -> None:
        """Fill the bank, and take bounds and scales from it; arguments as the attributes `bank_*`."""
        self.bank_states.copy_(states)
        self.bank_macros.copy_(macros)
        self.bank_later.copy_(later)
        self.bank_below.copy_(below)
        self.level.fit_bounds(macros.flatten(0, 1))
        # Each state's distance to the nearest other: what is lived lies this far from what is remembered. One that was drawn
        # twice is no other.
        some = states[:REFERENCE_STATES].unique(dim=0)
        apart = torch.cdist(some, some).fill_diagonal_(torch.inf).amin(1)
        self.apart.copy_(apart.quantile(MOST))
        self.stride.copy_((later - states).square().mean(-1).median())

    def ood_distance(self, states: Tensor) -> Tensor:
        """How far states [..., D] lie from all memory, beyond what lived ones do: 0 within it, 1 at twice that, [...]."""
        known, every = self.bank_states[:REFERENCE_STATES], states.flatten(0, -2)
        nearest = torch.cat([torch.cdist(some, known).amin(1) for some in every.split(COMPARED)]).view(states.shape[:-1])
        return (nearest / self.apart - 1).clamp_min(0)


def encode_levels(stages: Sequence[Stage], states: Tensor) -> list[Tensor]:
    """States of level 1 [..., D] as every level sees them, itself first."""
    seen = [states]
    for stage in stages:
        seen.append(stage.level.encode(seen[-1]))
    return seen


class AgentNetworks(nn.Module):
    """The trained parts, with the sizes that a configuration says.

    Attributes:
        world_model: perception and predictor.
        energy: the composition of all costs; `blend` and `critic` are parts of it.
        policy: Mode-1.
        graph: the level above, ways over landmarks; None without one.
        stages: the learned levels above, from level 2 up; empty without any.
        bank_states, bank_actions: [M, d] and [M, H, A], pooled states and what was once done from there (model units).
    """

    bank_states: Tensor
    bank_actions: Tensor

    def __init__(self, configuration: Configuration) -> None:
        """Untrained; seeded by `training.seed`."""
        super().__init__()
        self.made_for = configuration
        body, model, cost = configuration.data, configuration.model, configuration.planner.cost
        dim = configuration.model.encoder.state_dim
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(configuration.training.seed)
            self.world_model = make_world_model(body, model)
            metric = self.world_model.metric
            critic = Critic(dim, len(body.drives), model, metric)
            self.policy = Policy(dim, body, model.policy_hidden, metric)
            readout = DrivePredictor(dim, len(body.drives), metric=metric) if body.drives else None
            own = make_extra_costs(dim, cost)
        hierarchy = model.hierarchy
        above = hierarchy.levels > 1 and hierarchy.kind == "graph"
        size, reach = self.world_model.state_dim, configuration.planner.upper.critic_radius
        self.graph = LandmarkGraph(hierarchy.landmarks, size, reach, critic.distance, metric) if above else None
        self.stages = nn.ModuleList(_stages(configuration, self.world_model))
        blend = RadiusSwitchedCost(critic, GoalDistance(metric), model.latent_distance_radius, typical=1.0)
        self.energy = Composition(
            intrinsic_costs(body.drives),
            [blend, GoalDistance(metric), SubgoalDistance(self._below_subgoal), *own],
            readout,
            critic.foresee if body.drives else None,
        )
        self.register_buffer("bank_states", torch.zeros(model.retrieval_size, dim))
        self.register_buffer("bank_actions", torch.zeros(model.retrieval_size, model.retrieval_horizon, body.block_size))

    @property
    def above(self) -> list[Stage]:
        """`stages`, as what they are."""
        return [stage for stage in self.stages if isinstance(stage, Stage)]

    def _below_subgoal(self, states: Tensor, subgoal: Tensor) -> Tensor:
        """Blocks from imagined states of level 1, encoded up, to subgoals of level 2."""
        stage = self.above[0]
        distance: Tensor = stage.reach.distance(stage.level.encode(states), subgoal)
        return distance

    def require_made_for(self, configuration: Configuration) -> None:
        """Refuse settings that are fixed with the weights and differ from those that these were made with.

        Raises:
            ForethoughtError: names what differs; nothing takes half an effect.
        """
        made = self.made_for
        other = [name for name in configuration.differing(made) if name == "data" or name.split(".")[0] == "model"]
        graph, radius = self.graph, configuration.planner.upper.critic_radius
        if graph is not None and graph.reach != radius:
            other.append(f"planner.upper.critic_radius = {radius:g}, the longest edge of the landmark graph")
        if other:
            raise ForethoughtError(
                f"These weights were made with other settings ({', '.join(other)}): what is fixed with the weights asks for a "
                "new training."
            )

    def replaced(self, configuration: Configuration, model: FirstLevel | None, costs: Sequence[Cost]) -> AgentNetworks:
        """The same networks with another world model, or further costs; what is not replaced is shared, not copied.

        Raises:
            ForethoughtError: the model's sizes are others, a cost has no weight, or two costs have the same name; or the
                configuration is not that of these weights.
        """
        self.require_made_for(configuration)
        if model is None and not costs:
            return self
        for cost in costs:
            if cost.name not in configuration.planner.cost.extra:
                weighed = f'configuration.changed({{"planner.cost.extra": {{"{cost.name}": 0.5}}}}, "to try it")'
                raise ForethoughtError(
                    f"The cost '{cost.name}' has no weight in planner.cost.extra: give it one, as {weighed} does."
                )
        if model is not None:
            mine = (self.world_model.state_dim, self.world_model.action_dim, configuration.model.predictor.context)
            found = (model.state_dim, model.action_dim, model.settings.context)
            if mine != found:
                raise ForethoughtError(
                    f"The model has states of {found[0]} numbers, actions of {found[1]} and a context of {found[2]} rows, and "
                    f"this agent {mine[0]}, {mine[1]} and {mine[2]}: make them alike, or train with model.kind."
                )
        other = copy.copy(self)
        other._modules = dict(self._modules)
        if model is not None:
            other.world_model = model
        if costs:
            task = [*(cost for cost in self.energy.task if isinstance(cost, Cost)), *costs]
            other.energy = Composition(self.energy.intrinsic, task, self.energy.readout, self.energy.foresee)
        return other

    def energy_of(self, imagined: Imagined, goal: EncodedGoal, weights: Weights) -> Energies:
        """The typed call of `energy`: see `Composition.forward`."""
        energies: Energies = self.energy(imagined, goal, weights)
        return energies

    @property
    def blend(self) -> RadiusSwitchedCost:
        """The critic, with latent distance in its place near the goal."""
        blend = self.energy.task[0]
        assert isinstance(blend, RadiusSwitchedCost)
        return blend

    @property
    def critic(self) -> Critic:
        """Temporal distance to the goal, and future drives."""
        critic = self.blend.far
        assert isinstance(critic, Critic)
        return critic


def _stages(configuration: Configuration, first: FirstLevel) -> list[Stage]:
    """The learned levels, from level 2 up, seeded by `training.seed`."""
    hierarchy = configuration.model.hierarchy
    if hierarchy.kind != "learned":
        return []
    stages: list[Stage] = []
    below, action = first.metric, configuration.data.block_size
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(configuration.training.seed + 1)
        for number in range(2, hierarchy.levels + 1):
            stages.append(Stage(number, below, action, first.state_dim, configuration))
            below, action = stages[-1].level.metric, hierarchy.macro_dim
    return stages
