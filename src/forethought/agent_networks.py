"""All weights of an agent, in one module: the content of checkpoints and agent files."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from forethought.actor.cost_policy import CostPolicy
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
from forethought.cost.return_critic import ReturnCritic
from forethought.errors import ForethoughtError
from forethought.goals import EncodedGoal
from forethought.memory.belief import Belief
from forethought.states import StateMetric
from forethought.world_model.jepa import make_world_model
from forethought.world_model.level import FirstLevel
from forethought.world_model.outcomes import OutcomeHeads
from forethought.world_model.upper import UpperLevel

IN_DISTRIBUTION = 0.95
"""Share of training states that are in distribution by definition: the quantile of nearest-neighbor distances."""
REFERENCE_STATES = 2048
"""Number of training states for nearest-neighbor OOD distances; subgoals are retrieved from the whole bank."""
CHUNK = 2**16
"""Chunk size of imagined states for OOD distances, to bound the memory."""


class Stage(nn.Module):
    """A learned level above the first, with its distances and retrieval data for planning.

    Attributes:
        level: encoder, macro-actions, predictor. reachability: quasimetric distance between its states, in blocks.
        span: blocks in one step of this level.
        bank_states: [M, D], training states. bank_macros: [M, H, Z], the macro-actions that followed them.
        bank_later: [M, D], bank_below: [M, D of level 1]: the states one step later, in this level and in level 1.
        nn_distance_p95: 95th percentile of the nearest-neighbor distance between reference states, a scalar buffer.
        typical_step_sq_distance: median of the mean squared distance between states one step of this level apart, a scalar
            buffer.
    """

    bank_states: Tensor
    bank_macros: Tensor
    bank_later: Tensor
    bank_below: Tensor
    nn_distance_p95: Tensor
    typical_step_sq_distance: Tensor

    def __init__(self, number: int, below: StateMetric, action_dim: int, first_dim: int, configuration: Configuration) -> None:
        """Build level `number` (2 or more); `below` and `action_dim` are of the level below, `first_dim` is D of level 1."""
        super().__init__()
        settings = configuration.model.hierarchy
        self.span = settings.span_of(number)
        self.level = UpperLevel(below, action_dim, settings.stride_of(number), settings, configuration.model.latent)
        dim = self.level.state_dim
        self.reachability = Reachability(dim, settings.hidden)
        self.register_buffer("bank_states", torch.zeros(settings.retrieval_size, dim))
        self.register_buffer(
            "bank_macros", torch.zeros(settings.retrieval_size, settings.retrieval_horizon, settings.macro_dim)
        )
        self.register_buffer("bank_later", torch.zeros(settings.retrieval_size, dim))
        self.register_buffer("bank_below", torch.zeros(settings.retrieval_size, first_dim))
        self.register_buffer("nn_distance_p95", torch.ones(()))
        self.register_buffer("typical_step_sq_distance", torch.ones(()))

    @torch.no_grad()
    def remember(self, states: Tensor, macros: Tensor, later: Tensor, below: Tensor) -> None:
        """Store the bank and fit bounds and scales to it; arguments as the attributes `bank_*`."""
        self.bank_states.copy_(states)
        self.bank_macros.copy_(macros)
        self.bank_later.copy_(later)
        self.bank_below.copy_(below)
        self.level.fit_bounds(macros.flatten(0, 1))
        # Distance of each state to its nearest neighbor: the scale of in-distribution distances. States that were sampled
        # twice would have distance 0, so duplicates are removed.
        reference = states[:REFERENCE_STATES].unique(dim=0)
        nn_distance = torch.cdist(reference, reference).fill_diagonal_(torch.inf).amin(1)
        self.nn_distance_p95.copy_(nn_distance.quantile(IN_DISTRIBUTION))
        self.typical_step_sq_distance.copy_((later - states).square().mean(-1).median())

    def ood_distance(self, states: Tensor) -> Tensor:
        """OOD distance of states [..., D]: max(nearest-neighbor distance / `nn_distance_p95` - 1, 0), [...]."""
        reference, queries = self.bank_states[:REFERENCE_STATES], states.flatten(0, -2)
        nearest = torch.cat([torch.cdist(chunk, reference).amin(1) for chunk in queries.split(CHUNK)]).view(states.shape[:-1])
        return (nearest / self.nn_distance_p95 - 1).clamp_min(0)


def encode_levels(stages: Sequence[Stage], states: Tensor) -> list[Tensor]:
    """States of level 1 [..., D] encoded into every level, level 1 first."""
    encoded = [states]
    for stage in stages:
        encoded.append(stage.level.encode(encoded[-1]))
    return encoded


class AgentNetworks(nn.Module):
    """The trained networks, sized by a configuration.

    Attributes:
        world_model: perception and predictor.
        belief: what the past tells beyond the present observation; None where that is the whole state.
        energy: the composition of all costs; `blend` and `critic` are parts of it.
        policy: Mode-1.
        outcomes, future_cost, cost_policy: what learns the world's own reward: heads of the world model, critic, and Mode-1;
            None if the agent learns no reward.
        graph: the landmark graph above level 1; None without one.
        stages: the learned levels, from level 2 up; empty without any.
        bank_states, bank_actions: [M, d] and [M, H, A], pooled training states and the actions that followed (model units).
    """

    bank_states: Tensor
    bank_actions: Tensor

    def __init__(self, configuration: Configuration) -> None:
        """Untrained networks, initialized with `training.seed`."""
        super().__init__()
        self.made_for = configuration
        data, model, cost = configuration.data, configuration.model, configuration.planner.cost
        dim = configuration.model.encoder.state_dim
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(configuration.training.seed)
            self.world_model = make_world_model(data, model)
            metric = self.world_model.metric
            critic = Critic(dim, len(data.drives), model, metric)
            self.policy = Policy(dim, data, model.policy_hidden, metric)
            readout = DrivePredictor(dim, len(data.drives), metric=metric) if data.drives else None
            extra_costs = make_extra_costs(dim, cost)
            self.belief = Belief(dim, data.block_size, model.belief_dim) if model.belief_dim else None
            self.outcomes = self.future_cost = self.cost_policy = None
            if model.learns_reward:
                size, action, reward = self.world_model.state_dim, data.block_size, model.reward
                self.outcomes = OutcomeHeads(size, action, reward.hidden, reward.bins, len(data.drives))
                self.future_cost = ReturnCritic(size, action, reward.critics, reward.hidden, reward.scale)
                self.cost_policy = CostPolicy(size, data, reward.hidden)
        hierarchy = model.hierarchy
        has_graph = hierarchy.levels > 1 and hierarchy.kind == "graph"
        size, max_edge = self.world_model.state_dim, configuration.planner.upper.critic_radius
        self.graph = LandmarkGraph(hierarchy.landmarks, size, max_edge, critic.distance, metric) if has_graph else None
        self.stages = nn.ModuleList(_stages(configuration, self.world_model))
        blend = RadiusSwitchedCost(critic, GoalDistance(metric), model.latent_distance_radius, scale=1.0)
        self.energy = Composition(
            intrinsic_costs(data.drives),
            [blend, GoalDistance(metric), SubgoalDistance(self._below_subgoal), *extra_costs],
            readout,
            critic.predict_future_drives if data.drives else None,
        )
        self.register_buffer("bank_states", torch.zeros(model.retrieval_size, dim))
        self.register_buffer("bank_actions", torch.zeros(model.retrieval_size, model.retrieval_horizon, data.block_size))

    @property
    def above(self) -> list[Stage]:
        """`stages` as a typed list."""
        return [stage for stage in self.stages if isinstance(stage, Stage)]

    def _below_subgoal(self, states: Tensor, subgoal: Tensor) -> Tensor:
        """Blocks from imagined states of level 1, encoded into level 2, to subgoals of level 2."""
        stage = self.above[0]
        distance: Tensor = stage.reachability.distance(stage.level.encode(states), subgoal)
        return distance

    def require_made_for(self, configuration: Configuration) -> None:
        """Check that settings which are fixed with the weights equal those of these weights.

        Raises:
            ForethoughtError: names the settings that differ.
        """
        differing = configuration.differing(self.made_for)
        fixed = [name for name in differing if name == "data" or name.split(".")[0] == "model"]
        graph, radius = self.graph, configuration.planner.upper.critic_radius
        if graph is not None and graph.reach != radius:
            fixed.append(f"planner.upper.critic_radius = {radius:g}, the longest edge of the landmark graph")
        if fixed:
            raise ForethoughtError(
                f"These weights were made with other settings ({', '.join(fixed)}), which are fixed with the weights: keep "
                "them, or start a new training."
            )

    def replaced(self, configuration: Configuration, model: FirstLevel | None, costs: Sequence[Cost]) -> AgentNetworks:
        """The same networks with another world model or additional costs; all other parts are shared, not copied.

        Raises:
            ForethoughtError: the sizes of the model differ, a cost has no weight, two costs have the same name, or the
                configuration is not that of these weights.
        """
        self.require_made_for(configuration)
        if model is None and not costs:
            return self
        for cost in costs:
            if cost.name not in configuration.planner.cost.extra:
                example = f'configuration.changed({{"planner.cost.extra": {{"{cost.name}": 0.5}}}}, "to try it")'
                raise ForethoughtError(
                    f"The cost '{cost.name}' has no weight in planner.cost.extra: give it one, such as {example}."
                )
        if model is not None:
            expected = (self.world_model.state_dim, self.world_model.action_dim, configuration.model.predictor.context)
            actual = (model.state_dim, model.action_dim, model.settings.context)
            if expected != actual:
                raise ForethoughtError(
                    f"The model has states of {actual[0]} numbers, actions of {actual[1]} and a context of {actual[2]} rows, "
                    f"but this agent has {expected[0]}, {expected[1]} and {expected[2]}: match them, or train with model.kind."
                )
        networks = copy.copy(self)
        networks._modules = dict(self._modules)
        if model is not None:
            networks.world_model = model
        if costs:
            task = [*(cost for cost in self.energy.task if isinstance(cost, Cost)), *costs]
            networks.energy = Composition(self.energy.intrinsic, task, self.energy.readout, self.energy.predict_drives)
        return networks

    def energy_of(self, imagined: Imagined, goal: EncodedGoal, weights: Weights) -> Energies:
        """The typed call of `energy`: see `Composition.forward`."""
        energies: Energies = self.energy(imagined, goal, weights)
        return energies

    @property
    def blend(self) -> RadiusSwitchedCost:
        """The critic, replaced by the latent distance near the goal."""
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
    """The learned levels, from level 2 up, initialized with `training.seed`."""
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
