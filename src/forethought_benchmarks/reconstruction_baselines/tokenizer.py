"""Image tokenizer: each square patch becomes the nearest of a set of codes, fitted by k-means to training images.

Axes: N patches of an image, V codes, P pixels of a patch, E dimensions of a code's vector; D = N * E.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor

from forethought.config import StreamSettings
from forethought.errors import ForethoughtError
from forethought.perception import Encoder
from forethought.types import PIXELS

PATCH, CODES = 8, 256
"""Side of a patch in pixels, and number of codes."""
ROUNDS = 15
"""Iterations of k-means."""


class Tokenizer(Encoder):
    """Perception of the token baseline: a state is the concatenation of the vectors of all codes of the image.

    A state and its codes have the same information: critic, planner and probes read vectors, the token model reads codes.

    Attributes:
        streams, state_dim: as of `Perception`. count: N. codebook: [V, P], in 0..1. vectors: [V, E], the codebook's leading
            principal components, of unit variance together. fitted: whether `fit` was called.
    """

    codebook: Tensor
    vectors: Tensor
    fitted: Tensor

    def __init__(self, streams: tuple[StreamSettings, ...], state_dim: int) -> None:
        """No codes yet.

        Raises:
            ForethoughtError: the world shows more than pixels, or D is no multiple of N.
        """
        super().__init__()
        self.streams, self.state_dim = streams, state_dim
        if [stream.name for stream in streams] != [PIXELS]:
            raise ForethoughtError("Tokens are made of pixels alone, and this world shows more: take another.")
        height, width, channels = streams[0].shape
        self.count = (height // PATCH) * (width // PATCH)
        if height % PATCH or width % PATCH or state_dim % self.count:
            raise ForethoughtError(
                f"{height}x{width} pixels in patches of {PATCH} don't make states of {state_dim}: set "
                f"model.encoder.state_dim to a multiple of {self.count}."
            )
        self.register_buffer("codebook", torch.zeros(CODES, PATCH * PATCH * channels))
        self.register_buffer("vectors", torch.zeros(CODES, state_dim // self.count))
        self.register_buffer("fitted", torch.zeros((), dtype=torch.bool))

    def patches(self, pixels: Tensor) -> Tensor:
        """Pixels [..., height, width, C] in 0..255 to [..., N, P] in 0..1, row by row."""
        rows = pixels.float().div(255).unflatten(-3, (-1, PATCH)).unflatten(-2, (-1, PATCH))
        patches: Tensor = rows.transpose(-4, -3).flatten(-3).flatten(-3, -2)
        return patches

    def tokens(self, pixels: Tensor) -> Tensor:
        """Pixels [..., height, width, C] to codes, int64 [..., N]."""
        return nearest(self.patches(pixels), self.codebook)

    def forward(self, observation: Mapping[str, Tensor], visible: Mapping[str, Tensor] | None = None) -> Tensor:
        """Streams [..., *shape] to states [..., D]; a picture is never masked."""
        return self.write(self.tokens(observation[PIXELS]))

    def write(self, tokens: Int[Tensor, "*B N"]) -> Float[Tensor, "*B D"]:
        """Codes as a state."""
        state: Tensor = self.vectors[tokens].flatten(-2)
        return state

    def read(self, states: Float[Tensor, "*B D"]) -> Int[Tensor, "*B N"]:
        """The codes of a state, exactly."""
        return nearest(states.unflatten(-1, (self.count, -1)), self.vectors)

    def draw(self, tokens: Tensor) -> Tensor:
        """Codes [..., N] as patches [..., N, P] in 0..1: the reconstructed image."""
        return self.codebook[tokens]

    @torch.no_grad()
    def fit(self, patches: Float[Tensor, "M P"], generator: torch.Generator) -> None:
        """Fit the codes and their vectors to training patches."""
        self.codebook.copy_(k_means(patches, CODES, generator))
        centred = self.codebook - self.codebook.mean(0)
        _, spread, directions = torch.linalg.svd(centred, full_matrices=False)
        size = self.vectors.shape[1]
        self.vectors.copy_(centred @ directions[:size].T * (CODES / spread[:size].square().mean()).sqrt())
        self.fitted.fill_(True)


def nearest(points: Tensor, codes: Tensor) -> Tensor:
    """Which of `codes` [V, P] each of `points` [..., P] is nearest to, int64 [...]; the points in chunks."""
    half = codes.square().sum(-1) / 2
    parts = points.flatten(0, -2).split(65536)
    return torch.cat([(half - part @ codes.T).argmin(-1) for part in parts]).view(points.shape[:-1])


def k_means(points: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Centres [V, P] of `points` [M, P]: seeded far apart (k-means++, Arthur and Vassilvitskii 2007), then Lloyd's rounds.

    A seed is sampled in proportion to its squared distance from the earlier ones: most patches are floor, and uniform sampling
    would find little else. An empty cluster keeps its centre.
    """
    centres = points[:1].expand(count, -1).clone()
    away = torch.full((len(points),), torch.inf)
    for number in range(1, count):
        away = torch.minimum(away, (points - centres[number - 1]).square().sum(-1))
        # Where there are fewer different points than centres, the rest are copies.
        weights = away if bool(away.any()) else torch.ones_like(away)
        centres[number] = points[torch.multinomial(weights, 1, generator=generator)[0]]
    for _ in range(ROUNDS):
        mine = nearest(points, centres)
        found = torch.zeros(count).index_add_(0, mine, torch.ones(len(points)))
        sums = torch.zeros_like(centres).index_add_(0, mine, points)
        centres = torch.where(found[:, None] > 0, sums / found[:, None].clamp_min(1), centres)
    return centres
