"""What an encoder is: an observation in, a state out. Everything that the agent and its training touch is here."""

from __future__ import annotations

import abc
from collections.abc import Mapping

from torch import Tensor, nn

from forethought.config import StreamSettings


class Encoder(nn.Module, abc.ABC):
    """Observation to state. It may be frozen (`requires_grad_(False)`); a checkpoint then leaves its weights out.

    Attributes:
        streams: what it is given, with the data's mean and standard deviation for each. state_dim: D.
    """

    streams: tuple[StreamSettings, ...]
    state_dim: int

    @abc.abstractmethod
    def forward(self, observation: Mapping[str, Tensor], visible: Mapping[str, Tensor] | None = None) -> Tensor:
        """States [..., D] of streams [..., *shape] with any leading axes, each item by itself.

        Args:
            observation: stream -> values as stored (pixels in 0..255, uint8). Where goals show some streams only, the others
                are left out of a goal.
            visible: stream -> bool, what is not hidden (masked prediction alone gives it); None for all.
        """

    def start_at_unit_scale(self, states: Tensor) -> None:
        """Scale the untrained weights by their own `states` [N, D]; by default nothing happens."""
