"""Validation: training episodes that are kept from the trials' training, and the tasks by which trials are scored.

The store's held-out episodes stay for the final comparison, and for `forethought evaluate`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forethought.data.store import EpisodeStore
from forethought.errors import ForethoughtError
from forethought.evaluation.task_choice import gives_goals
from forethought.types import TaskSet
from forethought.worlds.goals import tasks_from_episodes
from forethought.worlds.tasks import make_tasks

VALIDATION_SEED = 2000
"""Of the tasks; an evaluation samples its own with another one, and sets of different seeds share no task."""
LARGEST_SHARE = 0.25
"""Of the training episodes."""


def validation_episodes(store: EpisodeStore, wanted: int) -> NDArray[np.int64]:
    """Training episodes for validation: as many as are held out, or `wanted` if that is more, at most a quarter.

    Episodes of one seed stay together. The same store gives the same ones.

    Raises:
        ForethoughtError: there is no training episode to spare.
    """
    seeds = np.random.default_rng(VALIDATION_SEED).permutation(np.unique(store.seeds[store.train]))
    limit = int(LARGEST_SHARE * len(store.train))
    chosen: NDArray[np.int64] = np.zeros(0, np.int64)
    for seed in seeds:
        same = store.train[store.seeds[store.train] == seed]
        if len(chosen) >= max(len(store.heldout), wanted) or len(chosen) + len(same) > limit:
            break
        chosen = np.concatenate([chosen, same])
    if not len(chosen):
        raise ForethoughtError(
            f"the store at {store.path} has {len(store.train)} training episodes, too few to keep some for validation: collect "
            "at least 8 episodes."
        )
    return np.sort(chosen)


def with_validation(store: EpisodeStore, episodes: Sequence[int] | NDArray[np.int64]) -> EpisodeStore:
    """The same store in which these training episodes are the held-out ones; the real held-out ones are in neither split."""
    chosen = np.asarray(episodes, np.int64)
    return store.resplit(np.setdiff1d(store.train, chosen), chosen)


def validation_tasks(view: EpisodeStore, options: Mapping[str, Any], number: int, others: bool = False) -> TaskSet:
    """Tasks of a store of `with_validation`, none of which an evaluation asks.

    Args:
        view: the store. options: of the world, with the success test. number: of tasks; fewer if the episodes give fewer.
        others: another sample, for a choice among those that did well on the first one.
    """
    seed = VALIDATION_SEED + others
    if gives_goals(view.spec.name):
        return make_tasks(view.spec.name, options, number, seed)
    return tasks_from_episodes(view, number, seed, options=options)
