"""One update of all networks from windows of the replay: world model, critic of future cost and policy together.

The world model predicts states, rewards and endings over each window. The critic's targets are recorded costs, continued for
some blocks in imagination under the policy (model-based value expansion, 1803.00101), and the slow critic's pessimistic read
there. The policy minimises the critic's cost at predicted states, with a bonus for entropy.

Axes: B windows, T blocks in a window, P before it, D numbers in a state, A in a block, C members of the critic.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from forethought.action_codec import ActionCodec
from forethought.agent_networks import AgentNetworks
from forethought.config import Configuration
from forethought.cost.reward import BlockCost
from forethought.errors import NonFiniteError
from forethought.online.replay import Windows
from forethought.training.phases import parameters_of
from forethought.world_model.disagreement import Disagreement
from forethought.world_model.regularisers import covariance_penalty, variance_hinge

LONGEST_GRADIENT = 20.0
COVARIANCE = 0.04
"""Weight of the covariance penalty relative to the variance hinge's."""
SHARPNESS, MOST_ADVANTAGE = 3.0, 2.0
"""Advantages in shares of the spread of future costs are multiplied by this, and then cut off before the exponential."""
TEMPERATURE_RATE, LEAST_TEMPERATURE = 0.003, 1e-5
"""Rate at which the logarithm of the temperature falls per unit of entropy above its target, and the least temperature."""
CURIOUS, SURE = 0.3, -1.0
"""Target entropy of each number of a continuous block at the beginning and at the end of a life: less than half of that of
uniform actions, and what Soft Actor-Critic has (1812.05905, appendix D). From the beginning, the latter explores too little for
swing-ups. Choices have no target: with a fifth of a uniform choice's, CartPole came to 235 in place of 500."""
SPREAD_RATE, SPREAD = 0.01, 3.3
"""Rate at which the spread of future costs is followed; it is 3.3 standard deviations: the range of the middle 90 %."""


class Learner(nn.Module):
    """Trains the networks of one agent; its own state is what a checkpoint holds beside them.

    Attributes:
        slow: the critic's slow copy, for targets. updates: made so far.
        spread: of future costs, the unit of the policy's entropy.
        averaged: the moving average of all networks, which is evaluated and kept: single updates change a policy's best actions
            to and fro (Polyak and Juditsky 1992).
    """

    spread: Tensor
    temperature: Tensor
    updates: Tensor

    def __init__(self, networks: AgentNetworks, configuration: Configuration, codec: ActionCodec) -> None:
        """`networks`: with those for the world's own reward."""
        super().__init__()
        outcomes, critic, policy = networks.outcomes, networks.future_cost, networks.cost_policy
        assert outcomes is not None, "the agent learns no reward"
        assert critic is not None
        assert policy is not None
        self._parts, self._belief = (networks.world_model, outcomes, critic, policy), networks.belief
        self.settings, self.discount, self.codec = configuration.training.online, configuration.model.discount, codec
        self.block_cost = BlockCost.of(configuration.planner.cost, configuration.data.drives)
        self.curiosity = configuration.training.online.curiosity * configuration.model.reward.scale * (1 - self.discount)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(configuration.training.seed)
            self.disagreement = Disagreement(networks.world_model.state_dim, configuration.data.block_size)
        self._pictures = configuration.data.has_images
        self.slow = copy.deepcopy(critic).requires_grad_(False)
        self.register_buffer("updates", torch.zeros((), dtype=torch.long))
        self._networks, self.averaged = [networks], copy.deepcopy(networks).requires_grad_(False)
        self.register_buffer("spread", torch.ones(()))
        self.register_buffer("temperature", torch.tensor(self.settings.entropy))
        # Numbers of a block that have a target entropy.
        self._targeted = 0 if policy.choices else configuration.data.block_size
        level, belief = networks.world_model, [networks.belief] if networks.belief else []
        for module in (*self._parts, *belief):
            module.requires_grad_(True)
        encoder, rest = parameters_of(level.perception), parameters_of(*level.dynamics(), *belief, outcomes, critic)
        rest += parameters_of(self.disagreement) if self.curiosity else []
        self._world, self._policy = [*encoder, *rest], parameters_of(policy)
        rate = self.settings.learning_rate
        groups: list[dict[str, Any]] = [{"params": encoder, "lr": rate * self.settings.encoder_rate}]
        groups.append({"params": [*rest, *self._policy]})
        self.optimizer = torch.optim.Adam(groups, lr=rate, fused=True)

    def update(
        self, windows: Windows, generator: torch.Generator, interest: float = 1.0, copying: float = 1.0, lived: float = 0.0
    ) -> dict[str, Tensor]:
        """One step of the optimiser; returns each loss term, unweighted.

        Args:
            interest, copying: factors of the weights of curiosity and of cloning, which fall in the course of a life.
            lived: share of the life that is lived, 0..1; the target entropy falls with it.

        Raises:
            NonFiniteError: a term or a gradient is NaN or infinite; the weights are those from before the step.
        """
        _, outcomes, critic, _ = self._parts
        encoded, actions = self.encoded(windows)
        known = encoded.detach()
        bonus = self.curiosity * interest
        if self.curiosity:
            self.disagreement.observe(known[:, :-1], actions)
        target = self._targets(windows, known[:, 1:], actions, generator, bonus)
        if bonus:
            target = target - bonus * self.disagreement.novelty(known[:, :-1], actions)
        states = self._rolled_out(encoded[:, 0], actions)
        weights = windows.counts * self.settings.decay ** torch.arange(actions.shape[1], device=actions.device)
        weights = weights / weights.sum()
        reward, ending = outcomes.loss(states, actions, windows.rewards, windows.terminated)
        value = critic.loss(states[:, :-1], actions, target)
        consistency = (states[:, 1:] - known[:, 1:]).square().mean(-1)
        terms = {"consistency": consistency, "reward": reward, "ending": ending, "value": value}
        if windows.drives.shape[-1]:
            terms["drives"] = outcomes.drive_loss(states, actions, windows.drives)
        if self.curiosity:
            terms["disagreement"] = self.disagreement.loss(known[:, :-1], actions, known[:, 1:])
        terms = {name: (term * weights).sum() for name, term in terms.items()}
        predicted = states[:, :-1].detach()
        acting, entropy = self._policy_terms(predicted, weights, generator, lived)
        if self.settings.cloning:
            terms["cloning"] = (self._cloning(predicted, actions) * windows.given[:, None] * weights).sum()
        total = acting + torch.stack([self._weight(name, copying) * term for name, term in terms.items()]).sum()
        if self.settings.variance:
            rows = encoded[:, 0] if self._pictures else encoded.flatten(0, -2)
            terms["variance"], terms["covariance"] = variance_hinge(rows), covariance_penalty(rows)
            total = total + self.settings.variance * (terms["variance"] + COVARIANCE * terms["covariance"])
        self._descend(total, terms)
        return {name: term.detach() for name, term in terms.items()} | {"policy": acting.detach(), "entropy": entropy}

    def _weight(self, term: str, copying: float) -> float:
        """Of a loss term: its setting; drives weigh as rewards do."""
        weight = float(getattr(self.settings, "reward" if term == "drives" else term, 1.0))
        return weight * copying if term == "cloning" else weight

    def encoded(self, windows: Windows) -> tuple[Tensor, Tensor]:
        """States [B, T + 1, D] and blocks [B, T, A] of windows; a belief is formed over the P blocks before."""
        actions = self.codec.to_model(windows.actions)
        past = actions.shape[1] - windows.counts.shape[1]
        states = self._encode(windows.observation, past)
        if self._belief is not None:
            states = self._belief.along(states, actions, windows.known)
        return states[:, past:], actions[:, past:]

    def _encode(self, observation: Mapping[str, Tensor], present: int) -> Tensor:
        """Encoded rows [B, P + T + 1, d]. Of pictures only the present row has a gradient: it costs twice the encoding."""
        encode = self._parts[0].encode
        if not self._pictures:
            return encode(observation)
        with torch.no_grad():
            before, after = (
                encode({name: values[:, rows] for name, values in observation.items()})
                for rows in (slice(None, present), slice(present + 1, None))
            )
        now = encode({name: values[:, present : present + 1] for name, values in observation.items()})
        return torch.cat([before, now, after], 1)

    def _rolled_out(self, start: Tensor, actions: Tensor) -> Tensor:
        """The world model's states over a window: [B, D] and [B, T, A] to [B, T + 1, D]."""
        states = [start]
        for block in actions.unbind(1):
            states.append(self._parts[0].step(states[-1], block, None))
        return torch.stack(states, 1)

    @torch.no_grad()
    def _targets(
        self, windows: Windows, following: Tensor, actions: Tensor, generator: torch.Generator, bonus: float = 0.0
    ) -> Tensor:
        """The critic's targets, [B, T]: cost of the block, then imagined cost under the policy, then the slow critic's."""
        level, outcomes, _, policy = self._parts
        states, alive = following, torch.ones_like(windows.rewards)
        future = torch.zeros_like(windows.rewards)
        for _ in range(self.settings.imagined_steps):
            action, _ = policy.sample(states, self._noise(states, generator))
            cost = self.block_cost(outcomes.rewards(states, action), outcomes.drives(states, action), action)
            cost = cost - bonus * self.disagreement.novelty(states, action) if bonus else cost
            future = future + alive * cost
            states = level.step(states, action, None)
            alive = alive * self.discount * outcomes.continues(states)
        action, _ = policy.sample(states, self._noise(states, generator))
        future = future + alive * self.slow.pessimistic(states, action, generator)
        felt = self.block_cost(windows.rewards, windows.drives, actions)
        return felt + self.discount * (1 - windows.terminated) * future

    def _policy_terms(self, states: Tensor, weights: Tensor, generator: torch.Generator, lived: float) -> tuple[Tensor, Tensor]:
        """The policy's loss at predicted states [B, T, D], and its entropy."""
        _, _, critic, policy = self._parts
        if policy.choices is None:
            action, log_chance = policy.sample(states, self._noise(states, generator))
            cost = critic.costs(states, action, frozen=True).mean(0)
            entropy, expected = -log_chance, cost
        else:
            expected, cost, entropy = self._expected_cost(states, generator)
        with torch.no_grad():
            now = (SPREAD * cost.std()).clamp_min(1.0)
            self.spread.lerp_(now, SPREAD_RATE)
            if self._targeted:
                surplus = entropy.mean() - self._targeted * (CURIOUS + (SURE - CURIOUS) * lived)
                self.temperature.mul_(torch.exp(-TEMPERATURE_RATE * surplus)).clamp_(LEAST_TEMPERATURE, self.settings.entropy)
        loss = expected / self.spread - self.temperature * entropy
        return (loss * weights).sum(), entropy.detach().mean()

    def _cloning(self, states: Tensor, actions: Tensor) -> Tensor:
        """How far the policy is from recorded blocks [..., A], [...]; those that cost less than its own count more.

        Behaviour cloning, weighted by advantage (AWAC, 2006.09359).
        """
        _, _, critic, policy = self._parts
        likeliest = policy(states)
        with torch.no_grad():
            own, taken = (critic.costs(states, blocks).mean(0) for blocks in (likeliest, actions))
            advantage = ((own - taken) / self.spread * SHARPNESS).clamp(-MOST_ADVANTAGE, MOST_ADVANTAGE).exp()
        if policy.choices is None:
            error: Tensor = advantage * (likeliest - actions).square().mean(-1)
            return error
        logits = policy.logits(states)
        return -advantage * (logits.flatten(-2) * actions).sum(-1) / logits.shape[-2]

    def _expected_cost(self, states: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """The policy's expected future cost over all choices of a one-step block, with the costs, and its entropy."""
        _, _, critic, policy = self._parts
        logits = policy.logits(states)
        chances, entropy = logits.exp(), -(logits.exp() * logits).sum((-1, -2))
        steps, choices = logits.shape[-2:]
        if steps > 1:
            # All blocks would be choices ** steps: the cost of each step's choice, the other steps drawn from the policy.
            drawn, _ = policy.sample(states, self._noise(states, generator))
            drawn = drawn.unflatten(-1, (steps, choices)).expand(steps * choices, *states.shape[:-1], -1, -1).clone()
            for step in range(steps):
                for choice in range(choices):
                    drawn[step * choices + choice, ..., step, :] = 0.0
                    drawn[step * choices + choice, ..., step, choice] = 1.0
            blocks = drawn.flatten(-2)
        else:
            blocks = torch.eye(choices, device=states.device).view(choices, *(1,) * (states.ndim - 1), choices)
            blocks = blocks.expand(choices, *states.shape[:-1], choices)
        with torch.no_grad():
            costs = critic.costs(states.expand(len(blocks), *states.shape), blocks).mean(0)
        costs = costs.movedim(0, -1).unflatten(-1, (steps, choices))
        return (chances * costs).sum((-1, -2)) / steps, costs, entropy

    def _noise(self, states: Tensor, generator: torch.Generator) -> Tensor:
        return self._parts[3].draw(tuple(states.shape[:-1]), generator).to(states.device)

    def _descend(self, total: Tensor, terms: dict[str, Tensor]) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(total)
        norm = nn.utils.clip_grad_norm_(self._world, LONGEST_GRADIENT) + nn.utils.clip_grad_norm_(
            self._policy, LONGEST_GRADIENT
        )
        if not torch.isfinite(total + norm):
            names = [name for name, term in terms.items() if not torch.isfinite(term)]
            raise NonFiniteError(
                f"NaN or infinity in {', '.join(names) or 'the gradient'} of an update: lower training.online.learning_rate."
            )
        self.optimizer.step()
        _follow(self.slow, self._parts[2], self.settings.target_rate)
        self.updates += 1
        # At first it is the mean of all weights so far.
        _follow(self.averaged, self._networks[0], max(self.settings.average_rate, 1 / int(self.updates)))


@torch.no_grad()
def _follow(slow: nn.Module, fast: nn.Module, rate: float) -> None:
    """Move weights by a share of the way towards others."""
    behind: list[Tensor] = list(slow.parameters())
    ahead: list[Tensor] = list(fast.parameters())
    torch._foreach_lerp_(behind, ahead, rate)
