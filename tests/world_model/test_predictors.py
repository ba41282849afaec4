"""Predictors: the MLP reads one row, the window and the transformer read the past, none reads the future."""

from __future__ import annotations

import pytest
import torch

from forethought.config import PredictorConfig
from forethought.world_model.predictors import Predictor, make_predictor

D, A, T = 6, 3, 4


def make(kind: str, context: int = T) -> Predictor:
    torch.manual_seed(0)
    settings = PredictorConfig.model_validate({"kind": kind, "hidden": 16, "depth": 2, "heads": 2, "context": context})
    return make_predictor(D, A, settings)


def rows(*lead: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(*lead, T, D, generator=generator), torch.randn(*lead, T, A, generator=generator)


@pytest.mark.parametrize("kind", ["mlp", "window", "transformer"])
@pytest.mark.parametrize("what", [0, 1])
def test_no_row_sees_the_future_and_each_sees_itself(kind: str, what: int) -> None:
    predictor, given = make(kind), rows(2)
    before = predictor(*given)
    for late in range(T):
        changed = [values.clone() for values in given]
        changed[what][:, late] += torch.randn(2, changed[what].shape[-1])
        after = predictor(*changed)
        assert torch.allclose(after[:, :late], before[:, :late], atol=1e-6)
        assert (after[:, late] - before[:, late]).abs().max() > 1e-3


def test_who_reads_the_past() -> None:
    states, actions = rows(2)
    changed = states.clone()
    changed[:, 0] += torch.randn(2, D)
    for kind, reads in (("mlp", False), ("window", True), ("transformer", True)):
        predictor = make(kind)
        difference = (predictor(changed, actions) - predictor(states, actions))[:, 1:].abs().max()
        assert bool(difference > 1e-4) is reads, kind
    mlp = make("mlp")
    assert torch.allclose(mlp(states, actions)[:, 2:3], mlp(states[:, 2:3], actions[:, 2:3]), atol=1e-6)


@pytest.mark.parametrize("kind", ["mlp", "window", "transformer"])
def test_any_leading_axes_and_independent_rows_of_the_batch(kind: str) -> None:
    predictor, (states, actions) = make(kind), rows(2, 3)
    out = predictor(states, actions)
    assert out.shape == (2, 3, T, D)
    assert torch.allclose(predictor(states[1, 2], actions[1, 2]), out[1, 2], atol=1e-5)


@pytest.mark.parametrize("kind", ["mlp", "window", "transformer"])
def test_it_predicts_a_change(kind: str) -> None:
    """s' = s + f(s, a): with the last layer at zero, nothing changes."""
    predictor, (states, actions) = make(kind), rows(2)
    assert not torch.allclose(predictor(states, actions), states, atol=1e-3)
    last = predictor.change[-1]  # of each built-in kind
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.zeros_(last.bias)
    assert torch.equal(predictor(states, actions), states)


@pytest.mark.parametrize("context", [1, 2])
def test_a_transformer_is_never_given_more_rows_than_its_context(context: int) -> None:
    """Its positions would be broadcast over the extra rows when the context is one row."""
    predictor, (states, actions) = make("transformer", context=context), rows(2)
    assert predictor(states[:, :context], actions[:, :context]).shape == (2, context, D)
    with pytest.raises(AssertionError, match="context"):
        predictor(states, actions)


@pytest.mark.parametrize("kind", ["mlp", "window", "transformer"])
@pytest.mark.parametrize("count", range(1, T + 1))
def test_the_last_row_alone_is_the_last_of_all(kind: str, count: int) -> None:
    predictor, (states, actions) = make(kind), rows(2, 3)
    states, actions = states[..., :count, :], actions[..., :count, :]
    assert torch.allclose(predictor.last(states, actions), predictor(states, actions)[..., -1:, :], atol=1e-6)


def test_a_window_tells_a_row_of_zeros_from_none() -> None:
    predictor, states, actions = make("window"), torch.zeros(1, 2, D), torch.zeros(1, 2, A)
    assert not torch.allclose(predictor.last(states, actions), predictor.last(states[:, 1:], actions[:, 1:]), atol=1e-4)


def test_a_window_reads_as_many_rows_as_its_context() -> None:
    predictor, (states, actions) = make("window", context=2), rows(2)
    changed = states.clone()
    changed[:, 0] += torch.randn(2, D)
    difference = (predictor(changed, actions) - predictor(states, actions)).abs().amax((0, 2))
    assert (difference > 1e-4).tolist() == [True, True, False, False]
