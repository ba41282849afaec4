"""Evaluation tasks: frozen, held out, the same ones each time."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest

import tiny
from forethought.errors import ForethoughtError
from forethought.evaluation.task_choice import choose_tasks
from forethought.worlds.tasks import TASK_SEEDS, load_tasks, make_tasks

ROOMS, CROSSING = "forethought/Rooms-v0", "forethought/Crossing-v0"
MANIFESTS = sorted(files("forethought.evaluation").joinpath("manifests").iterdir(), key=lambda item: item.name)


@pytest.mark.parametrize("doors", ["random", "fixed"])
def test_frozen_manifests_are_what_is_used(doors: str) -> None:
    frozen = load_tasks(str(files("forethought.evaluation").joinpath("manifests", f"rooms-{doors}-doors.json")))
    for options in ({"doors": doors}, {"doors": doors, "max_steps": 33}):
        assert choose_tasks(ROOMS, options, 100, None).tasks == frozen.tasks[:100]
    assert choose_tasks(ROOMS, {"doors": doors}, 7, None).tasks == frozen.tasks[:7]


def test_the_crossing_has_frozen_tasks_too_and_other_odds_have_others() -> None:
    frozen = load_tasks(str(files("forethought.evaluation").joinpath("manifests", "crossing.json")))
    assert choose_tasks(CROSSING, {"max_steps": 99}, 100, None).tasks == frozen.tasks
    assert make_tasks(CROSSING, {}, 100, 2026).tasks == frozen.tasks
    assert choose_tasks(CROSSING, {"late": 0.2}, 5, None).tasks != frozen.tasks[:5]


def test_tasks_are_disjoint_from_collection() -> None:
    """Collection draws its episodes' seeds below 2^31, tasks theirs above."""
    assert (tiny.rooms_store().seeds < TASK_SEEDS).all()
    for manifest in MANIFESTS:
        tasks = load_tasks(str(manifest)).tasks
        seeds = np.array([task.seed for task in tasks])
        assert (seeds >= TASK_SEEDS).all()
        assert len(set(seeds.tolist())) == len(tasks) >= 100
    made = choose_tasks(ROOMS, {"layout": "four"}, 5, None)
    assert all(task.seed >= TASK_SEEDS for task in made.tasks)


def test_no_task_is_won_at_the_start_and_all_cross_rooms() -> None:
    for manifest in MANIFESTS:
        for task in load_tasks(str(manifest)).tasks:
            assert task.start is not None
            assert task.optimal_steps is not None
            assert np.hypot(*np.subtract(task.start[:2], task.goal)) > 5
            assert 0 < task.optimal_steps < task.budget


def test_other_options_get_tasks_of_their_own_the_same_each_time() -> None:
    first, again = (choose_tasks(ROOMS, {"layout": "four"}, 5, None) for _ in range(2))
    assert first == again
    assert first.options["layout"] == "four"
    assert choose_tasks(ROOMS, {"balls": 1}, 5, None) != choose_tasks(ROOMS, {}, 5, None)


def test_more_than_the_manifest_holds_are_made() -> None:
    held = max(len(load_tasks(str(manifest)).tasks) for manifest in MANIFESTS)
    assert len(choose_tasks(ROOMS, {"doors": "fixed"}, held + 1, None).tasks) == held + 1


def test_a_highway_has_tasks_of_its_own() -> None:
    pytest.importorskip("highway_env", reason="needs the [worlds] extra: run `make worlds`")
    found = choose_tasks("highway-merge-v0", {}, 2, None)
    assert len(found.tasks) == 2
    assert not found.goal_rows


def test_a_world_without_goals_needs_a_store() -> None:
    with pytest.raises(ForethoughtError, match="gives no goals"):
        choose_tasks("CartPole-v1", {}, 5, None)
