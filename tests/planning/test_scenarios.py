"""Weighing futures: from the mean to the worst, and never the best."""

import pytest
import torch
from pydantic import TypeAdapter

from forethought.actor.contract import PlanningProblem
from forethought.actor.episode_rng import EpisodeGenerators
from forethought.config import RiskConfig, SearchConfig
from forethought.planning.scenarios import (
    Scenarios,
    cvar,
    latin_hypercube,
    risk_adjusted,
    rollout_scenarios,
    sample_scenarios,
    stratified_uniform,
)

ENERGIES = torch.tensor([[[1.0, 3.0, 5.0, 7.0], [4.0, 4.0, 4.0, 4.0]]])


def weighed(risk: str, cvar_level: float = 0.5) -> list[float]:
    return Scenarios(torch.zeros(1, 4, 1, 1), risk, cvar_level).weigh(ENERGIES)[0].tolist()


def test_each_way_of_weighing() -> None:
    assert weighed("mean") == [4.0, 4.0]
    assert weighed("worst") == [7.0, 4.0]
    assert weighed("mean_std", 1.0) == pytest.approx([4.0 + 5.0**0.5, 4.0])
    assert weighed("cvar", 0.5) == [6.0, 4.0]


def test_cvar_goes_from_the_mean_to_the_worst_and_never_falls() -> None:
    energies = torch.randn(50, 8)
    values = torch.stack([cvar(energies, cvar_level) for cvar_level in (0.0, 0.2, 0.5, 0.8, 0.99)])
    assert torch.allclose(values[0], energies.mean(-1), atol=1e-6)
    assert torch.equal(values[-1], energies.amax(-1))
    assert (values.diff(dim=0) >= -1e-6).all()


@pytest.mark.parametrize("risk", ["mean", "mean_std", "cvar", "worst"])
def test_no_way_of_weighing_is_better_than_the_mean(risk: str) -> None:
    energies = torch.randn(3, 20, 8)
    assert (Scenarios(torch.zeros(3, 8, 1, 1), risk, 0.5).weigh(energies) >= energies.mean(-1) - 1e-6).all()


def test_at_each_step_every_part_of_chance_is_met_once() -> None:
    chance = latin_hypercube(EpisodeGenerators([0, 1]), 8, 5, 3)
    assert chance.shape == (2, 8, 5, 3)
    assert torch.equal((chance * 8).long().sort(1).values, torch.arange(8)[None, :, None, None].expand(2, -1, 5, 3))
    assert torch.equal(latin_hypercube(EpisodeGenerators([1]), 8, 5, 3)[0], chance[1])


def test_no_chance_is_one() -> None:
    """Rounded to 32 bits, the highest draw in the highest part would be."""
    for samples in (4, 8, 64):
        chance = stratified_uniform(torch.full((1, samples), 1 - 2**-24), torch.arange(samples)[None].float())
        assert chance.max() < 1


def test_one_future_needs_no_chance() -> None:
    assert sample_scenarios(RiskConfig(), EpisodeGenerators([0]), 5, 1) is None
    assert sample_scenarios(RiskConfig(num_scenarios=4), EpisodeGenerators([0]), 5, 1) is not None


def test_all_plans_are_imagined_in_the_same_futures_and_their_energies_weighed() -> None:
    futures = Scenarios(latin_hypercube(EpisodeGenerators([0, 1]), 4, 3, 1), "worst", 0.5)
    rollout = rollout_scenarios(futures, lambda actions, chance, prior_exponent: actions + prior_exponent * chance)
    actions = torch.randn(2, 5, 3, 1)
    states = rollout(actions)
    assert states.shape == (2, 5, 4, 3, 1)
    assert torch.allclose(states - actions[:, :, None], futures.chance[:, None].expand(-1, 5, -1, -1, -1), atol=1e-6)
    energy = risk_adjusted(futures, lambda states, actions: (states - actions).sum((-1, -2)))
    assert torch.allclose(energy(states, actions), futures.chance.sum((-1, -2)).amax(1)[:, None].expand(-1, 5), atol=1e-5)


def test_without_futures_a_plan_is_imagined_as_is_likeliest() -> None:
    rollout = rollout_scenarios(None, lambda actions, chance, prior_exponent: actions if chance is None else actions + 1)
    actions = torch.randn(2, 5, 3, 1)
    assert torch.equal(rollout(actions), actions)
    assert torch.equal(risk_adjusted(None, lambda states, _: states.sum((-1, -2)))(actions, actions), actions.sum((-1, -2)))


@pytest.mark.parametrize("effort", [{"kind": "cem", "num_elites": 4}, {"kind": "icem", "num_elites": 4},
                                    {"kind": "mppi", "num_samples": 128}, {"kind": "gradient", "num_iterations": 60},
                                    {"kind": "icem", "num_elites": 4, "gradient_steps": 10}])  # fmt: skip
def test_the_gamble_is_not_taken_for_the_future_that_one_would_wish_for(effort: dict[str, object]) -> None:
    """Action 1 pays if chance is kind and costs a lot if not; action 0 is sure. No planner may pick its fate."""
    from forethought.actor.registry import make_planner

    search = TypeAdapter(SearchConfig).validate_python({"num_samples": 32, "num_iterations": 2} | effort)
    futures = sample_scenarios(RiskConfig(num_scenarios=8), EpisodeGenerators([0]), 1, 1)
    assert futures is not None

    def rollout(actions: torch.Tensor) -> torch.Tensor:
        fate = (futures.chance < 0.5).float()[:, None]
        return torch.cat([actions[:, :, None].expand(-1, -1, 8, -1, -1), fate.expand(-1, actions.shape[1], -1, -1, -1)], -1)

    def energy(states: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        boldness, fate = states[..., 0, 0], states[..., 0, 1]
        return futures.weigh(boldness * torch.where(fate > 0.5, 3.0, -1.0))

    bounds = torch.tensor([-0.0]), torch.tensor([1.0])
    problem = PlanningProblem(1, rollout, energy, *bounds, None, 1, None, EpisodeGenerators([0]))
    plan = make_planner(search, horizon=1).plan(problem)
    assert plan.actions.abs().max() < 0.05
    assert plan.states.shape == (1, 8, 1, 2)
    assert plan.calls % 8 == 0


def test_each_plan_is_rolled_out_in_each_scenario_of_its_episode() -> None:
    """Sizes all differ: 2 episodes, 3 plans, 4 scenarios, 5 blocks, 6 numbers of chance, 7 of a state."""
    chance = torch.rand(2, 4, 5, 6)
    actions = torch.rand(2, 3, 5, 1)

    def rollout(blocks: torch.Tensor, uniform: torch.Tensor | None, exponent: float) -> torch.Tensor:
        assert uniform is not None
        assert blocks.shape == (2, 12, 5, 1)
        assert uniform.shape == (2, 12, 5, 6)
        assert exponent == 0.5
        return (blocks + uniform.sum(-1, keepdim=True)).expand(-1, -1, -1, 7)

    states = rollout_scenarios(Scenarios(chance, "mean", 0.0, 0.5), rollout)(actions)
    expected = actions[:, :, None] + chance.sum(-1)[:, None, ..., None]
    torch.testing.assert_close(states, expected.expand(-1, -1, -1, -1, 7))
