"""A world that fails costs its task: whether it crashes, hangs or gives NaN, in one of Gymnasium's or in any other."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace

import fragile_world
import numpy as np
import pytest
from fragile_world import FRAGILE, Right, arena

import tiny
from forethought.errors import ForethoughtError
from forethought.evaluation.arena import Arena
from forethought.evaluation.episodes import AgentController, Recording, ScriptedController
from forethought.evaluation.score import gflops, latency, score_controller
from forethought.worlds import registry


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The world is there, as if its package were installed, and all that was opened is closed."""
    monkeypatch.setattr(registry, "installed_families", lambda: (FRAGILE,))
    fragile_world.opened.clear()
    yield
    assert all(world.closed for world in fragile_world.opened)


def run(one: Arena) -> tuple[list[int], dict[int, str]]:
    """Steps to each goal, and the failures."""
    outcomes = one.run(ScriptedController(Right()))
    return outcomes.steps.tolist(), dict(outcomes.failures)


@pytest.mark.parametrize("kind", ["begin", "step", "reached", "draw", "nan", "reward"])
def test_a_fault_costs_its_own_task_and_no_other(kind: str) -> None:
    sound, none = run(arena())
    steps, failures = run(arena(task_5=kind))
    assert not none
    assert sound[5] == 3, "it would have been reached"
    assert list(failures) == [5]
    assert ("NaN or infinity" if kind in ("nan", "reward") else "RuntimeError: a wheel came off") in failures[5]
    assert "seed 5" in failures[5]
    assert steps == [-1 if task == 5 else step for task, step in enumerate(sound)]


def test_a_world_that_hangs_costs_its_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forethought.evaluation.evaluated_world.PATIENCE", 0.2)
    _, failures = run(arena(4, task_1="hang"))
    assert list(failures) == [1]
    assert "hung in step: no sign of life for 0.2 s" in failures[1]


def test_more_than_a_tenth_stop_the_evaluation_and_give_their_reasons() -> None:
    assert len(run(arena(20, task_2="step", task_9="nan"))[1]) == 2, "a tenth may fail"
    with pytest.raises(ForethoughtError, match=r"3 of 20 tasks in otherlab/Fragile-v0 failed, more than 10%") as stopped:
        arena(20, task_2="step", task_9="nan", task_10="reached").run(ScriptedController(Right()))
    for reason in ("task 2:", "in step", "task 9:", "NaN", "task 10:", "its success test"):
        assert reason in str(stopped.value)
    with pytest.raises(ForethoughtError, match="1 of 1 tasks"):
        run(arena(1, task_0="step"))


def test_a_world_that_does_not_close_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert run(arena(task_5="close")) == run(arena())
    assert "failed to close: RuntimeError: a wheel came off in close" in caplog.text


def test_a_fault_of_the_controller_is_not_the_worlds() -> None:
    class Broken(Right):
        def act(self, world: object, frame: object) -> np.ndarray:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        arena().run(ScriptedController(Broken()))


def test_the_score_counts_what_failed_and_measures_the_rest() -> None:
    agent, one = tiny.point_agent(False), arena(task_0="step")
    recording = Recording(3)
    score = score_controller(AgentController(agent, "plan"), one, (0.0, None), recording)
    sound = score_controller(AgentController(agent, "plan"), arena(), (0.0, None))
    assert (score.failed_tasks, score.tasks) == (1, 12)
    assert "a wheel came off in step" in score.failures[0]
    assert score.touched == (False, *sound.touched[1:])
    assert score.model_calls_per_decision == sound.model_calls_per_decision
    assert score.notes == [f"1 of 12 tasks failed and count as not reached: {score.failures[0].rstrip('.')}."]
    assert not sound.notes
    late = replace(score, fallback_share=0.25).notes
    assert late == [*score.notes, "In 25% of the decisions Mode-1 acted, because there was no time to plan."]
    assert not recording.frames + recording.decisions, "a task that failed is not shown"
    assert latency(agent, one, "react", 5)[0] > 0
    assert gflops(agent, arena(1, task_0="begin"), "react") == 0
    assert latency(agent, arena(1, task_0="begin"), "react") == (0.0, 0.0)


@pytest.mark.parametrize(("size", "opened"), [(1, [1] * 12), (5, [5, 5, 2]), (100, [12])])
def test_the_score_does_not_depend_on_how_many_tasks_run_side_by_side(
    size: int, opened: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = tiny.point_agent(False)
    whole = score_controller(AgentController(agent, "plan"), arena(), (0.0, None))
    monkeypatch.setattr("forethought.evaluation.arena.TASKS_IN_UNIT", size)
    fragile_world.opened.clear()
    batched = score_controller(AgentController(agent, "plan"), arena(), (0.0, None))
    assert [world.num for world in fragile_world.opened] == opened
    assert batched.touched == whole.touched
    assert batched.steps_to_goal == whole.steps_to_goal
    assert batched.model_calls_per_decision == pytest.approx(whole.model_calls_per_decision)
    assert batched.planned_share == whole.planned_share
