"""The `PlanningLevel` of each level: its model, costs, distance and action bounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from forethought.action_codec import ActionCodec
from forethought.agent_networks import AgentNetworks, Stage
from forethought.cost.composition import Composition
from forethought.cost.contract import Cost
from forethought.cost.goal import SubgoalDistance
from forethought.planning.level_planner import PlanningLevel
from forethought.planning.planning_cost import OODPenalty

TO_GOAL = {"reachability": 1.0}
"""Weights v of an upper level that plans towards the task's goal."""
TO_SUBGOAL = {"subgoal": 1.0}
"""Weights v of any level that plans towards a subgoal of the level above it."""


def first_level(networks: AgentNetworks, codec: ActionCodec) -> PlanningLevel:
    """Level 1: plans action blocks, with all costs of the agent."""
    return PlanningLevel(
        model=networks.world_model,
        terms=networks.energy,
        distance=networks.critic.distance,
        low=codec.low,
        high=codec.high,
        codes=codec.settings.action_size if codec.discrete else None,
        steps=codec.settings.decisions,
        span=1,
    )


def upper_level(stages: Sequence[Stage], number: int, ood_weight: float, own: Sequence[Cost] = ()) -> PlanningLevel:
    """A learned level: plans macro-actions; the cost is the distance in blocks to the goal or the subgoal of the level above.

    Args:
        stages: from level 2 up. number: index into `stages`. ood_weight: weight of the OOD penalty, in blocks.
        own: user-defined costs with `every_level`.
    """
    stage = stages[number]
    costs: list[Cost] = [SubgoalDistance(stage.reachability.distance, "reachability")]
    if number + 1 < len(stages):
        costs.append(SubgoalDistance(_encoded_up(stages[number + 1])))
    return PlanningLevel(
        model=stage.level,
        terms=Composition([], [*costs, *own]),
        distance=stage.reachability.distance,
        low=stage.level.low,
        high=stage.level.high,
        codes=None,
        steps=1,
        span=stage.span,
        ood=OODPenalty(stage.ood_distance, ood_weight),
    )


def _encoded_up(above: Stage) -> Callable[[Tensor, Tensor], Tensor]:
    """Blocks from states of the level below, encoded into level `above`, to its subgoals (H-JEPA, 2610.06805, section 4)."""

    def distance(states: Tensor, subgoal: Tensor) -> Tensor:
        blocks: Tensor = above.reachability.distance(above.level.encode(states), subgoal)
        return blocks

    return distance
