"""How well an agent's world model predicts, in units that do not depend on its encoder: observed numbers read from states."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from forethought.agent import Agent
from forethought.data.store import EpisodeStore
from forethought.evaluation.open_loop import CLIPS, LONGEST
from forethought.evaluation.probes import FIT_EPISODES
from forethought.evaluation.statistics import Z95
from forethought.perception import to_tensors
from forethought.readout.probes import fit_linear_probe
from forethought.training.encoded_dataset import encode_store

WORST = 2.0
"""Largest error of a number in a clip, in shares of its variance: a few wild clips must not decide."""


@dataclass(frozen=True)
class PredictionSkill:
    """1 minus the mean squared error of predicted numbers, as a share of their variance, up to 10 blocks ahead.

    Fields:
        mean: -1..1; 1 is perfect, 0 no better than the mean. low, high: 95 % interval over clips. of: what is predicted.
    """

    mean: float
    low: float
    high: float
    of: str


@torch.no_grad()
def prediction_skill(agent: Agent, store: EpisodeStore) -> PredictionSkill | None:
    """The skill on the store's held-out episodes; None where none of them is longer than the predictor's context.

    A linear readout, fitted on training episodes, reads the observed numbers from states; without a stream of numbers the true
    state; without one, states themselves are compared, which then depends on the encoder.
    """
    past = agent.configuration.model.predictor.context - 1
    longest = int(min(LONGEST + past, store.lengths[store.heldout].max(initial=0)))
    if longest <= past:
        return None
    enough = store.heldout[store.lengths[store.heldout] >= longest]
    generator = np.random.default_rng(0)
    episodes = generator.choice(enough, CLIPS)
    offsets = generator.integers(0, store.lengths[episodes] - longest + 1)
    clips, level = store.clips(episodes, offsets, longest), agent.modules.world_model
    states = level.encode(to_tensors(clips.observation, agent.configuration.data.streams, agent.device))
    actions = agent.body.to_model(torch.from_numpy(clips.actions).to(agent.device))
    rollout = level.open_loop(states, actions, past + 1)
    predicted = level.metric.pool(rollout).cpu().double().numpy()
    names, of = _numbers(agent, store)
    if not names:
        return _skill(predicted, level.metric.pool(states[:, past + 1 :]).cpu().double().numpy(), of)
    fitted = store.train[:FIT_EPISODES]
    encoded = encode_store(level, store, fitted, agent.body)
    rows = store.rows_of(fitted[store.lengths[fitted] > 0], whole=True)
    truth = np.concatenate([store.rows(name, rows).reshape(len(rows), -1) for name in names], 1)
    probe = fit_linear_probe(level.metric.pool(encoded.states).cpu().numpy(), truth)
    indices = (store.starts[episodes] + offsets)[:, None] + np.arange(past + 1, longest + 1)
    true = np.concatenate([store.rows(name, indices).reshape(*indices.shape, -1) for name in names], -1)
    return _skill(probe.predict(predicted), true.astype(np.float64), of)


def _numbers(agent: Agent, store: EpisodeStore) -> tuple[list[str], str]:
    """Arrays of the store that are predicted, and their name for people."""
    streams = [stream.name for stream in agent.configuration.data.streams if stream.kind != "image"]
    if streams:
        return streams, "observed numbers"
    if store.spec.truth:
        return [f"truth.{name}" for name in store.spec.truth], "the true state"
    return [], "states of the agent"


def _skill(predicted: NDArray[np.float64], true: NDArray[np.float64], of: str) -> PredictionSkill | None:
    """From values [clips, H, V]; numbers that do not vary are left out."""
    variance = true.reshape(-1, true.shape[-1]).var(0)
    varies = variance > 1e-12
    if not varies.any():
        return None
    errors = np.square(predicted - true)[..., varies] / variance[varies]
    clipped = np.minimum(errors, WORST)
    skill = 1 - clipped.mean((1, 2))
    half = Z95 * float(skill.std(ddof=1)) / len(skill) ** 0.5
    mean = float(skill.mean())
    return PredictionSkill(mean, mean - half, mean + half, of)
