"""What people may ask an agent outside an episode: what may come of actions, how likely a future is, and which way it went."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forethought.action_codec import ActionCodec
from forethought.actor.episode_rng import EpisodeGenerators
from forethought.agent_networks import AgentNetworks
from forethought.config import DataSpec
from forethought.errors import ForethoughtError
from forethought.perception import require_finite
from forethought.planning.scenarios import sample_rollouts
from forethought.sensing import Senses
from forethought.types import Observation
from forethought.world_model.energy import energy, explanation, free_energy
from forethought.world_model.level import Context

SAMPLES_PER_FUTURE = 16
"""Futures that are sampled for each one that is shown."""


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


def _require_plans(actions: NDArray[np.float32], body: DataSpec) -> None:
    fits = actions.ndim in (3, 4) and actions.shape[-2:] == (body.block, body.action_size)
    if not fits or 0 in actions.shape:
        raise ForethoughtError(
            f"Actions {list(actions.shape)} are no plan of this body's: give [H, {body.block}, {body.action_size}], or "
            f"[K, H, {body.block}, {body.action_size}] for K plans."
        )
    require_finite(actions, "The actions hold")


class Inspector:
    """Asks an agent's networks about futures; the agent's episodes in progress do not notice."""

    def __init__(self, networks: AgentNetworks, codec: ActionCodec, senses: Senses) -> None:
        """`senses` encode what is asked about."""
        self.networks, self.codec, self.senses = networks, codec, senses

    @torch.no_grad()
    def imagine(self, observation: Observation, actions: NDArray[np.float32], samples: int = 1, seed: int = 0) -> FutureSet:
        """What would come of given actions.

        Args:
            observation: streams, one item.
            actions: [H, block, size] or [K, H, block, size], environment units.
            samples: how many different futures, where the world model has a latent variable; 1: the likeliest alone.
            seed: of the draws that they are chosen from.

        Returns:
            Imagined states [S, H, D] or [S, K, H, D], the likeliest first, with their odds; `forethought.readout` makes
            pictures of them. S is 1 for an agent that foresees one future of each plan.

        Raises:
            ForethoughtError: no future is asked for, several observations came, or the actions are no blocks of this body's.
            NonFiniteError: an action is NaN or infinite.
        """
        state = self.senses.state(observation)
        if samples < 1:
            raise ForethoughtError(f"samples = {samples}: ask for at least one future.")
        if len(state) != 1:
            raise ForethoughtError(f"{len(state)} observations came: imagine from one at a time.")
        _require_plans(actions, self.codec.settings)
        single, level = actions.ndim == 3, self.networks.world_model
        blocks = torch.as_tensor(actions, device=self.codec.low.device).float().reshape(1, -1, *actions.shape[-3:]).flatten(-2)
        context, plans = Context(state[:, None], blocks[:, 0, :0]), self.codec.to_model(blocks)
        if samples == 1 or level.latent is None:
            found = select_diverse_futures(level.rollout(context, plans), 1)
        else:
            # The same seed for each plan: they are compared in the same futures.
            count, streams = plans.shape[1], EpisodeGenerators([seed] * plans.shape[1], self.codec.low.device)
            apart = Context(state.expand(count, -1)[:, None], blocks[0, :, :0])
            found = select_diverse_futures(
                sample_rollouts(level, apart, plans[0], samples * SAMPLES_PER_FUTURE, streams).transpose(0, 1), samples
            )
        return FutureSet(found.states[:, 0], found.odds[:, 0]) if single else found

    @torch.no_grad()
    def energy(
        self,
        observation: Observation,
        actions: NDArray[np.float32],
        following: Observation,
        temperature: float = 0.0,
        z: Tensor | None = None,
    ) -> Tensor:
        """How badly a future goes with what is seen and done: low where it may well happen (the paper, section 4.3).

        Args:
            observation: streams [B, ...], the present.
            actions: [B, H, block, size], environment units.
            following: streams [B, H, ...], what is seen after each block.
            temperature: 0 for the latent variable at its best; above, the free energy, a soft minimum over it.
            z: [B, H, Z], the way that each block is to have gone, E(x, y, z): a code as one 1 among zeros, or numbers; None to
                leave it open, F(x, y).

        Returns:
            [B], squared error per state dimension; see `world_model.energy`.

        Raises:
            ForethoughtError: a stream is not as the agent was trained on, or the three don't fit one another; or there is a z
                that the model's latent variable can't say, or a temperature as well.
        """
        future = self._future(observation, actions, following)
        if temperature and z is not None:
            raise ForethoughtError(f"A temperature ({temperature:g}) weighs every z, and one is given: leave out either.")
        if temperature:
            return free_energy(self.networks.world_model, *future, temperature)
        return energy(self.networks.world_model, *future, None if z is None else z.to(self.codec.low.device))

    @torch.no_grad()
    def explain(
        self, observation: Observation, actions: NDArray[np.float32], following: Observation, amortised: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Which way a future went, in the words of the latent variable: the z that explains it best.

        Args:
            observation, actions, following: as `energy`.
            amortised: where z is numbers, take those that the encoder tells at first sight, without a search.

        Returns:
            z [B, H, Z] of each block, as `energy` takes it, and E(x, y, z) [B, H].

        Raises:
            ForethoughtError: as `energy`; or the model has no latent variable.
        """
        return explanation(self.networks.world_model, *self._future(observation, actions, following), amortised)

    def _future(
        self, observation: Observation, actions: NDArray[np.float32], following: Observation
    ) -> tuple[Context, Tensor, Tensor]:
        """The present, the blocks [B, H, A] taken from there in model units, and the states that followed, [B, H, D]."""
        body, device = self.codec.settings, self.codec.low.device
        present = self.senses.state(observation)
        leads = {name: values.shape[:2] for name, values in following.items()}
        expected = (len(present), actions.shape[1], body.block, body.action_size) if actions.ndim == 4 else None
        if actions.shape != expected or 0 in expected or any(lead != expected[:2] for lead in leads.values()):
            raise ForethoughtError(
                f"Actions {list(actions.shape)} and what follows {leads} don't fit {len(present)} observations: give actions "
                f"[B, H, {body.block}, {body.action_size}] and streams [B, H, ...] with the same B and H."
            )
        require_finite(actions, "The actions hold")
        later = {name: values.reshape(-1, *values.shape[2:]) for name, values in following.items()}
        states = self.senses.state(later, "following observation").unflatten(0, expected[:2])
        blocks = self.codec.to_model(torch.as_tensor(actions, device=device).float().flatten(-2))
        return Context(present[:, None], blocks[:, :0]), blocks, states
