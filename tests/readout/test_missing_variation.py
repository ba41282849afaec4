"""Lost variation: two dots and an encoder that sees one, both or none; noise; and what must not change the answer."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from forethought.config import StreamSettings
from forethought.readout.lasting_variation import around_mean, lasting, neighbourhoods, paired_t
from forethought.readout.missing_variation import StreamVariation, missing_variation
from forethought.readout.paired_readout import fit_paired_readout

EPISODES, ROWS, SIDE, STEPS = 60, 16, 32, 150
IMAGE = StreamSettings(name="pixels", kind="image", shape=(SIDE, SIDE, 1), mean=(0.0,), std=(1.0,))
VECTOR = StreamSettings(name="numbers", shape=(3,), mean=(0.0,) * 3, std=(1.0,) * 3)


def walks(generator: torch.Generator, values: int) -> Tensor:
    """Numbers [B, T, V] in 0..1 that drift within an episode."""
    steps = 0.12 * torch.randn(EPISODES, ROWS, values, generator=generator)
    return torch.sin(2 * torch.pi * (torch.rand(EPISODES, 1, values, generator=generator) + steps.cumsum(1))) / 2 + 0.5


def dots(positions: Tensor) -> Tensor:
    """Images [B, T, SIDE, SIDE, 1] with a dot that moves up and down at the left and one at the right; positions [B, T, 2]."""
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    pictures = torch.zeros(*positions.shape[:2], SIDE, SIDE)
    for column, position in zip((8, 24), positions.unbind(-1), strict=True):
        height = (4 + 24 * position)[..., None, None]
        pictures += torch.exp(-((y - height).square() + (x - column).square()) / 8)
    return 255 * pictures[..., None]


def compare(streams: tuple[StreamSettings, ...], states: Tensor, observation: dict[str, Tensor]) -> tuple[StreamVariation, ...]:
    """Fit on the first half of the episodes, test on the others; states [2, B, T, D]."""
    half = EPISODES // 2
    fit = states[:, :half].flatten(1, 2), {name: values[:half].flatten(0, 1) for name, values in observation.items()}
    return missing_variation(streams, fit, (states[:, half:], {name: v[half:] for name, v in observation.items()}), STEPS)


def with_untrained(states: Tensor, observation: Tensor) -> Tensor:
    """The states, and random features of the observation, [2, B, T, D]."""
    flat = observation.flatten(2).float()
    weights = torch.randn(flat.shape[-1], states.shape[-1], generator=torch.Generator().manual_seed(9))
    return torch.stack([states, torch.tanh((flat - flat.mean((0, 1))) @ weights / flat.std() / 30)])


def spread_out(values: Tensor, dim: int = 16) -> Tensor:
    """A smooth code [B, T, dim] of numbers in 0..1."""
    generator = torch.Generator().manual_seed(5)
    weights = torch.randn(values.shape[-1], dim, generator=generator) * 4
    return torch.sin(values @ weights + 6 * torch.rand(dim, generator=generator))


@pytest.fixture(scope="module")
def positions() -> Tensor:
    return walks(torch.Generator().manual_seed(0), 2)


@pytest.mark.parametrize("seen", [0, 1])
def test_a_dot_that_the_state_does_not_hold_rings_and_the_map_lies_on_it(positions: Tensor, seen: int) -> None:
    """The dots live in different halves of the image, so a map on the wrong one is told apart."""
    pictures = dots(positions)
    states = with_untrained(spread_out(positions[..., [seen]]), pictures)
    (found,) = compare((IMAGE,), states, {"pixels": pictures})
    assert found.lost.any()
    columns = torch.nonzero(found.lost.view(8, 8))[:, 1]
    assert bool((columns >= 4).all() if seen == 0 else (columns < 4).all())
    trained, untrained = found.shares(found.lost)
    assert trained > 0.7
    assert untrained < 0.3


def test_a_state_that_holds_both_dots_is_silent(positions: Tensor) -> None:
    pictures = dots(positions)
    (found,) = compare((IMAGE,), with_untrained(spread_out(positions), pictures), {"pixels": pictures})
    assert not found.lost.any()


@pytest.mark.parametrize("what", ["all pixels", "one pixel"])
def test_noise_is_silent_though_random_features_tell_it(positions: Tensor, what: str) -> None:
    """The state holds the dots and none of the noise."""
    generator = torch.Generator().manual_seed(3)
    pictures = dots(positions)
    if what == "one pixel":
        pictures[:, :, 20, 16, 0] = 255.0 * torch.randint(0, 2, (EPISODES, ROWS), generator=generator)
        states = with_untrained(spread_out(positions), pictures)
    else:
        pictures = 128 + 40 * torch.randn(pictures.shape, generator=generator)
        states = with_untrained(torch.randn(EPISODES, ROWS, 16, generator=generator), pictures)
    (found,) = compare((IMAGE,), states, {"pixels": pictures})
    assert not found.lost.any()


def test_of_a_vector_the_lost_number_is_named_and_noise_is_not(positions: Tensor) -> None:
    """Number 0 is in the state, number 1 is not, number 2 is noise; an image beside it is whole."""
    noise = torch.randn(EPISODES, ROWS, 1, generator=torch.Generator().manual_seed(1))
    numbers, pictures = torch.cat([positions, noise], -1), dots(positions[..., [0, 0]])
    states = with_untrained(spread_out(positions[..., [0]]), numbers)
    vector, image = compare((VECTOR, IMAGE), states, {"numbers": numbers, "pixels": pictures})
    assert vector.lost.tolist() == [False, True, False]
    assert (vector.grid, image.grid) == (None, (8, 8))
    assert not image.lost.any()


def test_neither_the_order_of_episodes_nor_the_unit_matters(positions: Tensor) -> None:
    pictures = dots(positions)
    states = with_untrained(spread_out(positions[..., [0]]), pictures)
    order = torch.cat([torch.arange(EPISODES // 2), EPISODES // 2 + torch.randperm(EPISODES // 2)])
    (plain,), (other,) = (
        compare((IMAGE,), states, {"pixels": pictures}),
        compare((IMAGE,), 100 * states[:, order] + 7, {"pixels": 0.01 * pictures[order]}),
    )
    assert torch.equal(plain.lost, other.lost)
    assert plain.shares() == pytest.approx(other.shares(), abs=0.02)


def test_equal_encodings_give_equal_readouts_that_leave_the_global_generator_alone(positions: Tensor) -> None:
    states = spread_out(positions).flatten(0, 1).expand(2, -1, -1)
    before = torch.get_rng_state()
    readout = fit_paired_readout(states, positions.flatten(0, 1), 20)
    assert torch.equal(before, torch.get_rng_state())
    trained, untrained = readout(states)
    assert torch.allclose(trained, untrained, atol=1e-5)


def test_the_products_of_noise_vanish_and_those_of_a_drift_do_not(positions: Tensor) -> None:
    noise = torch.randn(4000, 20, 1, generator=torch.Generator().manual_seed(0))
    share = lasting(around_mean(noise)).sum() / around_mean(noise).square().sum()
    assert abs(float(share)) < 0.06  # -1 / T by the episode's mean
    assert float(lasting(around_mean(positions)).sum() / around_mean(positions).square().sum()) > 0.3


def test_the_maximum_over_groups_rarely_passes_its_threshold_by_chance() -> None:
    """Groups of one sign; 200 sets of pure noise pass in about 1 % of cases, and a shifted group always."""
    generator, passed = torch.Generator().manual_seed(0), 0
    for _ in range(200):
        values = torch.randn(30, 20, generator=generator)
        t, threshold = paired_t(values)
        passed += int(bool((t > threshold).any()))
        values[:, 3] += 2
        t, threshold = paired_t(values)
        assert t.argmax() == 3
        assert t[3] > threshold
    assert passed <= 8
    assert paired_t(torch.zeros(10, 2))[0].tolist() == [0, 0]


def test_neighbourhoods_stop_at_the_edge() -> None:
    near = neighbourhoods(3, 4)
    assert near.sum(0).view(3, 4)[0, 0] == 4
    assert near.sum(0).view(3, 4)[1, 1] == 9
    assert torch.equal(near, near.T)
