"""C = sum u IC + sum v TC, along a path, with its breakdown; and the blend near the goal."""

from dataclasses import replace

import pytest
import torch

from forethought.cost import (
    Composition,
    Cost,
    DrivePredictor,
    GoalDistance,
    Imagined,
    RadiusSwitchedCost,
    Weights,
    check_cost,
    intrinsic_costs,
    path_cost,
)
from forethought.errors import ForethoughtError
from forethought.goals import EncodedGoal, StateGoal

GENERATOR = torch.Generator().manual_seed(0)
PATH = Imagined(
    states=torch.randn(2, 3, 4, 8, generator=GENERATOR),
    actions=torch.rand(2, 3, 4, 2, generator=GENERATOR),
    drives=torch.rand(2, 3, 4, 2, generator=GENERATOR),
)
GOAL = StateGoal(torch.randn(2, 8, generator=GENERATOR))
WEIGHTS = Weights(intrinsic={"effort": 0.5, "pain": 2.0, "hunger": 0.0}, task={"goal_distance": 3.0}, path=0.7, final=0.2)


def composition() -> Composition:
    return Composition(intrinsic_costs(("pain", "hunger")), [GoalDistance()])


def test_total_is_the_weighted_sum_of_the_terms():
    energies = composition()(PATH, GOAL, WEIGHTS)
    effort, distance = PATH.actions.square().mean(-1), (PATH.states - GOAL.state[:, None, None]).square().mean(-1)
    steps = 0.5 * effort + 2.0 * PATH.drives[..., 0] + 3.0 * distance
    assert torch.allclose(energies.steps, steps)
    assert torch.allclose(energies.total, 0.7 * steps.mean(-1) + 0.2 * steps[..., -1])
    assert list(energies.terms) == ["effort", "pain", "goal_distance"], "hunger weighs nothing and is not computed"
    assert torch.allclose(sum(energies.terms.values()), energies.total)


def test_by_default_path_and_end_both_count():
    assert path_cost(torch.tensor([[[1.0, 2.0, 6.0]]]), Weights()).item() == 3.0 + 6.0


def test_the_step_of_least_cost_counts_each_term_there():
    weights = replace(WEIGHTS, path=0.1, final=0.0, nearest=2.0)
    energies = composition()(PATH, GOAL, weights)
    assert torch.allclose(energies.total, 0.1 * energies.steps.mean(-1) + 2.0 * energies.steps.amin(-1))
    assert torch.allclose(sum(energies.terms.values()), energies.total, atol=1e-5), "the terms still sum to the total"
    assert not torch.allclose(energies.total, composition()(PATH, GOAL, replace(weights, nearest=0.0)).total)


def test_the_readout_supplies_drives_that_imagination_lacks():
    readout = DrivePredictor(8, 2)
    made = Composition(intrinsic_costs(("pain", "hunger")), [GoalDistance()], readout)
    dreamt = Imagined(PATH.states, PATH.actions)
    given = Imagined(PATH.states, PATH.actions, readout(PATH.states))
    weights = Weights(intrinsic={"pain": 1.0, "hunger": 1.0})
    assert torch.equal(made(dreamt, GOAL, weights).total, made(given, GOAL, weights).total)


def test_what_the_drives_will_cost_after_the_end_counts_by_their_weights():
    def predict_drives(states):
        return states[..., :2].abs()

    plain, far = (
        composition(),
        Composition(intrinsic_costs(("pain", "hunger")), [GoalDistance()], predict_drives=predict_drives),
    )
    found = far(PATH, GOAL, WEIGHTS)
    expected = 0.2 * 2.0 * PATH.states[..., -1, 0].abs()
    assert torch.allclose(found.terms["future_drives"], expected), "hunger weighs nothing"
    assert torch.allclose(found.total, plain(PATH, GOAL, WEIGHTS).total + expected)
    assert torch.allclose(sum(found.terms.values()), found.total)
    without = Weights(intrinsic={"effort": 1.0}, task={"goal_distance": 1.0})
    assert torch.equal(far(PATH, GOAL, without).total, plain(PATH, GOAL, without).total)


def test_felt_energies_are_the_same_functions_on_sensed_signals():
    drives, actions = torch.tensor([[0.5, 3.0]]), torch.tensor([[1.0, 0.0]])
    assert composition().felt(drives, actions).tolist() == [[0.5, 0.5, 9.0]]


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        (Weights(task={"goal_distanse": 1.0}), "did you mean 'goal_distance'"),
        (Weights(intrinsic={"goal_distance": 1.0}), "no intrinsic cost"),
        (Weights(task={"goal_distance": 0.0}), "all are 0"),
    ],
)
def test_impossible_weights_are_refused(weights, sentence):
    with pytest.raises(ForethoughtError, match=sentence):
        composition()(PATH, GOAL, weights)


def test_two_costs_of_one_name_are_refused():
    with pytest.raises(ForethoughtError, match="same name"):
        Composition((), [GoalDistance(), GoalDistance()])


class Blocks(Cost):
    """A critic for testing: the first state number is the blocks to go."""

    name = "critic"

    def forward(self, imagined: Imagined, goal: EncodedGoal) -> torch.Tensor:
        return imagined.states[..., 0]


class Sharp(Cost):
    """A latent distance for testing: the second state number."""

    name = "sharp"

    def forward(self, imagined: Imagined, goal: EncodedGoal) -> torch.Tensor:
        return imagined.states[..., 1]


def test_near_the_goal_the_sharp_cost_takes_over_and_never_exceeds_the_threshold():
    blend = RadiusSwitchedCost(Blocks(), Sharp(), radius=2.0, scale=0.5)
    states = torch.tensor([[5.0, 9.0], [2.0, 9.0], [1.9, 1e6], [1.9, 0.5], [0.3, 0.1], [1.0, 0.0]])[None, None]
    energy = blend(Imagined(states, states), StateGoal(torch.zeros(1, 2))).flatten()
    assert energy[:2].tolist() == [5.0, 2.0], "far away the critic stands as it is"
    assert (energy.diff() <= 0).all(), "it never rises on the way in"
    assert energy[3].item() == pytest.approx(1.0)
    assert energy[-1].item() == 0.0
    assert blend.name == "critic"


def test_near_zero_never_blends():
    blend = RadiusSwitchedCost(Blocks(), Sharp(), radius=0.0, scale=0.5)
    states = torch.rand(2, 3, 4, 2)
    assert torch.equal(blend(Imagined(states, states), StateGoal(torch.zeros(2, 2))), states[..., 0])


def test_typical_distance_is_measured_and_saved():
    blend = RadiusSwitchedCost(Blocks(), Sharp(), radius=2.0, scale=1.0)
    states = torch.tensor([[9.0, 1.0], [9.0, 3.0], [9.0, 70.0]])[None, None]
    blend.fit(Imagined(states, states), StateGoal(torch.zeros(1, 2)))
    assert blend.state_dict()["scale"].item() == 3.0
    with pytest.raises(ForethoughtError, match="collapsed"):
        blend.fit(Imagined(states * 0, states), StateGoal(torch.zeros(1, 2)))


def test_blend_keeps_the_contract():
    check_cost(RadiusSwitchedCost(GoalDistance(), GoalDistance(), radius=2.0, scale=1.0))
