"""Tasks for worlds that give no goals: reach what a held-out episode showed k rows later."""

from __future__ import annotations

import logging
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from forethought.errors import ForethoughtError
from forethought.types import Episode, Observation, TaskSet, WorldSpec, WorldTask
from forethought.worlds import registry
from forethought.worlds.adapter import GymnasiumWorld
from forethought.worlds.contract import row_of
from forethought.worlds.own_goal_tasks import tasks_from_own_goals

log = logging.getLogger(__name__)


class EpisodeSource(Protocol):
    """What is needed of an episode store.

    Attributes:
        spec: the world that it was recorded in.
        block: environment steps per row.
        heldout: numbers of the episodes that nothing is trained on.
    """

    spec: WorldSpec
    block: int
    heldout: NDArray[np.int64]

    def read(self, episode: int) -> Episode:
        """One episode."""


def tasks_from_episodes(store: EpisodeSource, number: int, seed: int, gap_rows: int = 5, budget_factor: float = 2.0) -> TaskSet:
    """Tasks from held-out episodes: start at row r, reach what was seen at row r + gap_rows.

    A world that can be put into a true state starts from any row; another starts at row 0 of the episode, as its seed
    leaves it. Rows whose goal already counts as reached at the start are passed over: no task is won by waiting.
    A world with goals of its own (`desired_goal`) gives those instead, see `tasks_from_own_goals`.

    Args:
        store: episodes of an adapted world.
        number: tasks wanted; there are fewer when the store has no more that differ, which is said.
        seed: of the draw.
        gap_rows: rows between start and goal; `optimal_steps` is unknown but no more than gap_rows * block.
        budget_factor: budget, in multiples of gap_rows * block steps.

    Returns:
        The tasks; `goal_rows` holds (episode, row) of each goal, for `goal_observations`.

    Raises:
        ForethoughtError: no held-out episode is long enough, or no row differs enough from its goal.
    """
    spec = store.spec
    settable = registry.family_of(spec.name).can_be_set
    world = registry.make(spec.name, 1, **spec.options)
    try:
        if not isinstance(world, GymnasiumWorld):
            raise ForethoughtError(
                f"World {spec.name!r} takes no goals from episodes, for it is no GymnasiumWorld: its family needs a make_tasks."
            )
        if world.maker.own_goals:
            return tasks_from_own_goals(world, ((int(e), store.read(int(e))) for e in store.heldout), number, seed)
        found = _candidates(store, world, number, seed, gap_rows, settable)
    finally:
        world.close()
    if not found:
        raise ForethoughtError(
            f"No held-out episode of the {spec.name!r} store gives a task: none has {gap_rows} blocks after which "
            "something has changed by more than the success test forgives; collect more or longer episodes, or "
            "change the world's success option."
        )
    if len(found) < number:
        log.warning("the %s store gives %d tasks that differ, not %d: more episodes give more", spec.name, len(found), number)
    budget = round(budget_factor * gap_rows * store.block)
    episodes = {episode: store.read(episode) for episode in sorted({episode for episode, _ in found})}
    tasks, goal_rows = [], []
    for episode, row in found:
        states = episodes[episode].truth.get("state", np.zeros((len(episodes[episode]) + 1, 0), np.float32))
        start, goal = tuple(states[row].tolist()), tuple(states[row + gap_rows].tolist())
        tasks.append(WorldTask(episodes[episode].seed, start if settable else None, goal, None, budget))
        goal_rows.append((episode, row + gap_rows))
    success = f"{world.maker.success}; the goal is what a held-out episode showed {gap_rows * store.block} steps later"
    return TaskSet(spec.name, spec.options, success, tuple(tasks), tuple(goal_rows))


def goal_observations(store: EpisodeSource, tasks: TaskSet) -> Observation:
    """What the goals look like, streams -> [number of tasks, ...]; for `GymnasiumWorld.set_goal_observation`."""
    rows = [row_of(store.read(episode).observation, row) for episode, row in tasks.goal_rows]
    return {stream.name: np.stack([row[stream.name] for row in rows]) for stream in store.spec.streams}


def _candidates(
    store: EpisodeSource, world: GymnasiumWorld, number: int, seed: int, gap: int, settable: bool
) -> list[tuple[int, int]]:
    """Up to `number` distinct (episode, start row) in random order, whose goal is not reached at the start."""
    generator = np.random.default_rng(seed)
    heldout = [int(episode) for episode in generator.permutation(store.heldout)]
    found: list[tuple[int, int]] = []
    rows_of = {
        episode: generator.permutation(max(0, store.read(episode).whole_blocks(store.block) + 1 - gap)) for episode in heldout
    }
    deepest = max((len(rows) for rows in rows_of.values()), default=0) if settable else 1
    # One row of every episode, then a second one of each: tasks spread over as many episodes as there are.
    for depth in range(deepest):
        for episode in heldout:
            if len(found) == number:
                return found
            if depth < len(rows_of[episode]):
                row = int(rows_of[episode][depth]) if settable else 0
                if not world.looks_reached(store.read(episode), row, row + gap):
                    found.append((episode, row))
    return found
