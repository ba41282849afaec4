"""What keeps a joint-embedding model from collapsing, each term a pure function of embeddings. Compose by weights.

Two failures have to be told apart. *Total* collapse: every state is the same vector; variance and covariance prevent it.
*Slow-feature* collapse: the state keeps what is constant in an episode (walls, background) and drops the agent; inverse
dynamics prevents it. Its mirror image, keeping the agent and dropping the layout, is prevented by episode contrast.

Two ways lead out of total collapse (the paper, section 4.3): to limit the volume of states that can have low energy (variance,
covariance, SIGReg), or to push up the energy of futures that did not come about (`prediction_contrast`).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

VARIANCE_EPS = 1e-4


def variance_hinge(states: Float[Tensor, "B D"], target: float = 1.0) -> Tensor:
    """VICReg's variance term: mean over dimensions of max(0, target - std). Bardes et al. 2021 (2105.04906), eq. 1."""
    std = (states.var(0) + VARIANCE_EPS).sqrt()
    return functional.relu(target - std).mean()


def covariance_penalty(states: Float[Tensor, "B D"]) -> Tensor:
    """VICReg's covariance term: sum of squared off-diagonal covariances, over D. Bardes et al. 2021, eq. 3-4."""
    centred = states - states.mean(0)
    covariance = centred.T @ centred / (len(states) - 1)
    off_diagonal = covariance.pow(2).sum() - covariance.diagonal().pow(2).sum()
    return off_diagonal / states.shape[1]


def sigreg(states: Float[Tensor, "B D"], generator: torch.Generator, slices: int = 256, knots: int = 17) -> Tensor:
    """SIGReg: the Epps-Pulley test of normality on random projections. LeJEPA (2511.08544), sections 4.2-4.3.

    Args:
        states: [B, D].
        generator: draws the projections.
        slices: number of random directions.
        knots: points of the quadrature on [0, 3].

    Returns:
        The mean over directions of B times the weighted squared distance of characteristic functions.
    """
    directions = functional.normalize(torch.randn(states.shape[1], slices, generator=generator).to(states.device), dim=0)
    points = torch.linspace(0, 3, knots, device=states.device)
    gaussian = torch.exp(-points.square() / 2)
    weights = torch.full_like(points, 2 * 3 / (knots - 1))
    weights[0] = weights[-1] = 3 / (knots - 1)
    phase = (states @ directions)[..., None] * points
    distance = (phase.cos().mean(0) - gaussian).square() + phase.sin().mean(0).square()
    return (distance @ (weights * gaussian)).mean() * len(states)


def smoothness(states: Float[Tensor, "B T D"]) -> Tensor:
    """Temporal similarity: mean squared change from row to row. PLDM (Sobal et al. 2025, 2502.14819), section 3."""
    return (states[:, 1:] - states[:, :-1]).square().mean()


def info_nce(queries: Float[Tensor, "B F"], keys: Float[Tensor, "B F"], temperature: float = 0.1) -> Tensor:
    """InfoNCE: find one's own key among the batch's. CPC (van den Oord et al. 2018, 1807.03748), eq. 4."""
    similarity = functional.normalize(queries, dim=-1) @ functional.normalize(keys, dim=-1).T / temperature
    return functional.cross_entropy(similarity, torch.arange(len(queries), device=queries.device))


def prediction_contrast(
    predicted: Float[Tensor, "B P D"], rows: Float[Tensor, "B T D"], temperature: float = 0.1, mined: int = 16
) -> Tensor:
    """The contrastive way to train an energy: low for what followed, high for all else. InfoNCE (CPC, 1807.03748, eq. 4).

    The energy is the model's own, squared error per dimension. Wrong futures are all other rows of the batch, those of
    the same clip at other times among them; and once more the nearest of these alone (mined negatives; Robinson et al. 2021,
    2010.04592), which else drown in easy ones.

    Args:
        predicted: states one block after each of the first P rows. rows: what was perceived, P < T; `predicted[b, t]` is to
            find `rows[b, t + 1]`.
        temperature: energy that counts for one nat. mined: how many of the nearest wrong rows.

    Returns:
        The mean of both cross-entropies, nats.
    """
    (clips, length, dim), count = rows.shape, predicted.shape[1]
    queries, keys = predicted.flatten(0, 1), rows.flatten(0, 1)
    energy = (queries.square().sum(1, keepdim=True) + keys.square().sum(1) - 2 * queries @ keys.T) / dim
    logits = -energy / temperature
    first = torch.arange(clips, device=rows.device) * length
    own = (first[:, None] + torch.arange(1, count + 1, device=rows.device)).flatten()[:, None]
    nearest = logits.scatter(1, own, -torch.inf).topk(min(mined, len(keys) - 1)).values
    hard = torch.cat([logits.gather(1, own), nearest], 1)
    return (functional.cross_entropy(logits, own[:, 0]) + functional.cross_entropy(hard, torch.zeros_like(own[:, 0]))) / 2


class InverseDynamics(nn.Module):
    """The block between two rows, from their states. Pathak et al. 2017 (1705.05363), eq. 2; here a squared error.

    With `gap`, the rows may lie several blocks apart and the *first* block is asked for: multi-step inverse dynamics
    (AC-State, Lamb et al. 2022, 2207.08229), which also needs what lies between them, doors for instance.

    The head reads the change between the rows at unit variance per dimension (batch normalisation), beside the rows
    themselves: a state that is full of layout shows the agent as a tiny change, and its gradient would be as tiny.
    """

    frequencies: Tensor

    def __init__(self, state_dim: int, action_dim: int, hidden: int = 256) -> None:
        """Two layers."""
        super().__init__()
        self.register_buffer("frequencies", 2.0 ** -torch.arange(8), persistent=False)
        self.normalise = nn.BatchNorm1d(2 * state_dim, affine=False)
        self.head = nn.Sequential(
            nn.Linear(2 * state_dim + 8, hidden), nn.LayerNorm(hidden), nn.SiLU(), nn.Linear(hidden, action_dim)
        )

    def forward(self, before: Tensor, after: Tensor, gap: Tensor | float = 1.0) -> Tensor:
        """States [..., D] each, and their distance in blocks [...]; the first block's actions [..., A]."""
        gaps = torch.as_tensor(gap, dtype=before.dtype, device=before.device).expand(before.shape[:-1])
        code = torch.sin(gaps[..., None] * self.frequencies)
        pair = torch.cat([before, after - before], -1)
        normal = self.normalise(pair.flatten(0, -2)).view_as(pair)
        actions: Tensor = self.head(torch.cat([normal, code], -1))
        return actions


class EpisodeContrast(nn.Module):
    """Which far frame belongs to the same episode? Keeps what is constant in an episode and differs between episodes.

    InfoNCE through a projection head (SimCLR, 2002.05709, section 4.2), so that the state itself may keep the agent too.
    """

    def __init__(self, state_dim: int, hidden: int = 128, features: int = 64) -> None:
        """The head's sizes."""
        super().__init__()
        self.head = nn.Sequential(nn.Linear(state_dim, hidden), nn.SiLU(), nn.Linear(hidden, features))

    def forward(self, states: Float[Tensor, "B D"], far: Float[Tensor, "B D"]) -> Tensor:
        """States of B different clips, and of a far row of the same episodes."""
        return info_nce(self.head(states), self.head(far))


class Expander(nn.Module):
    """VICReg's expander (2105.04906, section 4): decorrelating many nonlinear features comes nearer to independence.

    One slow factor can fill D decorrelated dimensions with functions of itself; it can't fill 8 D of them.
    """

    def __init__(self, state_dim: int, features: int) -> None:
        """`features` should exceed the state's size."""
        super().__init__()
        self.map = nn.Sequential(
            nn.Linear(state_dim, features), nn.BatchNorm1d(features), nn.SiLU(), nn.Linear(features, features)
        )

    def forward(self, states: Float[Tensor, "B D"]) -> Float[Tensor, "B F"]:
        """[B, D] to [B, features]."""
        features: Tensor = self.map(states)
        return features
