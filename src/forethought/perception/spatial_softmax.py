"""A spatial softmax: where in the picture each of K feature maps is strongest (Levine 2016, 1504.00702; Finn 2016, 1509.06113).

The flattened grid of a convolution tells a position by which of its cells is active, so that a state moves along a curve with
many turns when an object moves or turns. Coordinates of points on an object move with it in straight lines: its pose can be
read from the state by a linear map, distances between states count it, and its way is easier to predict.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from forethought.perception.conv import stem

TEMPERATURE = 1.5
"""Logarithm of the factor with which maps of unit variance enter the softmax, before training."""


class SpatialSoftmaxEncoder(nn.Module):
    """Pixels to features: a convolution at a quarter of the resolution, K = `base` maps, three numbers of each, a linear map.

    The three numbers are the mean column and row, weighted by the softmax of the map over positions, and the map's mean under
    the same weights, which tells whether anything is there.
    """

    columns: Tensor
    rows: Tensor

    def __init__(self, height: int, width: int, channels: int, base: int, features: int) -> None:
        """Sizes in pixels; `base` is the stem's number of channels and K; `features` is the output size.

        Raises:
            ForethoughtError: the image is smaller than 8 x 8.
        """
        super().__init__()
        self.maps = nn.Sequential(
            *stem(height, width, channels, base),
            nn.Conv2d(base, 2 * base, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(2 * base, base, 1),
        ).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        for layer in self.maps:
            if isinstance(layer, nn.Conv2d):
                # PyTorch's own choice shrinks the variance in each layer, and the softmax of small maps is flat.
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        self.temperature = nn.Parameter(torch.full((base, 1), TEMPERATURE))
        with torch.no_grad():
            tall, wide = self.maps(torch.zeros(1, channels, height, width)).shape[2:]
        # Not in the checkpoint: they follow from the sizes. A uniform position has unit variance.
        across, down = (math.sqrt(3) * torch.linspace(-1, 1, number) for number in (wide, tall))
        self.register_buffer("columns", across.repeat(tall), persistent=False)
        self.register_buffer("rows", down.repeat_interleave(wide), persistent=False)
        self.head = nn.Sequential(nn.Linear(3 * base, features), nn.SiLU())

    def forward(self, pixels: Float[Tensor, "B C height width"]) -> Float[Tensor, "B F"]:
        """Normalised pixels, channels first (channels_last in memory), to features [B, features]."""
        maps = self.maps(pixels).flatten(2)
        weights = (maps * self.temperature.exp()).softmax(-1)
        points = [(weights * values).sum(-1) for values in (self.columns, self.rows, maps)]
        features: Tensor = self.head(torch.cat(points, -1))
        return features
