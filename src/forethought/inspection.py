"""Queries to an agent outside of an episode: predicted futures of actions, the energy of a future, and its latent variable."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forethought.action_codec import ActionCodec
from forethought.actor.episode_rng import EpisodeGenerators
from forethought.agent_networks import AgentNetworks
from forethought.config import DataSpec
from forethought.errors import ForethoughtError, require_number, require_whole
from forethought.perception import array_of, require_finite
from forethought.planning.scenarios import sample_rollouts
from forethought.sensing import Senses
from forethought.types import Observation
from forethought.world_model.energy import energy, explanation, free_energy
from forethought.world_model.level import Context

SAMPLES_PER_FUTURE = 16
"""Number of samples per selected future."""


@dataclass(frozen=True)
class FutureSet:
    """Different futures of the same actions, the most probable first.

    Fields:
        states: [S, ..., H, D]. odds: [S, ...], their probabilities, which sum to 1.
    """

    states: Tensor
    odds: Tensor


def select_diverse_futures(samples: Tensor, count: int) -> FutureSet:
    """Select diverse futures among equally probable samples by farthest-point sampling.

    The probability of each is the share of samples that are nearest to it.

    Args:
        samples: [M, K, H, D]. count: S; where fewer than S samples differ, the rest are repetitions with probability 0.

    Returns:
        States [S, K, H, D] and probabilities [S, K].
    """
    paths = samples.flatten(2).transpose(0, 1)
    distances = torch.cdist(paths, paths)
    plans = torch.arange(len(paths), device=samples.device)
    # The medoid first, then the sample that is farthest from all chosen ones (Gonzalez 1985).
    chosen = [distances.sum(-1).argmin(-1)]
    nearest = distances[plans, chosen[0]]
    for _ in range(count - 1):
        chosen.append(nearest.argmax(-1))
        nearest = torch.minimum(nearest, distances[plans, chosen[-1]])
    picked = torch.stack(chosen, -1)
    nearest_chosen = distances.gather(1, picked[..., None].expand(-1, -1, distances.shape[-1])).argmin(1)
    odds = torch.stack([(nearest_chosen == index).float().mean(-1) for index in range(count)])
    order = odds.argsort(dim=0, descending=True, stable=True)
    states = samples[picked.T, plans].gather(0, order[..., None, None].expand(-1, -1, *samples.shape[2:]))
    return FutureSet(states, odds.gather(0, order))


def _writable(actions: NDArray[Any]) -> Tensor:
    """As a tensor; an array that is read-only or runs backwards is copied, because PyTorch takes neither."""
    return torch.from_numpy(np.require(actions, requirements=("C", "W")))


def _require_plans(actions: NDArray[Any], data: DataSpec) -> None:
    fits = actions.ndim in (3, 4) and actions.shape[-2:] == (data.block, data.action_size)
    if not fits or 0 in actions.shape:
        raise ForethoughtError(
            f"Actions {list(actions.shape)} are no plan of this agent: give [H, {data.block}, {data.action_size}], or "
            f"[K, H, {data.block}, {data.action_size}] for K plans."
        )
    require_finite(actions, "The actions hold")


class ModelQueries:
    """What people ask an agent outside of its episodes, which go on undisturbed; `Agent` is one.

    Attributes: modules: the trained networks. body: converts actions. senses: encodes observations.
    """

    modules: AgentNetworks
    body: ActionCodec
    senses: Senses

    @torch.no_grad()
    def imagine(self, observation: Observation, actions: NDArray[np.float32], samples: int = 1, seed: int = 0) -> FutureSet:
        """Predict the futures of given actions.

        Args:
            observation: streams, one item.
            actions: [H, block, size] or [K, H, block, size], environment units.
            samples: number of different futures, if the world model has a latent variable; 1: the most probable only.
            seed: of the sampled futures from which they are selected.

        Returns:
            Predicted states [S, H, D] or [S, K, H, D], the most probable first, with their probabilities;
            `forethought.readout` decodes them to images. S is 1 for a deterministic model.

        Raises:
            ForethoughtError: `samples` is below 1, there are several observations, or the actions have the wrong shape.
            NonFiniteError: an action is NaN or infinite.
        """
        state = self._begun(self.senses.state(observation))
        samples, seed = require_whole(samples, "samples"), require_whole(seed, "seed")
        if samples < 1:
            raise ForethoughtError(f"samples = {samples}: set it to at least one future.")
        if len(state) != 1:
            raise ForethoughtError(f"{len(state)} observations came: give one at a time to imagine.")
        actions = array_of(actions, "actions")
        _require_plans(actions, self.body.settings)
        single, level = actions.ndim == 3, self.modules.world_model
        blocks = _writable(actions).to(self.body.low.device).float().reshape(1, -1, *actions.shape[-3:]).flatten(-2)
        context, plans = Context(state[:, None], blocks[:, 0, :0]), self.body.to_model(blocks)
        if samples == 1 or level.latent is None:
            futures = select_diverse_futures(level.rollout(context, plans), 1)
        else:
            # The same seed for each plan: all plans share the samples of the latent variable.
            count, streams = plans.shape[1], EpisodeGenerators([seed] * plans.shape[1], self.body.low.device)
            plan_contexts = Context(state.expand(count, -1)[:, None], blocks[0, :, :0])
            futures = select_diverse_futures(
                sample_rollouts(level, plan_contexts, plans[0], samples * SAMPLES_PER_FUTURE, streams).transpose(0, 1), samples
            )
        return FutureSet(futures.states[:, 0], futures.odds[:, 0]) if single else futures

    @torch.no_grad()
    def energy(
        self,
        observation: Observation,
        actions: NDArray[np.float32],
        following: Observation,
        temperature: float = 0.0,
        z: Tensor | None = None,
    ) -> Tensor:
        """Energy of a future given observation and actions: low if the future is plausible (the paper, section 4.3).

        Args:
            observation: streams [B, ...], the present.
            actions: [B, H, block, size], environment units.
            following: streams [B, H, ...], the observation after each block.
            temperature: 0 for the minimum over the latent variable; above 0 for the free energy, a soft minimum.
            z: [B, H, Z], the latent variable of each block for E(x, y, z): one-hot codes or values; None for F(x, y), which
                minimizes over it.

        Returns:
            [B], squared error per state dimension; see `world_model.energy`.

        Raises:
            ForethoughtError: a stream differs from the training data, the shapes of the three do not match, z is not a value of
                the model's latent variable, or both z and a temperature are given.
        """
        future = self._future(observation, actions, following)
        temperature = require_number(temperature, "temperature")
        if not (0 <= temperature < math.inf):
            raise ForethoughtError(f"temperature = {temperature:g}: give a finite number, 0 or above.")
        if z is not None and not isinstance(z, Tensor):
            raise ForethoughtError(f"z can't be a {type(z).__name__}: give a tensor [B, H, Z].")
        if temperature and z is not None:
            raise ForethoughtError(
                f"A temperature ({temperature:g}) averages over all z, but z is given, too: leave out either."
            )
        if temperature:
            return free_energy(self.modules.world_model, *future, temperature)
        return energy(self.modules.world_model, *future, None if z is None else z.to(self.body.low.device))

    @torch.no_grad()
    def explain(
        self, observation: Observation, actions: NDArray[np.float32], following: Observation, amortised: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Infer the latent variable of a future: the z of least energy.

        Args:
            observation, actions, following: as `energy`.
            amortised: for a continuous z, use the posterior encoder's estimate without optimization.

        Returns:
            z [B, H, Z] of each block, as `energy` takes it, and E(x, y, z) [B, H].

        Raises:
            ForethoughtError: as `energy`; or the model has no latent variable.
        """
        return explanation(self.modules.world_model, *self._future(observation, actions, following), amortised)

    def _future(
        self, observation: Observation, actions: NDArray[np.float32], following: Observation
    ) -> tuple[Context, Tensor, Tensor]:
        """The context, the blocks [B, H, A] in model units, and the states that followed, [B, H, D]."""
        data, device = self.body.settings, self.body.low.device
        present = self.senses.state(observation)
        actions = array_of(actions, "actions")
        if not isinstance(following, Mapping):
            raise ForethoughtError(f"following can't be a {type(following).__name__}: give streams [B, H, ...].")
        following = {name: array_of(following[name], f"following '{name}'") for name in following}
        leads = {name: values.shape[:2] for name, values in following.items()}
        expected = (len(present), actions.shape[1], data.block, data.action_size) if actions.ndim == 4 else None
        if actions.shape != expected or 0 in expected or any(lead != expected[:2] for lead in leads.values()):
            raise ForethoughtError(
                f"Actions {list(actions.shape)} and following {leads} don't fit {len(present)} observations: give actions "
                f"[B, H, {data.block}, {data.action_size}] and streams [B, H, ...] with the same B and H."
            )
        require_finite(actions, "The actions hold")
        later = {name: values.reshape(-1, *values.shape[2:]) for name, values in following.items()}
        states = self.senses.state(later, "following observation").unflatten(0, expected[:2])
        blocks = self.body.to_model(_writable(actions).to(device).float().flatten(-2))
        if self.modules.belief is None:
            return Context(present[:, None], blocks[:, :0]), blocks, states
        path = self.modules.belief.along(torch.cat([present[:, None], states], 1), blocks)
        return Context(path[:, :1], blocks[:, :0]), blocks, path[:, 1:]

    def _begun(self, percept: Tensor) -> Tensor:
        """States [B, D] of percepts [B, D] that begin an episode."""
        belief, none = self.modules.belief, percept.new_zeros(len(percept), 0, self.body.settings.block_size)
        return percept if belief is None else belief.along(percept[:, None], none)[:, 0]
