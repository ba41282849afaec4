"""Benchmarks in units: a variant changes how an agent acts, never its weights; what was scored is not scored again."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import forethought_benchmarks.cached_experiments as units
import tiny
from forethought.errors import ForethoughtError
from forethought.evaluation.arena import Arena, make_arena
from forethought.evaluation.statistics import rate_interval
from forethought_benchmarks.cached_experiments import Variant, paired_row, scores_of, success_rows, trained
from forethought_benchmarks.comparisons import mcnemar, paired_difference


@pytest.fixture(scope="module")
def arena() -> Arena:
    made = make_arena(tiny.ROOMS, tiny.OPTIONS, 3)
    return replace(made, tasks=replace(made.tasks, tasks=tuple(replace(task, budget=10) for task in made.tasks.tasks)))


def test_a_variant_acts_otherwise_with_the_same_weights() -> None:
    agent = tiny.rooms_agent()
    changes = {"planner": {"retrieved_candidates": 0, "cost": {"critic": 0.0, "goal_distance": 1.0}}}
    other = Variant("latent", changes=changes).of(agent)
    assert other.configuration.planner.retrieved_candidates == 0
    assert other.executive.cost.goal_distance == 1.0
    assert other.configuration.planner.horizon == agent.configuration.planner.horizon
    assert agent.configuration.planner.cost.critic == 1.0, "the first agent stays as it is"
    for (name, ours), theirs in zip(agent.modules.state_dict().items(), other.modules.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs), name


def test_scores_are_kept_and_only_missing_ones_are_made(tmp_path: Path, arena: Arena, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = tiny.rooms_agent()
    first = scores_of(agent, tmp_path, arena, [Variant("mode-1", "react")])
    assert json.loads((tmp_path / "scores.json").read_text()) == first
    made: list[str] = []
    plain = units.score_mode
    monkeypatch.setattr(units, "score_mode", lambda *given: made.append(given[2]) or plain(*given))
    both = scores_of(agent, tmp_path, arena, [Variant("mode-1", "react"), Variant("mode-2", "plan")])
    assert made == ["plan"]
    assert both["mode-1"] == first["mode-1"]
    assert len(both["mode-2"]["touched"]) == 3


def test_a_score_of_other_tasks_or_another_variant_is_made_again(
    tmp_path: Path, arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = tiny.rooms_agent()
    fewer = replace(arena, tasks=replace(arena.tasks, tasks=arena.tasks.tasks[:2]))
    assert len(scores_of(agent, tmp_path, fewer, [Variant("x", "react")])["x"]["touched"]) == 2
    assert len(scores_of(agent, tmp_path, arena, [Variant("x", "react")])["x"]["touched"]) == 3
    assert scores_of(agent, tmp_path, arena, [Variant("x", "plan")])["x"]["mode"] == "plan"
    changes = {"planner": {"search": {"num_samples": 8, "num_elites": 4}}}
    assert scores_of(agent, tmp_path, arena, [Variant("x", "plan", changes)])["x"]["asked"]["changes"] == changes
    monkeypatch.setattr(units, "score_mode", lambda *given: pytest.fail("it is known"))
    scores_of(agent, tmp_path, arena, [Variant("x", "plan", changes)])


def test_a_run_of_another_recipe_is_refused(tmp_path: Path) -> None:
    run = shutil.copytree(tiny.point_run(False), tmp_path / "run")
    with pytest.raises(ForethoughtError, match=r"another recipe \(training differ\)"):
        trained(tiny.point_store(False), run, 0, {**tiny.SMALL, **tiny.POINTS, "training.batch": 7})
    record = json.loads((run / "training.json").read_text())
    (run / "training.json").write_text(json.dumps({**record, "fingerprint": "another"}))
    with pytest.raises(ForethoughtError, match="its episodes differ"):
        trained(tiny.point_store(False), run, 0, tiny.SMALL | tiny.POINTS)


def made_up_run(folder: Path, touched: dict[str, list[bool]], seconds: float) -> Path:
    folder.mkdir()
    scores = {
        name: {
            "touched": outcomes, "held_rate": 0.5, "random_floor": 0.1, "expert_ceiling": 1.0,
            "model_calls_per_decision": 10.0, "ms_per_decision": 3.0, "ms_per_decision_p95": 4.0,
        }
        for name, outcomes in touched.items()
    }  # fmt: skip
    (folder / "scores.json").write_text(json.dumps(scores))
    record = {"seconds": {"a": seconds, "b": seconds}, "threads": 2, "train_frames": 1000, "store": "s", "fingerprint": "f"}
    (folder / "training.json").write_text(json.dumps(record))
    return folder


def test_rows_count_the_seeds_and_their_tasks(tmp_path: Path) -> None:
    runs = [
        made_up_run(tmp_path / "0", {"x": [True] * 8 + [False] * 2, "y": [False] * 10}, 30.0),
        made_up_run(tmp_path / "1", {"x": [True] * 9 + [False], "y": [True] + [False] * 9}, 90.0),
    ]
    success, held, *_ = success_rows("bench", ["x", "y"], runs, [0, 1])
    assert (success["metric"], success["agent"], success["value"]) == ("success_rate", "x", 0.85)
    assert (success["low"], success["high"]) == rate_interval([8, 9], 10)
    assert success["by_seed"] == [0.8, 0.9]
    assert (success["n"], success["seeds"], success["train_frames"]) == (20, [0, 1], 1000)
    assert success["train_cpu_minutes"] == pytest.approx(((60 + 180) / 2) / 60 * 2)
    assert success["floor"] == pytest.approx(0.1)
    assert success["ceiling"] == pytest.approx(1.0)
    assert held["metric"] == "held_rate"
    paired = paired_row("bench", ("x", runs[:1]), ("y", runs[1:2]), [7])
    assert paired["value"] == pytest.approx(mcnemar([True] * 8 + [False] * 2, [True] + [False] * 9))
    assert (paired["agent"], paired["n"], paired["seeds"]) == ("x against y", 10, [7])
    several = paired_row("bench", ("x", runs), ("y", runs), [0, 1])
    one, other = np.array([[True] * 8 + [False] * 2, [True] * 9 + [False]]), np.array([[False] * 10, [True] + [False] * 9])
    assert (several["value"], several["low"], several["high"]) == paired_difference(one, other)
    assert several["by_seed"] == pytest.approx([0.8, 0.8])
    assert (several["metric"], several["n"], several["seeds"]) == ("success_difference", 20, [0, 1])


def test_seeds_with_different_tasks_have_no_common_row(tmp_path: Path) -> None:
    runs = [made_up_run(tmp_path / "0", {"x": [True] * 8}, 30.0), made_up_run(tmp_path / "1", {"x": [True] * 9}, 30.0)]
    with pytest.raises(ForethoughtError, match="on the same tasks"):
        success_rows("bench", ["x"], runs, [0, 1])


def test_time_is_that_of_the_first_seeds_device(tmp_path: Path) -> None:
    """Minutes and milliseconds of a GPU and of a CPU have no mean."""
    runs = [made_up_run(tmp_path / str(seed), {"x": [True]}, 30.0 * (1 + seed)) for seed in range(3)]
    lent = json.loads((runs[1] / "training.json").read_text()) | {"device": "a GPU"}
    (runs[1] / "training.json").write_text(json.dumps(lent))
    success, _ = success_rows("bench", ["x"], runs, [0, 1, 2])
    assert success["device"] == "cpu, a GPU"
    assert success["train_cpu_minutes"] == pytest.approx((60 + 180) / 2 / 60 * 2)
    assert success["n"] == 3


def test_a_trained_run_is_loaded_and_a_stopped_one_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(tiny.point_run(False), tmp_path / "run")
    store = tiny.point_store(False)
    with monkeypatch.context() as patched:
        patched.setattr(units, "train", lambda *given, **named: pytest.fail("it is trained already"))
        agent = trained(store, tmp_path / "run", 0, tiny.SMALL | tiny.POINTS)
    shutil.rmtree(tmp_path / "run" / "agent")
    again = trained(store, tmp_path / "run", 0, tiny.SMALL | tiny.POINTS)
    assert torch.equal(again.modules.bank_states.cpu(), agent.modules.bank_states.cpu())
