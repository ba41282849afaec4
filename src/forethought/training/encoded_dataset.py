"""Every stored row's state, encoded once: what the critic and Mode-1 learn from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from forethought.action_codec import ActionCodec
from forethought.data.store import EpisodeStore
from forethought.errors import NonFiniteError
from forethought.perception import to_tensors
from forethought.world_model.level import FirstLevel

CHUNK = 512
KEPT_BACK = 0.05
"""Of the training episodes, where a prior is calibrated on what it has not learned from."""


@dataclass(frozen=True)
class EncodedDataset:
    """States of whole episodes, row-major, without a partial last block: what was broken off teaches no transition.

    Fields:
        states: [rows, D]. goals: [rows, D], the same rows as a goal would show them.
        actions: [rows, A], model units (an episode's last row: zeros).
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
        """All but the last episodes, and these: a share of `KEPT_BACK`, one at least where there are two."""
        kept = min(max(1, round(KEPT_BACK * len(self.lengths))), len(self.lengths) - 1)
        first = len(self.lengths) - kept
        row = int(self.starts[first]) if kept else len(self.states)
        rows, episodes = (self.states, self.goals, self.actions, self.drives), (self.starts, self.lengths)
        before = [part[:row] for part in rows] + [part[:first] for part in episodes]
        after = [part[row:] for part in rows] + [self.starts[first:] - row, self.lengths[first:]]
        return EncodedDataset(*before), EncodedDataset(*after)

    def valid_starts(self, room: int) -> Tensor:
        """All rows with at least `room` blocks of their episode from there on, int64."""
        before = torch.arange(len(self.states)) - self.starts.repeat_interleave(self.lengths + 1)
        return torch.nonzero(before + room <= self.lengths.repeat_interleave(self.lengths + 1)).squeeze(1)

    def sample_rows(self, count: int, generator: torch.Generator, room: int = 1) -> tuple[Tensor, Tensor]:
        """Random (episode, offset), each int64 [count], with at least `room` blocks behind the offset."""
        fits = torch.nonzero(self.lengths >= room).squeeze(1)
        episode = fits[torch.randint(len(fits), (count,), generator=generator)]
        places = self.lengths[episode] - room + 1
        offset = (torch.rand(count, generator=generator) * places).long()
        return episode, offset

    def windows(self, count: int, blocks: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Random windows of `blocks` blocks: states [count, blocks + 1, D] and the actions between, [count, blocks, A]."""
        episode, offset = self.sample_rows(count, generator, room=blocks)
        return self.windows_from(self.starts[episode] + offset, blocks)

    def windows_from(self, rows: Tensor, blocks: int) -> tuple[Tensor, Tensor]:
        """The windows that begin at these rows, int64 [count]; see `windows`."""
        every = rows[:, None] + torch.arange(blocks + 1)
        return self.states[every], self.actions[every[:, :-1]]


@torch.no_grad()
def encode_store(level: FirstLevel, store: EpisodeStore, episodes: np.ndarray, body: ActionCodec) -> EncodedDataset:
    """Encode each row of `episodes` once, but for those at the end of a partial block.

    Raises:
        NonFiniteError: a state is NaN or infinite; says in which episode.
    """
    device = body.low.device
    lengths = store.whole_lengths[episodes]
    starts = np.concatenate([[0], np.cumsum(lengths + 1)[:-1]])
    rows = store.rows_of(episodes, whole=True)
    states, goals = [], []
    whole = not body.settings.goals
    for first in range(0, len(rows), CHUNK):
        part = rows[first : first + CHUNK]
        observation = {stream.name: store.rows(stream.name, part) for stream in level.perception.streams}
        tensors = to_tensors(observation, level.perception.streams, device)
        states.append(level.encode(tensors))
        shown: dict[str, Tensor] = {stream.name: tensors[stream.name] for stream in body.settings.goal_streams}
        goals.append(states[-1] if whole else level.encode(shown))
    encoded = torch.cat(states)
    if not torch.isfinite(encoded).all():
        row = int(torch.nonzero(~torch.isfinite(encoded).all(1))[0])
        episode = int(episodes[np.searchsorted(starts, row, side="right") - 1])
        raise NonFiniteError(f"The encoder gives a NaN or infinite state for a row of episode {episode} in {store.path}.")
    actions = body.to_model(torch.from_numpy(store.rows("actions", rows)).to(device))
    drives = torch.from_numpy(store.rows("drives", rows)).to(device)
    wanted = encoded if whole else torch.cat(goals)
    return EncodedDataset(encoded, wanted, actions, drives, torch.from_numpy(starts), torch.from_numpy(lengths))
