"""Open-loop prediction error by horizon: predicted against recorded states under the same actions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from forethought.agent import Agent
from forethought.data.store import EpisodeStore
from forethought.errors import ForethoughtError
from forethought.perception import to_tensors
from forethought.readout.probes import LinearProbe

CLIPS, LONGEST = 256, 10


@dataclass(frozen=True)
class OpenLoop:
    """Errors on held-out clips.

    Fields:
        horizon: [H], blocks ahead, from 1.
        state_error: [H], squared error of the predicted state divided by the variance of states (0: perfect, 1: no better
            than the mean state).
        copy_error: [H], the same for the baseline that copies the last observed state.
        position_error, copy_position_error: [H], pixels, by a linear probe; None without a probe.
    """

    horizon: NDArray[np.int64]
    state_error: NDArray[np.float64]
    copy_error: NDArray[np.float64]
    position_error: NDArray[np.float64] | None
    copy_position_error: NDArray[np.float64] | None


@torch.no_grad()
def open_loop_error(agent: Agent, store: EpisodeStore, probe: LinearProbe | None) -> OpenLoop:
    """Roll out held-out action sequences from a full context of the predictor, and compare with the encoded observations.

    Args:
        agent: the agent with the world model. store: the dataset. probe: linear probe of `position`; None without ground truth.

    Raises:
        ForethoughtError: no held-out episode is longer than the predictor's context.
    """
    past = agent.configuration.model.predictor.context - 1
    longest = int(min(LONGEST + past, store.lengths[store.heldout].max(initial=0)))
    if longest <= past:
        raise ForethoughtError(
            f"The store at {store.path} has no held-out episode of {past + 1} blocks: collect more or longer episodes."
        )
    long_enough = store.heldout[store.lengths[store.heldout] >= longest]
    generator = np.random.default_rng(0)
    episodes = generator.choice(long_enough, CLIPS)
    offsets = generator.integers(0, store.lengths[episodes] - longest + 1)
    clips = store.clips(episodes, offsets, longest)
    level = agent.modules.world_model
    states = level.encode(to_tensors(clips.observation, agent.configuration.data.streams, agent.device))
    actions = agent.body.to_model(torch.from_numpy(clips.actions).to(agent.device))
    rollout = level.open_loop(states, actions, past + 1)
    predicted = rollout.cpu().double().numpy()
    observed = states[:, past:].cpu().double().numpy()
    variance = float(observed.reshape(-1, observed.shape[-1]).var(0).mean())
    position = copied = None
    if probe is not None:
        true = clips.truth["position"][:, past:]
        pooled = level.metric.pool(rollout).flatten(0, 1).cpu().double().numpy()
        position = _distance(probe.predict(pooled), true[:, 1:])
        copied = np.linalg.norm(true[:, 1:] - true[:, :1], axis=-1).mean(0, dtype=np.float64)
    return OpenLoop(
        horizon=np.arange(1, longest - past + 1),
        state_error=np.square(predicted - observed[:, 1:]).mean((0, 2)) / variance,
        copy_error=np.square(observed[:, :1] - observed[:, 1:]).mean((0, 2)) / variance,
        position_error=position,
        copy_position_error=copied,
    )


def _distance(predicted: NDArray[np.float64], true: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(predicted.reshape(true.shape) - true, axis=-1).mean(0))
