"""Validation: episodes and tasks that neither train nor test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tiny
from forethought.data import EpisodeStore
from forethought.data.collection import collect
from forethought.errors import ForethoughtError
from forethought.evaluation.task_choice import choose_tasks
from forethought.tuning.validation import validation_episodes, validation_tasks, with_validation
from forethought.types import TaskSet
from tuning_fixtures import OPTIONS, swing_store


def asked(tasks: TaskSet) -> set[tuple[object, ...]]:
    """What tells tasks apart: the seed, and the row of the goal."""
    rows = tasks.goal_rows or ((),) * len(tasks.tasks)
    return {(task.seed, task.start, *row) for task, row in zip(tasks.tasks, rows, strict=True)}


def test_validation_episodes_are_training_episodes_in_neither_split() -> None:
    store = swing_store()
    chosen = validation_episodes(store, 6)
    view = with_validation(store, chosen)
    assert 6 <= len(chosen) <= len(store.train) // 4
    assert set(chosen) <= set(store.train)
    parts = [set(view.train), set(view.heldout), set(store.heldout)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == store.num_episodes
    assert set(view.heldout) == set(chosen)
    np.testing.assert_array_equal(validation_episodes(store, 6), chosen)


@pytest.mark.parametrize("store", [swing_store, tiny.rooms_store], ids=["goals from episodes", "goals of the world"])
def test_no_validation_task_is_one_of_the_test(store: object) -> None:
    source: EpisodeStore = store()  # type: ignore[operator]
    options = source.spec.options
    test = choose_tasks(source.spec.name, options, 100, source)
    view = with_validation(source, validation_episodes(source, 12))
    samples = [validation_tasks(view, options, 12, others) for others in (False, True)]
    for tasks in samples:
        assert asked(tasks)
        assert not asked(tasks) & asked(test)
        assert not {seed for seed, *_ in asked(tasks)} & {seed for seed, *_ in asked(test)}
    if source.spec.name.startswith("forethought/"):
        assert not asked(samples[0]) & asked(samples[1])


def test_too_few_episodes_are_refused(tmp_path: Path) -> None:
    small = collect("Pendulum-v1", out=tmp_path / "small", episodes=3, options=OPTIONS, workers=0, progress=False)
    with pytest.raises(ForethoughtError, match="too few to keep some for validation"):
        validation_episodes(small, 4)
