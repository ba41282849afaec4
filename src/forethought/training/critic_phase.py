"""Phase 3: the critic learns temporal distance and discounted drive costs from logged rows (the paper, p. 15)."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from forethought.agent_networks import AgentNetworks
from forethought.config import Configuration
from forethought.cost.composition import Composition, RadiusSwitchedCost
from forethought.cost.contract import Imagined
from forethought.cost.critic import follow, future_cost_loss, logged_distance_loss, temporal_distance_loss
from forethought.cost.goal import ERROR_BLOCKS, ERROR_WINDOWS, GoalEnergy
from forethought.cost.intrinsic import drive_loss
from forethought.data_parallel import local_rows, whole_count
from forethought.goals import StateGoal
from forethought.planning.scenarios import stratified_uniform
from forethought.training.encoded_dataset import EncodedDataset
from forethought.training.phases import Phase, Terms, parameters_of, step_generator
from forethought.world_model.level import Context, FirstLevel

LATER, ELSEWHERE = 0.7, 0.2
MEAN_GAP = 8.0
NEAR_PAIRS = 1024
FOREIGN = 0.5
"""Share of goals from other episodes, where goals show some streams only."""
SAMPLES = 4
"""Sampled next states per TD target with a latent variable; the target is their mean or their worst. They are stratified, one
in each quarter of the latent's range: otherwise the expectile would prefer favorable samples."""


EncodeOnce = Callable[[], EncodedDataset]


class CriticPhase(Phase):
    """TD on logged transitions with goals from the same episode: later 70 %, anywhere 20 %, the row itself 10 %.

    A goal that shows some streams only can be reached in any episode. Then half of the goals come from other episodes:
    otherwise few pairs would need a detour around a closed door.

    In a stochastic model the logged outcome is one of several. Then TD uses sampled next states, and logged path lengths are
    ignored, because they may depend on a favorable outcome.
    """

    name = "critic"

    def __init__(self, modules: AgentNetworks, configuration: Configuration, encode: EncodeOnce) -> None:
        """`encode` returns the encoded training episodes; it is called when the phase starts."""
        training = configuration.training
        self.blend, self.critic, self.energy, self.encode = modules.blend, modules.critic, modules.energy, encode
        self.readout, self.level = modules.energy.readout, modules.world_model
        self.partial, self.prior_exponent = bool(configuration.data.goals), configuration.planner.risk.prior_exponent
        self.discount, self.expectile, self.seed = configuration.model.discount, training.expectile, training.seed
        self.steps, self.batch = training.critic_steps, training.critic_batch
        self.learning_rate, self.weight_decay = training.learning_rate, training.weight_decay
        self.target = copy.deepcopy(modules.critic).requires_grad_(False)
        self.extras: nn.Module = self.target

    def parameters(self) -> list[nn.Parameter]:
        """The parameters of the critic, and of the drive predictor if the world has drives."""
        return parameters_of(self.critic, *([self.readout] if self.readout is not None else []))

    def start(self) -> None:
        """Fit the whitening and the latent-distance scale on the training states; compute discounted drive costs."""
        self.data = self.encode()
        self.critic.scale.fit(self.data.states)
        fit_switch_scale(self.blend, self.data, step_generator(self.seed, "near", 0))
        fit_goal_energy(self.energy, self.level, self.data, step_generator(self.seed, "errors", 0))
        self.target.scale.load_state_dict(self.critic.scale.state_dict())
        if self.critic.drives is not None:
            # Without the first column: effort depends on the plan alone, so the critic need not predict it.
            drive_costs = self.energy.felt(self.data.drives, self.data.actions)[:, 1:]
            self.drive_returns = discounted_futures(self.data, drive_costs, self.discount)

    def step(self, step: int, generator: torch.Generator) -> tuple[Tensor, Terms]:
        """One batch of (state, next state, goal)."""
        data = self.data
        episode, offset = data.sample_rows(self.batch, generator)
        goal_offset = sample_goals(data, episode, offset, generator)
        rows = data.starts[episode] + offset
        goals = data.starts[episode] + goal_offset
        if self.partial:
            foreign = torch.rand(self.batch, generator=generator) < FOREIGN
            goals = torch.where(foreign, torch.randint(len(data.states), (self.batch,), generator=generator), goals)
        # The log holds no path length (-1) to a goal of another episode, nor to an earlier row.
        gap = torch.where(goals == data.starts[episode] + goal_offset, goal_offset - offset, -1)
        rows, goals, gap = map(local_rows, (rows, goals, gap))
        device = data.states.device
        following = self._next_states(rows, generator, prior_exponent=1.0)
        reached = torch.stack([goals == rows, (goals == rows + 1) & self.deterministic], -1).to(device)
        terms = {
            "temporal_distance": temporal_distance_loss(
                self.critic, self.target, data.states[rows], following, data.goals[goals], reached, self.expectile
            )
        }
        if not self.deterministic:
            following = self._next_states(rows, generator, self.prior_exponent)
            terms["worst_case_distance"] = temporal_distance_loss(
                self.critic,
                self.target,
                data.states[rows],
                following,
                data.goals[goals],
                reached,
                self.expectile,
                worst_case=True,
            )
        else:
            states, goal = data.states[rows], data.goals[goals]
            terms["logged_distance"] = logged_distance_loss(self.critic, states, goal, gap.float().to(device), self.expectile)
        if self.critic.drives is not None:
            terms["future_costs"] = future_cost_loss(self.critic, data.states[rows], self.drive_returns[rows])
        if self.readout is not None:
            terms["drives"] = drive_loss(self.readout, data.states[rows + 1], data.drives[rows + 1])
        return torch.stack(list(terms.values())).sum(), terms

    @property
    def deterministic(self) -> bool:
        """Whether state and action determine the next state: the model has no latent variable."""
        return self.level.latent is None

    @torch.no_grad()
    def _next_states(self, rows: Tensor, generator: torch.Generator, prior_exponent: float) -> Tensor:
        """Next states of rows [B], [B, S, D]: the logged one (S = 1), or `SAMPLES` samples of a stochastic model.

        `prior_exponent`: see `Latent.draw`.
        """
        states, actions, latent = self.data.states[rows], self.data.actions[rows], self.level.latent
        if latent is None:
            return self.data.states[rows + 1][:, None]
        states, actions = (part[:, None].expand(-1, SAMPLES, -1) for part in (states, actions))
        noise = torch.rand(2, whole_count(len(rows)), SAMPLES, latent.numbers, generator=generator)
        within, order = local_rows(noise, dim=1)
        uniform = stratified_uniform(within, order).to(states.device)
        return self.level.step(states, actions, latent.draw(states, actions, uniform, prior_exponent))

    def after_step(self) -> None:
        """Update the target network (exponential moving average)."""
        follow(self.target, self.critic)


def fit_switch_scale(blend: RadiusSwitchedCost, data: EncodedDataset, generator: torch.Generator) -> None:
    """Fit the scale of the latent distance: typical distance of states that lie `radius` blocks before a goal."""
    gap = max(1, round(float(blend.radius)))
    if bool((data.lengths >= gap).any()):
        states, actions = data.windows(NEAR_PAIRS, gap, generator)
        blend.fit(Imagined(states[:, None, :1], actions[:, None, :1]), StateGoal(states[:, -1]))


@torch.no_grad()
def fit_goal_energy(energy: Composition, level: FirstLevel, data: EncodedDataset, generator: torch.Generator) -> None:
    """Fit the covariance of `GoalEnergy`, where it is one of the costs, to open-loop prediction errors on training episodes."""
    costs = [cost for cost in energy.task if isinstance(cost, GoalEnergy)]
    if not costs:
        return
    ahead = min(ERROR_BLOCKS, int(data.lengths.max()))
    states, actions = data.windows(ERROR_WINDOWS, ahead, generator)
    predicted = level.rollout(Context(states[:, :1], actions[:, :0]), actions[:, None])[:, 0]
    for cost in costs:
        cost.fit((predicted - states[:, 1:]).flatten(0, 1))


def sample_goals(data: EncodedDataset, episode: Tensor, offset: Tensor, generator: torch.Generator) -> Tensor:
    """Hindsight goals: for each row an offset in the same episode: `LATER` after it, `ELSEWHERE` anywhere, else the row itself.

    Args:
        data: see `EncodedDataset`. episode, offset: int64 [B].

    Returns:
        int64 [B]. The gap to later goals is geometric with a mean of 8 blocks, so the critic is most accurate near a goal.
    """
    count = len(offset)
    gap = 1 + torch.empty(count).exponential_(1 / MEAN_GAP, generator=generator).long()
    later = torch.minimum(offset + gap, data.lengths[episode])
    anywhere = (torch.rand(count, generator=generator) * (data.lengths[episode] + 1)).long()
    kind = torch.rand(count, generator=generator)
    return torch.where(kind < LATER, later, torch.where(kind < LATER + ELSEWHERE, anywhere, offset))


def discounted_futures(data: EncodedDataset, felt: Tensor, discount: float) -> Tensor:
    """Discounted sum of the costs after each row (return), [rows, n]; 0 at an episode's end.

    Args:
        data: the episodes. felt: [rows, n], costs of the block that led to each row. discount: per block.
    """
    futures = torch.zeros_like(felt)
    for back in range(1, int(data.lengths.max()) + 1):
        # All episodes at once, from their ends: row T - back sums the costs of rows T - back + 1 and later.
        long_enough = data.lengths >= back
        row = (data.starts + data.lengths - back)[long_enough]
        futures[row] = felt[row + 1] + discount * futures[row + 1]
    return futures
