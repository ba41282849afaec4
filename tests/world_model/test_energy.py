"""The energy view: the least of all ways, its soft minimum and limits, blocks from observed rows, and a search for z."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from forethought.config import DataSpec, EncoderConfig, HierarchyConfig, ModelConfig, StreamSettings
from forethought.errors import ForethoughtError
from forethought.states import vector
from forethought.world_model.energy import energies, energy, explanation, free_energy
from forethought.world_model.inference import infer
from forethought.world_model.jepa import JEPALevel
from forethought.world_model.latent import Codes
from forethought.world_model.level import Context, FirstLevel, Level
from forethought.world_model.upper import UpperLevel

B, H, A, D, C = 5, 3, 2, 6, 4
BODY = DataSpec(
    world="toy",
    streams=(StreamSettings(name="proprioception", shape=(3,), mean=(0.0,) * 3, std=(1.0,) * 3),),
    action_kind="continuous", action_size=A, low=(-1.0,) * A, high=(1.0,) * A, block=1,
)  # fmt: skip
KINDS: dict[str, dict[str, dict[str, object]]] = {
    "deterministic": {},
    "codes": {"latent": {"kind": "codes", "num_codes": C, "kl_weight": 0.05}},
    "gaussian": {"latent": {"kind": "gaussian", "kl_weight": 0.05}},
    "sparse": {"latent": {"kind": "sparse", "kl_weight": 0.05}},
    "noisy": {"latent": {"kind": "noisy", "kl_weight": 0.05}},
    "memory": {"predictor": {"kind": "transformer", "context": 3, "heads": 2}},
}


def model(kind: str) -> ModelConfig:
    predictor = {"hidden": 16} | KINDS[kind].get("predictor", {})
    encoder = EncoderConfig(state_dim=D, hidden=16)
    return ModelConfig.model_validate(KINDS[kind] | {"encoder": encoder, "predictor": predictor})


def make(kind: str) -> FirstLevel:
    torch.manual_seed(0)
    return JEPALevel(BODY, model(kind)).requires_grad_(False).eval()


def make_above(kind: str) -> UpperLevel:
    """A level whose states are of size D and whose macro-actions are of size A, as the first one's here."""
    torch.manual_seed(0)
    hierarchy = HierarchyConfig(stride=3, state_dim=D, macro_dim=A, hidden=16)
    return UpperLevel(vector(8), 3, 3, hierarchy, model(kind).latent).requires_grad_(False).eval()


ANY: dict[str, Level] = {name: make(name) for name in KINDS}
ANY |= {f"{name} above": make_above(name) for name in KINDS if name != "memory"}
"""One view of every model, whichever its level and its latent variable."""


def future(past: int = 1) -> tuple[Context, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    states = torch.randn(B, past, D, generator=generator)
    actions = torch.rand(B, past - 1 + H, A, generator=generator) * 2 - 1
    following = torch.randn(B, H, D, generator=generator)
    return Context(states, actions[:, : past - 1]), actions[:, past - 1 :], following


@pytest.mark.parametrize("kind", ANY)
def test_what_the_model_itself_foresees_costs_nothing_and_all_else_more(kind: str) -> None:
    level = ANY[kind]
    past, actions, following = future()
    foreseen = level.rollout(past, actions[:, None])[:, 0]
    price = 0.05 * math.log(C) if isinstance(level.latent, Codes) else 0.0
    assert energy(level, past, actions, foreseen).max() <= price + 1e-6
    assert (energy(level, past, actions, following) > price + 0.01).all()
    for moved in (foreseen + 1.0, foreseen + 2.0):
        assert (energy(level, past, actions, moved) > energy(level, past, actions, moved - 0.5)).all()


def test_each_block_starts_from_the_row_observed_before_it() -> None:
    level = make("deterministic")
    past, actions, following = future()
    rows = torch.cat([past.states, following], 1)
    by_hand = sum((level.predict(rows[:, [t]], actions[:, [t]])[:, 0] - rows[:, t + 1]).square().mean(-1) for t in range(H)) / H
    assert torch.allclose(energy(level, past, actions, following), by_hand, atol=1e-6)


@pytest.mark.parametrize("known", [1, 2, 4])
def test_a_model_with_memory_reads_the_observed_past(known: int) -> None:
    level = make("memory")
    past, actions, following = future(known)
    states, taken = torch.cat([past.states, following], 1), torch.cat([past.actions, actions], 1)
    for block in range(H):
        first, last = max(0, known + block - 3), known + block
        foreseen = level.predict(states[:, first:last], taken[:, first:last])[:, -1]
        error = (foreseen - following[:, block]).square().mean(-1)
        assert torch.allclose(energies(level, past, actions, following)[:, block, 0], error, atol=1e-5)


def test_the_least_is_over_z_and_one_z_is_its_own_error_and_price() -> None:
    level = make("codes")
    past, actions, following = future()
    every = energies(level, past, actions, following)
    assert every.shape == (B, H, C)
    code = torch.randint(C, (B, H), generator=torch.Generator().manual_seed(2))
    z = functional.one_hot(code, C).float()
    one = energy(level, past, actions, following, z)
    rows = torch.cat([past.states, following[:, :-1]], 1)
    assert isinstance(level.latent, Codes)
    foreseen = level.predictor(rows, level.latent.join(actions, z))
    told = level.latent.log_prior(rows, actions).gather(-1, code[..., None])[..., 0]
    assert torch.allclose(one, ((foreseen - following).square().mean(-1) - 0.05 * told).mean(1), atol=1e-5)
    assert (energy(level, past, actions, following) <= one + 1e-6).all()
    assert torch.allclose(
        energy(level, past, actions, following),
        energy(level, past, actions, following, functional.one_hot(every.argmin(-1), C).float()),
    )


def test_a_model_of_one_future_is_not_asked_about_z() -> None:
    past, actions, following = future()
    with pytest.raises(ForethoughtError, match="no latent variable"):
        energy(make("deterministic"), past, actions, following, torch.zeros(B, H, C))


@pytest.mark.parametrize("kind", ["gaussian", "sparse", "noisy"])
def test_there_is_no_sum_over_numbers(kind: str) -> None:
    with pytest.raises(ForethoughtError, match="sums over all z"):
        free_energy(make(kind), *future(), 1.0)


@pytest.mark.parametrize("kind", [kind for kind, level in ANY.items() if level.latent is not None])
def test_the_way_that_a_future_went_is_the_z_of_its_energy(kind: str) -> None:
    given = (ANY[kind], *future())
    z, cost = explanation(*given)
    assert torch.allclose(cost.mean(1), energy(*given), atol=1e-5)
    assert torch.allclose(energy(*given, z), energy(*given), atol=1e-5)
    at_sight, dearer = explanation(*given, amortised=True)
    assert torch.allclose(energy(*given, at_sight), dearer.mean(1), atol=1e-5)
    if isinstance(given[0].latent, Codes):
        assert torch.equal(at_sight, z)
    else:
        assert (dearer > cost + 1e-4).any(), "a search finds more than an untrained encoder tells"
        assert (dearer >= cost - 1e-6).all()


def test_a_model_of_one_future_has_no_ways_to_tell() -> None:
    with pytest.raises(ForethoughtError, match="no latent variable to infer"):
        explanation(make("deterministic"), *future())


@pytest.mark.parametrize("kind", ["codes", "gaussian", "sparse", "noisy"])
def test_every_z_that_is_drawn_can_be_asked_about(kind: str) -> None:
    level, (past, actions, following) = make(kind), future()
    assert level.latent is not None
    rows = torch.cat([past.states, following[:, :-1]], 1)
    for chance in (0.0, 0.5, 0.999):
        drawn = level.latent.draw(rows, actions, torch.full((B, H, level.latent.numbers), chance))
        assert energy(level, past, actions, following, drawn).isfinite().all()
    with pytest.raises(ForethoughtError, match="is not valid"):
        energy(level, past, actions, following, drawn * torch.nan)


@pytest.mark.parametrize("kind", ["deterministic", "codes", "memory", "codes above"])
def test_free_energy_lies_below_the_least_and_reaches_it_in_the_cold(kind: str) -> None:
    level = ANY[kind]
    given = (level, *future())
    least, count = energy(*given), C if isinstance(level.latent, Codes) else 1
    colder = [free_energy(*given, temperature) for temperature in (1.0, 0.1, 0.01, 1e-5)]
    for temperature, found in zip((1.0, 0.1, 0.01, 1e-5), colder, strict=True):
        assert (found <= least + 1e-5).all()
        assert (found >= least - temperature * math.log(count) - 1e-5).all()
    assert all((hot <= cold + 1e-5).all() for hot, cold in itertools.pairwise(colder))
    assert torch.allclose(colder[-1], least, atol=1e-4)
    with pytest.raises(ForethoughtError, match="above 0"):
        free_energy(*given, 0.0)


def test_at_the_price_as_temperature_it_is_the_likelihood_of_a_mixture() -> None:
    level = make("codes")
    past, actions, following = future()
    rows = torch.cat([past.states, following[:, :-1]], 1)
    assert isinstance(level.latent, Codes)
    errors = (level.latent.ways(level.step, rows, actions) - following[:, :, None]).square().mean(-1)
    odds = level.latent.log_prior(rows, actions).exp()
    mixture = -0.05 * (odds * (-errors / 0.05).exp()).sum(-1).log().mean(1)
    assert torch.allclose(free_energy(level, past, actions, following, 0.05), mixture, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_an_episode_does_not_notice_its_neighbours_in_its_energy(kind: str) -> None:
    level = make(kind)
    past, actions, following = future()
    together = energy(level, past, actions, following)
    alone = energy(level, Context(past.states[2:3], past.actions[2:3]), actions[2:3], following[2:3])
    assert torch.allclose(together[2:3], alone, atol=1e-6)


def test_a_continuous_z_is_found_by_gradient() -> None:
    generator = torch.Generator().manual_seed(3)
    centre, start = torch.randn(7, 3, generator=generator), torch.randn(7, 3, generator=generator)

    def bowl(z: Tensor) -> Tensor:
        return 2.0 + ((z - centre).square() * torch.tensor([1.0, 4.0, 0.5])).sum(-1)

    with torch.no_grad():
        z, lowest = infer(bowl, start, steps=300)
    assert torch.allclose(z, centre, atol=0.02)
    assert torch.allclose(lowest, torch.full((7,), 2.0), atol=1e-3)
    assert torch.equal(lowest, bowl(z))
    assert not z.requires_grad
    assert not lowest.requires_grad


def test_each_items_search_is_its_own() -> None:
    generator = torch.Generator().manual_seed(4)
    centre, start = torch.randn(7, 3, generator=generator), torch.randn(7, 3, generator=generator)
    together, _ = infer(lambda z: (z - centre).square().sum(-1), start, steps=30)
    alone, _ = infer(lambda z: (z - centre[2:3]).square().sum(-1), start[2:3], steps=30)
    assert torch.allclose(together[2:3], alone, atol=1e-6)


@pytest.mark.parametrize("begin", [0.0, 0.1])
def test_a_search_that_overshoots_keeps_the_best_it_met(begin: float) -> None:
    start = torch.full((2, 1), begin)
    met: list[Tensor] = []

    def ravine(z: Tensor) -> Tensor:
        met.append((50 * z.detach()).square().squeeze(-1))
        return (50 * z).square().squeeze(-1)

    z, lowest = infer(ravine, start, steps=4, rate=1.0)
    assert torch.equal(lowest, torch.stack(met).amin(0))
    assert torch.equal(lowest, ravine(z))
    assert begin == 0 or met[-2][0] > lowest[0], "the last step is not the best"
