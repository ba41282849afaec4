"""Contract of encoders: observation to state; the whole interface that the agent and its training use."""

from __future__ import annotations

import abc
from collections.abc import Mapping

from torch import Tensor, nn

from forethought.config import StreamSettings


class Encoder(nn.Module, abc.ABC):
    """Maps observations to states. If it is frozen (`requires_grad_(False)`), checkpoints leave its weights out.

    Attributes:
        streams: its inputs, with mean and standard deviation of the training data. state_dim: D.
    """

    streams: tuple[StreamSettings, ...]
    state_dim: int

    @abc.abstractmethod
    def forward(self, observation: Mapping[str, Tensor], visible: Mapping[str, Tensor] | None = None) -> Tensor:
        """Encode streams [..., *shape] with any leading axes to states [..., D]; items are independent.

        Args:
            observation: stream -> values as stored (pixels in 0..255, uint8). A goal lacks the streams that goals don't show.
            visible: stream -> bool, True where visible (passed by masked prediction only); None: all is visible.
        """

    def start_at_unit_scale(self, states: Tensor) -> None:
        """Rescale the untrained weights, given the `states` [N, D] that they produce; by default nothing happens."""
