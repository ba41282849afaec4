"""A level above the first: what it sees, what a macro-action stands for, how far it imagines."""

from __future__ import annotations

import pytest
import torch

from forethought.config import (
    CodesConfig,
    ContinuousLatentConfig,
    HierarchyConfig,
    LatentConfig,
    NoLatentConfig,
    PredictorConfig,
)
from forethought.layers import mlp
from forethought.states import vector
from forethought.world_model import check_world_model
from forethought.world_model.level import Context
from forethought.world_model.predictors import make_predictor
from forethought.world_model.upper import MacroEncoder, UpperLevel

BELOW, A, SMALL = 16, 6, HierarchyConfig(stride=3, state_dim=10, macro_dim=4, hidden=32)


LATENTS: dict[str, LatentConfig] = {
    "certain": NoLatentConfig(),
    "codes": CodesConfig(num_codes=3),
    "gaussian": ContinuousLatentConfig(kind="gaussian", dim=2),
    "sparse": ContinuousLatentConfig(kind="sparse"),
    "noisy": ContinuousLatentConfig(kind="noisy"),
}


def level(latent: LatentConfig | None = None, **changes: object) -> UpperLevel:
    torch.manual_seed(0)
    return UpperLevel(vector(BELOW), A, SMALL.stride, SMALL.model_copy(update=changes), latent or NoLatentConfig())


@pytest.mark.parametrize("latent", LATENTS)
def test_it_keeps_the_promises_of_every_world_model(latent: str) -> None:
    check_world_model(level(LATENTS[latent]), state_dim=10, action_dim=4)


@pytest.mark.parametrize("latent", list(LATENTS)[1:])
def test_chance_decides_how_it_goes_on(latent: str) -> None:
    upper, generator = level(LATENTS[latent]), torch.Generator().manual_seed(1)
    assert upper.latent is not None
    states, macros = torch.randn(3, 1, 10, generator=generator), torch.randn(3, 6, 2, 4, generator=generator)
    past, chance = Context(states, macros[:, 0, :0]), torch.rand(3, 6, 2, upper.latent.numbers, generator=generator)
    found = upper.rollout(past, macros, chance)
    assert torch.equal(found, upper.rollout(past, macros, chance))
    assert (found - upper.rollout(past, macros)).abs().amax() > 1e-3
    one = upper.rollout(past, macros, chance[:, :1])
    assert torch.allclose(one[:, 0], found[:, 0], atol=1e-5), "candidates may share their chance"


def test_a_level_without_a_latent_is_what_it_always_was() -> None:
    """The same weights under the same names from the same random stream: runs that are on disk can be loaded and repeated."""
    upper, after = level(), torch.rand(1)
    torch.manual_seed(0)
    parts = {
        "encoder": mlp(BELOW, 32, 10),
        "macros": MacroEncoder(A, 3, 4, 32),
        "predictor": make_predictor(10, 4, PredictorConfig(hidden=32, depth=2)),
    }
    assert torch.equal(torch.rand(1), after)
    expected = {f"{part}.{name}": value for part, module in parts.items() for name, value in module.state_dict().items()}
    found = upper.state_dict()
    assert set(found) == set(expected) | {"low", "high", "scale.mean", "scale.matrix"}
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_a_macro_stands_for_a_stride_of_actions_in_their_order() -> None:
    actions = torch.randn(5, 12, A)
    macros = level().summarise(actions)
    assert macros.shape == (5, 4, 4)
    assert torch.allclose(level().summarise(actions[:, 3:6]), macros[:, 1:2], atol=1e-6), "each of its own stride alone"
    swapped = actions[:, [1, 0, 2]]
    assert (level().summarise(swapped) - macros[:, :1]).abs().max() > 1e-3


def test_a_shared_latent_is_the_state_below() -> None:
    states = torch.randn(7, BELOW)
    shared = level(encoder="shared")
    assert shared.encode(states) is states
    assert shared.state_dim == BELOW
    imagined = shared.rollout(Context(states[:, None], states.new_zeros(7, 0, 4)), torch.randn(7, 2, 3, 4))
    assert imagined.shape == (7, 2, 3, BELOW)


def test_untrained_states_are_scaled_whatever_comes_in() -> None:
    below = 100 + torch.randn(512, BELOW) * torch.logspace(-2, 2, BELOW)
    upper = level()
    upper.start_at_unit_scale(below)
    states = upper.encode(below)
    assert torch.allclose(states.mean(0), torch.zeros(10), atol=1e-3)
    assert torch.allclose(states.std(0), torch.ones(10), atol=1e-2)
    uncertain = level(CodesConfig(num_codes=3))
    uncertain.start_at_unit_scale(below)
    assert uncertain.latent is not None
    assert torch.equal(uncertain.latent.scale.matrix, uncertain.predictor.scale.matrix)


def test_bounds_hold_nearly_all_training_macros() -> None:
    macros = torch.randn(2000, 4) * torch.tensor([1.0, 2.0, 3.0, 4.0])
    upper = level()
    upper.fit_bounds(macros)
    within = ((macros >= upper.low) & (macros <= upper.high)).float().mean(0)
    assert within.tolist() == pytest.approx([0.96] * 4, abs=0.005)
