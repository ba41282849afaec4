"""A picture of what a state stands for. It learns from cached states and trains nothing but itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from forethought.errors import ForethoughtError, NonFiniteError

# How much more a pixel counts when it differs from the average picture: a 4-pixel agent in a 64x64 room is 0.1 % of the
# picture, and an unweighted loss gains almost nothing from drawing it.
DEVIATION_WEIGHT = 30.0


class PixelDecoder(nn.Module):
    """State [..., D] -> picture [..., height, width, channels], float in [0, 1].

    A small MLP, then two transposed convolutions (strides 2 and 4, the mirror of a stride-4 stem), added in logits to the
    average picture, so that training spends itself on what differs between states.
    """

    average: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, state_dim: int, shape: tuple[int, int, int] = (64, 64, 3), width: int = 32, hidden: int = 256) -> None:
        """Fresh weights.

        Args:
            state_dim: D. shape: height, width (multiples of 8) and channels of the picture.
            width: channels at a quarter of the resolution. hidden: units of the MLP.

        Raises:
            ForethoughtError: height or width is not a multiple of 8.
        """
        super().__init__()
        height, breadth, channels = shape
        if height % 8 or breadth % 8:
            raise ForethoughtError(f"the picture decoder draws sizes that are multiples of 8, not {height}x{breadth}; resize the frames.")
        self.shape, self.state_dim = shape, state_dim
        self.grid = (2 * width, height // 8, breadth // 8)
        self.register_buffer("average", torch.zeros(channels, height, breadth))
        self.register_buffer("mean", torch.zeros(state_dim))
        self.register_buffer("std", torch.ones(state_dim))
        self.mlp = nn.Sequential(
            nn.Linear(state_dim, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, int(np.prod(self.grid))), nn.GELU()
        )
        self.up = nn.Sequential(
            nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1), nn.GELU(), nn.ConvTranspose2d(width, channels, 4, stride=4)
        )

    def forward(self, states: Tensor) -> Tensor:
        """Pictures [..., height, width, channels] in [0, 1]."""
        return torch.sigmoid(self.logits(states)).movedim(-3, -1)

    def logits(self, states: Tensor) -> Tensor:
        """Pictures before the sigmoid, channels first: [..., channels, height, width]."""
        assert not states.requires_grad, "the decoder is for people and takes detached states: it must never train the model"
        lead = states.shape[:-1]
        flat = (states.reshape(-1, self.state_dim) - self.mean) / self.std
        pictures = self.up(self.mlp(flat).reshape(-1, *self.grid)) + self.average
        return pictures.reshape(*lead, *pictures.shape[1:])


def train_decoder(states: Tensor, frames: NDArray[np.uint8], steps: int = 1500, seed: int = 0, batch: int = 64) -> PixelDecoder:
    """Fit a decoder on cached states; about 10 s on one CPU core for the defaults at 64x64.

    The loss is binary cross-entropy per pixel and channel, weighted by how far the pixel is from the average picture.

    Args:
        states: [M, D], detached. frames: uint8 [M, height, width, channels], what each state was made from (may be
            memory-mapped). steps: optimiser steps. seed: of weights and batches; the same seed gives the same decoder.
        batch: pictures a step.

    Raises:
        ForethoughtError: shapes do not match. NonFiniteError: a state holds NaN or infinity.
    """
    assert not states.requires_grad, "the decoder is for people and takes detached states: it must never train the model"
    if states.ndim != 2 or frames.ndim != 4 or len(states) != len(frames) or len(states) == 0:
        raise ForethoughtError(
            f"a decoder wants states [M, D] and frames [M, height, width, channels] with the same M >= 1, "
            f"and was given {tuple(states.shape)} and {frames.shape}."
        )
    if not bool(torch.isfinite(states).all()):
        raise NonFiniteError("the decoder's states hold NaN or infinity; find where they were made.")
    draws = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        decoder = PixelDecoder(states.shape[1], (frames.shape[1], frames.shape[2], frames.shape[3]))
    decoder.to(states.device)
    average, deviation = _prepare(decoder, states, frames, draws)
    optimiser = torch.optim.AdamW(decoder.parameters(), lr=3e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=3e-3, total_steps=max(steps, 2))
    for _ in range(steps):
        rows = draws.integers(0, len(states), batch)
        target = torch.from_numpy(np.ascontiguousarray(frames[rows])).to(states.device).movedim(-1, 1).float() / 255
        weight = 1 + DEVIATION_WEIGHT * (target - average).abs().amax(1, keepdim=True) / deviation
        loss = functional.binary_cross_entropy_with_logits(decoder.logits(states[rows]), target, weight)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return decoder.eval().requires_grad_(False)


def _prepare(decoder: PixelDecoder, states: Tensor, frames: NDArray[np.uint8], draws: np.random.Generator) -> tuple[Tensor, float]:
    """Fill the decoder's statistics; the average picture [channels, height, width] and the largest usual deviation from it."""
    rows = np.sort(draws.permutation(len(frames))[:2000])
    sample = torch.from_numpy(np.ascontiguousarray(frames[rows])).to(states.device).movedim(-1, 1).float() / 255
    average = sample.mean(0)
    decoder.average.copy_(torch.logit(average, eps=0.01))
    decoder.mean.copy_(states.mean(0))
    decoder.std.copy_(states.std(0, correction=0).clamp_min(1e-6))
    # The largest deviation in a picture, averaged over pictures: the contrast of whatever stands out (0 in a constant world).
    deviation = (sample - average).abs().amax((1, 2, 3)).mean().clamp_min(1e-3)
    return average, float(deviation)


@torch.no_grad()
def decode(decoder: PixelDecoder, states: Tensor, batch: int = 256) -> NDArray[np.uint8]:
    """Pictures as people store them: states [..., D] -> uint8 [..., height, width, channels], `batch` at a time."""
    flat = states.reshape(-1, states.shape[-1])
    pictures: list[NDArray[Any]] = [(decoder(part) * 255).round().byte().cpu().numpy() for part in flat.split(batch)]
    return np.concatenate(pictures).reshape(*states.shape[:-1], *decoder.shape)
