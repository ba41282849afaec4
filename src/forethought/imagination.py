"""What a planner is given: the world model as its rollout, the composition of costs as its energy."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from forethought.actor.contract import PlanningProblem
from forethought.actor.streams import RandomStreams
from forethought.body import Body
from forethought.cost.composition import Weights
from forethought.cost.contract import Imagined
from forethought.modules import Modules
from forethought.world_model.level import Context


def planning_problem(
    modules: Modules,
    body: Body,
    context: Context,
    goal: Tensor,
    weights: Weights,
    candidates: Tensor | None,
    streams: RandomStreams,
    shadow: Callable[[Tensor], Tensor] | None = None,
) -> PlanningProblem:
    """The search for B episodes' cheapest plans.

    Args:
        modules: world model and energy. body: bounds or codes of the actions.
        context: the recent past of B episodes. goal: [B, D]. weights: u and v.
        candidates: [B, M, H, A] to be tried first, or None. streams: one per episode.
        shadow: first imagined states [B, K, D] to an extra energy [B, K], or None (`memory.refusals`).
    """

    def rollout(actions: Tensor) -> Tensor:
        return modules.world_model.rollout(context, actions)

    def energy(states: Tensor, actions: Tensor) -> Tensor:
        total = modules.energy_of(Imagined(states, actions), goal, weights).total
        return total if shadow is None else total + shadow(states[:, :, 0])

    return PlanningProblem(
        batch=len(goal),
        rollout=rollout,
        energy=energy,
        low=body.low,
        high=body.high,
        codes=body.settings.action_size if body.discrete else None,
        steps=body.settings.block,
        candidates=candidates,
        streams=streams,
    )
