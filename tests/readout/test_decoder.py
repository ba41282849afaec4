from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from forethought.errors import ForethoughtError, NonFiniteError
from forethought.readout.decoder import PixelDecoder, decode, train_decoder

SIDE = 16


def spots(count: int, seed: int = 0) -> tuple[torch.Tensor, np.ndarray]:
    """A bright spot of about nine pixels at a place that the state tells."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(3, SIDE - 3, (count, 2))
    ys, xs = np.mgrid[:SIDE, :SIDE] + 0.5
    cover = np.clip(2.2 - np.hypot(xs - places[:, :1, None], ys - places[:, 1:, None]), 0, 1)[..., None]
    frames = (40 * (1 - cover) + np.array([220, 180, 60]) * cover).astype(np.uint8)
    states = np.concatenate([places / 8 - 1, np.sin(places / 5)], 1)
    return torch.from_numpy(states.astype(np.float32)), frames


def test_it_learns_where_a_small_spot_is() -> None:
    states, frames = spots(2000)
    decoder = train_decoder(states, frames, steps=300, seed=0)
    unseen, real = spots(64, seed=1)
    spot = real > 60
    error = np.abs(decode(decoder, unseen).astype(float) - real)
    average = np.abs(frames.mean(0) - real)
    assert error[spot].mean() < 0.3 * average[spot].mean()
    assert error.mean() < 0.75 * average.mean()
    brightest = decode(decoder, unseen)[..., 0].reshape(64, -1).argmax(1)
    true = real[..., 0].reshape(64, -1).argmax(1)
    distance = np.hypot(brightest % SIDE - true % SIDE, brightest // SIDE - true // SIDE)
    assert np.median(distance) < 1.5


def test_no_gradient_reaches_an_encoder() -> None:
    states, frames = spots(32)
    encoder = nn.Linear(4, 4)
    with pytest.raises(AssertionError, match="detached"):
        train_decoder(encoder(states), frames, steps=2)
    decoder = train_decoder(encoder(states).detach(), frames, steps=2)
    with pytest.raises(AssertionError, match="detached"):
        decoder(encoder(states))
    assert encoder.weight.grad is None
    assert not any(parameter.requires_grad for parameter in decoder.parameters())


def test_the_seed_decides_and_the_global_stream_is_left_alone() -> None:
    states, frames = spots(64)
    before = torch.get_rng_state()
    one, same, other = (train_decoder(states, frames, steps=3, seed=seed) for seed in (5, 5, 6))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one(states), same(states))
    assert not torch.equal(one(states), other(states))


def test_shapes_and_batch_invariance() -> None:
    decoder = PixelDecoder(4, (16, 24, 3)).eval()
    states = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    assert decoder(states).shape == (2, 3, 16, 24, 3)
    assert decode(decoder, states).shape == (2, 3, 16, 24, 3)
    assert decode(decoder, states).dtype == np.uint8
    np.testing.assert_array_equal(decode(decoder, states, batch=1), decode(decoder, states))


def test_cells_are_laid_out_as_in_the_picture() -> None:
    decoder = PixelDecoder(4, (16, 24, 3))
    cells = torch.arange(2 * 3 * 4 * 5.0).reshape(1, 2, 3, 20)
    from forethought.readout.decoder import _unfold

    laid = _unfold(cells, 2)
    assert laid.shape == (1, 4, 6, 5)
    assert torch.equal(laid[0, 3, 4], cells[0, 1, 2].reshape(2, 2, 5)[1, 0])
    assert (decoder.rows, decoder.columns) == (2, 3)


def test_an_untrained_average_is_what_a_constant_world_shows() -> None:
    frames = np.full((10, 8, 8, 3), 99, np.uint8)
    decoder = train_decoder(torch.zeros(10, 3), frames, steps=50)
    assert np.abs(decode(decoder, torch.zeros(1, 3)).astype(int) - 99).max() <= 6


@pytest.mark.parametrize(("height", "breadth"), [(84, 84), (13, 30), (5, 8)])
def test_any_size_is_drawn(height: int, breadth: int) -> None:
    frames = np.full((6, height, breadth, 3), 40, np.uint8)
    frames[:, height // 2 :] = 200
    drawn = decode(train_decoder(torch.zeros(6, 3), frames, steps=60), torch.zeros(2, 3))
    assert drawn.shape == (2, height, breadth, 3)
    assert np.abs(drawn[0].astype(int) - frames[0]).mean() <= 10


def test_bad_input_is_told_in_a_sentence() -> None:
    states, frames = spots(8)
    with pytest.raises(ForethoughtError, match="same M"):
        train_decoder(states, frames[:-1])
    states[0, 0] = float("nan")
    with pytest.raises(NonFiniteError, match="NaN"):
        train_decoder(states, frames)
