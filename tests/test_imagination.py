"""What may come of it: the most different futures, and how likely each is."""

import pytest
import torch

from forethought.imagination import prospects


def drawn(*values: float) -> torch.Tensor:
    return torch.tensor(values)[:, None, None, None].expand(-1, 1, 2, 3)


def test_two_ways_are_found_with_their_odds() -> None:
    noise = 0.01 * torch.randn(20, 1, 2, 3, generator=torch.Generator().manual_seed(0))
    found = prospects(drawn(*[1.0] * 15, *[-1.0] * 5) + noise, 2)
    assert found.odds[:, 0].tolist() == pytest.approx([0.75, 0.25])
    assert found.states[:, 0].mean((1, 2)).tolist() == pytest.approx([1.0, -1.0], abs=0.05)


def test_a_rare_way_is_shown_rather_than_a_likely_one_twice() -> None:
    found = prospects(drawn(*[0.0] * 31, *[0.1] * 29, 5.0), 2)
    assert found.states[:, 0, 0, 0].tolist() == pytest.approx([0.0, 5.0])
    assert found.odds[1, 0].item() == pytest.approx(1 / 61)


def test_where_all_futures_are_the_same_one_is_certain() -> None:
    found = prospects(drawn(*[2.0] * 6), 3)
    assert found.odds[:, 0].tolist() == [1.0, 0.0, 0.0]
    assert found.states.unique().tolist() == [2.0]


def test_plans_are_looked_at_apart() -> None:
    draws = torch.randn(12, 3, 2, 4, generator=torch.Generator().manual_seed(1))
    every = prospects(draws, 4)
    for plan in range(3):
        alone = prospects(draws[:, [plan]], 4)
        assert torch.equal(every.states[:, plan], alone.states[:, 0])
        assert torch.equal(every.odds[:, plan], alone.odds[:, 0])
