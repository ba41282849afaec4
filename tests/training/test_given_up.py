"""A training that collapses changes its objective, tells so, and is the same after any kill; a healthy one is not touched."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

import forethought.training.given_up as given_up
import forethought.training.train as training
import patterned
from child_processes import dies
from forethought.agent import Agent
from forethought.config import Configuration
from forethought.configurator import Budget
from forethought.configurator.recovery import StateAlarm, recovered
from forethought.data_parallel import ALONE
from forethought.errors import ForethoughtError, NonFiniteError
from forethought.report.curves import alarms_of, curves_of
from forethought.training.agent_files import load, read_configuration
from forethought.training.checkpoint import load_checkpoint, read_tensors
from forethought.training.record import training_record
from forethought.training.train import train
from forethought.training.world_model_phase import WorldModelPhase
from rank_processes import in_processes

LSUV = "training.loss.lsuv_init"


def learn(run: Path, resume: bool = False, **given: Any) -> Agent:
    return train(patterned.patterned_store(), out=run, config=None if resume else patterned.CONFIG | given, resume=resume)


def weights(run: Path) -> dict[str, Tensor]:
    return read_tensors(run / "agent" / "weights.safetensors")


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose first objective collapsed, and that nobody disturbed."""
    folder = tmp_path_factory.mktemp("given up") / "run"
    learn(folder)
    return folder


def records(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def test_a_collapse_changes_the_objective_and_the_state_is_healthy_then(run: Path) -> None:
    """The configurator chose both objectives; nothing about the objective was asked for."""
    configuration = load(run).configuration
    (change,) = configuration.history
    assert change.alarm.startswith("the states are almost constant")
    assert change.changes == (f"{LSUV}: False -> True",)
    assert change.step <= 50
    assert change.seconds > 0
    assert "almost constant" in configuration.because(LSUV)
    assert read_configuration(run / "configuration.json") == configuration
    last = [record for record in records(run) if "batch_std" in record][-1]
    assert last["batch_std"] > 0.5
    assert last["inverse_dynamics_r2"] > 0.1
    assert not last["alarms"]


def test_what_was_given_up_stays_in_the_log_and_apart(run: Path) -> None:
    first = [record for record in records(run) if "attempt" not in record]
    assert {record["phase"] for record in first} == {"world model"}
    assert [record["alarms"] for record in first if "alarms" in record][-1] == [load(run).configuration.history[0].alarm]
    assert all(record["attempt"] == 1 for record in records(run) if record not in first)
    assert any("loss" in record for record in first)
    assert not alarms_of(run), "the page tells of it with the change, not as an alarm of the agent"
    assert [curve.steps.tolist() for curve in curves_of(run) if curve.name == "one_step"] == [[50.0, 100.0]]
    seconds = training_record(run)["seconds"]
    assert seconds["given up"] == load(run).configuration.history[0].seconds


def test_it_is_the_training_that_would_have_been_with_the_other_objective(run: Path, tmp_path: Path) -> None:
    learn(tmp_path / "run", **{LSUV: True})
    assert same(weights(run), weights(tmp_path / "run"))


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def at_step(monkeypatch: pytest.MonkeyPatch, attempt: int, step: int) -> None:
    plain = WorldModelPhase.step

    def taken(self: WorldModelPhase, now: int, generator: torch.Generator) -> Any:
        if now == step and len(self.configuration.history) == attempt:
            die()
        return plain(self, now, generator)

    monkeypatch.setattr(WorldModelPhase, "step", taken)


KILLS: dict[str, Callable[[pytest.MonkeyPatch], object]] = {
    "before the alarm": lambda patch: at_step(patch, 0, 45),
    "before the change is stored": lambda patch: patch.setattr(given_up, "write_json", die),
    "before the rest is left behind": lambda patch: patch.setattr(given_up, "leave_given_up", die),
    "before old checkpoints are gone": lambda patch: patch.setattr(given_up, "shutil", SimpleNamespace(rmtree=die)),
    "at the first step after it": lambda patch: at_step(patch, 1, 0),
    "later": lambda patch: at_step(patch, 1, 63),
}


@pytest.mark.parametrize("moment", KILLS)
def test_killed_and_resumed_it_is_the_same_bit_for_bit(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    with monkeypatch.context() as patched:
        dies(lambda: KILLS[moment](patched), lambda: learn(tmp_path / "run"))
    learn(tmp_path / "run", resume=True)
    assert same(weights(tmp_path / "run"), weights(run))
    assert len(load(tmp_path / "run").configuration.history) == 1
    assert load_checkpoint(tmp_path / "run").progress["attempt"] == 1

    def logged(folder: Path) -> list[tuple[Any, ...]]:
        return [(one["phase"], one.get("attempt"), one["step"], one.get("loss")) for one in records(folder)]

    assert logged(tmp_path / "run") == logged(run)


def test_all_processes_of_a_training_change_together(run: Path, tmp_path: Path) -> None:
    in_processes(2, learn, tmp_path / "run")
    assert load(tmp_path / "run").configuration.history[0].changes == load(run).configuration.history[0].changes
    one, two = ([record["loss"] for record in records(folder) if "loss" in record] for folder in (run, tmp_path / "run"))
    assert two == pytest.approx(one, rel=1e-3)


def test_what_the_user_set_is_kept_and_named(tmp_path: Path) -> None:
    given = {LSUV: False, "training.loss.variance": 1.0}
    with pytest.raises(ForethoughtError, match=rf"but you set {LSUV} = False, training.loss.variance = 1"):
        learn(tmp_path / "run", **given)
    assert not (tmp_path / "run" / "agent").exists()


def test_a_budget_holds_for_all_attempts_together(tmp_path: Path) -> None:
    """A resumed training, too, knows what the one that was given up took."""
    run = tmp_path / "run"
    begun = training._configuration(patterned.patterned_store(), run, 0, patterned.CONFIG, Budget(seconds=500), False, None, 1)
    training._record(run, patterned.patterned_store(), begun, Budget(seconds=500), ALONE)
    changed = recovered(begun, StateAlarm("constant", "world model", 50, 120.0, "dead."))
    given_up.begin_anew(run, changed)
    clock = training.training_clock(run, changed, None, 0.0)
    assert clock is not None
    assert clock.spent == 120.0


def test_a_loss_that_is_not_finite_lowers_the_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = WorldModelPhase.step

    def taken(self: WorldModelPhase, now: int, generator: torch.Generator) -> Any:
        loss, terms = plain(self, now, generator)
        return (loss * float("nan") if now == 7 and self.learning_rate > limit else loss), terms

    monkeypatch.setattr(WorldModelPhase, "step", taken)
    limit = 5e-4
    agent = learn(tmp_path / "run", **{"training.world_model_steps": 20})
    assert agent.configuration.training.learning_rate == pytest.approx(1e-3 / 3)
    assert "not finite" in agent.configuration.because("training.learning_rate")
    limit = 0.0
    with pytest.raises(NonFiniteError, match="at step 7"):
        learn(tmp_path / "never", **{"training.world_model_steps": 20})


def test_studies_of_collapse_train_to_the_end(tmp_path: Path) -> None:
    def unwatched(modules: Any, store: Any, configuration: Configuration, body: Any, encode: Any) -> list[Any]:
        return [WorldModelPhase(modules, store, configuration, body, watched=False)]

    agent = train(patterned.patterned_store(), out=tmp_path / "run", config=patterned.CONFIG, phases=unwatched)
    assert not agent.configuration.history
    assert alarms_of(tmp_path / "run")
