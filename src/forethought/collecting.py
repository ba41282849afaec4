"""`forethought.collect`: a collection by any policy, also by an agent, which is given a task in each episode."""

from __future__ import annotations

import functools
import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forethought.data import collection
from forethought.data.store import EpisodeStore
from forethought.errors import ForethoughtError
from forethought.types import Frame, Observation, WorldSpec, WorldTask
from forethought.worlds import registry
from forethought.worlds.adapter import GymnasiumWorld
from forethought.worlds.contract import World
from forethought.worlds.env_adapter import DESIRED
from forethought.worlds.own_policy import PolicyMaker
from forethought.worlds.random_streams import world_seed

if TYPE_CHECKING:
    from forethought.agent import Agent

log = logging.getLogger(__name__)
GOALS = 0x60A15
"""Second word of the seed by which a recorded row is chosen as a goal."""


@functools.wraps(collection.collect)
def collect(world: str | Callable[..., Any], *, policy: Any = "default", **arguments: Any) -> EpisodeStore:
    """See `data.collection.collect`; `policy` may also be an agent, or the folder of its run."""
    return collection.collect(world, policy=policy_of(policy), **arguments)


def policy_of(policy: str | Path | Agent | Callable[..., Any] | PolicyMaker) -> str | Callable[..., Any] | PolicyMaker:
    """The maker of a policy that is an agent or the folder of a run; all else as it is."""
    if isinstance(policy, str | Path):
        folder = Path(policy)
        is_run = folder.is_dir() and any((folder / name).exists() for name in ("agent", "configuration.json"))
        return agent_policy(policy) if is_run or isinstance(policy, Path) else policy
    if callable(policy) or isinstance(policy, PolicyMaker):
        return policy
    from forethought.agent import Agent

    if not isinstance(policy, Agent):
        raise ForethoughtError(
            f"collect: a policy can't be of the kind {type(policy).__name__}: give its name, a function, an agent, or the "
            "folder of a run."
        )
    return _maker(policy, "agent in memory", None)


def agent_policy(run: str | Path) -> PolicyMaker:
    """The maker of the policy that is the agent of a run.

    Its name in a store's recipe holds a digest of the agent: a collection is not resumed with another one.

    Raises:
        ForethoughtError: the folder has no trained agent.
        CorruptFileError: the agent is damaged.
    """
    from forethought.training.agent_files import AGENT, WEIGHTS, load

    folder = Path(run).absolute()
    agent = load(folder, "cpu")
    with (folder / AGENT / WEIGHTS).open("rb") as weights:
        digest = hashlib.file_digest(weights, "sha256").hexdigest()[:12]
    maker = _maker(agent, f"agent {folder.name} {digest}", folder)
    return replace(maker, place=f"{__name__}:{agent_policy.__name__}", argument=str(folder))


def _maker(agent: Agent, name: str, run: Path | None) -> PolicyMaker:
    @functools.cache
    def store() -> EpisodeStore:
        return _store_of(name, run)

    def check(spec: WorldSpec) -> None:
        from forethought.evaluation.evaluate import require_same_spaces

        body = agent.configuration.data
        fix = f"give the world the options that the agent was trained with: {dict(body.options)}"
        require_same_spaces(body, spec, fix)
        if not _gives_goals(spec):
            store()

    return PolicyMaker(name, lambda: AgentPolicy(agent, store), block=agent.configuration.data.block, check=check)


def _store_of(name: str, run: Path | None) -> EpisodeStore:
    """The store whose training episodes show the goals."""
    from forethought.evaluation.run_store import chosen_store

    if run is None:
        raise ForethoughtError(
            f"the {name} needs recorded rows as goals here: give the folder of its run, which names the store that it was "
            "trained on."
        )
    store = chosen_store(run)
    assert store is not None, "a needed store is found or refused"
    return store


def _gives_goals(spec: WorldSpec) -> bool:
    return registry.family_of(spec.name).tasks_at is not None or bool(spec.goals)


class AgentPolicy:
    """An agent as the policy of a collection, each episode with a task.

    The task is the world's own for the episode's seed (Rooms, Crossing), or the goal that the world's reset asks for, where the
    agent observes `achieved_goal`; else a random row of the episodes that the agent was trained on. The task's budget does not
    end the episode.
    """

    def __init__(self, agent: Agent, store: Callable[[], EpisodeStore]) -> None:
        """`store`: opens the store whose training episodes show the goals."""
        from forethought.evaluation.episodes import AgentController

        self._controller, self._store = AgentController(agent, "auto"), store

    def begin(self, world: World, seeds: Sequence[int]) -> Frame:
        """Start the episodes, each with a task."""
        spec, tasks_at = world.spec, registry.family_of(world.spec.name).tasks_at
        if tasks_at is not None:
            tasks = tasks_at(spec.name, spec.options, seeds).tasks
        elif spec.goals and isinstance(world, GymnasiumWorld):
            wanted = world.reset(seeds).truth[DESIRED]
            tasks = tuple(
                WorldTask(world_seed(seed), None, tuple(goal.tolist()), None, 1)
                for seed, goal in zip(seeds, wanted, strict=True)
            )
        else:
            self._goal = self._rows(seeds)
            return world.reset(seeds)
        frame = world.begin([replace(task, budget=spec.max_steps) for task in tasks])
        self._goal = world.goal_observation()
        return frame

    def reset(self, world: World, seeds: Sequence[int]) -> None:
        """Give the agent its tasks."""
        self._controller.begin(world, self._goal, seeds)
        self._step = 0

    def act(self, world: World, frame: Frame) -> NDArray[np.float32]:
        """Actions [N, size]; the agent decides at the start of each block."""
        actions = self._controller.act(world, frame, self._step)
        self._step += 1
        return actions

    def _rows(self, seeds: Sequence[int]) -> Observation:
        """A recorded row for each seed, streams -> [N, ...]."""
        store = self._store()
        rows = []
        for seed in seeds:
            generator = np.random.default_rng((world_seed(seed), GOALS))
            episode = int(generator.choice(store.train))
            rows.append(int(store.starts[episode] + generator.integers(1, store.lengths_with_partial[episode] + 1)))
        names = [stream.name for stream in self._controller.agent.configuration.data.goal_streams]
        return {name: store.rows(name, np.array(rows)) for name in names}
