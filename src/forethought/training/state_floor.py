"""The floor of a trained state: it must tell of the recorded episodes whatever the same encoder tells untrained.

The monitor rings before any planning. It reads observations alone: no truth, no rewards, no actions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from forethought.config import Configuration, LossConfig, StreamSettings
from forethought.data.store import EpisodeStore
from forethought.perception import Encoder, make_encoder, to_tensors
from forethought.readout.lasting_variation import paired_t
from forethought.readout.missing_variation import StreamVariation, missing_variation
from forethought.world_model import FirstLevel

STEPS, FEWEST_STEPS = 400, 100
"""Optimiser steps of the readouts: as many as the world model's, up to the first; below the second nothing is measured."""
FIT_ROWS, TEST_EPISODES, LONGEST = 6000, 120, 32
"""Rows to fit on; episodes to test on, and the rows of each."""
FEWEST_EPISODES, LEAST_ROWS = 8, 3
TRAINING_SHARE = 0.25
"""Share of the training episodes that may be tested on in place of fitted on, where few are held out."""
CLEARLY_LESS = 0.8
"""A state tells clearly less if it tells less than this share of what the untrained state tells."""
CHUNK, MOST_NUMBERS = 512, 1024
"""Rows encoded at once, and the largest state that the readouts read whole; of a larger one they read the pooled state."""


@dataclass(frozen=True)
class StateFloor:
    """What was compared.

    Fields:
        streams: one entry each. rows: [B, T], the store's rows of the test, T successive ones of each of B episodes.
    """

    streams: tuple[StreamVariation, ...]
    rows: NDArray[np.int64]

    def told(self) -> tuple[float, float]:
        """Shares 0..1 of all streams' lasting variation that are told: by the trained state, by the untrained one."""
        whole = sum(float(stream.lasting.sum()) for stream in self.streams)
        missed = torch.stack([stream.missed.sum(1) for stream in self.streams]).sum(0)
        trained, untrained = (1 - missed / max(whole, 1e-12)).clamp(0, 1).tolist()
        return trained, untrained

    def tells_less(self) -> bool:
        """Whether the trained state tells clearly less of all streams together, beyond chance (see `paired_t`)."""
        trained, untrained = self.told()
        excess = torch.stack([stream.excess.sum((1, 2)) for stream in self.streams]).sum(0)
        t, threshold = paired_t(excess[:, None])
        return trained < CLEARLY_LESS * untrained and float(t) > threshold


@torch.no_grad()
def measure_state_floor(
    level: FirstLevel, store: EpisodeStore, configuration: Configuration, steps: int | None = None
) -> StateFloor | None:
    """What the state misses of each stream; None after a very short training, and for few or very short episodes.

    It takes about 5 s on one CPU core for images of 64 x 64 pixels. `steps`: of the readouts; None: as said at `STEPS`.
    """
    steps = min(STEPS, configuration.training.world_model_steps) if steps is None else steps
    sample = _sample(store)
    if steps < FEWEST_STEPS or sample is None:
        return None
    encoders = (level.perception, untrained_encoder(level, configuration))
    fit, test = (_read(level, encoders, store, rows) for rows in sample)
    return StateFloor(missing_variation(level.perception.streams, fit, test, steps), sample[1])


def untrained_encoder(level: FirstLevel, configuration: Configuration) -> Encoder:
    """The encoder of `level` as its training began, but for the scale of its states."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(configuration.training.seed)
        encoder = make_encoder(configuration.data.streams, configuration.model.encoder)
    return encoder.to(next(level.parameters()).device)


def _sample(store: EpisodeStore) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Rows to fit on [N] and to test on [B, T], of different episodes; None if there are too few."""
    train, heldout = (numbers[store.lengths[numbers] >= LEAST_ROWS - 1] for numbers in (store.train, store.heldout))
    spared = min(max(0, TEST_EPISODES - len(heldout)), int(TRAINING_SHARE * len(train)))
    random = np.random.default_rng(0)
    order = random.permutation(train)
    test = np.concatenate([random.permutation(heldout)[:TEST_EPISODES], order[:spared]])
    fit = order[spared:]
    if len(test) < FEWEST_EPISODES or len(fit) < FEWEST_EPISODES:
        return None
    length = int(min(LONGEST, np.median(store.lengths[test]) + 1))
    test = test[store.lengths[test] + 1 >= length]
    first = random.integers(0, store.lengths[test] + 2 - length)
    windows = (store.starts[test] + first)[:, None] + np.arange(length)
    return np.sort(random.permutation(store.rows_of(fit, whole=True))[:FIT_ROWS]), windows


def _read(
    level: FirstLevel, encoders: Sequence[nn.Module], store: EpisodeStore, rows: NDArray[np.int64]
) -> tuple[Tensor, Mapping[str, Tensor]]:
    """States [2, *rows, D] by both encoders, and stream -> values [*rows, *shape]."""
    streams, device = level.perception.streams, next(level.parameters()).device
    observation = to_tensors({stream.name: store.rows(stream.name, rows) for stream in streams}, streams, device)
    flat = {name: values.flatten(0, rows.ndim - 1) for name, values in observation.items()}
    states = torch.stack([_encoded(level, encoder, flat, rows.size) for encoder in encoders])
    return states.unflatten(1, rows.shape), observation


def _encoded(level: FirstLevel, encoder: nn.Module, observation: Mapping[str, Tensor], count: int) -> Tensor:
    metric, parts = level.metric, []
    for first in range(0, count, CHUNK):
        chunk = {name: values[first : first + CHUNK] for name, values in observation.items()}
        states = metric.spec.flat(encoder(chunk))
        parts.append(states if states.shape[-1] <= MOST_NUMBERS else metric.pool(states))
    return torch.cat(parts)


def floor_alarms(found: StateFloor, streams: Sequence[StreamSettings], loss: LossConfig) -> list[str]:
    """One sentence for each stream of which the state tells less than the untrained one."""
    alarms, shapes = [], {stream.name: stream.shape for stream in streams}
    for stream in found.streams:
        if not bool(stream.lost.any()):
            continue
        trained, untrained = stream.shares(stream.lost)
        place = place_of(stream, shapes[stream.name])
        alarms.append(
            f"Lost variation: what changes {place} of '{stream.name}' is not all in the state: a readout from the state misses "
            f"{trained:.0%} of its lasting variation, one from the same encoder untrained {untrained:.0%}, so "
            f"plans cannot aim at it; if it matters to the tasks, {_advice(loss)}."
        )
    return alarms


def place_of(stream: StreamVariation, shape: tuple[int, ...]) -> str:
    """Where the state is below the floor: the box of the lost places in pixels, or the numbers of a vector."""
    lost = torch.nonzero(stream.lost.cpu()).squeeze(1)
    if stream.grid is None:
        names = ", ".join(str(number) for number in lost.tolist())
        return f"in {'number' if len(lost) == 1 else 'numbers'} {names}"
    (rows, columns), (height, width) = stream.grid, shape[:2]
    row, column = lost // columns, lost % columns
    x, y = (
        f"{int(index.min()) * size // count}..{(int(index.max()) + 1) * size // count}"
        for index, size, count in ((column, width, columns), (row, height, rows))
    )
    return f"at x {x}, y {y}"


def _advice(loss: LossConfig) -> str:
    if loss.ema:
        return "train longer, lower training.loss.inverse_dynamics, or enlarge model.encoder.state_dim"
    return (
        "set training.loss.ema to 0.8, training.loss.inverse_dynamics to 3 and training.loss.covariance to 0.2, and leave out "
        "contrast between episodes"
    )
