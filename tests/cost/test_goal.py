"""Latent distance to the goal, and the kit that holds every cost to its contract."""

import pytest
import torch

from forethought.cost import Cost, GoalDistance, GoalEnergy, Imagined, check_cost
from forethought.errors import ConformanceError
from forethought.goals import EncodedGoal, StateGoal
from forethought.types import ObservationGoal


def test_golden_value_and_independence_of_state_size():
    goal = torch.tensor([[1.0, 0.0]])
    states = torch.tensor([[[[1.0, 0.0], [3.0, 0.0]]]])
    actions = torch.zeros(1, 1, 2, 1)
    assert GoalDistance()(Imagined(states, actions), StateGoal(goal)).flatten().tolist() == [0.0, 2.0]
    doubled = GoalDistance()(Imagined(states.repeat(1, 1, 1, 3), actions), StateGoal(goal.repeat(1, 3)))
    assert doubled.flatten().tolist() == [0.0, 2.0]


def test_unrelated_states_of_unit_variance_are_about_two_apart():
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(4, 50, 5, 64, generator=generator)
    energy = GoalDistance()(Imagined(states, states[..., :2]), StateGoal(torch.randn(4, 64, generator=generator)))
    assert energy.mean().item() == pytest.approx(2.0, abs=0.2)


def test_it_keeps_the_contract():
    check_cost(GoalDistance())


def fitted(deviations: list[float]) -> GoalEnergy:
    """Fitted to errors of these standard deviations."""
    cost, generator = GoalEnergy(len(deviations)), torch.Generator().manual_seed(0)
    cost.fit(torch.randn(20_000, len(deviations), generator=generator) * torch.tensor(deviations))
    return cost


def test_what_the_model_predicts_well_counts_more_than_what_it_does_not():
    states = torch.tensor([[[[3.0, 0.0], [0.0, 0.3], [0.0, 0.0]]]])
    found = fitted([1.0, 0.1])(Imagined(states, states[..., :1]), StateGoal(torch.zeros(1, 2))).flatten()
    assert found[:2].tolist() == pytest.approx([3 / 2**0.5] * 2, rel=0.03), "three standard deviations of the error each"
    assert found[2] == 0


def test_an_energy_of_errors_turns_with_the_states():
    generator = torch.Generator().manual_seed(1)
    turn = torch.linalg.qr(torch.randn(4, 4, generator=generator)).Q
    states, goal, errors = (torch.randn(*shape, generator=generator) for shape in ((2, 3, 5, 4), (2, 4), (500, 4)))
    errors = errors * torch.tensor([0.1, 1.0, 2.0, 0.5])
    found = []
    for turned in (torch.eye(4), turn):
        cost = GoalEnergy(4)
        cost.fit(errors @ turned)
        found.append(cost(Imagined(states @ turned, states[..., :1]), StateGoal(goal @ turned)))
    assert torch.allclose(*found, atol=1e-4)


@pytest.mark.parametrize("state_dim", [8, 2], ids=["vectors", "tokens"])
def test_an_energy_keeps_the_contract(state_dim):
    check_cost(GoalEnergy(state_dim))


class Wrong(Cost):
    """Breaks the contract as it is told to."""

    name = "wrong"

    def __init__(self, formula) -> None:
        super().__init__()
        self.formula = formula

    def forward(self, imagined: Imagined, goal: EncodedGoal) -> torch.Tensor:
        return self.formula(imagined, (imagined.states - goal.state[:, None, None]).square().mean(-1))


@pytest.mark.parametrize(
    ("formula", "sentence"),
    [
        (lambda i, e: e.mean(-1), r"shape \(3, 4\)"),
        (lambda i, e: e - e.mean(0), "episode 0 another energy alone"),
        (lambda i, e: e - e.amin(1, keepdim=True), "candidate 0 another energy alone"),
        (lambda i, e: torch.log(-e), "NaN or infinity for finite input"),
        (lambda i, e: e.detach(), "no gradient"),
        (lambda i, e: (e - e.detach()).sqrt(), "gradient of NaN"),
    ],
    ids=["shape", "mixes episodes", "mixes candidates", "nan", "detached", "nan gradient"],
)
def test_the_kit_catches(formula, sentence):
    with pytest.raises(ConformanceError, match=sentence):
        check_cost(Wrong(formula))


@pytest.mark.parametrize("accepts", [(), ("goal",), (int,), (ObservationGoal, 3)])
def test_the_kit_catches_kinds_that_are_none(accepts):
    """None at all, names, other types, and one such among others."""
    wrong = Wrong(lambda imagined, energy: energy)
    wrong.accepts = accepts
    with pytest.raises(ConformanceError, match="not kinds of goals"):
        check_cost(wrong)
