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
# picture, and an unweighted loss gains almost nothing from drawing it. More than this and the agent grows a halo.
DEVIATION_WEIGHT = 15.0


class PixelDecoder(nn.Module):
    """State [..., D] -> picture [..., height, width, channels], float in [0, 1].

    A sinusoidal layer (Sitzmann et al. 2020, SIREN, eq. 4: a state moves smoothly with the agent, its picture does not),
    an MLP, then two transposed convolutions of strides 2 and 4, the mirror of a stride-4 stem, added to the average
    picture, so that training spends itself on what differs between states. The convolutions' kernels equal their
    strides, which makes each a linear map per cell; written so, they cost a quarter of the general form on a CPU.
    """

    average: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, state_dim: int, shape: tuple[int, int, int] = (64, 64, 3), width: int = 32, hidden: int = 256) -> None:
        """Fresh weights.

        Args:
            state_dim: D. shape: height, width (multiples of 8) and channels of the picture.
            width: channels of a cell of the 8x8 and 4x4-pixel grids. hidden: units of the MLP.

        Raises:
            ForethoughtError: height or width is not a multiple of 8.
        """
        super().__init__()
        height, breadth, channels = shape
        if height % 8 or breadth % 8:
            raise ForethoughtError(
                f"the picture decoder draws sides that are multiples of 8, not {height}x{breadth}; resize the frames."
            )
        self.state_dim, self.shape, self.width = state_dim, shape, width
        self.rows, self.columns = height // 8, breadth // 8
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
        """Pictures [..., height, width, channels] in [0, 1]."""
        return self.draw(states).clamp(0, 1)

    def draw(self, states: Tensor) -> Tensor:
        """Pictures before clamping: where training still feels a slope."""
        assert not states.requires_grad, "the decoder is for people and takes detached states: it must never train the model"
        flat = (states.reshape(-1, self.state_dim) - self.mean) / self.std
        cells = self.mlp(torch.sin(self.waves(flat))).reshape(-1, self.rows, self.columns, self.width)
        pictures = _unfold(self.to_full(functional.gelu(_unfold(self.to_quarter(cells), 2))), 4) + self.average
        return pictures.reshape(*states.shape[:-1], *self.shape)


def _unfold(cells: Tensor, factor: int) -> Tensor:
    """Cells [M, rows, columns, factor * factor * C] laid out as [M, rows * factor, columns * factor, C]."""
    count, rows, columns, _ = cells.shape
    split = cells.reshape(count, rows, columns, factor, factor, -1).permute(0, 1, 3, 2, 4, 5)
    return split.reshape(count, rows * factor, columns * factor, -1)


def train_decoder(states: Tensor, frames: NDArray[np.uint8], steps: int = 1000, seed: int = 0, batch: int = 32) -> PixelDecoder:
    """Fit a decoder on cached states; about 10 s on one CPU core for the defaults at 64x64.

    The loss is the squared error, weighted by how far the pixel is from the average picture.

    Args:
        states: [M, D], detached. frames: uint8 [M, height, width, channels], what each state was made from (may be
            memory-mapped). steps: optimiser steps, >= 2. seed: of weights and batches; same seed, same decoder.
        batch: pictures a step.

    Returns:
        The decoder, in evaluation mode, on the states' device, its weights frozen.

    Raises:
        ForethoughtError: shapes do not match. NonFiniteError: a state holds NaN or infinity.
    """
    _check(states, frames)
    draws = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        decoder = PixelDecoder(states.shape[1], (frames.shape[1], frames.shape[2], frames.shape[3]))
    decoder.to(states.device)
    contrast = _prepare(decoder, states, frames, draws)
    optimiser = torch.optim.AdamW(decoder.parameters(), lr=3e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=3e-3, total_steps=steps)
    for _ in range(steps):
        rows = draws.integers(0, len(states), batch)
        target = _pictures(frames, rows, states.device)
        weight = 1 + DEVIATION_WEIGHT * (target - decoder.average).abs().amax(-1, keepdim=True) / contrast
        loss = ((decoder.draw(states[torch.from_numpy(rows)]) - target).square() * weight).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return decoder.eval().requires_grad_(False)


def _check(states: Tensor, frames: NDArray[np.uint8]) -> None:
    """Detached, finite states and as many frames."""
    assert not states.requires_grad, "the decoder is for people and takes detached states: it must never train the model"
    if states.ndim != 2 or frames.ndim != 4 or len(states) != len(frames) or len(states) == 0:
        raise ForethoughtError(
            "a decoder wants states [M, D] and frames [M, height, width, channels] with the same M >= 1, "
            f"and was given {tuple(states.shape)} and {frames.shape}."
        )
    if not bool(torch.isfinite(states).all()):
        raise NonFiniteError("the decoder's states hold NaN or infinity; find where they were made.")


def _pictures(frames: NDArray[np.uint8], rows: NDArray[np.int64], device: torch.device) -> Tensor:
    """Some stored frames as floats in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(frames[rows])).to(device).float() / 255


def _prepare(decoder: PixelDecoder, states: Tensor, frames: NDArray[np.uint8], draws: np.random.Generator) -> float:
    """Fill the decoder's statistics, and return the usual contrast of what stands out from the average picture."""
    sample = _pictures(frames, np.sort(draws.permutation(len(frames))[:1000]), states.device)
    decoder.average.copy_(sample.mean(0))
    decoder.mean.copy_(states.mean(0))
    decoder.std.copy_(states.std(0, correction=0).clamp_min(1e-6))
    return float((sample - decoder.average).abs().amax((1, 2, 3)).mean().clamp_min(1e-3))


@torch.no_grad()
def decode(decoder: PixelDecoder, states: Tensor, batch: int = 256) -> NDArray[np.uint8]:
    """Pictures as people store them: states [..., D] -> uint8 [..., height, width, channels], `batch` at a time."""
    flat = states.reshape(-1, states.shape[-1])
    pictures: list[NDArray[Any]] = [(decoder(part) * 255).round().byte().cpu().numpy() for part in torch.split(flat, batch)]
    return np.concatenate(pictures).reshape(*states.shape[:-1], *decoder.shape)
