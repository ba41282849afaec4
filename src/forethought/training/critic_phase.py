"""Phase 3: the critic learns temporal distance and future drive costs from logged rows (the paper, p. 15)."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from forethought.agent_networks import AgentNetworks
from forethought.config import Configuration
from forethought.cost.composition import RadiusSwitchedCost
from forethought.cost.contract import Imagined
from forethought.cost.critic import follow, future_cost_loss, logged_distance_loss, temporal_distance_loss
from forethought.cost.intrinsic import drive_loss
from forethought.goals import StateGoal
from forethought.planning.scenarios import stratified_uniform
from forethought.training.encoded_dataset import EncodedDataset
from forethought.training.phases import Phase, Terms, parameters_of, step_generator

LATER, ELSEWHERE = 0.7, 0.2
MEAN_GAP = 8.0
NEAR_PAIRS = 1024
FOREIGN = 0.5
"""Share of goals that are taken from other episodes, where a goal is a place in any of them alike."""
SAMPLES = 4
"""Futures that a target is the mean or the worst of, where the world model has a latent variable: one in each quarter of its
chances, or the expectile would make a choice of luck again."""


EncodeOnce = Callable[[], EncodedDataset]


class CriticPhase(Phase):
    """TD on logged transitions with goals from the same episode: later 70 %, anywhere 20 %, itself 10 %.

    A goal that shows some streams only may be met in any episode: then half of the goals are from others, or few would ever
    ask for the way around what turned out to be shut.

    Where chance has its say, one outcome was logged and others were as likely: then TD goes over imagined ones, and how long a
    way took counts for nothing, for it may have been luck.
    """

    name = "critic"

    def __init__(self, modules: AgentNetworks, configuration: Configuration, encode: EncodeOnce) -> None:
        """`encode` gives the training episodes' states; called when the phase starts."""
        training = configuration.training
        self.blend, self.critic, self.energy, self.encode = modules.blend, modules.critic, modules.energy, encode
        self.readout, self.level = modules.energy.readout, modules.world_model
        self.partial, self.trust = bool(configuration.data.goals), configuration.planner.risk.prior_exponent
        self.discount, self.expectile, self.seed = configuration.model.discount, training.expectile, training.seed
        self.steps, self.batch = training.critic_steps, training.critic_batch
        self.learning_rate, self.weight_decay = training.learning_rate, training.weight_decay
        self.target = copy.deepcopy(modules.critic).requires_grad_(False)
        self.extras: nn.Module = self.target

    def parameters(self) -> list[nn.Parameter]:
        """The critic's, and the drive readout's where the body has drives."""
        return parameters_of(self.critic, *([self.readout] if self.readout is not None else []))

    def start(self) -> None:
        """Scale inputs and the near blend with the training states, and sum up what each drive costs after each row."""
        self.data = self.encode()
        self.critic.scale.fit(self.data.states)
        measure_near(self.blend, self.data, step_generator(self.seed, "near", 0))
        self.target.scale.load_state_dict(self.critic.scale.state_dict())
        if self.critic.drives is not None:
            # Without the first column: effort is what a plan chooses, not what the future brings.
            felt = self.energy.felt(self.data.drives, self.data.actions)[:, 1:]
            self.futures = discounted_futures(self.data, felt, self.discount)

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
        device = data.states.device
        following = self._following(rows, generator, trust=1.0)
        arrived = torch.stack([goals == rows, (goals == rows + 1) & self.certain], -1).to(device)
        terms = {
            "temporal_distance": temporal_distance_loss(
                self.critic, self.target, data.states[rows], following, data.goals[goals], arrived, self.expectile
            )
        }
        if not self.certain:
            feared = self._following(rows, generator, self.trust)
            terms["wary_distance"] = temporal_distance_loss(
                self.critic, self.target, data.states[rows], feared, data.goals[goals], arrived, self.expectile, wary=True
            )
        else:
            # Of a goal from elsewhere nobody logged how far it is: as of one that came earlier.
            gap = torch.where(goals == data.starts[episode] + goal_offset, goal_offset - offset, -1).float().to(device)
            states, goal = data.states[rows], data.goals[goals]
            terms["logged_distance"] = logged_distance_loss(self.critic, states, goal, gap, self.expectile)
        if self.critic.drives is not None:
            terms["future_costs"] = future_cost_loss(self.critic, data.states[rows], self.futures[rows])
        if self.readout is not None:
            terms["drives"] = drive_loss(self.readout, data.states[rows + 1], data.drives[rows + 1])
        return torch.stack(list(terms.values())).sum(), terms

    @property
    def certain(self) -> bool:
        """Whether state and action tell what follows."""
        return self.level.latent is None

    @torch.no_grad()
    def _following(self, rows: Tensor, generator: torch.Generator, trust: float) -> Tensor:
        """What may follow given rows [B], [B, S, D]: what did, or what the model thinks as likely (`trust`: `Latent.draw`)."""
        states, actions, latent = self.data.states[rows], self.data.actions[rows], self.level.latent
        if latent is None:
            return self.data.states[rows + 1][:, None]
        here, taken = (part[:, None].expand(-1, SAMPLES, -1) for part in (states, actions))
        within, order = torch.rand(2, len(rows), SAMPLES, latent.numbers, generator=generator)
        chance = stratified_uniform(within, order).to(states.device)
        return self.level.step(here, taken, latent.draw(here, taken, chance, trust))

    def after_step(self) -> None:
        """The target network follows."""
        follow(self.target, self.critic)


def measure_near(blend: RadiusSwitchedCost, data: EncodedDataset, generator: torch.Generator) -> None:
    """Measure how far apart states `near` blocks before a goal are: the scale of latent distance where it takes over."""
    gap = max(1, round(float(blend.near)))
    if bool((data.lengths >= gap).any()):
        states, actions = data.windows(NEAR_PAIRS, gap, generator)
        blend.fit(Imagined(states[:, None, :1], actions[:, None, :1]), StateGoal(states[:, -1]))


def sample_goals(data: EncodedDataset, episode: Tensor, offset: Tensor, generator: torch.Generator) -> Tensor:
    """A goal row for each row, as an offset into the same episode: mostly soon after it, sometimes anywhere, sometimes itself.

    Args:
        data: see `EncodedDataset`. episode, offset: int64 [B].

    Returns:
        int64 [B]. The gap to later goals is geometric with a mean of 8 blocks, so near goals are told apart best.
    """
    count = len(offset)
    gap = 1 + torch.empty(count).exponential_(1 / MEAN_GAP, generator=generator).long()
    later = torch.minimum(offset + gap, data.lengths[episode])
    anywhere = (torch.rand(count, generator=generator) * (data.lengths[episode] + 1)).long()
    kind = torch.rand(count, generator=generator)
    return torch.where(kind < LATER, later, torch.where(kind < LATER + ELSEWHERE, anywhere, offset))


def discounted_futures(data: EncodedDataset, felt: Tensor, discount: float) -> Tensor:
    """What came after each row, summed with a discount per block: [rows, n]; 0 at an episode's end.

    Args:
        data: whose episodes. felt: [rows, n], in the block that led to each row. discount: per block.
    """
    futures = torch.zeros_like(felt)
    for back in range(1, int(data.lengths.max()) + 1):
        # All episodes at once, from their ends: row T - back takes what came at T - back + 1 and after.
        mine = data.lengths >= back
        row = (data.starts + data.lengths - back)[mine]
        futures[row] = felt[row + 1] + discount * futures[row + 1]
    return futures
