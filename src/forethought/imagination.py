"""What a planner is given: the world model as its rollout, the composition of costs as its energy."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from forethought.actor.contract import PlanningProblem
from forethought.actor.risk import Futures
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
    futures: Futures | None = None,
) -> PlanningProblem:
    """The search for B episodes' cheapest plans.

    Args:
        modules: world model and energy. body: bounds or codes of the actions.
        context: the recent past of B episodes. goal: [B, D]. weights: u and v.
        candidates: [B, M, H, A] to be tried first, or None. streams: one per episode.
        shadow: first imagined states [B, K, D] to an extra energy [B, K], or None (`memory.refusals`).
        futures: where a plan is imagined in S futures: states are then [B, K, S, H, D]; None for the likeliest one alone.
    """

    def rollout(actions: Tensor) -> Tensor:
        if futures is None:
            return modules.world_model.rollout(context, actions)
        count, tried = futures.chance.shape[1], actions.shape[1]
        chance = futures.chance[:, None].expand(-1, tried, -1, -1, -1).flatten(1, 2)
        states = modules.world_model.rollout(context, actions.repeat_interleave(count, 1), chance)
        return states.view(len(states), tried, count, *states.shape[2:])

    def energy(states: Tensor, actions: Tensor) -> Tensor:
        if futures is not None:
            each = Imagined(states.flatten(1, 2), actions.repeat_interleave(states.shape[2], 1))
            totals = modules.energy_of(each, goal, weights).total
            return futures.weigh(totals.view(len(totals), *states.shape[1:3]))
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
