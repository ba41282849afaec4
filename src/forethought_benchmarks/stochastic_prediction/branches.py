"""True branches: the same state and the same actions, simulated once for each outcome of the random event.

Axes: W ways, M moments, H blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forethought.types import Observation, WorldTask
from forethought.worlds import registry


@dataclass(frozen=True)
class Way:
    """One outcome. Fields: options: of the world, which force it. chance: its probability."""

    options: Mapping[str, Any]
    chance: float


@dataclass(frozen=True)
class BranchScores:
    """M initial states, and the observations after given actions in each of W branches.

    Fields:
        start: streams [M, ...]. actions: [M, H, block, size], environment units.
        following: streams [W, M, H, ...], after each block. chances: of the W ways.
    """

    start: Observation
    actions: NDArray[np.float32]
    following: Observation
    chances: tuple[float, ...]


def play_out(
    world: str,
    ways: Sequence[Way],
    tasks: Sequence[WorldTask],
    policy: str,
    block: int,
    blocks: int,
    waiting: bool,
) -> BranchScores:
    """Begin the tasks in each of the worlds that `ways` make, and repeat in all what a policy did in the first.

    Where `waiting`, every other task is spent doing nothing: what comes does not hang on the agent. Tasks, not options, must
    fix the moment.
    """
    taken: list[NDArray[np.float32]] = []
    seen = [_seen(world, way.options, tasks, policy, taken, block, blocks, waiting) for way in ways]
    names = seen[0][0]
    return BranchScores(
        start={name: seen[0][0][name] for name in names},
        actions=np.stack(taken, 1).reshape(len(tasks), blocks, block, -1),
        following={name: np.stack([np.stack([after[name] for after in way[1:]], 1) for way in seen]) for name in names},
        chances=tuple(way.chance for way in ways),
    )


def _seen(
    world: str,
    options: Mapping[str, Any],
    tasks: Sequence[WorldTask],
    policy: str,
    taken: list[NDArray[np.float32]],
    block: int,
    blocks: int,
    waiting: bool,
) -> list[Observation]:
    """The start, and what is seen after each block; fills in what was `taken`, step by step, if nothing is there yet."""
    copies, own = registry.make(world, len(tasks), **options), not taken
    acting, frame = registry.policy(world, policy), copies.begin(tasks)
    acting.reset(copies, [task.seed for task in tasks])
    seen = [frame.observation]
    try:
        for step in range(block * blocks):
            if own:
                taken.append(acting.act(copies, frame))
                if waiting:
                    taken[-1][::2] = 0
            frame = copies.step(taken[step])
            if (step + 1) % block == 0:
                seen.append(frame.observation)
    finally:
        copies.close()
    return seen


def settled(branches: BranchScores, blocks: int) -> BranchScores:
    """Each branch from `blocks` later on, when the outcome is determined: W * M moments with one branch each."""
    ways = len(next(iter(branches.following.values())))
    return BranchScores(
        start={name: np.concatenate(after[:, :, blocks - 1]) for name, after in branches.following.items()},
        actions=np.concatenate([branches.actions[:, blocks:]] * ways),
        following={name: np.concatenate(after[:, :, blocks:])[None] for name, after in branches.following.items()},
        chances=(1.0,),
    )


def shortened(branches: BranchScores, blocks: int) -> BranchScores:
    """The first `blocks` blocks."""
    following = {name: after[:, :, :blocks] for name, after in branches.following.items()}
    return BranchScores(branches.start, branches.actions[:, :blocks], following, branches.chances)
