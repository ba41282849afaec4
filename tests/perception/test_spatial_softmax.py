"""The spatial softmax: positions are linear in its features, whatever the weights; and what it can't read."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from forethought.errors import ForethoughtError
from forethought.perception.conv import ConvEncoder
from forethought.perception.spatial_softmax import SpatialSoftmaxEncoder

SIDE, SQUARE = 64, 8


def squares(corners: Tensor) -> Tensor:
    """Pictures [N, 3, 64, 64] of a bright square with its upper left corner at each (row, column)."""
    pictures = torch.zeros(len(corners), 3, SIDE, SIDE)
    for picture, (row, column) in zip(pictures, corners.tolist(), strict=True):
        picture[:, row : row + SQUARE, column : column + SQUARE] = torch.tensor([2.0, -1.0, 1.0])[:, None, None]
    return pictures


def worst_error(encoder: nn.Module) -> float:
    """Pixels that a linear map of the features, fitted to 300 squares, errs on 100 others; the worse of row and column."""
    torch.manual_seed(1)
    corners = torch.randint(4, SIDE - SQUARE - 4, (400, 2))
    with torch.no_grad():
        features = encoder(squares(corners)).double()
    inputs, wanted = torch.cat([features, torch.ones(400, 1).double()], 1), corners.double()
    ridge = 1e-6 * torch.eye(inputs.shape[1]).double()
    weights = torch.linalg.solve(inputs[:300].T @ inputs[:300] + ridge, inputs[:300].T @ wanted[:300])
    return float((inputs[300:] @ weights - wanted[300:]).abs().mean(0).max())


def points_of(seed: int) -> SpatialSoftmaxEncoder:
    torch.manual_seed(seed)
    encoder = SpatialSoftmaxEncoder(SIDE, SIDE, 3, 16, 48)
    encoder.head = nn.Identity()
    return encoder


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_position_of_an_object_is_linear_in_the_features_before_any_training(seed: int) -> None:
    torch.manual_seed(seed)
    flattened = worst_error(ConvEncoder(SIDE, SIDE, 3, 16, 48))
    assert worst_error(points_of(seed)) < min(2.0, 0.5 * flattened)


def test_points_move_with_the_object() -> None:
    encoder = points_of(0)
    with torch.no_grad():
        encoder.temperature.fill_(4.0)
        columns, rows, _ = encoder(squares(torch.tensor([[20, 12], [20, 28], [36, 12]]))).chunk(3, -1)
    cells = (columns[1] - columns[0]) / (encoder.columns[1] - encoder.columns[0])
    follows = (cells - 4).abs() < 0.5
    assert follows.any(), "some maps are strongest at the square: 16 px to the right are four cells"
    assert torch.allclose(rows[0, follows], rows[1, follows], atol=0.1), "and their rows stay"
    assert ((rows[2] - rows[0])[follows] > 0).all()


@pytest.mark.parametrize("side", [16, 64])
def test_sizes_and_gradients(side: int) -> None:
    encoder = SpatialSoftmaxEncoder(side, 2 * side, 3, 8, 20)
    features = encoder(torch.randn(4, 3, side, 2 * side))
    assert features.shape == (4, 20)
    torch.autograd.backward(features.square().sum())
    assert all(weights.grad is not None and bool(weights.grad.any()) for weights in encoder.parameters())


def test_a_picture_too_small_for_it_is_refused_in_one_sentence() -> None:
    with pytest.raises(ForethoughtError, match="6 x 64 pixels are too small"):
        SpatialSoftmaxEncoder(6, 64, 3, 8, 20)
