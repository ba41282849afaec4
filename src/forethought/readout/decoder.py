"""Pixel decoder for visualisation: maps states to images. It trains on cached states and gives no gradient to the model."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from forethought.errors import ForethoughtError, NonFiniteError

# Extra loss weight of pixels that differ from the average image: a 4-pixel agent is 0.1 % of a 64x64 image, so an unweighted
# loss would ignore it. Larger weights blur the agent's outline.
DEVIATION_WEIGHT = 15.0
CELL = 8
"""Pixels of a cell's side."""


class PixelDecoder(nn.Module):
    """Decoder from states [..., D] to images [..., height, width, channels], float in [0, 1].

    A sinusoidal layer (Sitzmann et al. 2020, SIREN, eq. 4: images have higher spatial frequencies than states), an MLP, then
    two transposed convolutions of strides 2 and 4. The output is added to the average image, so that the network models only
    the differences between states. The kernels equal the strides, so each convolution is a linear map per cell; this form takes
    a quarter of the time on a CPU.
    """

    average: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, state_dim: int, shape: tuple[int, int, int] = (64, 64, 3), width: int = 32, hidden: int = 256) -> None:
        """Untrained.

        Args:
            state_dim: D. shape: height, width and channels of the image; cells of 8x8 pixels that go beyond it are cut.
            width: channels of a cell of the 8x8 and 4x4-pixel grids. hidden: units of the MLP.
        """
        super().__init__()
        height, breadth, channels = shape
        self.state_dim, self.shape, self.width = state_dim, shape, width
        self.rows, self.columns = -(-height // CELL), -(-breadth // CELL)
        self.register_buffer("average", torch.zeros(height, breadth, channels))
        self.register_buffer("mean", torch.zeros(state_dim))
        self.register_buffer("std", torch.ones(state_dim))
        self.waves = nn.Linear(state_dim, hidden)
        nn.init.normal_(self.waves.weight, std=2.5 / state_dim**0.5)
        nn.init.uniform_(self.waves.bias, -torch.pi, torch.pi)
        self.mlp = nn.Sequential(
            nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, self.rows * self.columns * width), nn.GELU()
        )
        self.to_quarter = nn.Linear(width, 2 * 2 * width)
        self.to_full = nn.Linear(width, 4 * 4 * channels)

    def forward(self, states: Tensor) -> Tensor:
        """Images [..., height, width, channels] in [0, 1]."""
        return self.draw(states).clamp(0, 1)

    def draw(self, states: Tensor) -> Tensor:
        """Images before clamping, so that gradients do not vanish outside [0, 1]; used in training."""
        assert not states.requires_grad, "the decoder takes detached states: it must not train the model"
        flat = (states.reshape(-1, self.state_dim) - self.mean) / self.std
        cells = self.mlp(torch.sin(self.waves(flat))).reshape(-1, self.rows, self.columns, self.width)
        height, breadth, _ = self.shape
        whole = _unfold(self.to_full(functional.gelu(_unfold(self.to_quarter(cells), 2))), 4)
        images = whole[:, :height, :breadth] + self.average
        return images.reshape(*states.shape[:-1], *self.shape)


def _unfold(cells: Tensor, factor: int) -> Tensor:
    """Pixel shuffle: cells [M, rows, columns, factor * factor * C] to [M, rows * factor, columns * factor, C]."""
    count, rows, columns, _ = cells.shape
    split = cells.reshape(count, rows, columns, factor, factor, -1).permute(0, 1, 3, 2, 4, 5)
    return split.reshape(count, rows * factor, columns * factor, -1)


def train_decoder(states: Tensor, frames: NDArray[np.uint8], steps: int = 1000, seed: int = 0, batch: int = 32) -> PixelDecoder:
    """Fit a decoder on cached states; about 10 s on one CPU core for the defaults at 64x64.

    The loss is the squared error, weighted by the pixel's deviation from the average image.

    Args:
        states: [M, D], detached. frames: uint8 [M, height, width, channels], the frames of the states (may be memory-mapped).
        steps: optimiser steps, >= 2. seed: of weights and batches; the result is deterministic.
        batch: images per step.

    Returns:
        The decoder, frozen, in evaluation mode, on the states' device.

    Raises:
        ForethoughtError: shapes do not match. NonFiniteError: a state holds NaN or infinity.
    """
    _check(states, frames)
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        decoder = PixelDecoder(states.shape[1], (frames.shape[1], frames.shape[2], frames.shape[3]))
    decoder.to(states.device)
    contrast = _prepare(decoder, states, frames, rng)
    optimiser = torch.optim.AdamW(decoder.parameters(), lr=3e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=3e-3, total_steps=steps)
    for _ in range(steps):
        rows = rng.integers(0, len(states), batch)
        target = _images(frames, rows, states.device)
        weight = 1 + DEVIATION_WEIGHT * (target - decoder.average).abs().amax(-1, keepdim=True) / contrast
        loss = ((decoder.draw(states[torch.from_numpy(rows)]) - target).square() * weight).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return decoder.eval().requires_grad_(False)


def _check(states: Tensor, frames: NDArray[np.uint8]) -> None:
    """Require detached, finite states and an equal number of frames."""
    assert not states.requires_grad, "the decoder takes detached states: it must not train the model"
    if states.ndim != 2 or frames.ndim != 4 or len(states) != len(frames) or len(states) == 0:
        raise ForethoughtError(
            "a decoder needs states [M, D] and frames [M, height, width, channels] with the same M >= 1, "
            f"not {tuple(states.shape)} and {frames.shape}; pass the frames of the states."
        )
    if not bool(torch.isfinite(states).all()):
        raise NonFiniteError("the decoder's states hold NaN or infinity; check the encoder that made them.")


def _images(frames: NDArray[np.uint8], rows: NDArray[np.int64], device: torch.device) -> Tensor:
    """The frames of these rows as floats in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(frames[rows])).to(device).float() / 255


def _prepare(decoder: PixelDecoder, states: Tensor, frames: NDArray[np.uint8], rng: np.random.Generator) -> float:
    """Set the decoder's statistics, and return the mean over frames of the largest deviation from the average image."""
    sample = _images(frames, np.sort(rng.permutation(len(frames))[:1000]), states.device)
    decoder.average.copy_(sample.mean(0))
    decoder.mean.copy_(states.mean(0))
    decoder.std.copy_(states.std(0, correction=0).clamp_min(1e-6))
    return float((sample - decoder.average).abs().amax((1, 2, 3)).mean().clamp_min(1e-3))


@torch.no_grad()
def decode(decoder: PixelDecoder, states: Tensor, batch: int = 256) -> NDArray[np.uint8]:
    """Decode states [..., D] to images uint8 [..., height, width, channels], in batches of `batch`."""
    flat = states.reshape(-1, states.shape[-1])
    images: list[NDArray[Any]] = [(decoder(part) * 255).round().byte().cpu().numpy() for part in torch.split(flat, batch)]
    return np.concatenate(images).reshape(*states.shape[:-1], *decoder.shape)
