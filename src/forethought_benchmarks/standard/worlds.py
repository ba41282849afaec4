"""The worlds of `standard`: what is collected and trained in each, and how an agent is tested there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forethought.agent import Agent
from forethought.data.store import EpisodeStore
from forethought.evaluation.arena import Arena, make_arena
from forethought.evaluation.task_choice import EVALUATION_SEED
from forethought.execution import Executor
from forethought.worlds import pusht, reacher
from forethought.worlds.goals import Pair, tasks_from_episodes
from forethought.worlds.two_room import GEOMETRIES, TWO_ROOM_NAME, WALL_NAME
from forethought_benchmarks.cached_experiments import Variant
from forethought_benchmarks.standard.ceilings import with_pose_cost
from forethought_benchmarks.standard.place_probe import joint_errors, place_errors
from forethought_benchmarks.standard.pose_probe import pose_errors

TASKS = 100
AGENTS = (Variant("plan"), Variant("react", "react"), Variant("auto", "auto"))


@dataclass(frozen=True)
class GoalProtocol:
    """How an agent is tested.

    Fields:
        name: `peers` or `strict`. offset: steps from start to goal in the recording. success: the world's success test.
        agents: the modes that are tested. wanted: which pairs of start and goal make tasks; None: all.
    """

    name: str
    offset: int
    success: str
    agents: Sequence[Variant] = AGENTS
    wanted: Pair | None = None

    def arena(self, store: EpisodeStore, executor: Executor | None = None) -> Arena:
        """The world and the tasks, the same at each call."""
        options, gap = {**store.spec.options, "success": self.success}, self.offset // store.block
        tasks = tasks_from_episodes(store, TASKS, EVALUATION_SEED, gap, options=options, wanted=self.wanted)
        return make_arena(store.spec.name, options, tasks, store, executor)

    def folder(self, run: Path) -> Path:
        """Where the scores of a run are kept."""
        return run / f"{self.name}-{self.offset}"


@dataclass(frozen=True)
class StandardWorld:
    """One world of the benchmark.

    Fields:
        name: in the rows. gymnasium_id, options: of the world. policy, episodes: what is collected.
        protocols: the first is the one in which a ceiling is measured. gate: errors of a probe of the true state; with the
            trained and with untrained states.
        ceiling: the agent with a cost that reads the truth, and the name of its rows; None without one.
    """

    name: str
    gymnasium_id: str
    policy: str
    episodes: int
    protocols: Sequence[GoalProtocol]
    gate: Callable[[Agent, EpisodeStore], dict[str, float]]
    options: Mapping[str, Any] = field(default_factory=dict)
    ceiling: tuple[str, Callable[[Agent, EpisodeStore], Agent]] | None = None


def crossing(name: str) -> Pair:
    """Whether start and goal are in different rooms of a geometry."""
    geometry = GEOMETRIES[name]

    def crosses(start: NDArray[np.float32], goal: NDArray[np.float32]) -> bool:
        return geometry.crosses(start, goal)

    return crosses


PUSH_T = StandardWorld(
    name="push-t",
    gymnasium_id=pusht.NAME,
    policy="demonstrator",
    episodes=10_000,
    protocols=(
        GoalProtocol("peers", 25, "state"),
        GoalProtocol("strict", 25, "block"),
        *(GoalProtocol("peers", offset, "state", AGENTS[:1]) for offset in (50, 75)),
    ),
    gate=pose_errors,
    # The peers' reach of an action, in pixels of the board, and length of an episode.
    options={"reach": 100.0, "max_steps": 125},
    ceiling=("probe-cost", with_pose_cost),
)
TWO_ROOM = StandardWorld(
    name="two-room",
    gymnasium_id=TWO_ROOM_NAME,
    policy="demonstrator",
    episodes=3000,
    protocols=(
        GoalProtocol("peers", 25, "near"),
        GoalProtocol("strict", 25, "closer", wanted=crossing(TWO_ROOM_NAME)),
        GoalProtocol("peers", 100, "near", AGENTS[:1]),
    ),
    gate=place_errors,
)
WALL = StandardWorld(
    name="wall",
    gymnasium_id=WALL_NAME,
    policy="demonstrator",
    episodes=1920,
    protocols=(
        GoalProtocol("peers", 25, "near"),
        GoalProtocol("strict", 25, "closer", wanted=crossing(WALL_NAME)),
    ),
    gate=place_errors,
)
REACHER = StandardWorld(
    name="reacher",
    gymnasium_id=reacher.NAME,
    policy="random",
    episodes=2000,
    protocols=(
        GoalProtocol("peers", 25, "joints"),
        GoalProtocol("strict", 25, "fingertip"),
    ),
    gate=joint_errors,
)
WORLDS: Mapping[str, StandardWorld] = MappingProxyType({world.name: world for world in (PUSH_T, TWO_ROOM, WALL, REACHER)})
