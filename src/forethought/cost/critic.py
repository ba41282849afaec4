"""The trainable critic: predicts future cost from the present state (the paper, section 3.2.1, p. 15).

Its task part is a temporal distance D(s, g): blocks from state s to goal g, as a discounted count (`discounted_count`). Latent
distance does not measure reachability: a goal behind a wall is close in latent space and many blocks away.
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
    """D(s, g) >= 0 in blocks, not symmetric, with targets up to 1 / (1 - discount); and the future cost of each drive.

    A stochastic model has a second, risk-averse distance (`worst_case`): the minimum over actions, the worst case over the
    latent variable. A risk-averse plan with a risk-neutral terminal value would stall: delaying the risky step would look free.
    """

    name = "critic"

    def __init__(self, state_dim: int, drives: int, model: ModelConfig, metric: StateMetric | None = None) -> None:
        """Build the heads.

        Args:
            state_dim: numbers in a (pooled) state. drives: number of intrinsic signals (0: no head for them).
            model: widths and discount; a stochastic model adds the risk-averse head. metric: pools states; None for vectors.
        """
        super().__init__()
        self.discount = model.discount
        self.scale = Whitening(state_dim, metric)
        self.head = mlp(2 * state_dim, model.critic_hidden, 1)
        self.drives = mlp(state_dim, model.critic_hidden, drives) if drives else None
        self.worst_case_head = mlp(2 * state_dim, model.critic_hidden, 1) if model.stochastic else None

    def _head(self, worst_case: bool) -> nn.Sequential:
        return self.worst_case_head if worst_case and self.worst_case_head is not None else self.head

    def distance(self, states: Tensor, goals: Tensor, worst_case: bool = False) -> Tensor:
        """Discounted blocks from each state [..., D] to its goal [..., D]: [...], >= 0; `worst_case`: the risk-averse head."""
        pair = torch.cat([self.scale(states), self.scale(goals)], -1)
        return functional.softplus(self._head(worst_case)(pair).squeeze(-1))

    def future_costs(self, states: Tensor) -> Tensor:
        """Discounted sum of the future costs of each drive, [..., D] to [..., drives], >= 0."""
        assert self.drives is not None, "this body has no drives"
        return functional.softplus(self.drives(self.scale(states)))

    def predict_future_drives(self, states: Tensor) -> Tensor:
        """The same as a mean per block, on the scale of the costs within the plan: [..., D] to [..., drives]."""
        return (1 - self.discount) * self.future_costs(states)

    def forward(self, imagined: Imagined, goal: EncodedGoal) -> Tensor:
        """See `Cost.forward`: temporal distance of each imagined state to the goal."""
        head = self._head(imagined.worst_case)
        first = head[0]
        assert isinstance(first, nn.Linear)
        # The goal's half of the first layer is the same for all K x H states: multiply it once per episode.
        scaled_goal = self.scale(state_of(goal))
        size = scaled_goal.shape[-1]
        goal_hidden = functional.linear(scaled_goal, first.weight[:, size:], first.bias)
        hidden = functional.linear(self.scale(imagined.states), first.weight[:, :size]) + goal_hidden[:, None, None]
        return functional.softplus(head[1:](hidden).squeeze(-1))


@torch.no_grad()
def follow(target: nn.Module, student: nn.Module, rate: float = 0.01) -> None:
    """Polyak averaging: move the target network, which supplies TD targets, towards the student by `rate`."""
    for target_weight, student_weight in zip(target.parameters(), student.parameters(), strict=True):
        target_weight.lerp_(student_weight, rate)


def temporal_distance_loss(
    critic: Critic,
    target: Critic,
    now: Tensor,
    following: Tensor,
    goals: Tensor,
    arrived: Tensor,
    expectile: float,
    worst_case: bool = False,
) -> Tensor:
    """TD with a low expectile, which approximates the minimum over logged actions (IQL, 2110.06169, eq. 5, mirrored).

    The agent chooses actions, but not outcomes: over the S successors of one state and action the target is the mean, or the
    worst case if `worst_case`.

    Args:
        critic: the student. target: the target network.
        now: [B, D]. following: [B, S, D], S equally likely states a block later.
        goals: [B, D].
        arrived: bool [B, 2]: whether `now` is the goal, whether `following` is.
        expectile: below 0.5, shorter logged paths weigh more. worst_case: trains the risk-averse head.

    Returns:
        A scalar. The target of D(s, g) is 0 at the goal and 1 + discount * D(s', g) elsewhere.
    """
    with torch.no_grad():
        distances = target.distance(following, goals[:, None].expand_as(following), worst_case)
        next_distance = torch.where(arrived[:, 1], 0.0, distances.amax(1) if worst_case else distances.mean(1))
        td_target = torch.where(arrived[:, 0], 0.0, 1 + critic.discount * next_distance)
    return expectile_loss(td_target - critic.distance(now, goals, worst_case), expectile).mean()


def logged_distance_loss(critic: Critic, now: Tensor, goals: Tensor, gap: Tensor, expectile: float) -> Tensor:
    """Regression on logged pairs: g follows s by `gap` blocks, so D(s, g) is at most that (as a discounted count).

    TD alone propagates long distances slowly. This regression alone cannot stitch two episodes. Together they do both.

    Args:
        now, goals: [B, D]. gap: float [B], blocks between them; negative where the goal is earlier, such pairs have weight 0.
    """
    target = discounted_count(gap.clamp(min=0), critic.discount)
    loss = expectile_loss(target - critic.distance(now, goals), expectile)
    return (loss * (gap >= 0)).mean()


def discounted_count(blocks: Tensor, discount: float) -> Tensor:
    """A distance in blocks as TD learns it: 1 + discount + discount^2 + ..., with as many terms as blocks."""
    return (1 - discount**blocks) / (1 - discount) if discount < 1 else blocks


def expectile_loss(error: Tensor, expectile: float) -> Tensor:
    """|expectile - 1(error < 0)| error^2: below 0.5, smaller targets weigh more (IQL, 2110.06169, eq. 5)."""
    return torch.where(error < 0, 1 - expectile, expectile) * error.square()


def future_cost_loss(critic: Critic, states: Tensor, futures: Tensor) -> Tensor:
    """|| IC(s_t+d) - TC(s_t) ||^2 with discounted sums of logged intrinsic costs as targets (the paper, p. 15).

    Args:
        states: [B, D]. futures: [B, drives], discounted sums of each drive's costs after the state.
    """
    return functional.mse_loss(critic.future_costs(states), futures)
