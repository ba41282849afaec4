"""The latent variable: odds, shares, prices, and what a certain model is to an uncertain one."""

import pytest
import torch

from forethought.config import CodesConfig
from forethought.training.latent_training import kl_warmup
from forethought.world_model.jepa import JEPALevel
from forethought.world_model.latent import REVIVED_BELOW, Codes
from forethought.world_model.level import Context, FirstLevel
from tiny import rooms_agent

D, A, C = 6, 4, 3


def codes(price: float = 0.02) -> Codes:
    torch.manual_seed(0)
    return Codes(D, A, CodesConfig(num_codes=C, kl_weight=price), 16).requires_grad_(False)


def test_draws_come_as_often_as_the_prior_says() -> None:
    latent, generator = codes(), torch.Generator().manual_seed(1)
    states, actions = torch.randn(1, D, generator=generator), torch.randn(1, A, generator=generator)
    odds = latent.log_prior(states, actions).exp()[0]
    drawn = latent.draw(states.expand(20000, -1), actions.expand(20000, -1), torch.rand(20000, 1, generator=generator))
    assert torch.allclose(drawn.mean(0), odds, atol=0.02)
    assert latent.draw(states, actions, None)[0].argmax() == odds.argmax()


def test_who_trusts_the_odds_less_meets_the_unlikely_more_often(monkeypatch: pytest.MonkeyPatch) -> None:
    latent, odds = codes(), torch.tensor([[0.98, 0.02, 1e-9]])
    monkeypatch.setattr(latent, "log_prior", lambda states, actions: odds.log().expand(len(states), -1))
    states, actions, chance = torch.zeros(20000, D), torch.zeros(20000, A), torch.linspace(0, 1 - 1e-6, 20000)[:, None]
    drawn = latent.draw(states, actions, chance, prior_exponent=0.3).mean(0)
    assert torch.allclose(drawn, (odds[0] ** 0.3) / (odds[0] ** 0.3).sum(), atol=1e-3)
    assert torch.allclose(latent.draw(states, actions, chance).mean(0), odds[0], atol=1e-3)


def loud(latent: Codes, factor: float) -> None:
    last = latent.prior[-1]
    assert isinstance(last, torch.nn.Linear)
    last.weight *= factor
    last.bias *= factor


@pytest.mark.parametrize(("factor", "least", "most"), [(1.0, 0.85, 1.0), (2.5, 0.35, 0.45), (40.0, 0.05, 0.05)])
def test_a_prior_is_made_as_sure_as_it_is_right(factor: float, least: float, most: float) -> None:
    """What happens is drawn by one prior's odds; the one that is calibrated claims to know more."""
    latent, generator = codes(), torch.Generator().manual_seed(1)
    loud(latent, 8.0)
    states, actions = torch.randn(4000, D, generator=generator), torch.randn(4000, A, generator=generator)
    chosen = latent.draw(states, actions, torch.rand(4000, 1, generator=generator))

    def predict(states: torch.Tensor, actions: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        return torch.cat([9 * z, torch.zeros_like(states[..., C:])], -1)

    happened = predict(states, actions, chosen)
    loud(latent, factor)
    for _ in range(2):
        latent.calibrate(predict, states, actions, happened)
        assert least <= round(float(latent.inverse_temperature), 4) <= most
    latent.calibrate(lambda states, actions, z: states, states, actions, happened)
    assert float(latent.inverse_temperature) == 1, "where codes foresee the same, odds are as good as any"


def test_two_reasons_to_doubt_the_odds_are_not_added_up() -> None:
    latent = codes()
    loud(latent, 8.0)
    states, actions, chance = torch.randn(1, D), torch.randn(1, A), torch.linspace(0, 1 - 1e-6, 20000)[:, None]
    raw = latent.log_prior(states, actions)[0]
    latent.inverse_temperature.fill_(0.5)
    for prior_exponent, power in ((1.0, 0.5), (0.7, 0.5), (0.3, 0.3)):
        drawn = latent.draw(states.expand(20000, -1), actions.expand(20000, -1), chance, prior_exponent).mean(0)
        assert torch.allclose(drawn, (power * raw).softmax(-1), atol=1e-3)


def test_the_same_chance_means_the_same_fate_where_the_odds_are_the_same() -> None:
    latent = codes()
    states, actions = torch.randn(1, D).expand(5, -1), torch.randn(1, A).expand(5, -1)
    assert len(latent.draw(states, actions, torch.full((5, 1), 0.4)).unique(dim=0)) == 1


def test_joining_says_which_way_and_leaves_the_actions_alone() -> None:
    latent, actions = codes(), torch.randn(2, 5, A)
    assert torch.equal(latent.every(actions)[1, 3], torch.eye(C))
    joined = latent.join(actions, latent.every(actions)[:, :, 1])
    assert joined.shape == (2, 5, A + C)
    assert torch.equal(joined[..., :A], actions)
    assert joined[..., A:].argmax(-1).eq(1).all()
    assert latent.join(actions, None)[..., A:].count_nonzero() == 0


def test_a_code_has_to_save_more_error_than_saying_it_costs() -> None:
    happened = torch.zeros(1, D)
    ways = torch.stack([torch.full((D,), 0.3), torch.zeros(D), torch.ones(D)])[None]
    likely = torch.tensor([[0.98, 0.01, 0.01]]).log()
    assert codes(price=0.0).energy(ways, happened, likely).argmin() == 1
    assert codes(price=0.1).energy(ways, happened, likely).argmin() == 0


def test_information_is_counted_in_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    latent = codes(price=0.0).eval()
    odds = torch.tensor([[0.5, 0.25, 0.25], [1.0, 1e-9, 1e-9]])
    monkeypatch.setattr(latent, "log_prior", lambda states, actions: odds.log())
    following = torch.tensor([1.0, 0.0])[:, None].expand(-1, D)

    def predict(states: torch.Tensor, actions: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        return z.argmax(-1)[..., None].expand(*z.shape[:-1], D).float()

    found = latent.explain(predict, following, following[:, :A], following)
    assert found.z.argmax(-1).tolist() == [1, 0]
    assert found.bits.tolist() == pytest.approx([2.0, 0.0])


def test_two_outcomes_of_a_rare_event_do_not_share_a_code_for_ever() -> None:
    """Codes in use elsewhere, that begin far from one in sixteen transitions, come to explain its two outcomes all the same.

    Whose best code alone learns, stays at their mean: there, the others are farther from each outcome than the mean is.
    """
    torch.manual_seed(0)
    latent = Codes(D, A, CodesConfig(num_codes=C, kl_weight=0.001), 16)
    side = torch.ones(D)
    common, rare = torch.stack([-side, side, 5 * side]), torch.stack([2.2 * side, -2.2 * side, 0 * side])
    table = torch.nn.Parameter(torch.stack([common, rare]))
    optimiser = torch.optim.Adam([table, *latent.parameters()], 0.05)
    generator = torch.Generator().manual_seed(0)

    def predict(states: torch.Tensor, actions: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        return (table[(states[..., 0] > 0).long()] * z[..., None]).sum(-2)

    for step in range(600):
        kind = (torch.rand(256, 1, generator=generator) < 1 / 16).float() * 2 - 1
        coin = torch.randint(2, (256, 1), generator=generator).float() * 2 - 1
        states, following = kind.expand(-1, D), coin * side
        found = latent.explain(predict, states, torch.zeros(256, A), following, kl_warmup(step, 600))
        loss = (found.following - following).square().mean() + found.loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    missed = (table[:, None] - torch.stack([-side, side])[:, None]).square().mean(-1).amin(-1)
    assert missed.max() < 0.05, missed
    odds = latent.log_prior(torch.ones(1, D), torch.zeros(1, A)).exp()[0]
    assert odds[table[1].mean(-1) > 0].sum().item() == pytest.approx(0.5, abs=0.1)


def test_a_dead_code_begins_again_beside_the_busiest() -> None:
    latent = codes()
    first = torch.nn.Linear(D + A + C, 8).requires_grad_(False)
    latent.share.copy_(torch.tensor([0.7, 0.3 - REVIVED_BELOW / 2, REVIVED_BELOW / 2]))
    before = first.weight.clone()
    assert latent.revive(first, torch.Generator().manual_seed(0)) == 1
    columns, old = first.weight[:, -C:], before[:, -C:]
    assert torch.equal(columns[:, :2], old[:, :2])
    assert (columns[:, 2] - old[:, 0]).norm() < (old[:, 2] - old[:, 0]).norm()
    assert torch.equal(latent.prior[-1].weight[2], latent.prior[-1].weight[0])
    assert latent.revive(first, torch.Generator()) == 0


@pytest.fixture
def level() -> FirstLevel:
    settings = rooms_agent().configuration
    model = settings.model.model_copy(update={"latent": CodesConfig(num_codes=C)})
    torch.manual_seed(0)
    return JEPALevel(settings.data, model).requires_grad_(False).eval()


def test_a_rollout_is_the_way_that_its_chances_draw(level: FirstLevel) -> None:
    assert level.latent is not None
    size = level.predictor.change[0].in_features - level.state_dim - C
    start, actions = torch.randn(2, 1, level.state_dim), torch.rand(2, 4, 3, size)
    chance = torch.rand(2, 1, 3, 1)
    states = level.rollout(Context(start, actions[:, 0, :0]), actions, chance)
    assert states.shape == (2, 4, 3, level.state_dim)
    now = start[:, 0, None].expand(-1, 4, -1)
    for step in range(3):
        ways = level.latent.ways(level.step, now, actions[:, :, step])
        drawn = level.latent.draw(now, actions[:, :, step], chance[:, :, step].expand(-1, 4, -1)).argmax(-1)
        now = torch.take_along_dim(ways, drawn[..., None, None], 2)[:, :, 0]
        assert torch.allclose(states[:, :, step], now, atol=1e-5)


def test_several_chances_give_several_futures_and_none_gives_the_likeliest(level: FirstLevel) -> None:
    size = level.predictor.change[0].in_features - level.state_dim - C
    context, actions = Context(torch.randn(1, 1, level.state_dim), torch.zeros(1, 0, size)), torch.rand(1, 1, 2, size)
    each = level.rollout(context, actions.expand(-1, 64, -1, -1), torch.rand(1, 64, 2, 1))
    assert 1 < len(each[0, :, 0].round(decimals=4).unique(dim=0)) <= C
    assert torch.equal(level.rollout(context, actions), level.rollout(context, actions))


def test_outcomes_of_candidates_are_those_of_each_alone() -> None:
    """The midpoints of each code's interval of the prior, with any leading axes."""
    latent, generator = codes(), torch.Generator().manual_seed(1)
    states, actions = torch.randn(5, 2, D, generator=generator), torch.randn(5, 2, A, generator=generator)
    uniform, odds = latent.outcomes(states, actions)
    assert uniform.shape == (5, 2, C, 1)
    alone = latent.outcomes(states[3, 1], actions[3, 1])
    assert torch.allclose(uniform[3, 1], alone[0])
    assert torch.allclose(odds[3, 1], alone[1])
    assert torch.allclose(uniform[..., 0], odds.cumsum(-1) - odds / 2)
    drawn = latent.draw(states[:, :, None].expand(-1, -1, C, -1), actions[:, :, None].expand(-1, -1, C, -1), uniform)
    assert torch.equal(drawn.argmax(-1), torch.arange(C).expand(5, 2, C)), "each lies in its own code's interval"
