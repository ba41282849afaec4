"""A latent variable of few numbers: what each limit lets through, and that what is drawn is what happens."""

import pytest
import torch

from forethought.config import CodesConfig, ContinuousLatentConfig, NoLatentConfig
from forethought.world_model.continuous import FREE, NOISE, ContinuousLatent, make_latent
from forethought.world_model.latent import Codes, Predict

D, A, Z = 4, 2, 2
KINDS = ["gaussian", "sparse", "noisy"]


def numbers(kind: str, price: float = 0.001) -> ContinuousLatent:
    torch.manual_seed(0)
    return ContinuousLatent(D, A, ContinuousLatentConfig(kind=kind, dim=Z, kl_weight=price), 32)


def test_the_settings_name_the_kind_and_none_is_no_latent_variable() -> None:
    assert make_latent(D, A, NoLatentConfig(), 32) is None
    assert isinstance(make_latent(D, A, CodesConfig(num_codes=2), 32), Codes)
    for kind in KINDS:
        made = make_latent(D, A, ContinuousLatentConfig(kind=kind, dim=3), 32)
        assert isinstance(made, ContinuousLatent)
        assert (made.size, made.numbers) == (3, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_draws_are_the_priors(kind: str) -> None:
    latent, generator = numbers(kind).requires_grad_(False), torch.Generator().manual_seed(1)
    states, actions = torch.randn(1, D, generator=generator), torch.randn(1, A, generator=generator)
    prior = latent.prior(states, actions)
    drawn = latent.draw(states.expand(20000, -1), actions.expand(20000, -1), torch.rand(20000, Z, generator=generator))
    assert torch.allclose(drawn.mean(0), prior.mean[0], atol=0.05)
    assert torch.allclose(drawn.std(0), prior.stddev[0], rtol=0.05)
    assert torch.equal(latent.draw(states, actions, None), prior.mean)
    same = latent.draw(states.expand(3, -1), actions.expand(3, -1), torch.full((3, Z), 0.3))
    assert torch.allclose(same[0], same[2])


@pytest.mark.parametrize("kind", KINDS)
def test_who_trusts_the_odds_less_draws_from_a_power_of_their_density(kind: str) -> None:
    latent, states, actions = numbers(kind).requires_grad_(False), torch.zeros(1, D), torch.zeros(1, A)
    prior, chance = latent.prior(states, actions), torch.linspace(0.01, 0.99, 50)[:, None].expand(-1, Z)
    drawn = latent.draw(states.expand(50, -1), actions.expand(50, -1), chance, prior_exponent=0.25)
    wider = type(prior)(prior.loc, prior.scale * (4.0 if kind == "sparse" else 2.0))
    assert torch.allclose(wider.cdf(drawn), chance, atol=1e-4)
    gap = 0.25 * prior.log_prob(drawn) - wider.log_prob(drawn)
    assert torch.allclose(gap, gap[:1].expand_as(gap), atol=1e-4), "the same density, but for a constant"


@pytest.mark.parametrize("kind", KINDS)
def test_extreme_chances_are_finite(kind: str) -> None:
    latent = numbers(kind).requires_grad_(False)
    for chance in (0.0, 1.0 - 2**-24):
        assert latent.draw(torch.zeros(1, D), torch.zeros(1, A), torch.full((1, Z), chance)).isfinite().all()


def test_noise_holds_few_bits_whatever_is_told() -> None:
    """Z numbers within [-1, 1] through noise of deviation s hold at most Z / 2 log2(1 + 1 / s^2) bits (Shannon 1948)."""
    latent = numbers("noisy").requires_grad_(False)
    loud = latent.posterior(100 * torch.randn(64, D), torch.randn(64, A), 100 * torch.randn(64, D))
    assert loud.mean.abs().max() <= 1
    assert torch.equal(loud.stddev, torch.full((64, Z), NOISE["noisy"]))


def test_telling_less_than_the_free_nats_costs_nothing() -> None:
    latent = numbers("gaussian", price=1.0)
    with torch.no_grad():
        for head in (latent.encoder[-1], latent.prior_head[-1]):
            head.weight.zero_()
            head.bias.zero_()
    found = latent.explain(lambda s, a, z: s + 0 * z.sum(), torch.randn(8, D), torch.randn(8, A), torch.randn(8, D))
    assert found.told.abs().max() < 1e-5
    found.loss.backward()
    assert latent.encoder[-1].bias.grad is None or latent.encoder[-1].bias.grad.abs().max() == 0
    assert found.loss.item() == pytest.approx(
        -latent.prior(torch.zeros(1, D), torch.zeros(1, A)).log_prob(found.z[:1]).sum().item() + Z * FREE
    )


@pytest.mark.parametrize("kind", KINDS)
def test_an_outcome_does_not_learn_to_be_easily_told(kind: str) -> None:
    """What makes states learns from the prediction; the price of telling them apart would draw all outcomes together."""
    states, actions, following = torch.randn(8, D), torch.randn(8, A), torch.randn(8, D, requires_grad=True)
    found = numbers(kind, price=1.0).explain(lambda s, a, z: s + z.mean(-1, keepdim=True), states, actions, following)
    (found.loss + found.following.sum()).backward()
    assert following.grad is None


def coins(latent: ContinuousLatent, steps: int = 400) -> tuple[Predict, torch.Generator]:
    """Teach what follows a coin, +1 or -1 in all of D: what it has learned to foresee, and the stream it learned with."""
    head = torch.nn.Sequential(torch.nn.Linear(D + latent.size, 32), torch.nn.SiLU(), torch.nn.Linear(32, D))
    generator = torch.Generator().manual_seed(0)

    def predict(states: torch.Tensor, actions: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        following: torch.Tensor = head(torch.cat([states, z], -1))
        return following

    optimiser = torch.optim.Adam([*latent.parameters(), *head.parameters()], 3e-3)
    for _ in range(steps):
        states, actions, following = thrown(256, generator)
        found = latent.explain(predict, states, actions, following, generator=generator)
        loss = (found.following - following).square().mean() + found.loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return predict, generator


def thrown(count: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    states = torch.randn(count, D, generator=generator)
    sides = torch.randint(2, (count, 1), generator=generator).float() * 2 - 1
    return states, torch.zeros(count, A), sides.expand(-1, D)


@pytest.mark.parametrize("kind", KINDS)
def test_a_coin_is_told_learned_and_drawn(kind: str) -> None:
    """The outcome is +1 or -1 by a coin: the prior's draws lead to either, and the mean of the two to neither."""
    latent = numbers(kind, price=0.03)
    predict, generator = coins(latent)
    with torch.no_grad():
        states, actions = torch.randn(512, 1, D, generator=generator).expand(-1, 8, -1), torch.zeros(512, 8, A)
        drawn = predict(states, actions, latent.draw(states, actions, torch.rand(512, 8, Z, generator=generator))).mean(-1)
        found = latent.explain(predict, *thrown(512, generator), generator=generator)
    assert 0.3 < (drawn > 0).float().mean().item() < 0.7
    for side in (-1, 1):
        assert ((drawn - side).abs().amin(1) < 0.5).float().mean() > 0.6
    happened, never = (
        latent.energies(predict, states[:, 0], actions[:, 0], torch.full((512, D), end)).mean() for end in (1.0, 3.0)
    )
    assert 0.3 < found.bits.mean().item() < 8
    # A price is what holds numbers back that may be as large as they like; noise, that they may not.
    assert never > (1.0 if kind == "noisy" else 2 * happened), "no z may make up an outcome that never was"


def test_sparse_numbers_stay_still_but_for_the_one_that_is_needed() -> None:
    silent = {}
    for kind in ("sparse", "gaussian"):
        torch.manual_seed(0)
        latent = ContinuousLatent(D, A, ContinuousLatentConfig(kind=kind, dim=4, kl_weight=0.03), 32)
        coins(latent)
        with torch.no_grad():
            told = latent.posterior(*thrown(512, torch.Generator().manual_seed(1))).mean
        silent[kind] = int((told.abs().mean(0) < 0.1).sum())
    assert silent["sparse"] == 3 > silent["gaussian"]
