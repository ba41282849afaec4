"""The critic goes on learning from short-term memory: pairs of moments of the episodes in progress (the paper, p. 15)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from forethought.agent import Agent
from forethought.cost.critic import discounted_count, future_cost_loss
from forethought.errors import ForethoughtError, NonFiniteError
from forethought.memory import ShortTermMemory
from forethought.training.phases import parameters_of, step_generator

BATCH = 256


def train_critic_online(agent: Agent, *, steps: int = 20, learning_rate: float = 1e-4, seed: int = 0) -> float:
    """Teach the agent's critic how long the ways took that were just lived, and what the drives cost on them.

    A way that was lived bounds the distance from above, and no more than that: where the critic knows a shorter one, it keeps
    it, however clumsy the episode was. Where there is a latent variable it bounds nothing, for it may have been luck. Where
    goals show a part of what is seen, memory holds no goals, and what the drives cost is all that there is to learn.

    Args:
        agent: in the middle of its episodes or at their end; its critic is changed in place.
        steps: optimiser steps. learning_rate: AdamW's. seed: of the pairs that are drawn.

    Returns:
        The last step's loss.

    Raises:
        ForethoughtError: fewer than two rows are remembered; or goals show a part of what is seen, and the body has no drives.
        NonFiniteError: the loss is NaN or infinite; the critic is left as it was after the step before.
    """
    body = agent.body.settings
    if body.goals and not body.drives:
        raise ForethoughtError(
            f"Goals in {body.world} show {', '.join(body.goals)} alone, which memory does not keep apart, and its body has no "
            "drives: its critic has nothing to learn from memory."
        )
    if not isinstance(agent.memory, ShortTermMemory):
        raise ForethoughtError(f"A {type(agent.memory).__name__} gives no pairs of moments: learn with a ShortTermMemory.")
    critic = agent.modules.critic.requires_grad_(True)
    optimizer = torch.optim.AdamW(parameters_of(critic), lr=learning_rate, weight_decay=0.0)
    loss = torch.zeros(())
    try:
        for step in range(steps):
            loss = _loss(agent, step_generator(seed, "critic from memory", step))
            if not torch.isfinite(loss):
                raise NonFiniteError(
                    f"The critic's loss on remembered pairs is not finite at step {step}; lower the learning rate."
                )
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimizer.step()
    finally:
        critic.requires_grad_(False)
    return float(loss.detach())


def _loss(agent: Agent, generator: torch.Generator) -> Tensor:
    critic = agent.modules.critic
    assert isinstance(agent.memory, ShortTermMemory)
    pairs, partial = agent.memory.pairs(generator, BATCH, agent.configuration.model.discount), agent.body.settings.goals
    loss = pairs.now.new_zeros(()) if partial else critic.distance(pairs.later, pairs.later).square().mean()
    if agent.modules.world_model.latent is None and not partial:
        lived = discounted_count(pairs.gap.float(), critic.discount)
        loss = loss + functional.relu(critic.distance(pairs.now, pairs.later) - lived).square().mean()
    if critic.drives is not None:
        discount = critic.discount ** pairs.gap[:, None].float()
        beyond = critic.future_costs(pairs.later).detach()
        loss = loss + future_cost_loss(critic, pairs.now, pairs.energies[:, 1:] + discount * beyond)
    return loss
