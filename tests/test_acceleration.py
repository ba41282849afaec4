"""Mixed precision keeps statistics in float32; compiled modules are compiled within their context only."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor, nn

from forethought.acceleration import CompiledModules, autocast, in_float32
from forethought.world_model.regularisers import covariance_penalty, info_nce, prediction_contrast, sigreg, variance_hinge

CPU = torch.device("cpu")


def test_only_bfloat16_changes_what_networks_compute_in() -> None:
    layer, rows = nn.Linear(4, 4), torch.randn(3, 4)
    with autocast("bfloat16", CPU):
        assert layer(rows).dtype == torch.bfloat16
    with autocast("float32", CPU):
        assert layer(rows).dtype == torch.float32
    assert layer.weight.dtype == torch.float32


def test_statistics_of_a_batch_are_those_of_float32_within_autocast() -> None:
    states = torch.randn(32, 8, generator=torch.Generator().manual_seed(0))
    clips = states.view(8, 4, 8)
    terms = {
        "variance": partial(variance_hinge, states), "covariance": partial(covariance_penalty, states),
        "infonce": partial(info_nce, states, states.flip(0)), "prediction": partial(prediction_contrast, clips[:, 1:], clips),
        "sigreg": lambda: sigreg(states, torch.Generator().manual_seed(0)),
    }  # fmt: skip
    for name, term in terms.items():
        plain = term()
        with autocast("bfloat16", CPU):
            mixed = term()
        assert mixed.dtype == torch.float32, name
        assert torch.equal(mixed, plain), name
    with autocast("bfloat16", CPU):
        assert (states @ states.T).dtype == torch.bfloat16, "the products of these terms would have 8 bits"


def test_what_comes_in_bfloat16_is_widened() -> None:
    def kinds(values: Tensor, count: int) -> tuple[torch.dtype, int]:
        return values.dtype, count

    with autocast("bfloat16", CPU):
        assert in_float32(kinds)(torch.zeros(2, dtype=torch.bfloat16), 3) == (torch.float32, 3)


def test_modules_are_compiled_within_the_context_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda forward, dynamic: lambda rows: -forward(rows))
    layer, rows = nn.Linear(2, 2), torch.randn(3, 2)
    plain, names = layer(rows), set(layer.state_dict())
    compiled = CompiledModules([layer])
    with compiled.active():
        assert torch.equal(layer(rows), -plain)
    with pytest.raises(RuntimeError), compiled.active():
        layer(torch.randn(3, 5))
    assert torch.equal(layer(rows), plain)
    assert set(layer.state_dict()) == names
