"""Latent distance to the goal, and the kit that holds every cost to its contract."""

import pytest
import torch

from forethought.cost import Cost, GoalDistance, Imagined, check_cost
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
