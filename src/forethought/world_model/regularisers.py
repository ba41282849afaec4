"""Regularisers against representation collapse; each is a pure function of embeddings, combined by weights.

There are two kinds of collapse. *Total* collapse: all states are the same vector; variance and covariance terms prevent it.
*Slow-feature* collapse: the state encodes what is constant in an episode (walls, background) and not the agent; inverse
dynamics prevents it. The opposite failure, encoding the agent and not the layout, is prevented by episode contrast.

There are two kinds of methods against total collapse (the paper, section 4.3): limit the volume of low-energy states (variance,
covariance, SIGReg), or raise the energy of wrong futures (contrastive: `prediction_contrast`).

Where several processes share a batch, each term is over the whole batch, and its gradient flows into the rows of all processes.
Each term is computed in float32, also where the networks compute in bfloat16.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from forethought.acceleration import in_float32
from forethought.data_parallel import local_rows, whole_batch

VARIANCE_EPS = 1e-4


@in_float32
def variance_hinge(states: Float[Tensor, "B D"], target: float = 1.0) -> Tensor:
    """VICReg's variance term: mean over dimensions of max(0, target - std). Bardes et al. 2021 (2105.04906), eq. 1."""
    std = (whole_batch(states).var(0) + VARIANCE_EPS).sqrt()
    return functional.relu(target - std).mean()


@in_float32
def covariance_penalty(states: Float[Tensor, "B D"]) -> Tensor:
    """VICReg's covariance term: sum of squared off-diagonal covariances, over D. Bardes et al. 2021, eq. 3-4."""
    states = whole_batch(states)
    centred = states - states.mean(0)
    covariance = centred.T @ centred / (len(states) - 1)
    off_diagonal = covariance.pow(2).sum() - covariance.diagonal().pow(2).sum()
    return off_diagonal / states.shape[1]


@in_float32
def sigreg(states: Float[Tensor, "B D"], generator: torch.Generator, slices: int = 256, knots: int = 17) -> Tensor:
    """SIGReg: the Epps-Pulley test of normality on random projections. LeJEPA (2511.08544), sections 4.2-4.3.

    Args:
        states: [B, D].
        generator: samples the projections.
        slices: number of random directions.
        knots: points of the quadrature on [0, 3].

    Returns:
        The mean over directions of B times the weighted squared distance of characteristic functions.
    """
    states = whole_batch(states)
    directions = functional.normalize(torch.randn(states.shape[1], slices, generator=generator).to(states.device), dim=0)
    points = torch.linspace(0, 3, knots, device=states.device)
    gaussian = torch.exp(-points.square() / 2)
    weights = torch.full_like(points, 2 * 3 / (knots - 1))
    weights[0] = weights[-1] = 3 / (knots - 1)
    phase = (states @ directions)[..., None] * points
    distance = (phase.cos().mean(0) - gaussian).square() + phase.sin().mean(0).square()
    return (distance @ (weights * gaussian)).mean() * len(states)


@in_float32
def smoothness(states: Float[Tensor, "B T D"]) -> Tensor:
    """Temporal similarity: mean squared change from row to row. PLDM (Sobal et al. 2025, 2502.14819), section 3."""
    return (states[:, 1:] - states[:, :-1]).square().mean()


@in_float32
def info_nce(queries: Float[Tensor, "B F"], keys: Float[Tensor, "B F"], temperature: float = 0.1) -> Tensor:
    """InfoNCE: classify the positive key among all keys of the batch. CPC (van den Oord et al. 2018, 1807.03748), eq. 4."""
    keys = whole_batch(keys)
    similarity = functional.normalize(queries, dim=-1) @ functional.normalize(keys, dim=-1).T / temperature
    return functional.cross_entropy(similarity, local_rows(torch.arange(len(keys), device=keys.device)))


@in_float32
def prediction_contrast(
    predicted: Float[Tensor, "B P D"], rows: Float[Tensor, "B T D"], temperature: float = 0.1, mined: int = 16
) -> Tensor:
    """Contrastive training of the energy: low for the true next state, high for negatives. InfoNCE (CPC, 1807.03748, eq. 4).

    The energy is the model's squared error per dimension. Negatives are all other rows of the batch, including other rows of
    the same clip. A second term uses the nearest negatives alone (hard negatives; Robinson et al. 2021, 2010.04592), because
    easy negatives dominate the first term.

    Args:
        predicted: states one block after each of the first P rows. rows: encoded rows, P < T; the positive of
            `predicted[b, t]` is `rows[b, t + 1]`.
        temperature: energy of one nat. mined: number of hard negatives.

    Returns:
        The mean of both cross-entropies, nats.
    """
    rows = whole_batch(rows)
    (clips, length, dim), count = rows.shape, predicted.shape[1]
    queries, keys = predicted.flatten(0, 1), rows.flatten(0, 1)
    energy = (queries.square().sum(1, keepdim=True) + keys.square().sum(1) - 2 * queries @ keys.T) / dim
    logits = -energy / temperature
    first = local_rows(torch.arange(clips, device=rows.device) * length)
    positive = (first[:, None] + torch.arange(1, count + 1, device=rows.device)).flatten()[:, None]
    nearest = logits.scatter(1, positive, -torch.inf).topk(min(mined, len(keys) - 1)).values
    hard = torch.cat([logits.gather(1, positive), nearest], 1)
    return (
        functional.cross_entropy(logits, positive[:, 0]) + functional.cross_entropy(hard, torch.zeros_like(positive[:, 0]))
    ) / 2


class WholeBatchNorm(nn.BatchNorm1d):
    """Batch normalisation by the statistics of the whole batch, on CPUs, too (PyTorch's `SyncBatchNorm`: GPUs only)."""

    def forward(self, input: Tensor) -> Tensor:
        """[B, F] to [B, F]."""
        normal: Tensor = super().forward(whole_batch(input))
        return local_rows(normal)


class InverseDynamics(nn.Module):
    """Predicts the block between two rows from their states. Pathak et al. 2017 (1705.05363), eq. 2; here a squared error.

    With `gap`, the rows lie several blocks apart and the target is the *first* block: multi-step inverse dynamics (AC-State,
    Lamb et al. 2022, 2207.08229), which also requires the layout between them, such as doors.

    The head reads the first row and the change between the rows, at unit variance per dimension (batch normalisation): in a
    state dominated by layout, the agent is a small change and would get a small gradient.
    """

    frequencies: Tensor

    def __init__(self, state_dim: int, action_dim: int, hidden: int = 256) -> None:
        """The head has two layers."""
        super().__init__()
        self.register_buffer("frequencies", 2.0 ** -torch.arange(8), persistent=False)
        self.normalise = WholeBatchNorm(2 * state_dim, affine=False)
        self.head = nn.Sequential(
            nn.Linear(2 * state_dim + 8, hidden), nn.LayerNorm(hidden), nn.SiLU(), nn.Linear(hidden, action_dim)
        )

    def forward(self, before: Tensor, after: Tensor, gap: Tensor | float = 1.0) -> Tensor:
        """States [..., D] before and after, and the blocks between them [...], to the first block's actions [..., A]."""
        gaps = torch.as_tensor(gap, dtype=before.dtype, device=before.device).expand(before.shape[:-1])
        code = torch.sin(gaps[..., None] * self.frequencies)
        pair = torch.cat([before, after - before], -1)
        normal = self.normalise(pair.flatten(0, -2)).view_as(pair)
        actions: Tensor = self.head(torch.cat([normal, code], -1))
        return actions


class EpisodeContrast(nn.Module):
    """InfoNCE between rows of the same episode: keeps what is constant in an episode and differs between episodes.

    It is applied to a projection head (SimCLR, 2002.05709, section 4.2), so that the state can encode the agent too.
    """

    def __init__(self, state_dim: int, hidden: int = 128, features: int = 64) -> None:
        """Sizes of the projection head."""
        super().__init__()
        self.head = nn.Sequential(nn.Linear(state_dim, hidden), nn.SiLU(), nn.Linear(hidden, features))

    def forward(self, states: Float[Tensor, "B D"], far: Float[Tensor, "B D"]) -> Tensor:
        """The loss of states of B clips and of a far row of each clip's episode."""
        return info_nce(self.head(states), self.head(far))


class Expander(nn.Module):
    """VICReg's expander (2105.04906, section 4): decorrelation of many nonlinear features approximates independence.

    A single slow factor can produce D decorrelated dimensions as functions of itself, but not 8 D.
    """

    def __init__(self, state_dim: int, features: int) -> None:
        """`features` should exceed the state's size."""
        super().__init__()
        self.map = nn.Sequential(
            nn.Linear(state_dim, features), WholeBatchNorm(features), nn.SiLU(), nn.Linear(features, features)
        )

    def forward(self, states: Float[Tensor, "B D"]) -> Float[Tensor, "B F"]:
        """[B, D] to [B, features]."""
        features: Tensor = self.map(states)
        return features
