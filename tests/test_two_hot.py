"""Numbers as distributions over bins: exact where all weight is beside the number, at any size."""

from __future__ import annotations

import pytest
import torch

from forethought.two_hot import TwoHot, symexp, symlog


def test_symlog_and_symexp_undo_each_other() -> None:
    """For both signs and all sizes."""
    values = torch.tensor([-20000.0, -1.0, -1e-3, 0.0, 0.5, 300.0])
    assert torch.allclose(symexp(symlog(values)), values, rtol=1e-4)


@pytest.mark.parametrize("value", [-5000.0, -3.0, 0.0, 0.37, 88.0])
def test_the_logits_of_least_loss_read_as_the_number_in_symlog(value: float) -> None:
    """Trained to a number, the distribution has its mean there, in symlog."""
    two_hot = TwoHot(65)
    logits = torch.zeros(65, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.3)
    for _ in range(300):
        optimizer.zero_grad()
        two_hot.loss(logits, torch.tensor(value)).backward()
        optimizer.step()
    assert float(symlog(two_hot.decode(logits.detach()))) == pytest.approx(float(symlog(torch.tensor(value))), abs=0.02)


def test_equal_logits_read_as_zero() -> None:
    """A new head predicts no reward."""
    assert float(TwoHot(65).decode(torch.zeros(65))) == pytest.approx(0.0, abs=1e-3)


def test_what_is_too_large_counts_as_the_largest() -> None:
    """The loss stays finite."""
    two_hot = TwoHot(9)
    assert torch.isfinite(two_hot.loss(torch.zeros(2, 9), torch.tensor([1e30, -1e30]))).all()
