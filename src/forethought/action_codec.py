"""Converts actions between environment units and model units: [-1, 1], or one-hot if discrete."""

from __future__ import annotations

import torch
from torch import Tensor

from forethought.config import DataSpec


class ActionCodec:
    """Converts action blocks [..., A] in both directions and has the bounds for planners, `low` and `high` [A]."""

    def __init__(self, settings: DataSpec, device: torch.device | str = "cpu") -> None:
        """Repeat the bounds of one step for each step of a block."""
        self.settings = settings
        self.discrete = settings.action_kind == "discrete"
        low, high = (settings.low, settings.high) if not self.discrete else ((0.0,), (1.0,))
        repeats = settings.block if not self.discrete else settings.block_size
        self.world_low = torch.tensor(low, device=device).repeat(repeats)
        self.world_high = torch.tensor(high, device=device).repeat(repeats)
        floor = 0.0 if self.discrete else -1.0
        self.low = torch.full((settings.block_size,), floor, device=device)
        self.high = torch.ones(settings.block_size, device=device)

    def to_model(self, actions: Tensor) -> Tensor:
        """Environment units to [-1, 1] per number (one-hot actions are unchanged), [..., A] to [..., A]."""
        if self.discrete:
            return actions
        return 2 * (actions - self.world_low) / (self.world_high - self.world_low) - 1

    def to_world(self, actions: Tensor) -> Tensor:
        """[-1, 1] to environment units, clipped to the bounds, step by step: [..., A] to [..., block, size]."""
        shaped = actions.unflatten(-1, (self.settings.block, self.settings.action_size))
        if self.discrete:
            chosen: Tensor = torch.nn.functional.one_hot(shaped.argmax(-1), self.settings.action_size).float()
            return chosen
        low = self.world_low.view(self.settings.block, -1)
        high = self.world_high.view(self.settings.block, -1)
        within: Tensor = (low + (shaped.clamp(-1, 1) + 1) / 2 * (high - low)).clamp(low, high)
        return within
