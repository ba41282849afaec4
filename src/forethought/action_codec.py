"""Converts actions between environment units and model units: [-1, 1], or one-hot if discrete."""

from __future__ import annotations

import torch
from torch import Tensor

from forethought.config import DataSpec


class ActionCodec:
    """Converts action blocks between those of the agent, [..., A], and recorded ones, [..., block * size].

    The two differ in length where one action is repeated over its block. `low` and `high` [A] are bounds for planners.
    """

    def __init__(self, settings: DataSpec, device: torch.device | str = "cpu") -> None:
        """Bounds of one step, and of a block in model units."""
        self.settings = settings
        self.discrete = settings.action_kind == "discrete"
        low, high = (settings.low, settings.high) if not self.discrete else ((0.0,), (1.0,))
        self._world_low, self._world_high = torch.tensor(low, device=device), torch.tensor(high, device=device)
        floor = 0.0 if self.discrete else -1.0
        self.low = torch.full((settings.block_size,), floor, device=device)
        self.high = torch.ones(settings.block_size, device=device)

    def to_model(self, actions: Tensor) -> Tensor:
        """Environment units to [-1, 1] per number (one-hot actions are unchanged): [..., block * size] to [..., A]."""
        steps = actions.unflatten(-1, (self.settings.block, self.settings.action_size))
        if self.settings.action_repeat:
            # Recorded by others, or before the length of a block was chosen, its actions may differ.
            steps = steps.mean(-2, keepdim=True)
        if not self.discrete:
            steps = 2 * (steps - self._world_low) / (self._world_high - self._world_low) - 1
        flat: Tensor = steps.flatten(-2)
        return flat

    def to_world(self, actions: Tensor) -> Tensor:
        """[-1, 1] to environment units, clipped to the bounds, step by step: [..., A] to [..., block, size]."""
        steps = actions.unflatten(-1, (-1, self.settings.action_size))
        if self.discrete:
            chosen: Tensor = torch.nn.functional.one_hot(steps.argmax(-1), self.settings.action_size).float()
            return self._repeated(chosen)
        low, high = self._world_low, self._world_high
        within: Tensor = (low + (steps.clamp(-1, 1) + 1) / 2 * (high - low)).clamp(low, high)
        return self._repeated(within)

    def _repeated(self, steps: Tensor) -> Tensor:
        """One action for each step of the block."""
        if not self.settings.action_repeat:
            return steps
        return steps.expand(*steps.shape[:-2], self.settings.block, self.settings.action_size)
