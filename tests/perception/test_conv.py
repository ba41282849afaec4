"""The convolutional encoder: sizes, the path from each pixel, and where things are."""

from __future__ import annotations

import pytest
import torch

from forethought.errors import ForethoughtError
from forethought.perception.conv import ConvEncoder


@pytest.mark.parametrize(("height", "width"), [(64, 64), (32, 64), (96, 48)])
def test_any_picture_size_becomes_features(height: int, width: int) -> None:
    encoder = ConvEncoder(height, width, 3, 4, 10)
    assert encoder(torch.rand(2, 3, height, width)).shape == (2, 10)


def test_pictures_that_are_too_small_are_refused() -> None:
    assert ConvEncoder(8, 8, 3, 4, 10)(torch.rand(2, 3, 8, 8)).shape == (2, 10)
    with pytest.raises(ForethoughtError, match="6 x 64 pixels are too small .*8 x 8"):
        ConvEncoder(6, 64, 3, 4, 10)


def test_every_part_of_the_picture_is_seen() -> None:
    torch.manual_seed(0)
    encoder = ConvEncoder(64, 64, 3, 8, 32)
    pixels = torch.rand(1, 3, 64, 64, requires_grad=True)
    encoder(pixels).square().sum().backward()
    assert pixels.grad is not None
    seen = torch.nn.functional.max_pool2d(pixels.grad.abs().sum(1, keepdim=True), 8)
    assert (seen > 0).all()


def test_position_is_kept() -> None:
    """The same dot in two places gives different features: the grid is not pooled away."""
    torch.manual_seed(0)
    encoder = ConvEncoder(64, 64, 1, 8, 32)
    pixels = torch.zeros(3, 1, 64, 64)
    pixels[0, :, 16:20, 16:20] = pixels[1, :, 48:52, 32:36] = 5.0
    first, second, nothing = encoder(pixels)
    assert (first - second).norm() > 0.5 * (first - nothing).norm()
