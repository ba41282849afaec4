"""Drives obey their formulas, and nothing can change them; only the readout of their signals learns."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from forethought.cost import (
    Composition,
    DrivePredictor,
    Effort,
    GoalDistance,
    Hunger,
    Imagined,
    IntrinsicCost,
    Pain,
    Weights,
    check_cost,
    drive_loss,
    intrinsic_costs,
)
from forethought.cost.intrinsic import Felt, drive_energies
from forethought.errors import ConformanceError, ForethoughtError
from forethought.goals import EncodedGoal, StateGoal

ALL = [Effort(), Pain(0), Hunger(1)]
PATH = Imagined(
    states=torch.zeros(1, 1, 2, 3),
    actions=torch.tensor([[[[0.0, 0.0], [1.0, -1.0]]]]),
    drives=torch.tensor([[[[0.5, 0.0], [2.0, 3.0]]]]),
)
NOWHERE = StateGoal(torch.zeros(1, 3))


def descend(module: nn.Module, loss: torch.Tensor, rate: float) -> None:
    """One step of plain gradient descent on everything that can learn."""
    module.zero_grad()
    loss.backward()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter -= rate * parameter.grad


@pytest.mark.parametrize(("cost", "energy"), [(Effort(), [0, 1]), (Pain(0), [0.5, 2]), (Hunger(1), [0, 9])], ids=str)
def test_golden_values(cost, energy):
    assert cost(PATH, NOWHERE).flatten().tolist() == energy


@pytest.mark.parametrize("cost", ALL, ids=str)
def test_it_keeps_the_contract_and_is_immutable(cost):
    check_cost(cost)
    for name in ("name", "index", "weight", "__call__", "anything"):
        with pytest.raises((AttributeError, TypeError)):
            setattr(cost, name, 0)
        with pytest.raises((AttributeError, TypeError)):
            delattr(cost, name)
    assert not isinstance(cost, nn.Module), "no parameters, buffers, hooks or modes"
    assert copy.deepcopy(cost) == cost


def test_drives_are_no_part_of_what_is_trained_saved_or_moved():
    composition = Composition(ALL, [GoalDistance()], DrivePredictor(3, 2, hidden=8))
    assert {name.split(".")[0] for name in composition.state_dict()} == {"readout"}
    assert {name.split(".")[0] for name, _ in composition.named_parameters()} == {"readout"}
    before = [cost(PATH, NOWHERE) for cost in composition.intrinsic]
    weights = Weights(intrinsic={"pain": 1.0, "hunger": 1.0})
    for _ in range(3):
        descend(composition, composition(dataclasses.replace(PATH, drives=None), NOWHERE, weights).total.sum(), 1.0)
    composition.to(torch.float64).train().requires_grad_(True)
    composition.load_state_dict(composition.state_dict())
    after = [cost(PATH, NOWHERE) for cost in composition.intrinsic]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert composition.intrinsic == tuple(ALL)


def test_the_kit_catches_a_drive_that_can_be_changed():
    class Soft(IntrinsicCost):
        name = "soft"
        scale = 1.0

        def __call__(self, imagined: Imagined, goal: EncodedGoal) -> torch.Tensor:
            return self.scale * imagined.actions.square().mean(-1)

    with pytest.raises(ConformanceError, match="written to"):
        check_cost(Soft())

    @dataclasses.dataclass(slots=True)
    class Settable(IntrinsicCost):
        scale: float = 1.0

        @property
        def name(self) -> str:
            return "settable"

        def __call__(self, imagined: Imagined, goal: EncodedGoal) -> torch.Tensor:
            return self.scale * imagined.actions.square().mean(-1)

    with pytest.raises(ConformanceError, match="'scale' be set"):
        check_cost(Settable())


def test_a_body_gets_its_drives_in_order():
    assert intrinsic_costs(("hunger", "pain")) == (Effort(), Hunger(0), Pain(1))
    assert intrinsic_costs(()) == (Effort(),)
    assert intrinsic_costs(("heat",)) == (Effort(), Felt("heat", 0))
    with pytest.raises(ForethoughtError, match="another energy's"):
        intrinsic_costs(("reward",))


def test_a_drive_of_any_name_costs_its_signal_and_cannot_be_changed():
    """Linear, batched, immutable."""
    check_cost(Felt("heat", 1))
    drives = torch.tensor([[[[0.5, 2.0]]]])
    imagined = Imagined(torch.zeros(1, 1, 1, 3), torch.zeros(1, 1, 1, 2), drives=drives)
    assert Felt("heat", 1)(imagined, StateGoal(torch.zeros(1, 3))).item() == 2.0


def test_energies_of_sensed_drives_are_those_of_the_costs():
    """Pain as it is, hunger squared."""
    felt = drive_energies(("pain", "hunger"), np.array([[0.5, 0.5], [2.0, 3.0]], np.float32))
    assert felt.tolist() == [[0.5, 0.25], [2.0, 9.0]]
    assert drive_energies((), np.zeros((4, 0), np.float32)).shape == (4, 0)


def test_without_estimated_drives_pain_says_what_is_missing():
    with pytest.raises(ForethoughtError, match="DrivePredictor"):
        Pain(0)(dataclasses.replace(PATH, drives=None), NOWHERE)


def test_the_readout_learns_the_expected_signal_and_never_the_states():
    torch.manual_seed(0)
    states = torch.rand(512, 3, requires_grad=True)
    harm = (torch.rand(512) < 0.25).float() * 4 * (states[:, 0] > 0.5)
    readout = DrivePredictor(3, 1, hidden=16)
    for _ in range(400):
        descend(readout, drive_loss(readout, states, harm[:, None]), 0.3)
    assert states.grad is None
    felt = readout(torch.tensor([[0.1, 0.5, 0.5], [0.9, 0.5, 0.5]])).flatten()
    assert felt.min() >= 0
    assert felt[0] < 0.35
    assert felt[1].item() == pytest.approx(1.0, abs=0.5)
