"""The replay: every block that the agent has lived through, in memory, with windows sampled from it.

The rows are those of the run's dataset, so a run that is resumed fills the same replay from it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forethought.config import StreamSettings
from forethought.types import Episode

FIRST_ROWS = 4096
NOTABLE_SHARE = 8
"""One of so many windows leads to a notable block, where there are any: among thousands of others one is hardly ever drawn."""


@dataclass(frozen=True)
class Happened:
    """A block, and what it led to.

    Fields: action: [A], environment units. reward: of the block. drives: [drives], felt during it. terminated: whether the
    episode ended itself. observation: stream -> the row after it.
    """

    action: NDArray[np.float32]
    reward: float
    drives: NDArray[np.float32]
    terminated: bool
    observation: Mapping[str, NDArray[Any]]

    @staticmethod
    def at(episode: Episode, step: int, block: int, streams: Mapping[str, NDArray[Any]] | None = None) -> Happened:
        """Block `step` of an episode with blocks of `block` steps, with these of its streams (None: all).

        In a block that an ending cut short, the last executed action goes on.
        """
        seen = {name: values[step + 1] for name, values in (streams or episode.observation).items()}
        reward, over = float(episode.rewards[step + 1]), bool(episode.terminated[step + 1])
        action, executed = episode.actions[step], int(episode.steps[step]) if len(episode.steps) else block
        if executed < block:
            steps = action.reshape(block, -1)
            action = steps[np.minimum(np.arange(block), executed - 1)].reshape(-1)
        return Happened(action, reward, episode.drives[step + 1], over, seen)


@dataclass(frozen=True)
class Windows:
    """B windows of T blocks, and the P blocks before each.

    Fields:
        observation: stream -> [B, P + T + 1, ...]. actions: [B, P + T, A], environment units as stored.
        rewards, terminated: [B, T]. drives: [B, T, drives], felt during the blocks.
        counts: [B, T], 1 where the block belongs to the window's episode, 0 after its end.
        known: [B, P + T + 1], 0 in rows before the beginning of the episode, else 1.
        given: [B], 1 where the window was recorded before the life, else 0.
    """

    observation: Mapping[str, Tensor]
    actions: Tensor
    rewards: Tensor
    drives: Tensor
    terminated: Tensor
    counts: Tensor
    known: Tensor
    given: Tensor


class Replay:
    """Rows of episodes, one after the other: an observation and the block taken from it; the last row has no block.

    Attributes: rows: how many there are. notable_above: reward of a block from which on it is notable.
    """

    def __init__(self, streams: tuple[StreamSettings, ...], recorded_size: int, drives: int = 0, block: int = 1) -> None:
        """Empty. `recorded_size`: numbers in a recorded block of `block` steps. `drives`: their number."""
        self.rows, self.notable_above, self._block = 0, math.inf, block
        self._notable: list[int] = []
        self._streams = {stream.name: stream for stream in streams}
        self._columns: dict[str, NDArray[Any]] = {
            name: np.zeros((FIRST_ROWS, *stream.shape), np.uint8 if stream.kind == "image" else np.float32)
            for name, stream in self._streams.items()
        }
        self._actions = np.zeros((FIRST_ROWS, recorded_size), np.float32)
        self._drives = np.zeros((FIRST_ROWS, drives), np.float32)
        self._rewards, self._terminated = np.zeros(FIRST_ROWS, np.float32), np.zeros(FIRST_ROWS, np.float32)
        self._last = np.zeros(FIRST_ROWS, np.bool_)
        self._first = np.zeros(FIRST_ROWS, np.int64)
        # Rows from which a block was taken, ascending; the first `_blocks` entries.
        self._starts, self._blocks, self._given = np.zeros(FIRST_ROWS, np.int64), 0, 0

    @property
    def blocks(self) -> int:
        """How many blocks were taken."""
        return self._blocks

    def begin(self, observation: Mapping[str, NDArray[Any]]) -> None:
        """Begin an episode with its first observation."""
        self._begun = self.rows
        self._append(observation)

    def add(self, happened: Happened) -> None:
        """Append a block taken from the last row, and the row after it."""
        row = self.rows - 1
        self._actions[row], self._rewards[row], self._terminated[row] = happened.action, happened.reward, happened.terminated
        self._drives[row] = happened.drives
        self._last[row] = False
        self._starts[self._blocks] = row
        if happened.reward > self.notable_above:
            self._notable.append(self._blocks)
        self._blocks += 1
        self._append(happened.observation)

    def truncate(self, rows: int) -> None:
        """Keep the first rows only: whole episodes."""
        self.rows = rows
        self._blocks = int(np.searchsorted(self._starts[: self._blocks], rows))
        self._notable = [block for block in self._notable if block < self._blocks]

    def add_episode(self, episode: Episode, given: bool = False) -> None:
        """Append a whole episode; streams that the agent does not read are left out. `given`: others recorded it."""
        rows = {name: episode.observation[name] for name in self._streams}
        self.begin({name: values[0] for name, values in rows.items()})
        for step in range(len(episode)):
            self.add(Happened.at(episode, step, self._block, rows))
        self._given = self.rows if given else self._given

    def sample(self, count: int, length: int, generator: torch.Generator, past: int = 0) -> Windows:
        """Windows that begin at any block, sampled uniformly but for the notable ones (`NOTABLE_SHARE`).

        They may run over the end of their episode (`counts`).

        `past`: P, blocks before each; those before the episode repeat its first row (`known`).
        """
        block = torch.randint(self._blocks, (count,), generator=generator)
        if self._notable:
            few = count // NOTABLE_SHARE
            chosen = torch.randint(len(self._notable), (few,), generator=generator)
            notable = torch.tensor([self._notable[number] for number in chosen.tolist()])
            block[:few] = (notable - torch.randint(length, (few,), generator=generator)).clamp_min(0)
        row = self._starts[block.numpy()]
        before = row[:, None] - np.arange(past, 0, -1)
        known = np.concatenate([before >= self._first[row, None], np.ones((count, length + 1), np.bool_)], 1)
        earlier = np.maximum(before, self._first[row, None])
        rows, counts = [row], []
        for _ in range(length):
            inside = ~self._last[row]
            row = np.where(inside, row + 1, row)
            rows.append(row)
            counts.append(inside)
        index, blocks = np.concatenate([earlier, np.stack(rows, 1)], 1), np.stack(rows[:-1], 1)
        tensor = torch.from_numpy
        return Windows(
            {name: tensor(column[index]) for name, column in self._columns.items()},
            tensor(self._actions[index[:, :-1]]),
            tensor(self._rewards[blocks]),
            tensor(self._drives[blocks]),
            tensor(self._terminated[blocks]),
            tensor(np.stack(counts, 1).astype(np.float32)),
            tensor(known.astype(np.float32)),
            tensor((index[:, past] < self._given).astype(np.float32)),
        )

    def _append(self, observation: Mapping[str, NDArray[Any]]) -> None:
        if self.rows == len(self._last):
            self._grow()
        for name, column in self._columns.items():
            column[self.rows] = observation[name]
        self._last[self.rows], self._first[self.rows] = True, self._begun
        self.rows += 1

    def _grow(self) -> None:
        def grown(column: NDArray[Any]) -> NDArray[Any]:
            return np.concatenate([column, np.zeros_like(column)])

        self._columns = {name: grown(column) for name, column in self._columns.items()}
        self._actions, self._rewards, self._drives = grown(self._actions), grown(self._rewards), grown(self._drives)
        self._terminated, self._last, self._starts = grown(self._terminated), grown(self._last), grown(self._starts)
        self._first = grown(self._first)
