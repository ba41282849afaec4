"""Behaviour cloning (Pomerleau 1989): a small supervised policy trained on the recorded actions, as a baseline of the agent.

It sees what the agent sees: the numbers of the observation, and, where there are images, the states of the agent's frozen
encoder. It decides once a block, as the agent does. With goals it is trained in hindsight (Andrychowicz et al. 2017; Ghosh
et al. 2021): the goal of an action is what the episode showed some blocks later.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from forethought.action_codec import ActionCodec
from forethought.agent import Agent
from forethought.config import StreamSettings
from forethought.data.store import EpisodeStore
from forethought.errors import ForethoughtError
from forethought.layers import mlp
from forethought.perception import to_tensors
from forethought.types import Frame, Observation
from forethought.worlds.contract import World

HIDDEN, STEPS, BATCH, LEARNING_RATE = 128, 600, 256, 3e-3
IMAGE_ROWS, NUMBER_ROWS, CHUNK = 6_000, 100_000, 512
"""Training rows at most, with and without images; rows encoded at once."""
NEAR_BLOCKS = 5.0
"""Mean distance of the nearer half of the hindsight goals; the other half is uniform over the rest of the episode."""
LARGEST = 10.0
"""Standardised numbers are clipped to this: no unusual value leads the policy far outside its training."""


class ClonedPolicy:
    """A trained clone; make one with `clone`.

    Attributes:
        agent: its encoder and its data. codec: action units. conditioned: whether it reads a goal.
        head: (observation, goal) inputs to an action block in model units (logits if discrete).
        centre, scale: of the inputs.
    """

    def __init__(self, agent: Agent, conditioned: bool) -> None:
        """An untrained one."""
        self.agent, self.conditioned = agent, conditioned
        self.codec = ActionCodec(agent.configuration.data)
        self.centre, self.scale = torch.zeros(0), torch.ones(0)
        self.head: nn.Module = nn.Identity()

    def inputs(self, observation: Observation, goal: bool = False) -> Tensor:
        """Inputs [M, P] of observations, streams [M, ...]; `goal`: of the goal streams alone."""
        body = self.agent.configuration.data
        streams = body.goal_streams if goal else body.streams
        parts = [standardised(stream, observation[stream.name]) for stream in streams if stream.kind == "vector"]
        if any(stream.kind == "image" for stream in streams):
            parts.append(self._states(observation, streams))
        return torch.cat(parts, 1)

    @torch.no_grad()
    def _states(self, observation: Observation, streams: tuple[StreamSettings, ...]) -> Tensor:
        level = self.agent.modules.world_model
        count, chunks = len(observation[streams[0].name]), []
        for first in range(0, count, CHUNK):
            part = {stream.name: observation[stream.name][first : first + CHUNK] for stream in streams}
            chunks.append(level.metric.pool(level.encode(to_tensors(part, streams, self.agent.device))).cpu())
        return torch.cat(chunks)

    def raw(self, inputs: Tensor) -> Tensor:
        """Action blocks [M, A] in model units, or logits, of inputs [M, P] with goals beside them."""
        scaled = ((inputs - self.centre) / self.scale).clamp(-LARGEST, LARGEST)
        actions: Tensor = self.head(scaled)
        return actions

    @torch.no_grad()
    def act(self, observation: Observation, goal: Tensor | None) -> NDArray[np.float32]:
        """Action blocks [N, block, size] in environment units; `goal`: inputs of the goals [N, G]."""
        inputs = self.inputs(observation)
        inputs = inputs if goal is None else torch.cat([inputs, goal], 1)
        blocks: NDArray[np.float32] = self.codec.to_world(self.raw(inputs)).numpy()
        return blocks


class CloneController:
    """Acts as a cloned policy; see `Controller`."""

    def __init__(self, policy: ClonedPolicy) -> None:
        """`policy`: a trained clone."""
        self.policy = policy
        self.block = policy.agent.configuration.data.block

    def begin(self, world: World, goal: Observation, seeds: Sequence[int]) -> None:
        """See `Controller`."""
        self._goal = self.policy.inputs(goal, goal=True) if self.policy.conditioned else None

    def act(self, world: World, frame: Frame, step: int) -> NDArray[np.float32]:
        """See `Controller`; decides at the start of each block."""
        if step % self.block == 0:
            self._actions = self.policy.act(frame.observation, self._goal)
        return self._actions[:, step % self.block]


def standardised(stream: StreamSettings, values: NDArray[np.generic]) -> Tensor:
    """Numbers [M, *shape] of one stream as float32 [M, P], by the stream's mean and standard deviation.

    The mean is subtracted in float64: float32 loses the changes of a column far from zero.
    """
    flat = np.asarray(values, np.float64).reshape(len(values), -1)
    mean, std = np.array(stream.mean, np.float64), np.array(stream.std, np.float64)
    return torch.from_numpy(((flat - mean) / std).clip(-1e6, 1e6).astype(np.float32))


def clone(agent: Agent, store: EpisodeStore, *, conditioned: bool = True, seed: int = 0) -> ClonedPolicy:
    """Train a clone of the recorded behaviour on the training episodes; seconds on a CPU. The same seed gives the same clone.

    Args:
        agent: its frozen encoder reads the images. store: the recording. conditioned: whether the clone reads a goal.
        seed: of weights, rows and goals.

    Raises:
        ForethoughtError: the store has other streams, actions or blocks than the agent, or no training episode with a block.
    """
    require_same_data(agent, store)
    policy = ClonedPolicy(agent, conditioned)
    generator = torch.Generator().manual_seed(seed)
    episodes = choose_episodes(store, policy, generator)
    lengths = torch.from_numpy(store.lengths[episodes])
    rows = store.rows_of(episodes, whole=True)
    observation = {stream.name: store.rows(stream.name, rows) for stream in agent.configuration.data.streams}
    now = policy.inputs(observation)
    goals = policy.inputs(observation, goal=True) if conditioned else now[:, :0]
    actions = policy.codec.to_model(torch.from_numpy(store.rows("actions", rows)))
    policy.centre, policy.scale = _moments(torch.cat([now, goals], 1))
    policy.head = _made_head(now.shape[1] + goals.shape[1], actions.shape[1], generator)
    _train(policy, now, goals, actions, lengths, generator)
    return policy


def require_same_data(agent: Agent, store: EpisodeStore) -> None:
    """Raise unless a store has the agent's streams, actions and block."""
    body = agent.configuration.data
    shapes = {stream.name: tuple(stream.shape) for stream in store.spec.streams}
    missing = [stream.name for stream in body.streams if shapes.get(stream.name) != tuple(stream.shape)]
    action = store.spec.action
    same = (action.kind, action.size, store.block) == (body.action_kind, body.action_size, body.block)
    if missing or not same:
        what = f"the streams {', '.join(missing)}" if missing else "the actions or the block"
        raise ForethoughtError(f"the store at {store.path} lacks {what} of the agent: clone from the agent's own store.")
    if not store.lengths[store.train].any():
        raise ForethoughtError(f"no training episode of the store at {store.path} has a whole block; record longer ones.")


def choose_episodes(store: EpisodeStore, policy: ClonedPolicy, generator: torch.Generator) -> NDArray[np.int64]:
    """Training episodes in random order, until they have enough rows."""
    usable = store.train[store.lengths[store.train] > 0]
    order = usable[torch.randperm(len(usable), generator=generator).numpy()]
    images = policy.agent.configuration.data.has_images
    enough = np.searchsorted(np.cumsum(store.lengths[order]), IMAGE_ROWS if images else NUMBER_ROWS)
    chosen: NDArray[np.int64] = order[: int(enough) + 1]
    return chosen


def _moments(inputs: Tensor) -> tuple[Tensor, Tensor]:
    std = inputs.std(0, correction=0)
    # A constant input says nothing; its scale of 1 keeps it at 0.
    return inputs.mean(0), torch.where(std > 1e-6, std, torch.ones_like(std))


def _made_head(inputs: int, outputs: int, generator: torch.Generator) -> nn.Sequential:
    """The network, with weights from `generator` alone: the global random numbers stay as they are."""
    with torch.device("meta"):
        head = mlp(inputs, HIDDEN, outputs)
    head.to_empty(device="cpu")
    for module in head.modules():
        if isinstance(module, nn.Linear):
            nn.init.kaiming_uniform_(module.weight, a=5**0.5, generator=generator)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm):
            module.reset_parameters()
    return head


def _train(
    policy: ClonedPolicy, now: Tensor, goals: Tensor, actions: Tensor, lengths: Tensor, generator: torch.Generator
) -> None:
    """AdamW on random rows; each row's goal, if any, is a later row of the same episode."""
    episode = torch.arange(len(lengths)).repeat_interleave(lengths)
    starts = torch.cumsum(lengths + 1, 0) - (lengths + 1)
    offset = torch.arange(int(lengths.sum())) - (torch.cumsum(lengths, 0) - lengths)[episode]
    optimizer = torch.optim.AdamW(policy.head.parameters(), lr=LEARNING_RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for _ in range(STEPS):
        place = torch.randint(len(offset), (BATCH,), generator=generator)
        row = starts[episode[place]] + offset[place]
        later = row + _blocks_ahead(lengths[episode[place]] - offset[place], generator)
        predicted = policy.raw(torch.cat([now[row], goals[later]], 1))
        loss = _loss(policy, predicted, actions[row])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    policy.head.requires_grad_(False)


def _blocks_ahead(remaining: Tensor, generator: torch.Generator) -> Tensor:
    """Distance of the goal in blocks, 1 .. remaining, int64 [BATCH]: geometric for one half, uniform for the other."""
    chance, near, anywhere = torch.rand(3, len(remaining), generator=generator)
    geometric = (torch.log1p(-near) / np.log(1 - 1 / NEAR_BLOCKS)).long() + 1
    uniform = (anywhere * remaining).long() + 1
    return torch.minimum(torch.where(chance < 0.5, geometric, uniform), remaining)


def _loss(policy: ClonedPolicy, predicted: Tensor, actions: Tensor) -> Tensor:
    if not policy.codec.discrete:
        return functional.mse_loss(predicted, actions)
    size = policy.codec.settings.action_size
    return functional.cross_entropy(predicted.reshape(-1, size), actions.reshape(-1, size))
