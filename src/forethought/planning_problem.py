"""What a planner is given (the world model as rollout, the composition of costs as energy), and what people are shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from forethought.action_codec import ActionCodec
from forethought.actor.contract import Energy, Forks, PlanningProblem
from forethought.actor.episode_rng import EpisodeGenerators
from forethought.actor.risk import Scenarios, latin_hypercube, risk_adjusted, rollout_scenarios
from forethought.agent_networks import AgentNetworks
from forethought.cost.composition import Weights
from forethought.cost.contract import Imagined
from forethought.world_model.level import Context, Level

VISIBLE = 0.25
"""Two futures are told apart where they are further apart than this share of `typical`, the distance of states blocks apart."""


@dataclass(frozen=True)
class FutureSet:
    """Different futures of the same actions, the likeliest first.

    Fields:
        states: [S, ..., H, D]. odds: [S, ...], how likely each is; they sum to 1.
    """

    states: Tensor
    odds: Tensor


def select_diverse_futures(every: Tensor, count: int) -> FutureSet:
    """The most different of many equally likely futures, each with the share of all that is nearest to it.

    Args:
        every: [M, K, H, D]. count: S; where fewer than S of them differ, the rest are repetitions with odds 0.

    Returns:
        States [S, K, H, D] and odds [S, K].
    """
    paths = every.flatten(2).transpose(0, 1)
    apart = torch.cdist(paths, paths)
    plans = torch.arange(len(paths), device=every.device)
    # The most central future first; then whichever is farthest from all that are chosen (Gonzalez 1985).
    chosen = [apart.sum(-1).argmin(-1)]
    nearest = apart[plans, chosen[0]]
    for _ in range(count - 1):
        chosen.append(nearest.argmax(-1))
        nearest = torch.minimum(nearest, apart[plans, chosen[-1]])
    picked = torch.stack(chosen, -1)
    owner = apart.gather(1, picked[..., None].expand(-1, -1, apart.shape[-1])).argmin(1)
    odds = torch.stack([(owner == index).float().mean(-1) for index in range(count)])
    order = odds.argsort(dim=0, descending=True, stable=True)
    states = every[picked.T, plans].gather(0, order[..., None, None].expand(-1, -1, *every.shape[2:]))
    return FutureSet(states, odds.gather(0, order))


def rollout_policy(modules: AgentNetworks, context: Context, goal: Tensor, horizon: int) -> tuple[Tensor, Tensor]:
    """Mode-1's own future, actions [B, H, A] and states [B, H, D]: asked again at each imagined state."""
    actions, states = [], []
    for _ in range(horizon):
        action = modules.policy(context.states[:, -1], goal)
        following = modules.world_model.rollout(context, action[:, None, None])[:, 0]
        actions.append(action)
        states.append(following[:, 0])
        context = Context(torch.cat([context.states, following], 1), torch.cat([context.actions, action[:, None]], 1))
    return torch.stack(actions, 1), torch.stack(states, 1)


def planning_problem(
    modules: AgentNetworks,
    body: ActionCodec,
    context: Context,
    goal: Tensor,
    weights: Weights,
    streams: EpisodeGenerators,
    shadow: Callable[[Tensor], Tensor] | None = None,
    futures: Scenarios | None = None,
    recall: Callable[[Tensor], Tensor] | None = None,
) -> PlanningProblem:
    """The search for B episodes' cheapest plans.

    Args:
        modules: world model and energy. body: bounds or codes of the actions.
        context: the recent past of B episodes. goal: [B, D]. weights: u and v.
        streams: one per episode.
        shadow: first imagined states [B, K, D] to an extra energy [B, K], or None (`memory.failed_plan_cost`).
        futures: where a plan is imagined in S futures: states are then [B, K, S, H, D]; None for the likeliest one alone.
        recall: states [N, D] to sequences [N, M, H, A] that are tried where a plan goes on from there; None for none.
    """

    def rollout(actions: Tensor, chance: Tensor | None, trust: float) -> Tensor:
        return modules.world_model.rollout(context, actions, chance, trust)

    def energy(states: Tensor, actions: Tensor) -> Tensor:
        wary = futures is not None and futures.wary
        total = modules.energy_of(Imagined(states, actions, wary=wary), goal, weights).total
        return total if shadow is None else total + shadow(states[:, :, 0])

    return PlanningProblem(
        batch=len(goal),
        rollout=rollout_scenarios(futures, rollout),
        energy=risk_adjusted(futures, energy),
        low=body.low,
        high=body.high,
        codes=body.settings.action_size if body.discrete else None,
        steps=body.settings.block,
        candidates=None,
        streams=streams,
        forks=None if futures is None else forks_of(futures, rollout, energy, VISIBLE * float(modules.blend.typical), recall),
    )


def forks_of(
    futures: Scenarios,
    rollout: Callable[[Tensor, Tensor | None, float], Tensor],
    energy: Energy,
    visible: float,
    recall: Callable[[Tensor], Tensor] | None,
) -> Forks:
    """A plan's futures one by one.

    Args:
        futures, rollout, energy: as `rollout_scenarios` and `risk_adjusted` take them. visible, recall: see `Forks`.
    """

    def each(actions: Tensor, chance: Tensor) -> Tensor:
        states = rollout(actions.flatten(1, 2), chance.flatten(1, 2), futures.trust)
        return states.view(*actions.shape[:4], -1)

    def energies(states: Tensor, actions: Tensor) -> Tensor:
        return energy(states.flatten(1, 2), actions.flatten(1, 2)).view(states.shape[:3])

    return Forks(futures, each, energies, visible, recall)


def sample_rollouts(level: Level, context: Context, actions: Tensor, samples: int, streams: EpisodeGenerators) -> Tensor:
    """Where blocks [B, H, A] may lead: [B, S, H, D], each future as likely; of a deterministic level there is one."""
    if level.latent is None:
        return level.rollout(context, actions[:, None])
    chance = latin_hypercube(streams, samples, actions.shape[1], level.latent.numbers)
    return level.rollout(context, actions[:, None].expand(-1, samples, -1, -1), chance)
