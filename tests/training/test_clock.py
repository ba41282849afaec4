"""A time budget: what the clock cuts and raises, how schedules follow, and that a resumed training repeats its decisions."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import tiny
from forethought.config import TrainingConfig
from forethought.configurator import Budget
from forethought.errors import ForethoughtError
from forethought.training import loop
from forethought.training.checkpoint import load_checkpoint
from forethought.training.clock import PAIRS, Pace, StartLimit, StepDecision, TrainingClock
from forethought.training.loop import run_phases
from forethought.training.phases import Phase, Terms
from forethought.training.predictor_phase import PredictorPhase
from forethought.training.record import training_record
from forethought.training.train import train

SELDOM, OFTEN = (TrainingConfig(checkpoint_every=every, seed=1) for every in (1000, 10))


class Time:
    """A clock that only work moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Work(Phase):
    """Each step takes its seconds, and pulls a vector by a noisy amount."""

    learning_rate, weight_decay = 0.05, 0.0

    def __init__(
        self, agent: nn.Module, name: str, steps: int, now: Time, cost: Callable[[int], float], die_at: int | None = None
    ) -> None:
        self.agent, self.name, self.steps, self.now, self.cost, self.die_at = agent, name, steps, now, cost, die_at
        self.extras: nn.Module = nn.Module()
        self.last: int | None = None

    def parameters(self) -> list[nn.Parameter]:
        return list(self.agent.get_submodule(self.name).parameters())

    def start(self) -> None:
        self.now.seconds += 0.5

    def step(self, step: int, generator: torch.Generator) -> tuple[Tensor, Terms]:
        if step == self.die_at:
            raise RuntimeError("killed")
        self.now.seconds += self.cost(step)
        (weight,) = self.parameters()
        loss = (weight - 1 - torch.randn(weight.shape, generator=generator)).square().mean()
        if step == self.steps - 1:
            self.last = step
        return loss, {"pull": loss}


Costs = dict[str, Callable[[int], float]]
NAMES = {"world model": 200, "critic": 200, "policy": 200}


def run(
    folder: Path, costs: Costs, seconds: float = 60.0, die: tuple[str, int] | None = None, steps: dict[str, int] | None = None,
    resume: bool = False, decisions: list[StepDecision] | None = None, **clock: Any,
) -> tuple[dict[str, Tensor], list[Work], TrainingClock]:  # fmt: skip
    """Train three phases under a clock; returns weights, phases and clock."""
    now = Time()
    torch.manual_seed(0)
    agent = nn.ModuleDict({name: nn.Linear(3, 1, bias=False) for name in NAMES})
    phases = [
        Work(agent, name, (steps or NAMES)[name], now, costs[name], die[1] if die and die[0] == name else None)
        for name in NAMES
    ]
    begun = load_checkpoint(folder) if resume else None
    spent = float(begun.progress["elapsed"]) if begun else 0.0
    watch = TrainingClock(seconds, spent=spent, decisions=decisions or [], now=now, **clock)
    run_phases(agent, phases, folder, OFTEN if die or resume else SELDOM, begun, watch)
    return dict(agent.state_dict()), phases, watch


def costs(**seconds: float) -> Costs:
    return {name: partial(constant, seconds.get(name.replace(" ", "_"), 0.05)) for name in NAMES}


def constant(seconds: float, step: int) -> float:
    return seconds


def test_without_need_the_planned_steps_stay(tmp_path: Path) -> None:
    _, phases, watch = run(tmp_path, costs(world_model=0.15, critic=0.05, policy=0.05))
    assert [phase.steps for phase in phases] == [200, 200, 200]
    assert not watch.decisions
    assert not watch.summary()


@pytest.mark.parametrize("slow", NAMES)
@pytest.mark.parametrize("reproducible", [False, True])
def test_a_slow_phase_is_cut_and_the_budget_holds(tmp_path: Path, slow: str, reproducible: bool) -> None:
    _, phases, watch = run(tmp_path, costs(**{slow.replace(" ", "_"): 2.0}), reproducible=reproducible)
    assert watch.elapsed <= 60 * 1.05
    assert {phase.name: phase.steps < 200 for phase in phases}[slow]
    assert all(phase.last == phase.steps - 1 for phase in phases), "a step that knows that it is the last one"
    assert any(sentence.startswith(f"{slow}: ") and "of 200 planned steps" in sentence for sentence in watch.summary())


def test_a_phase_that_becomes_slower_is_cut_again(tmp_path: Path) -> None:
    """Another process begins in the middle of the last phase."""
    late = costs(world_model=0.1, critic=0.05) | {"policy": lambda step: 0.05 if step < 60 else 2.0}
    _, phases, watch = run(tmp_path, late)
    assert watch.elapsed <= 60 * 1.05
    assert 60 < phases[-1].steps < 200


def test_a_phase_that_becomes_faster_gets_its_planned_steps_back(tmp_path: Path) -> None:
    busy = costs(world_model=0.05, critic=0.05) | {"policy": lambda step: 1.0 if step < 8 else 0.05}
    _, phases, watch = run(tmp_path, busy, reproducible=True)
    assert phases[-1].steps == 200
    assert min(decision.steps for decision in watch.decisions if decision.phase == "policy") < 100


def test_steps_that_were_planned_far_too_few_are_raised(tmp_path: Path) -> None:
    few = {"world model": 10, "critic": 200, "policy": 200}
    _, phases, watch = run(tmp_path / "raised", costs(world_model=0.02), steps=few)
    assert phases[0].steps > 500
    assert 0.8 * 60 < watch.elapsed <= 60
    for fixed in ({"reproducible": True}, {"fixed": {"world model"}}):
        assert run(tmp_path / str(*fixed), costs(world_model=0.02), steps=few, **fixed)[1][0].steps == 10


def test_the_learning_rate_ends_where_the_shortened_phase_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    plain = loop.rate_at
    monkeypatch.setattr(loop, "rate_at", lambda step, steps: asked.append((step, steps)) or plain(step, steps))
    _, phases, _ = run(tmp_path, costs(policy=1.0))
    assert asked[-1] == (phases[-1].steps - 1, phases[-1].steps)
    assert plain(*asked[-1]) < plain(*asked[-2])


@pytest.mark.parametrize(("phase", "step"), [("world model", 13), ("critic", 3), ("policy", 25)])
def test_killed_and_resumed_equals_not_killed_with_the_recorded_decisions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phase: str, step: int
) -> None:
    """What is decided after the kill depends on the time that is left; the same decisions give the same weights."""
    slow = costs(world_model=0.9, critic=0.3, policy=0.4)
    written: list[dict[str, Any]] = []
    with pytest.raises(RuntimeError, match="killed"):
        run(tmp_path / "killed", slow, die=(phase, step), write=lambda decisions: written.__setitem__(slice(None), decisions))
    recorded = [StepDecision(**one) for one in written]
    assert recorded, "written when it is decided"
    resumed, again, watch = run(tmp_path / "killed", slow, resume=True, decisions=recorded)
    assert watch.decisions[: len(recorded)] == recorded
    monkeypatch.setattr(Pace, "_decide", lambda *given: None)
    whole, phases, _ = run(tmp_path / "whole", slow, decisions=watch.decisions)
    assert phases[-1].steps == again[-1].steps < 200
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_the_time_before_a_kill_counts(tmp_path: Path) -> None:
    slow = costs(world_model=1.0, critic=1.0, policy=1.0)
    written: list[dict[str, Any]] = []
    with pytest.raises(RuntimeError):
        run(tmp_path, slow, die=("critic", 8), write=lambda decisions: written.__setitem__(slice(None), decisions))
    _, _, watch = run(tmp_path, slow, resume=True, decisions=[StepDecision(**one) for one in written])
    assert watch.spent > 20
    assert watch.elapsed <= 60 * 1.05


def test_the_teacher_plans_for_fewer_pairs_and_for_the_same_ones_at_a_resume() -> None:
    now = Time()
    phase = Work(nn.ModuleDict({"policy": nn.Linear(3, 1)}), "policy", 100, now, lambda step: 0.1)
    clock = TrainingClock(20.0, now=now)
    clock.schedule([phase])
    limit = StartLimit(clock, phase)
    done = 0
    while True:
        now.seconds, done = now.seconds + 3.0, done + 256
        if limit.enough(done, 2048, 256):
            break
    assert done == 768, "half of the 19 s that are left"
    assert clock.decisions == [StepDecision("policy", PAIRS, 0, 768, 2048)]
    assert clock.summary() == [
        "distillation plans: 768 of 2,048 planned pairs, to keep the budget of 20 s at the measured speed."
    ]
    resumed = TrainingClock(20.0, decisions=clock.decisions, now=now)
    resumed.schedule([phase])
    again = StartLimit(resumed, phase)
    assert [again.enough(count, 2048, 256) for count in (256, 512, 768)] == [False, False, True]


def test_a_store_that_takes_too_long_to_encode_is_encoded_in_part() -> None:
    now = Time()
    clock = TrainingClock(100.0, now=now)
    assert clock.episodes(1000, seconds=20.0) == 1000
    assert clock.reserved == 20.0
    late = TrainingClock(100.0, now=now)
    count = late.episodes(1000, seconds=100.0)
    assert 250 < count < 350
    assert late.reserved == pytest.approx(count / 10)
    assert TrainingClock(100.0, decisions=late.decisions, now=now).episodes(1000, seconds=1.0) == count


def test_the_parts_of_the_predictor_are_timed_apart() -> None:
    agent = tiny.point_agent(False)
    phase = PredictorPhase(agent.modules, agent.configuration, lambda: pytest.fail("not started"))
    assert sum(phase.parts().values()) == phase.steps
    phase.resize("predictor", 7)
    phase.resize("rollout", 5)
    assert phase.parts() == {"predictor": 7, "rollout": 5}
    assert phase.steps == 12


def test_a_run_records_its_budget(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    small = {key: value for key, value in tiny.SMALL.items() if not key.endswith("_steps")}
    with caplog.at_level(logging.WARNING):
        train(tiny.point_store(False), out=tmp_path / "run", config=small, budget=Budget(seconds=4.0))
    record = training_record(tmp_path / "run")
    budget = record["budget"]
    assert (budget["seconds"], budget["reproducible"]) == (4.0, False)
    assert budget["elapsed"] > sum(record["seconds"].values()), "what lies between the phases counts"
    assert budget["changed"]
    assert all(sentence in caplog.text for sentence in budget["changed"]), "what was cut is said"
    assert all(StepDecision(**decision) for decision in budget["decisions"])


def test_without_a_budget_nothing_is_decided(tmp_path: Path) -> None:
    train(tiny.point_store(False), out=tmp_path / "run", config=tiny.SMALL)
    assert "budget" not in training_record(tmp_path / "run")
    assert "elapsed" not in load_checkpoint(tmp_path / "run").progress


def test_a_decision_survives_its_file() -> None:
    decision = StepDecision("critic", "critic", 3, 40, None)
    assert StepDecision(**asdict(decision)) == decision


def test_a_budget_that_no_machine_could_keep_is_refused_before_the_run_exists(tmp_path: Path) -> None:
    with pytest.raises(ForethoughtError, match="too small"):
        train(tiny.rooms_store(), out=tmp_path / "run", budget=Budget(seconds=0.5))
    assert not (tmp_path / "run").exists()


def test_what_is_left_keeps_back_what_is_known_to_follow() -> None:
    """A fiftieth of the budget (at least 0.4 s), two of the longest save, what was reserved, and what was spent before."""
    now = Time()
    clock = TrainingClock(100.0, now=now, spent=10.0, reserved=5.0)
    clock.longest_save = 1.5
    now.seconds += 20.0
    assert clock.left == pytest.approx(100 - 2 - 3 - 5 - 10 - 20)
    assert TrainingClock(10.0, now=now).left == pytest.approx(10 - 0.4)
    now.seconds += 500.0
    assert clock.left == 0.0
