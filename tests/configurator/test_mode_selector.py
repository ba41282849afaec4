"""The executive: what was asked for, or (auto) react where Mode-1's promise is good enough."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from forethought.config import Configuration
from forethought.configurator import ModeSelector
from forethought.configurator.mode_selector import Mode

Configured = Callable[..., Configuration]
HORIZON = 5


def planned(executive: ModeSelector, mode: Mode, distance: list[float], promised: list[float]) -> list[bool]:
    away = torch.tensor(distance)
    return executive.direct(mode, away, torch.tensor(promised), HORIZON, away).plan.tolist()


def test_what_was_refused_counts_until_the_goal_is_near_not_a_subgoal(configured: Configured) -> None:
    executive = ModeSelector(configured(overrides={"model.latent_distance_radius": 2.0}))
    to_subgoal, to_goal = torch.tensor([1.0, 9.0, 1.0]), torch.tensor([9.0, 9.0, 1.0])
    assert executive.direct("plan", to_subgoal, to_subgoal, HORIZON, to_goal).penalize_failed_plans.tolist() == [
        True,
        True,
        False,
    ]


def test_asked_for_is_done(configured: Configured) -> None:
    executive = ModeSelector(configured())
    assert planned(executive, "react", [9.0, 9.0], [9.0, 0.0]) == [False, False]
    assert planned(executive, "plan", [9.0, 9.0], [9.0, 0.0]) == [True, True]


@pytest.mark.parametrize("margin", [0.2, 0.5])
def test_auto_reacts_where_the_promise_is_good(configured: Configured, margin: float) -> None:
    executive = ModeSelector(configured(overrides={"planner.mode1_accept_gain": margin}))
    just, short = margin * HORIZON + 0.01, margin * HORIZON - 0.01
    assert planned(executive, "auto", [20.0, 20.0, 20.0], [20.0 - just, 20.0 - short, 21.0]) == [False, True, True]


def test_auto_reacts_when_mode_1_arrives_sooner_than_its_horizon(configured: Configured) -> None:
    executive = ModeSelector(configured(overrides={"planner.mode1_accept_gain": 0.5}))
    assert planned(executive, "auto", [1.0, 1.0], [0.1, 0.9]) == [False, True]


def test_each_episode_is_judged_alone(configured: Configured) -> None:
    executive = ModeSelector(configured())
    generator = torch.Generator().manual_seed(0)
    distance, promised = 20 * torch.rand(2, 50, generator=generator)
    together = executive.direct("auto", distance, promised, HORIZON, distance).plan
    alone = [
        executive.direct("auto", distance[i : i + 1], promised[i : i + 1], HORIZON, distance[i : i + 1]).plan.item()
        for i in range(50)
    ]
    assert together.tolist() == alone
    assert 0 < sum(alone) < 50


def test_weights_are_those_of_the_configuration(configured: Configured) -> None:
    wanted = {"planner.cost.drive_weights": {"effort": 0.2}, "planner.cost.critic": 0.5, "planner.cost.goal_distance": 0.25}
    direction = ModeSelector(configured(overrides=wanted)).direct("plan", *torch.ones(2, 1), HORIZON, torch.ones(1))
    assert direction.intrinsic == {"effort": 0.2}
    assert direction.task == {"critic": 0.5, "goal_distance": 0.25}
