"""Task sets: made of their arguments alone, kept in manifests, refused when damaged."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import forethought.evaluation
from forethought.errors import ForethoughtError
from forethought.types import TaskSet
from forethought.worlds import load_tasks, make, make_tasks, save_tasks
from forethought.worlds.painting import SUCCESS_RADIUS
from forethought.worlds.rooms.task_maker import allowed_rooms
from forethought.worlds.tasks import TASK_SEEDS

NAME = "forethought/Rooms-v0"
MANIFESTS = Path(forethought.evaluation.__file__).parent / "manifests"


def test_tasks_are_a_function_of_seed_and_index() -> None:
    few, many = make_tasks(NAME, {}, 5, 3), make_tasks(NAME, {}, 20, 3)
    assert few.tasks == many.tasks[:5]
    assert few.tasks != make_tasks(NAME, {}, 5, 4).tasks
    assert not {task.seed for task in few.tasks} & {task.seed for task in make_tasks(NAME, {}, 5, 4).tasks}
    assert min(task.seed for task in few.tasks) >= TASK_SEEDS
    assert max(task.seed for task in make_tasks(NAME, {}, 5, 32767).tasks) < 2**32


@pytest.mark.parametrize("layout", ["two", "four", "nine", "sixteen", "trip"])
@pytest.mark.parametrize("kind", ["same-room", "cross-room", "far-room"])
def test_tasks_are_of_their_kind_and_never_reached_at_the_start(layout: str, kind: str) -> None:
    if (layout, kind) == ("two", "far-room"):
        with pytest.raises(ForethoughtError, match="use layout='four' or larger"):
            make_tasks(NAME, {"layout": layout}, 5, 0, kind)
        return
    tasks = make_tasks(NAME, {"layout": layout}, 30, 0, kind)
    world = make(NAME, 30, layout=layout)
    frame = world.begin(tasks.tasks)
    assert not world.reached().any()
    start = frame.truth["room"][:, 0].astype(int)
    goal = world.begin([vars_with_start(task) for task in tasks.tasks]).truth["room"][:, 0].astype(int)
    assert allowed_rooms(world.plan, kind)[start, goal].all()
    assert world.reached().all()
    optimal = np.array([task.optimal_steps for task in tasks.tasks])
    straight = np.array([np.abs(np.subtract(task.start, task.goal)).max() for task in tasks.tasks]) / 2.145
    assert (optimal >= straight - 0.01).all()
    assert all(
        task.budget >= 150 and task.budget % 5 == 0 and task.budget >= 3 * o
        for task, o in zip(tasks.tasks, optimal, strict=True)
    )
    assert len({task.start for task in tasks.tasks}) == 30


def vars_with_start(task: Any) -> Any:
    """The task that starts at its goal."""
    return type(task)(task.seed, task.goal, task.goal, None, 10)


@pytest.mark.parametrize("doors", ["random", "fixed"])
def test_the_committed_manifests_are_what_the_program_makes(doors: str) -> None:
    path = MANIFESTS / f"rooms-{doors}-doors.json"
    tasks = load_tasks(path)
    made_with = json.loads(path.read_text())["made_with"]
    assert tasks == make_tasks(tasks.world, tasks.options, **made_with)
    assert len(tasks.tasks) == 100
    assert tasks.options["doors"] == doors
    assert {task.budget for task in tasks.tasks} == {150}
    assert f"{SUCCESS_RADIUS:.2f} px" in tasks.success


def test_a_manifest_survives_saving(tmp_path: Path) -> None:
    tasks = make_tasks(NAME, {"layout": "four"}, 4, 1, "far-room")
    rows = TaskSet(tasks.world, tasks.options, tasks.success, tasks.tasks, ((0, 1), (2, 3)))
    save_tasks(tmp_path / "tasks.json", rows)
    assert load_tasks(tmp_path / "tasks.json") == rows


def damaged(tmp_path: Path, change: Any) -> Path:
    """A manifest with one thing changed."""
    path = tmp_path / "tasks.json"
    save_tasks(path, make_tasks(NAME, {}, 2, 1))
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda m: m["tasks"][1].pop("goal"), "tasks.1.goal: field required"),
        (lambda m: m["tasks"][0].update(budget=0), "tasks.0.budget: input should be greater than or equal to 1"),
        (lambda m: m["tasks"][0].update(goal=[1.0, float("nan")]), "the number NaN is not finite"),
        (lambda m: m.update(tsks=[]), "tsks: extra inputs are not permitted"),
        (lambda m: m.update(tasks=[]), "tasks: "),
        (lambda m: m.update(schema_version=9), "of version 9, but this program reads 1"),
    ],
)
def test_a_damaged_manifest_is_one_sentence(tmp_path: Path, change: Any, sentence: str) -> None:
    path = damaged(tmp_path, change)
    with pytest.raises(ForethoughtError) as caught:
        load_tasks(path)
    assert sentence in str(caught.value)
    assert "tasks.json" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_impossible_asks_are_one_sentence(tmp_path: Path) -> None:
    for arguments, sentence in (
        ((NAME, {}, 0, 0), "1 to 65536 tasks, not 0"),
        ((NAME, {}, 1, -1), "0 to 32767, not -1"),
        ((NAME, {}, 1, 0, "cross-rooms"), "did you mean 'cross-room'?"),
        ((NAME, {"layot": "two"}, 1, 0), "did you mean 'layout'?"),
        (("forethought/Rom-v0", {}, 1, 0), "did you mean"),
    ):
        with pytest.raises(ForethoughtError, match=sentence.replace("?", "\\?")):
            make_tasks(*arguments)
    with pytest.raises(ForethoughtError):
        load_tasks(tmp_path / "none.json")
