"""Evaluation: an interval, a floor and a ceiling beside every rate, and figures that land in metrics.json."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import tiny
from forethought.errors import ForethoughtError
from forethought.evaluation.arena import Arena, make_arena
from forethought.evaluation.evaluate import evaluate
from forethought.evaluation.score import latency, score_mode
from forethought.evaluation.statistics import wilson
from forethought.types import TaskSet


@pytest.fixture(scope="module")
def arena() -> Arena:
    """Six frozen tasks with a budget that ends soon."""
    made = make_arena(tiny.ROOMS, tiny.OPTIONS, 6)
    short = tuple(replace(task, budget=40) for task in made.tasks.tasks)
    return replace(made, tasks=replace(made.tasks, tasks=short))


def test_the_floor_lies_below_the_ceiling() -> None:
    floor, ceiling = make_arena(tiny.ROOMS, tiny.OPTIONS, 20).reference()
    assert ceiling is not None
    assert 0 <= floor < 0.5 < 0.95 <= ceiling <= 1


def test_a_score_is_consistent_and_repeats_itself(arena: Arena) -> None:
    agent = tiny.rooms_agent()
    first = score_mode(agent, arena, "plan", (0.1, 0.9))
    assert first.tasks == len(first.touched) == 6
    assert first.success_rate == sum(first.touched) / 6
    assert (first.success_low, first.success_high) == wilson(sum(first.touched), 6)
    assert first.held_rate <= first.success_rate
    assert (first.random_floor, first.expert_ceiling) == (0.1, 0.9)
    assert first.planned_share == 1
    assert 0 < first.ms_per_decision <= first.ms_per_decision_p95
    again = score_mode(agent, arena, "plan", (0.1, 0.9))
    assert again.touched == first.touched


def test_reacting_calls_the_model_less_and_is_faster(arena: Arena) -> None:
    agent = tiny.rooms_agent()
    plan, react = (score_mode(agent, arena, mode, (0.0, None)) for mode in ("plan", "react"))
    assert react.planned_share == 0
    assert react.model_calls_per_decision < plan.model_calls_per_decision
    assert latency(agent, arena, "react", 10)[0] < latency(agent, arena, "plan", 10)[0]


def test_evaluate_a_run_writes_its_figures(arena: Arena, tmp_path: Path) -> None:
    score = evaluate(tiny.rooms_run(), tasks=arena.tasks, mode="react", out=tmp_path / "out", seed=3)
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["success_rate"] == score.success_rate
    assert metrics["seed"] == 3
    assert metrics["mode"] == "react"
    assert metrics["world"] == tiny.ROOMS
    assert {"success_low", "success_high", "random_floor", "expert_ceiling", "ms_per_decision", "held_rate"} <= set(metrics)
    assert evaluate(tiny.rooms_agent(), tasks=arena.tasks, mode="react").touched == score.touched


def test_tasks_whose_goals_lie_in_a_store_need_it() -> None:
    tasks = make_arena(tiny.ROOMS, tiny.OPTIONS, 2).tasks
    goals_elsewhere = TaskSet(tasks.world, tasks.options, tasks.success, tasks.tasks, ((0, 1), (0, 2)))
    with pytest.raises(ForethoughtError, match="take their goals from a store"):
        make_arena(tiny.ROOMS, tiny.OPTIONS, goals_elsewhere)


def test_a_world_that_gives_goals_needs_no_store(tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(tiny.rooms_run(), run)
    record = json.loads((run / "training.json").read_text())
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "recipe.json").write_text("half written")
    (run / "training.json").write_text(json.dumps(record | {"store": str(tmp_path / "store")}))
    assert evaluate(run, tasks=1, mode="react").mode == "react"


def test_an_agent_in_hand_is_given_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """Goals that come from a store, which an agent that is no folder does not know."""
    seen: list[Arena] = []

    def enough(arena: Arena) -> None:
        seen.append(arena)
        raise InterruptedError

    monkeypatch.setattr(Arena, "reference", enough)
    store, agent = tiny.rooms_store(), tiny.rooms_agent()
    tasks = make_arena(tiny.ROOMS, tiny.OPTIONS, 1).tasks
    tasks = replace(tasks, goal_rows=((int(store.heldout[0]), 1),))
    with pytest.raises(ForethoughtError, match="take their goals from a store"):
        evaluate(agent, tasks=tasks)
    for given in (store, store.path, str(store.path)):
        with pytest.raises(InterruptedError):
            evaluate(agent, tasks=tasks, store=given)
        goals = seen.pop().goals
        assert goals is not None
        assert (goals["pixels"][0] == store.read(int(store.heldout[0])).observation["pixels"][1]).all()
