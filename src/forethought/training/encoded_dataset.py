"""Dataset of encoded states: each row of a store is encoded once, for the phases after perception."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from forethought.action_codec import ActionCodec
from forethought.data.store import EpisodeStore
from forethought.data_parallel import ALONE, TrainingProcesses
from forethought.errors import NonFiniteError
from forethought.perception import to_tensors
from forethought.world_model.level import FirstLevel

CHUNK = 512
KEPT_BACK = 0.05
"""Share of the training episodes that is held back for the calibration of the prior."""


@dataclass(frozen=True)
class EncodedDataset:
    """States of whole episodes, row-major, without partial last blocks, which are no valid transitions.

    Fields:
        states: [rows, D]. goals: [rows, D], the same rows encoded from the goal streams alone.
        actions: [rows, A], model units (zeros in an episode's last row).
        drives: [rows, drives].
        starts, lengths: int64 [episodes], first row and number of whole blocks of each episode.
    """

    states: Tensor
    goals: Tensor
    actions: Tensor
    drives: Tensor
    starts: Tensor
    lengths: Tensor

    def split(self) -> tuple[EncodedDataset, EncodedDataset]:
        """Split into the first episodes and the held-back last ones: a share of `KEPT_BACK`, at least one of two or more."""
        heldout = min(max(1, round(KEPT_BACK * len(self.lengths))), len(self.lengths) - 1)
        first = len(self.lengths) - heldout
        row = int(self.starts[first]) if heldout else len(self.states)
        rows, episodes = (self.states, self.goals, self.actions, self.drives), (self.starts, self.lengths)
        before = [part[:row] for part in rows] + [part[:first] for part in episodes]
        after = [part[row:] for part in rows] + [self.starts[first:] - row, self.lengths[first:]]
        return EncodedDataset(*before), EncodedDataset(*after)

    def valid_starts(self, room: int) -> Tensor:
        """All rows that at least `room` blocks of their episode follow, int64."""
        offset = torch.arange(len(self.states)) - self.starts.repeat_interleave(self.lengths + 1)
        return torch.nonzero(offset + room <= self.lengths.repeat_interleave(self.lengths + 1)).squeeze(1)

    def sample_rows(self, count: int, generator: torch.Generator, room: int = 1) -> tuple[Tensor, Tensor]:
        """Random (episode, offset), each int64 [count], with at least `room` blocks after the offset."""
        long_enough = torch.nonzero(self.lengths >= room).squeeze(1)
        episode = long_enough[torch.randint(len(long_enough), (count,), generator=generator)]
        offsets = self.lengths[episode] - room + 1
        offset = (torch.rand(count, generator=generator) * offsets).long()
        return episode, offset

    def windows(self, count: int, blocks: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Random windows of `blocks` blocks: states [count, blocks + 1, D] and the actions between, [count, blocks, A]."""
        episode, offset = self.sample_rows(count, generator, room=blocks)
        return self.windows_from(self.starts[episode] + offset, blocks)

    def windows_from(self, rows: Tensor, blocks: int) -> tuple[Tensor, Tensor]:
        """The windows that start at these rows, int64 [count]; see `windows`."""
        window_rows = rows[:, None] + torch.arange(blocks + 1)
        return self.states[window_rows], self.actions[window_rows[:, :-1]]


@torch.no_grad()
def seconds_to_encode(level: FirstLevel, store: EpisodeStore, episodes: np.ndarray, body: ActionCodec) -> float:
    """Seconds that `encode_store` takes for these episodes, by the measured speed of one chunk."""
    rows = store.rows_of(episodes, whole=True)
    seconds = 0.0
    for _ in range(2):
        # The second time counts: the first one reads the file and allocates.
        started = time.monotonic()
        observation = {stream.name: store.rows(stream.name, rows[:CHUNK]) for stream in level.perception.streams}
        float(level.encode(to_tensors(observation, level.perception.streams, body.low.device)).sum())
        seconds = time.monotonic() - started
    return seconds * len(rows) / len(rows[:CHUNK]) * (2 if body.settings.goals else 1)


@torch.no_grad()
def encode_store(
    level: FirstLevel, store: EpisodeStore, episodes: np.ndarray, body: ActionCodec, processes: TrainingProcesses = ALONE
) -> EncodedDataset:
    """Encode each row of `episodes` once, except rows at the end of a partial block and episodes without a whole one.

    `processes` encode chunks of rows in turn, and each gets all states.

    Raises:
        NonFiniteError: a state is NaN or infinite; names the episode.
    """
    device = body.low.device
    episodes = episodes[store.lengths[episodes] > 0]
    lengths = store.lengths[episodes]
    starts = np.concatenate([[0], np.cumsum(lengths + 1)[:-1]])
    rows = store.rows_of(episodes, whole=True)
    full_goals, dim = not body.settings.goals, level.state_dim

    def encode(first: int, last: int) -> Tensor:
        chunk = rows[first:last]
        observation = {stream.name: store.rows(stream.name, chunk) for stream in level.perception.streams}
        tensors = to_tensors(observation, level.perception.streams, device)
        if full_goals:
            return level.encode(tensors)
        goal_streams: dict[str, Tensor] = {stream.name: tensors[stream.name] for stream in body.settings.goal_streams}
        return torch.cat([level.encode(tensors), level.encode(goal_streams)], -1)

    both = processes.in_chunks(range(len(rows)), CHUNK, dim if full_goals else 2 * dim, device, encode)
    encoded = both[:, :dim].contiguous()
    if not torch.isfinite(encoded).all():
        row = int(torch.nonzero(~torch.isfinite(encoded).all(1))[0])
        episode = int(episodes[np.searchsorted(starts, row, side="right") - 1])
        raise NonFiniteError(
            f"The encoder returns a NaN or infinite state for a row of episode {episode} in {store.path}: lower "
            "training.learning_rate and train again."
        )
    actions = body.to_model(torch.from_numpy(store.rows("actions", rows)).to(device))
    drives = torch.from_numpy(store.rows("drives", rows)).to(device)
    encoded_goals = encoded if full_goals else both[:, dim:].contiguous()
    return EncodedDataset(encoded, encoded_goals, actions, drives, torch.from_numpy(starts), torch.from_numpy(lengths))
