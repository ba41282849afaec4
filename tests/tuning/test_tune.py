"""Tuning as a whole: the search, its end on fresh tasks, a resume that is exact, and what is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

import tiny
from forethought.config import CONFIGURATION, Configuration
from forethought.config.configuration import lookup
from forethought.errors import ForethoughtError
from forethought.evaluation.evaluate import evaluate
from forethought.execution import InProcess, Processes, run_units
from forethought.extras import EXTRAS, MissingExtraError
from forethought.training.agent_files import load, read_configuration
from forethought.training.checkpoint import read_tensors
from forethought.training.train import train
from forethought.tuning import comparison, read_tuning, trial_units, tune
from forethought.tuning.halving import RUNGS, WORLD_MODEL, rung_changes, survivors, train_rung
from forethought.tuning.record import TrialRecord, TuningRecord
from forethought.tuning.search import TuningSearch
from forethought.tuning.time_budget import TimeBudget, fit_to_budget
from forethought.tuning.trial_units import TrainingUnit
from forethought.tuning.validation import with_validation
from tuning_fixtures import FIRST, FIXED, TASKS, TRIALS, swing_store, tiny_tuning, tune_tiny


@pytest.fixture(autouse=True)
def few_fresh_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "FRESH_TASKS", 4)


def trials_of(record: TuningRecord) -> list[TrialRecord]:
    """The trials without their times."""
    return [dataclasses.replace(trial, seconds=()) for trial in record.trials]


def test_the_configurators_own_is_trial_0_and_goes_on_to_the_end() -> None:
    record = tiny_tuning().record
    first, *others = record.of_stage("training")
    assert first.options == {}
    assert len(first.scores) == FIRST
    assert len(others) == TRIALS - 1
    assert all(0 < len(trial.options) <= 2 for trial in others)
    # Of four the best two go on, with the own; of those the best one, with the own.
    assert 2 <= sum(len(trial.scores) > 1 for trial in (first, *others)) <= 3
    assert all(trial.stopped == "not in the best third" for trial in others if len(trial.scores) < FIRST)
    assert record.stage == "finished"


def test_the_best_run_is_one_like_any_other() -> None:
    result = tiny_tuning()
    assert load(result.run, "cpu").configuration == result.configuration
    score = evaluate(result.run, tasks=4, mode="react", store=swing_store())
    assert score.tasks == 4
    assert tiny_tuning().sentences


def test_what_the_user_set_is_kept() -> None:
    result = tiny_tuning()
    for name, value in FIXED.items():
        steps = name.endswith(("_steps", "distillation_plans"))
        assert steps or lookup(result.configuration, name) == value, name
    searched = {name for trial in result.record.trials for name in trial.options}
    assert not searched & set(FIXED)


def test_the_overrides_are_the_choice_and_train_takes_them(tmp_path: Path) -> None:
    result = tiny_tuning()
    overrides = json.loads((result.run.parent / "config.json").read_text())
    for name, value in overrides.items():
        assert lookup(result.configuration, name) == value
    assert set(FIXED) <= set(overrides)
    again = train(swing_store(), out=tmp_path / "again", config=overrides, device="cpu")
    assert again.configuration.model == result.configuration.model
    assert again.configuration.planner == result.configuration.planner


def test_the_evidence_is_the_reason_of_what_was_changed() -> None:
    result = tiny_tuning()
    changed = [reason for reason in result.configuration.reasons if reason.because.startswith("tuned: the rules say ")]
    best = {trial.number: trial for trial in result.record.trials}
    chosen = [trial for trial in best.values() if trial.options and len(trial.scores) > 1 and not trial.stopped]
    assert bool(changed) <= bool(chosen)
    assert not any(reason.overridden for reason in changed)
    own = [reason.setting for reason in result.configuration.reasons if reason.overridden]
    assert set(own) <= set(FIXED)


def test_a_killed_tuning_goes_on_to_the_same_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is killed in the middle of a training and of a stage, and after each stage."""
    out, calls = tmp_path / "killed", []

    def score(*given: Any) -> Any:
        calls.append(given)
        if len(calls) in (2, 6, 10):
            raise KeyboardInterrupt
        return scored(*given)

    scored = trial_units.score_trial
    monkeypatch.setattr(trial_units, "score_trial", score)
    kills = 0
    while True:
        try:
            resumed = tune_tiny(out, resume=kills > 0)
            break
        except KeyboardInterrupt:
            kills += 1
    assert kills == 3
    expected = tiny_tuning()
    assert trials_of(resumed.record) == trials_of(expected.record)
    assert resumed.record.compared == expected.record.compared
    weights = [dict(one.agent.modules.state_dict()) for one in (resumed, expected)]
    assert all(weights[0][name].equal(value) for name, value in weights[1].items())


def test_workers_give_the_same_scores(tmp_path: Path) -> None:
    record = tiny_tuning().record
    search = TuningSearch(tmp_path, swing_store(), record, Processes(2))
    units = [search._training_unit(trial, 0) for trial in record.of_stage("training")[:2]]
    found = {unit.number: result.score for unit, result in run_units(search.executor, units)}
    assert found == {trial.number: trial.scores[0] for trial in record.of_stage("training")[:2]}


def test_a_trial_that_goes_on_continues_its_world_model(tmp_path: Path) -> None:
    record = tiny_tuning().record
    view = with_validation(swing_store(), record.validation)
    own = Configuration.model_validate(record.own).changed({"training.world_model_steps": 90}, "a test")
    seen, folders = [], [tmp_path / f"rung-{rung}" for rung in range(2)]
    for share, folder, before in zip(RUNGS, folders, [None, folders[0]], strict=False):
        train_rung(view, folder, own.changed(rung_changes(own, share), "a test"), before)
        log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
        seen.append([one["step"] for one in log if one["phase"] == "world model" and "loss" in one])
    # The first ten steps are not trained, or logged, again.
    assert seen == [[10], [30]]
    weights = [load_checkpoint_at(folder / WORLD_MODEL) for folder in folders]
    assert [step for step, _ in weights] == [10, 30]
    assert weights[1][1] == 30, "the optimiser has counted all of them"
    before = (folders[1] / "agent" / "weights.safetensors").read_bytes()
    train_rung(view, folders[1], own, folders[0])
    assert (folders[1] / "agent" / "weights.safetensors").read_bytes() == before, "a finished one is left as it is"


def load_checkpoint_at(folder: Path) -> tuple[int, int]:
    """The step of the world model in the newest checkpoint, and that of its optimiser."""
    newest = max(path for path in folder.iterdir() if path.name.isdigit())
    tensors = read_tensors(newest / "optimizer.safetensors")
    steps = {int(value) for name, value in tensors.items() if name.endswith("step")}
    assert len(steps) == 1
    return json.loads((newest / "progress.json").read_text())["step"], steps.pop()


def test_a_trial_that_fails_is_left_behind_but_for_the_configurators_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: Any) -> None:
        raise ForethoughtError("NaN in phase 'world model'.")

    monkeypatch.setattr(trial_units, "train_rung", fail)
    record = tiny_tuning().record
    setting = TuningSearch(tmp_path, swing_store(), record, InProcess()).setting
    unit = TrainingUnit(1, setting, tmp_path / "out", None, Configuration.model_validate(record.own), 2)
    result = unit.run(lambda message: None)
    assert (result.score, result.failed) == (None, "NaN in phase 'world model'.")
    with pytest.raises(ForethoughtError, match="NaN"):
        dataclasses.replace(unit, must=True).run(lambda message: None)


def test_a_recording_without_a_world_is_scored_by_its_predictions(tmp_path: Path) -> None:
    result = tune(tiny.point_store(False), out=tmp_path / "out", trials=3, config=tiny.SMALL, device="cpu")
    record = result.record
    assert "no world to act in" in record.no_world
    assert not record.of_stage("planning")
    assert all(score.tasks == 0 and -1 <= score.value <= 1 for trial in record.trials for score in trial.scores)
    skill = record.compared[0].skill
    assert skill is not None
    assert skill[1] <= skill[0] <= skill[2]
    assert "variance" in result.sentences[0] or "kept" in result.sentences[0]


def test_of_equals_the_configurators_own_wins() -> None:
    score = tiny_tuning().record.trials[0].scores[0]
    trials = [TrialRecord(number, "training", 0, {}, (score,)) for number in range(9)]
    assert [trial.number for trial in survivors(trials, 0)] == [0, 1, 2]
    worse = dataclasses.replace(score, successes=0, tasks=9, speed=0.0, skill=-1.0)
    trials[0] = dataclasses.replace(trials[0], scores=(worse,))
    assert [trial.number for trial in survivors(trials, 0)] == [0, 1, 2, 3]


def test_a_budget_shortens_whole_trainings_but_not_what_the_user_set(tmp_path: Path) -> None:
    record = tiny_tuning().record
    config = {name: value for name, value in record.request.config.items() if name != "training.critic_steps"}
    request = dataclasses.replace(record.request, seconds=600.0, config=config)
    changed = dataclasses.replace(record, request=request, scale=0.5)
    search = TuningSearch(tmp_path, None, changed, InProcess())
    assert search.own.training.critic_steps == FIXED["training.critic_steps"] // 2
    assert search.own.training.world_model_steps == FIXED["training.world_model_steps"], "the user's own"
    assert search.own.because("training.critic_steps") == "so that enough trials fit into 600 s"


def test_steps_and_tasks_fit_the_budget(tmp_path: Path) -> None:
    record = tiny_tuning().record
    setting = TuningSearch(tmp_path, swing_store(), record, InProcess()).setting
    own = Configuration.model_validate(record.own)
    fit = fit_to_budget(tmp_path, own, setting, InProcess(), TimeBudget(1e6, 0.0))
    assert setting.tasks is not None
    assert (fit.scale, fit.tasks) == (1.0, len(setting.tasks.tasks))
    with pytest.raises(ForethoughtError, match=r"A budget of 0.5 s is too small .* needs about [0-9]+ s here"):
        fit_to_budget(tmp_path, own, setting, InProcess(), TimeBudget(0.5, 0.0))
    assert not list(tmp_path.iterdir()), "what was measured is removed"


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"seconds": -1.0}, "A budget of seconds = -1 is invalid"),
        ({"trials": 1}, "The number of trials can't be 1"),
        ({"tasks": 1}, "The number of tasks can't be 1"),
        ({"resume": True}, "There is no tuning in .* to resume"),
        ({"config": {"planner.horizn": 3}}, "horizn"),
    ],
)
def test_what_is_refused(tmp_path: Path, how: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ForethoughtError, match=sentence):
        tune_tiny(tmp_path / "out", **how)


def test_a_tuning_is_resumed_with_its_own_settings_alone(tmp_path: Path) -> None:
    done = tiny_tuning().run.parent
    with pytest.raises(ForethoughtError, match="already holds a tuning: add --resume"):
        tune_tiny(done)
    with pytest.raises(ForethoughtError, match="leave out --set"):
        tune_tiny(done, resume=True, trials=TRIALS + 1)
    with pytest.raises(ForethoughtError, match="holds other episodes"):
        tune(tiny.point_store(False), out=done, resume=True)
    assert trials_of(tune_tiny(done, resume=True).record) == trials_of(read_tuning(done))
    (tmp_path / "something").write_text("else")
    with pytest.raises(ForethoughtError, match="holds something else"):
        tune_tiny(tmp_path)


def test_optuna_is_asked_for_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forethought.extras.find_spec", lambda name: None if name in EXTRAS["tune"].packages else "found")
    with pytest.raises(MissingExtraError, match=r'pip install "forethought\[tune\]"'):
        tune_tiny(tmp_path / "out")


def test_the_run_of_the_best_agent_names_its_store() -> None:
    best = tiny_tuning().run
    assert json.loads((best / "training.json").read_text())["store"] == str(swing_store().path.resolve())
    assert read_configuration(best / CONFIGURATION).data.options["success_distance"] is not None
    assert tiny_tuning().record.request.tasks == TASKS
