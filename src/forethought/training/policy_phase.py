"""Policy phase: Mode-1 is distilled from Mode-2 (the paper, section 3.1.1, p. 12) and improved on imagined next states."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from forethought.action_codec import ActionCodec
from forethought.actor.episode_rng import EpisodeGenerators
from forethought.actor.policy import distillation_loss
from forethought.actor.registry import make_planner
from forethought.agent_networks import AgentNetworks
from forethought.config import Configuration, PlannerConfig
from forethought.cost.composition import Weights
from forethought.cost.contract import Imagined
from forethought.data_parallel import ALONE, TrainingProcesses, local_rows, whole_count
from forethought.goals import StateGoal
from forethought.planning.level_planner import planning_problem
from forethought.planning.levels import first_level
from forethought.planning.planning_cost import PlanningCost
from forethought.planning.scenarios import prior_exponent, risk_averse, sample_scenarios
from forethought.training.critic_phase import EncodeOnce, sample_goals
from forethought.training.encoded_dataset import EncodedDataset
from forethought.training.phases import Phase, Terms, WorkLimit, parameters_of
from forethought.world_model.level import Context

PLAN_BATCH = 256
TEACHER_HORIZON, TEACHER_CANDIDATES, TEACHER_ITERATIONS = 3, 64, 3


class PolicyPhase(Phase):
    """Trains the policy by distillation of Mode-2 plans, and by gradients of the cost of its imagined next state."""

    name = "policy"

    def __init__(self, modules: AgentNetworks, configuration: Configuration, body: ActionCodec, encode: EncodeOnce) -> None:
        """`encode` returns the encoded training episodes."""
        training = configuration.training
        self.modules, self.configuration, self.body, self.encode = modules, configuration, body, encode
        self.steps, self.batch = training.policy_steps, training.policy_batch
        self.learning_rate, self.weight_decay = training.learning_rate, training.weight_decay
        self.extras: nn.Module = nn.Module()

    def parameters(self) -> list[nn.Parameter]:
        """The parameters of the policy; gradients flow through the frozen world model and cost."""
        return parameters_of(self.modules.policy)

    def start(self) -> None:
        """Plan once with Mode-2, the teacher, for `training.distillation_plans` pairs of state and goal."""
        self.data = self.encode()
        self.modules.policy.scale.fit(self.data.states)
        for module in (self.modules.world_model, self.modules.energy):
            module.requires_grad_(False)
        generator = torch.Generator().manual_seed(self.configuration.training.seed)
        self.begin, self.goal = sample_pairs(self.data, self.configuration.training.distillation_plans, generator)
        self.planned = plan_pairs(
            self.modules, self.configuration, self.body, self.begin, self.goal, self.limit, self.processes
        )
        self.begin, self.goal = self.begin[: len(self.planned)], self.goal[: len(self.planned)]

    def step(self, step: int, generator: torch.Generator) -> tuple[Tensor, Terms]:
        """Distillation loss on planned pairs, and the cost of the imagined next state on newly sampled pairs."""
        index = local_rows(torch.randint(len(self.begin), (self.batch,), generator=generator))
        distilled = distillation_loss(self.modules.policy, self.begin[index], self.goal[index], self.planned[index])
        now, goal = map(local_rows, sample_pairs(self.data, self.batch, generator))
        action = self.modules.policy.relaxed(now, goal)
        context = Context(now[:, None], action[:, None][:, :0])
        latent = self.modules.world_model.latent
        uniform = None
        if latent is not None:
            noise = torch.rand(whole_count(len(now)), 1, 1, latent.numbers, generator=generator)
            uniform = local_rows(noise).to(now.device)
        risk, weights = self.configuration.planner.risk, weights_of(self.configuration)
        following = self.modules.world_model.rollout(context, action[:, None, None], uniform, prior_exponent(risk))
        outcome = Imagined(following, action[:, None, None], worst_case=risk_averse(risk))
        imagined = self.modules.energy_of(outcome, StateGoal(goal), weights).total.mean()
        terms = {"distilled": distilled, "imagined": imagined}
        return distilled + imagined, terms


def sample_pairs(data: EncodedDataset, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Random states and goals of the same episode, each [count, D]; half of the goals are uniform over the episode."""
    episode, offset = data.sample_rows(count, generator)
    near = sample_goals(data, episode, offset, generator)
    anywhere = (torch.rand(count, generator=generator) * (data.lengths[episode] + 1)).long()
    goal_offset = torch.where(torch.rand(count, generator=generator) < 0.5, near, anywhere)
    return data.states[data.starts[episode] + offset], data.goals[data.starts[episode] + goal_offset]


@torch.no_grad()
def plan_pairs(
    modules: AgentNetworks,
    configuration: Configuration,
    body: ActionCodec,
    start: Tensor,
    goal: Tensor,
    limit: WorkLimit | None = None,
    processes: TrainingProcesses = ALONE,
) -> Tensor:
    """The first block of a short Mode-2 plan for each pair, [M, D] and [M, D] to [M, A]; fewer pairs if `limit` ends it.

    `processes` plan chunks of the pairs in turn; the main one's `limit` decides.
    """
    teacher = teacher_settings(configuration.planner)
    planner = make_planner(teacher.search, teacher.horizon)
    level, weights = first_level(modules, body), weights_of(configuration)

    def plan(first: int, last: int) -> Tensor:
        now, goals = start[first:last], goal[first:last]
        context = Context(now[:, None], now.new_zeros(len(now), 0, configuration.data.block_size))
        streams = EpisodeGenerators(range(first, last), body.low.device)
        scenarios = sample_scenarios(configuration.planner.risk, streams, planner.horizon, modules.world_model.numbers)
        cost = PlanningCost(level.terms, weights, StateGoal(goals), scenarios is not None and scenarios.risk_averse)
        problem = planning_problem(level, context, cost, scenarios, streams)
        return planner.plan(problem).actions[:, 0]

    blocks, together = [], PLAN_BATCH * processes.size
    for first in range(0, len(start), together):
        rows = range(first, min(first + together, len(start)))
        blocks.append(processes.in_chunks(rows, PLAN_BATCH, configuration.data.block_size, start.device, plan))
        if processes.any(limit is not None and limit.enough(rows.stop, len(start), together)):
            break
    return torch.cat(blocks)


def weights_of(configuration: Configuration) -> Weights:
    """The cost weights of Mode-2, drives included: Mode-1 trains on the same cost."""
    return Weights.of(configuration.planner.cost)


def teacher_settings(planner: PlannerConfig) -> PlannerConfig:
    """The planner settings of the teacher: a short search, as the critic's terminal value covers the rest of the path."""
    budget = {
        "num_samples": TEACHER_CANDIDATES,
        "num_iterations": TEACHER_ITERATIONS,
        "num_elites": TEACHER_CANDIDATES // 8,
    }
    fields = type(planner.search).model_fields
    search = planner.search.model_copy(update={name: value for name, value in budget.items() if name in fields})
    return planner.model_copy(update={"horizon": min(TEACHER_HORIZON, planner.horizon), "search": search})
