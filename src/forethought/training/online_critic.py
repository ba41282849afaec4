"""Online learning of the critic from short-term memory: pairs of rows of the episodes in progress (the paper, p. 15)."""

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
    """Train the agent's critic on the path lengths and drive costs of the episodes in short-term memory.

    The length of an observed path is an upper bound of the distance: a smaller predicted distance is kept, so an inefficient
    episode does no harm. In a stochastic model the path may depend on a favorable outcome, so its length bounds nothing and
    is not used. If goals show some streams only, memory holds no goals, and only drive costs are learned.

    Args:
        agent: during its episodes or at their end; its critic is changed in place.
        steps: optimiser steps. learning_rate: AdamW's. seed: of the sampled pairs.

    Returns:
        The loss of the last step.

    Raises:
        ForethoughtError: memory holds fewer than two rows; or goals show some streams only and the world has no drives; or the
            memory is no `ShortTermMemory`.
        NonFiniteError: the loss is NaN or infinite; the critic keeps the weights of the step before.
    """
    body = agent.body.settings
    if body.goals and not body.drives:
        raise ForethoughtError(
            f"The critic has nothing to learn from memory in {body.world}: goals show {', '.join(body.goals)} alone and there "
            "are no drives; train it on a store."
        )
    if not isinstance(agent.memory, ShortTermMemory):
        raise ForethoughtError(f"A {type(agent.memory).__name__} gives no pairs of rows: use a ShortTermMemory.")
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
        observed = discounted_count(pairs.gap.float(), critic.discount)
        loss = loss + functional.relu(critic.distance(pairs.now, pairs.later) - observed).square().mean()
    if critic.drives is not None:
        discount = critic.discount ** pairs.gap[:, None].float()
        bootstrap = critic.future_costs(pairs.later).detach()
        loss = loss + future_cost_loss(critic, pairs.now, pairs.energies[:, 1:] + discount * bootstrap)
    return loss
