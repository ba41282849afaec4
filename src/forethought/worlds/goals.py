"""Tasks for worlds without goals of their own: the goal is an observation from later in the same held-out episode."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from forethought.errors import ForethoughtError
from forethought.types import Episode, Observation, TaskSet, WorldSpec, WorldTask
from forethought.worlds import registry
from forethought.worlds.adapter import GymnasiumWorld
from forethought.worlds.contract import row_of
from forethought.worlds.env_adapter import DESIRED
from forethought.worlds.own_goal_tasks import tasks_from_own_goals
from forethought.worlds.success import RandomTrials, scales_of, try_randomly

log = logging.getLogger(__name__)
Pair = Callable[[NDArray[np.float32], NDArray[np.float32]], bool]
"""Of the true states [S] of a start and a goal."""


LONGEST_GAP, ENOUGH = 5, 20
"""Rows between start and goal, if `ENOUGH` of the episodes are long enough for it."""
TRIALS, TRIAL_SEED = 32, 999
"""Number of tasks in which the random policy calibrates a success test, and the seed that samples them."""
SCALE_EPISODES = 200
"""Number of episodes whose states determine the scale of each value."""


class EpisodeSource(Protocol):
    """The part of an episode store that tasks need.

    Attributes:
        spec: the recorded world.
        block: environment steps per row.
        train, heldout: episode numbers of the two splits.
    """

    spec: WorldSpec
    block: int
    train: NDArray[np.int64]
    heldout: NDArray[np.int64]

    def read(self, episode: int) -> Episode:
        """One episode."""


def start_at_reset(spec: WorldSpec) -> bool:
    """Whether a task starts at the reset of an episode, with a goal from up to `LONGEST_GAP` rows later.

    False for worlds that make tasks, have goals of their own, or can be put into any state; and for recordings without a world.
    """
    if DESIRED in spec.truth:
        return False
    try:
        family = registry.family_of(spec.name)
    except ForethoughtError:
        return False
    return family.make_tasks is None and not family.can_be_set


def tasks_from_episodes(
    store: EpisodeSource,
    number: int,
    seed: int,
    gap_rows: int | None = None,
    budget_factor: float = 2.0,
    options: Mapping[str, Any] | None = None,
    wanted: Pair | None = None,
) -> TaskSet:
    """Tasks from held-out episodes: the start is row r, the goal is the observation of row r + gap_rows.

    A world that can be put into a true state starts from any row; another world starts from the episode's seed, at row 0.
    Pairs whose goal counts as reached at the start are skipped. For a world with goals of its own (`desired_goal`), see
    `tasks_from_own_goals`.

    Args:
        store: episodes of an adapted world.
        number: requested number of tasks; the set is smaller, with a warning, if the store has fewer distinct tasks.
        seed: of the sampling.
        gap_rows: rows between start and goal. `optimal_steps` is unknown, and at most gap_rows * block. None: 5, or fewer
            where the held-out episodes are shorter.
        budget_factor: budget, in multiples of gap_rows * block steps.
        options: of the world; None for the store's. An open success threshold is derived from the episodes.
        wanted: whether a start's and a goal's true state make a task, such as one that crosses a wall; None: all do.

    Returns:
        The tasks, with the success test in their options; `goal_rows` holds (episode, row) of each goal, for
        `goal_observations`.

    Raises:
        ForethoughtError: no held-out episode is long enough, or no row differs enough from its goal.
    """
    spec, gap = store.spec, gap_rows or _gap(store)
    options = with_success_test(store, spec.options if options is None else options, gap)
    world = _adapted(spec, options)
    try:
        if world.maker.own_goals:
            return tasks_from_own_goals(world, ((int(e), store.read(int(e))) for e in store.heldout), number, seed)
        found = _candidates(store, world, number, seed, gap, wanted=wanted)
        success = world.maker.success
    finally:
        world.close()
    if not found:
        names = world.maker.success_options
        advice = (
            f"train with `--success {names[0]}=null` (derived from the data)" if names else "change the world's success option"
        )
        raise ForethoughtError(
            f"No held-out episode of the {spec.name!r} store gives a task: none has {gap} blocks after which "
            f"something has changed by more than the success test forgives ({success}); collect more or longer episodes, or "
            f"{advice}."
        )
    if len(found) < number:
        log.warning("the %s store gives %d tasks that differ, not %d: more episodes give more", spec.name, len(found), number)
    return _task_set(store, options, success, found, gap, budget_factor)


def with_success_test(store: EpisodeSource, options: Mapping[str, Any], gap_rows: int | None = None) -> dict[str, Any]:
    """The options of the store's world with a complete success test; open parts are derived from the episodes.

    The threshold is calibrated on tasks in which the random policy acts (`RandomTrials.threshold`). If the scale is open, too,
    each value of a state is scaled by its standard deviation. The same store gives the same options.
    """
    world = _adapted(store.spec, options)
    try:
        maker = world.maker
        if maker.success_is_set:
            return dict(options)
    finally:
        world.close()
    derived, (threshold, *scale) = dict(options), maker.success_options
    if scale and options.get(scale[0]) is None:
        derived[scale[0]] = list(scales_of(_states(store)))
    found = measure_success(store, derived, gap_rows).threshold()
    return derived if found is None else {**derived, threshold: found}


def why_no_tasks(spec: WorldSpec) -> str:
    """Why an agent cannot be tested in the world of a store; empty if it can.

    A robot's recording has no world, and the family of another package may not make tasks.
    """
    try:
        world = registry.make(spec.name, 1, **spec.options)
    except ForethoughtError as error:
        return f"there is no world to act in: {error}"
    world.close()
    if registry.family_of(spec.name).make_tasks is None and not isinstance(world, GymnasiumWorld):
        return f"the family of the world {spec.name!r} has no make_tasks, and its goals cannot be taken from episodes."
    return ""


def measure_success(store: EpisodeSource, options: Mapping[str, Any], gap_rows: int | None = None) -> RandomTrials:
    """Distances to the goals of some tasks, at the start and under the random policy."""
    gap = gap_rows or _gap(store)
    world = _adapted(store.spec, options)
    try:
        # Training episodes complete a small held-out split: the calibration trains nothing.
        episodes = np.concatenate([store.heldout, store.train])
        pairs = _candidates(store, world, TRIALS, TRIAL_SEED, gap, episodes)
        if not pairs:
            return RandomTrials(np.zeros(0), np.zeros(0), math.inf)
        tasks = _task_set(store, options, "", pairs, gap, 2.0)
        return try_randomly(world, registry.policy(store.spec, "random"), tasks, goal_observations(store, tasks))
    finally:
        world.close()


def _adapted(spec: WorldSpec, options: Mapping[str, Any]) -> GymnasiumWorld:
    """One copy of the store's world, which must be a `GymnasiumWorld`."""
    world = registry.make(spec.name, 1, **options)
    if isinstance(world, GymnasiumWorld):
        return world
    world.close()
    raise ForethoughtError(
        f"World {spec.name!r} takes no goals from episodes, for it is no GymnasiumWorld: its family needs a make_tasks."
    )


def _gap(store: EpisodeSource) -> int:
    """Rows between start and goal: the largest number up to 5 that 20 of the held-out episodes (or half of them) have."""
    lengths = np.array([store.read(int(episode)).whole_blocks(store.block) for episode in store.heldout])
    enough = min(ENOUGH, (len(lengths) + 1) // 2)
    return next((gap for gap in range(LONGEST_GAP, 1, -1) if (lengths >= gap).sum() >= max(1, enough)), 1)


def _states(store: EpisodeSource) -> NDArray[np.float32]:
    """True states [rows, S] of the first training episodes."""
    episodes = store.train[:SCALE_EPISODES] if len(store.train) else store.heldout[:SCALE_EPISODES]
    return np.concatenate([store.read(int(episode)).truth["state"] for episode in episodes])


def _task_set(
    store: EpisodeSource, options: Mapping[str, Any], success: str, found: list[tuple[int, int]], gap: int, budget: float
) -> TaskSet:
    """Tasks for pairs (episode, start row), with goals `gap` rows later."""
    settable = registry.family_of(store.spec.name).can_be_set
    episodes = {episode: store.read(episode) for episode in sorted({episode for episode, _ in found})}
    tasks, goal_rows = [], []
    for episode, row in found:
        states = episodes[episode].truth.get("state", np.zeros((len(episodes[episode]) + 1, 0), np.float32))
        start, goal = tuple(states[row].tolist()), tuple(states[row + gap].tolist())
        steps = round(budget * gap * store.block)
        tasks.append(WorldTask(episodes[episode].seed, start if settable else None, goal, None, steps))
        goal_rows.append((episode, row + gap))
    words = f"{success}; the goal is what a held-out episode showed {gap * store.block} steps later"
    return TaskSet(store.spec.name, options, words, tuple(tasks), tuple(goal_rows))


def goal_observations(store: EpisodeSource, tasks: TaskSet) -> Observation:
    """Goal observations, streams -> [number of tasks, ...]; for `GymnasiumWorld.set_goal_observation`."""
    rows = [row_of(store.read(episode).observation, row) for episode, row in tasks.goal_rows]
    return {stream.name: np.stack([row[stream.name] for row in rows]) for stream in store.spec.streams}


def _candidates(
    store: EpisodeSource,
    world: GymnasiumWorld,
    number: int,
    seed: int,
    gap: int,
    episodes: NDArray[np.int64] | None = None,
    wanted: Pair | None = None,
) -> list[tuple[int, int]]:
    """Up to `number` distinct pairs (episode, start row) of held-out episodes, in random order, not reached at the start.

    `episodes`: use these instead, in their order, including pairs that are reached at the start. wanted: see
    `tasks_from_episodes`.
    """
    settable = registry.family_of(store.spec.name).can_be_set
    generator = np.random.default_rng(seed)
    heldout = [int(episode) for episode in (generator.permutation(store.heldout) if episodes is None else episodes[:number])]
    found: list[tuple[int, int]] = []
    rows_of = {
        episode: generator.permutation(max(0, store.read(episode).whole_blocks(store.block) + 1 - gap)) for episode in heldout
    }
    deepest = max((len(rows) for rows in rows_of.values()), default=0) if settable else 1
    # One row of every episode, then a second row of each: the tasks cover as many episodes as possible.
    for depth in range(deepest):
        for episode in heldout:
            if len(found) == number:
                return found
            if depth < len(rows_of[episode]):
                row = int(rows_of[episode][depth]) if settable else 0
                if wanted is not None:
                    states = store.read(episode).truth["state"]
                    if not wanted(states[row], states[row + gap]):
                        continue
                if episodes is not None or not world.looks_reached(store.read(episode), row, row + gap):
                    found.append((episode, row))
    return found
