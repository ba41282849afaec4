"""The trainable critic: what the future will cost, told from the present state (the paper, section 3.2.1, p. 15).

Its task part is a temporal distance D(s, g): blocks until state s becomes g. Latent distance is not reachability: on the
other side of a wall the goal is near in the picture and far in time.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from forethought.config import ModelConfig
from forethought.cost.contract import Cost, Imagined
from forethought.goals import EncodedGoal, state_of
from forethought.layers import mlp
from forethought.states import StateMetric
from forethought.whitening import Whitening


class Critic(Cost):
    """D(s, g) >= 0 in blocks, directed; and what each drive will cost from a state on.

    Where chance has its say there is a second, wary distance: over actions the best, over chance the worst. Who fears the worst
    within a plan and counts on the average after it never begins the long way: waiting looks as if the gamble were still open.
    """

    name = "critic"

    def __init__(self, state_dim: int, drives: int, model: ModelConfig, metric: StateMetric | None = None) -> None:
        """Sizes of its heads.

        Args:
            state_dim: numbers in a (pooled) state. drives: how many intrinsic signals the body has (0: no head for them).
            model: widths and discount; a stochastic one has a wary distance, too. metric: pools states; None for vectors.
        """
        super().__init__()
        self.discount = model.discount
        self.scale = Whitening(state_dim, metric)
        self.head = mlp(2 * state_dim, model.critic_hidden, 1)
        self.drives = mlp(state_dim, model.critic_hidden, drives) if drives else None
        self.wary = mlp(2 * state_dim, model.critic_hidden, 1) if model.stochastic else None

    def _head(self, wary: bool) -> nn.Sequential:
        return self.wary if wary and self.wary is not None else self.head

    def distance(self, states: Tensor, goals: Tensor, wary: bool = False) -> Tensor:
        """Blocks from each state [..., D] to its goal [..., D]: [...], >= 0."""
        pair = torch.cat([self.scale(states), self.scale(goals)], -1)
        return functional.softplus(self._head(wary)(pair).squeeze(-1))

    def future_costs(self, states: Tensor) -> Tensor:
        """Discounted sum of what each drive will cost from here on, [..., D] to [..., drives], >= 0."""
        assert self.drives is not None, "this body has no drives"
        return functional.softplus(self.drives(self.scale(states)))

    def foresee(self, states: Tensor) -> Tensor:
        """The same as a mean per block, so that it weighs as much as what is felt within the plan: [..., drives]."""
        return (1 - self.discount) * self.future_costs(states)

    def forward(self, imagined: Imagined, goal: EncodedGoal) -> Tensor:
        """See `Cost.forward`: temporal distance of each imagined state to the goal."""
        head = self._head(imagined.wary)
        first = head[0]
        assert isinstance(first, nn.Linear)
        # The goal's half of the first layer is the same for all K x H states: multiply it once per episode.
        wanted = self.scale(state_of(goal))
        size = wanted.shape[-1]
        of_goal = functional.linear(wanted, first.weight[:, size:], first.bias)
        hidden = functional.linear(self.scale(imagined.states), first.weight[:, :size]) + of_goal[:, None, None]
        return functional.softplus(head[1:](hidden).squeeze(-1))


@torch.no_grad()
def follow(target: nn.Module, student: nn.Module, rate: float = 0.01) -> None:
    """Move a slow copy towards its student: it supplies TD targets (Polyak averaging)."""
    for slow, fast in zip(target.parameters(), student.parameters(), strict=True):
        slow.lerp_(fast, rate)


def temporal_distance_loss(
    critic: Critic,
    target: Critic,
    now: Tensor,
    following: Tensor,
    goals: Tensor,
    arrived: Tensor,
    expectile: float,
    wary: bool = False,
) -> Tensor:
    """TD with an expectile below the mean: the *shortest* of the logged ways counts (IQL, 2110.06169, eq. 5, mirrored).

    Ways are chosen, chance is not: over what may follow the same state and action it is the mean that counts, or the worst.

    Args:
        critic, target: student and its slow copy.
        now: [B, D]. following: [B, S, D], S equally likely states a block later.
        goals: [B, D].
        arrived: bool [B, 2]: is `now` the goal, is what follows the goal.
        expectile: below 0.5 the shortest logged paths count. wary: of the wary distance.

    Returns:
        A scalar. D(s, g) is pulled to 0 at the goal and to 1 + discount * D(s', g) elsewhere.
    """
    with torch.no_grad():
        every = target.distance(following, goals[:, None].expand_as(following), wary)
        ahead = torch.where(arrived[:, 1], 0.0, every.amax(1) if wary else every.mean(1))
        wanted = torch.where(arrived[:, 0], 0.0, 1 + critic.discount * ahead)
    return expectile_loss(wanted - critic.distance(now, goals, wary), expectile).mean()


def logged_distance_loss(critic: Critic, now: Tensor, goals: Tensor, gap: Tensor, expectile: float) -> Tensor:
    """Regression on logged pairs: g was seen `gap` blocks after s, so D(s, g) is at most that (a discounted count).

    TD alone is slow to carry a far goal's distance back; alone, this one cannot stitch two episodes. Together they do both.

    Args:
        now, goals: [B, D]. gap: float [B], blocks between them; negative where the goal came earlier, which counts for nothing.
    """
    wanted = discounted_count(gap.clamp(min=0), critic.discount)
    loss = expectile_loss(wanted - critic.distance(now, goals), expectile)
    return (loss * (gap >= 0)).mean()


def discounted_count(blocks: Tensor, discount: float) -> Tensor:
    """What TD makes of a distance in blocks: 1 + discount + discount^2 + ..., as many terms as blocks."""
    return (1 - discount**blocks) / (1 - discount) if discount < 1 else blocks


def expectile_loss(error: Tensor, expectile: float) -> Tensor:
    """|expectile - 1(error < 0)| error^2: below 0.5 the smaller targets pull harder (IQL, 2110.06169, eq. 5)."""
    return torch.where(error < 0, 1 - expectile, expectile) * error.square()


def future_cost_loss(critic: Critic, states: Tensor, futures: Tensor) -> Tensor:
    """|| IC(s_t+d) - TC(s_t) ||^2 with discounted sums of logged intrinsic costs as targets (the paper, p. 15).

    Args:
        states: [B, D]. futures: [B, drives], discounted sums of what each drive cost afterwards.
    """
    return functional.mse_loss(critic.future_costs(states), futures)
