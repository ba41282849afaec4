"""The gates of a hierarchy in a world whose parts are exact: what then fails is the planner's fault.

A square with a wall from its bottom nearly to its top. Level 1 walks straight on and stands still at the wall. Level 2 knows
how far it is round the wall, what a stride brings, and some strides that were walked at random. So the expert's subgoals lead
level 1 round, level 2's own have to lead it as well, and without any it stays where it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, cast

import pytest
import torch
from torch import Tensor

import tiny
from forethought.actor.episode_rng import EpisodeGenerators
from forethought.agent_networks import Stage
from forethought.config import Configuration
from forethought.goals import StateGoal
from forethought.planning import LearnedLevels
from forethought.states import vector
from forethought.world_model.level import Context

STEP, STRIDE, TOP = 0.1, 4, 0.7
"""Of a block; blocks in a stride; where the wall ends that stands at x = 0."""
TASKS, BLOCKS, NEAR = 40, 80, 0.1
CORNER = torch.tensor([0.0, TOP + 0.01])


def crosses(here: Tensor, there: Tensor) -> Tensor:
    """Whether the straight way [..., 2] hits the wall."""
    apart = there[..., 0] - here[..., 0]
    share = (-here[..., 0] / torch.where(apart == 0, 1.0, apart)).clamp(0, 1)
    height = here[..., 1] + share * (there[..., 1] - here[..., 1])
    return (here[..., 0] * there[..., 0] < 0) & (height < TOP)


def walked(here: Tensor, move: Tensor) -> Tensor:
    """Straight on, or not at all where the wall or the square's edge is in the way."""
    there = (here + move).clamp(-1, 1)
    return torch.where(crosses(here, there)[..., None], here, there)


def blocks_between(here: Tensor, there: Tensor) -> Tensor:
    """The true way in blocks, round the wall where it must be."""
    round_it = (here - CORNER).norm(dim=-1) + (there - CORNER).norm(dim=-1)
    return torch.where(crosses(here, there), round_it, (here - there).norm(dim=-1)) / STEP


def on_the_way(here: Tensor, goal: Tensor) -> Tensor:
    """Where an expert would be a stride from here, or at the corner."""
    towards = torch.where(crosses(here, goal)[:, None], CORNER, goal) - here
    far = towards.norm(dim=-1, keepdim=True)
    return here + towards * (STRIDE * STEP / far.clamp_min(1e-6)).clamp(max=1)


def configuration(changes: Mapping[str, Any] = MappingProxyType({})) -> Configuration:
    settings = {
        "model.encoder.state_dim": 2,
        "model.hierarchy": {
            "levels": 2, "kind": "learned", "encoder": "shared", "stride": STRIDE, "macro_dim": 2, "retrieval_size": 1024,
            "retrieval_horizon": 3,
        },
        "planner.upper": {
            "horizon": 3, "critic_radius": 1.0, "search": {"num_samples": 64, "num_iterations": 4, "num_elites": 8},
        },
    }  # fmt: skip
    return tiny.point_agent(False).configuration.changed(settings, "to see").changed(changes, "to see")


def exact(number: int, found: Configuration) -> Stage:
    """A level that is never wrong, with moments of random walks to remember."""
    stage, horizon = Stage(number, vector(2), 2, 2, found), found.planner.upper.horizon
    draws = torch.Generator().manual_seed(0)
    start = torch.rand(found.model.hierarchy.retrieval_size, 2, generator=draws) * 2 - 1
    macros = (torch.rand(len(start), horizon, 2, generator=draws) * 2 - 1) * stage.span * STEP
    later = walked(start, macros[:, 0])
    stage.remember(start, macros, later, later)

    def rollout(context: Context, macros: Tensor, chance: Tensor | None = None, prior_exponent: float = 1.0) -> Tensor:
        here, imagined = context.states[:, -1:].expand(-1, macros.shape[1], -1), []
        for step in range(macros.shape[2]):
            here = walked(here, macros[:, :, step])
            imagined.append(here)
        return torch.stack(imagined, 2)

    patched: Any = stage
    patched.level.rollout, patched.reachability.distance = rollout, blocks_between
    return cast(Stage, patched)


def tasks() -> tuple[Tensor, Tensor]:
    """Starts on the left of the wall and goals on its right, [TASKS, 2] each."""
    draws = torch.Generator().manual_seed(1)
    here = torch.rand(TASKS, 2, generator=draws) * 0.8 - torch.tensor([0.9, 0.9])
    return here, torch.rand(TASKS, 2, generator=draws) * 0.8 + torch.tensor([0.1, -0.9])


@torch.no_grad()
def succeeded(subgoal: Callable[[Tensor, Tensor], Tensor]) -> float:
    """How often level 1 arrives, led by subgoals: (where it is, goals) -> [TASKS, 2]."""
    here, goal = tasks()
    arrived = torch.zeros(TASKS, dtype=torch.bool)
    for _ in range(BLOCKS):
        way = subgoal(here, goal) - here
        here = walked(here, way * (STEP / way.norm(dim=-1, keepdim=True).clamp_min(1e-6)).clamp(max=1))
        arrived |= (here - goal).norm(dim=-1) < NEAR
    return float(arrived.float().mean())


def led(found: Configuration) -> float:
    """The same by subgoals that level 2 plans, under the levels above it."""
    hierarchy = LearnedLevels([exact(number, found) for number in range(2, found.model.hierarchy.levels + 1)], found)
    hierarchy.reset(StateGoal(tasks()[1]), EpisodeGenerators(range(TASKS)))
    return succeeded(lambda here, goal: hierarchy.command(here).target.leading)


def test_who_walks_straight_on_stands_before_the_wall_and_the_experts_subgoals_lead_round_it() -> None:
    assert succeeded(lambda here, goal: goal) == 0
    assert succeeded(on_the_way) == 1


@pytest.mark.parametrize(
    "effort",
    [
        {},
        {"planner.upper.search.kind": "cem"},
        {"planner.upper.search.kind": "mppi"},
        {"planner.upper.ood_cost": 0.0},
        {"model.hierarchy.levels": 3, "model.hierarchy.stride": 2},
    ],
)
def test_its_own_subgoals_lead_as_well_as_the_experts(effort: dict[str, Any]) -> None:
    """Science asks for 15 points at most between them; with exact parts there is no reason for more than a few."""
    assert led(configuration(effort)) >= 0.95


def test_a_distance_through_the_wall_leads_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tested above is the way round, not luck."""
    monkeypatch.setattr(f"{__name__}.blocks_between", lambda here, there: (here - there).norm(dim=-1) / STEP)
    assert led(configuration()) < 0.3
