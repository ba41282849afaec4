"""Predictors: the MLP reads one row, the transformer reads the past, neither reads the future."""

from __future__ import annotations

import pytest
import torch

from forethought.config import PredictorConfig
from forethought.world_model.predictors import CausalTransformer, ResidualMLP, make_predictor

D, A, T = 6, 3, 4


def make(kind: str, context: int = T) -> ResidualMLP | CausalTransformer:
    torch.manual_seed(0)
    settings = PredictorConfig.model_validate({"kind": kind, "hidden": 16, "depth": 2, "heads": 2, "context": context})
    return make_predictor(D, A, settings)


def rows(*lead: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(*lead, T, D, generator=generator), torch.randn(*lead, T, A, generator=generator)


@pytest.mark.parametrize("kind", ["mlp", "transformer"])
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


def test_the_transformer_reads_the_past_and_the_mlp_does_not() -> None:
    states, actions = rows(2)
    changed = states.clone()
    changed[:, 0] += torch.randn(2, D)
    for kind, reads in (("mlp", False), ("transformer", True)):
        predictor = make(kind)
        difference = (predictor(changed, actions) - predictor(states, actions))[:, 1:].abs().max()
        assert bool(difference > 1e-4) is reads, kind
    mlp = make("mlp")
    assert torch.allclose(mlp(states, actions)[:, 2:3], mlp(states[:, 2:3], actions[:, 2:3]), atol=1e-6)


@pytest.mark.parametrize("kind", ["mlp", "transformer"])
def test_any_leading_axes_and_independent_rows_of_the_batch(kind: str) -> None:
    predictor, (states, actions) = make(kind), rows(2, 3)
    out = predictor(states, actions)
    assert out.shape == (2, 3, T, D)
    assert torch.allclose(predictor(states[1, 2], actions[1, 2]), out[1, 2], atol=1e-5)


@pytest.mark.parametrize("kind", ["mlp", "transformer"])
def test_it_predicts_a_change(kind: str) -> None:
    """s' = s + f(s, a): with the last layer at zero, nothing changes."""
    predictor, (states, actions) = make(kind), rows(2)
    assert not torch.allclose(predictor(states, actions), states, atol=1e-3)
    last = predictor.change[-1]
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
