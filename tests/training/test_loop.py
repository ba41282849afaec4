"""The loop that runs every phase: rates, records, checkpoints, interruptions, and a NaN that is told and not saved."""

from __future__ import annotations

import json
import math
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from forethought.config import TrainingConfig
from forethought.errors import NonFiniteError
from forethought.training.checkpoint import load_checkpoint
from forethought.training.loop import FLOOR, WARM_UP, MetricsLogger, PhaseRunner, rate_at, run_phases
from forethought.training.phases import Phase, Terms

STEPS = 23
Whole = tuple[dict[str, Tensor], dict[str, Tensor]]
SETTINGS = TrainingConfig(checkpoint_every=5, seed=1)


class Fit(Phase):
    """A vector is pulled to noisy copies of the target; an extra weight follows it slowly."""

    learning_rate, weight_decay, steps = 0.05, 0.01, STEPS

    def __init__(self, agent: nn.Module, name: str, at_step: Callable[[int, Tensor], Tensor] | None = None) -> None:
        self.agent, self.name, self.at_step = agent, name, at_step
        self.extras: nn.Module = nn.Linear(3, 1, bias=False)
        nn.init.zeros_(self.extras.weight)
        self.prepared = 0

    def parameters(self) -> list[nn.Parameter]:
        return list(self.agent.get_submodule(self.name).parameters())

    def start(self) -> None:
        self.prepared += 1

    def step(self, step: int, generator: torch.Generator) -> tuple[Tensor, Terms]:
        (weight,) = self.parameters()
        loss = (weight - 1 - torch.randn(weight.shape, generator=generator)).square().mean()
        loss = self.at_step(step, loss) if self.at_step else loss
        return loss, {"pull": loss, "nothing": torch.tensor(0.0)}

    def after_step(self) -> None:
        with torch.no_grad():
            self.extras.weight.lerp_(self.parameters()[0], 0.1)


def make(**at_step: Callable[[int, Tensor], Tensor]) -> tuple[nn.Module, list[Fit]]:
    torch.manual_seed(0)
    agent = nn.ModuleDict({name: nn.Linear(3, 1, bias=False) for name in ("first", "second")})
    return agent, [Fit(agent, name, at_step.get(name)) for name in ("first", "second")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """The agent's weights, and the second phase's own, after a run that nobody disturbed."""
    agent, phases = make()
    run_phases(agent, phases, tmp_path_factory.mktemp("whole"), SETTINGS, None)
    return agent.state_dict(), phases[1].extras.state_dict()


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_what_only_a_phase_needs_lies_where_the_agent_lies(tmp_path: Path) -> None:
    """Buffers too, which no optimizer would show: `meta` stands for a GPU."""
    agent, (phase, _) = make()
    phase.extras.register_buffer("frequencies", torch.ones(3))
    PhaseRunner(agent.to("meta"), phase, 0, tmp_path, SETTINGS, {}, MetricsLogger(tmp_path))
    assert {tensor.device.type for tensor in phase.extras.state_dict().values()} == {"meta"}


def test_rates_warm_up_and_end_at_the_floor() -> None:
    rates = [rate_at(step, 1000) for step in range(1000)]
    assert rates[0] == pytest.approx(1 / WARM_UP, rel=0.01)
    assert max(rates) <= 1
    assert rates.index(max(rates)) == pytest.approx(WARM_UP, abs=5)
    assert rates[WARM_UP:] == sorted(rates[WARM_UP:], reverse=True)
    assert rates[-1] == pytest.approx(FLOOR, rel=0.01)
    assert rates[500] == pytest.approx((1 + FLOOR) / 2, rel=0.01)
    assert rate_at(0, 0) > 0


def test_every_phase_runs_once_in_order_and_is_timed(tmp_path: Path) -> None:
    agent, phases = make()
    before = {name: tensor.clone() for name, tensor in agent.state_dict().items()}
    seconds = run_phases(agent, phases, tmp_path, SETTINGS, None)
    assert list(seconds) == ["first", "second"]
    assert all(value > 0 for value in seconds.values())
    assert [phase.prepared for phase in phases] == [1, 1]
    for name, tensor in agent.state_dict().items():
        assert not torch.equal(tensor, before[name])
    last = load_checkpoint(tmp_path)
    assert (last.progress["phase"], last.progress["step"]) == ("second", STEPS)
    assert same(dict(last.tensors["agent"]), agent.state_dict())
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert {line["phase"] for line in lines} == {"first", "second"}
    assert all(math.isfinite(line["loss"]) and line["pull"] == line["loss"] for line in lines if "loss" in line)
    assert list((tmp_path / "tensorboard").iterdir())


@pytest.mark.parametrize("phase", ["first", "second"])
@pytest.mark.parametrize("step", [0, 4, STEPS - 1])
def test_ctrl_c_finishes_the_step_saves_it_and_resumes_bit_for_bit(tmp_path: Path, whole: Whole, phase: str, step: int) -> None:
    def press(now: int, loss: Tensor) -> Tensor:
        if now == step:
            signal.raise_signal(signal.SIGINT)
        return loss

    agent, phases = make(**{phase: press})
    with pytest.raises(KeyboardInterrupt):
        run_phases(agent, phases, tmp_path / "run", SETTINGS, None)
    begun = load_checkpoint(tmp_path / "run")
    assert (begun.progress["phase"], begun.progress["step"]) == (phase, step + 1)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    agent, phases = make()
    seconds = run_phases(agent, phases, tmp_path / "run", SETTINGS, begun)
    assert list(seconds) == ["first", "second"]
    assert seconds[phase] > begun.progress["seconds"][phase] or step == STEPS - 1
    assert same(agent.state_dict(), whole[0])
    assert same(phases[1].extras.state_dict(), whole[1])


@pytest.mark.parametrize("step", [3, 5, 13])
def test_a_death_between_checkpoints_goes_back_to_the_last_one_bit_for_bit(tmp_path: Path, whole: Whole, step: int) -> None:
    def die(now: int, loss: Tensor) -> Tensor:
        if now == step:
            raise MemoryError
        return loss

    agent, phases = make(second=die)
    with pytest.raises(MemoryError):
        run_phases(agent, phases, tmp_path / "run", SETTINGS, None)
    begun = load_checkpoint(tmp_path / "run")
    expected = ("second", step - step % 5) if step >= 5 else ("first", STEPS)
    assert (begun.progress["phase"], begun.progress["step"]) == expected
    agent, phases = make()
    run_phases(agent, phases, tmp_path / "run", SETTINGS, begun)
    assert same(agent.state_dict(), whole[0])
    assert phases[0].prepared == 0, "a finished phase is not prepared again"


def test_a_second_ctrl_c_does_not_wait(tmp_path: Path) -> None:
    def press_twice(now: int, loss: Tensor) -> Tensor:
        if now == 7:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
        return loss

    agent, phases = make(first=press_twice)
    with pytest.raises(KeyboardInterrupt):
        run_phases(agent, phases, tmp_path, SETTINGS, None)
    assert load_checkpoint(tmp_path).progress["step"] == 5


def test_it_also_runs_beside_the_main_thread(tmp_path: Path, whole: Whole) -> None:
    agent, phases = make()
    thread = threading.Thread(target=run_phases, args=(agent, phases, tmp_path / "run", SETTINGS, None))
    thread.start()
    thread.join()
    assert same(agent.state_dict(), whole[0])


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_with_its_place_and_is_never_saved(tmp_path: Path, bad: float) -> None:
    agent, phases = make(second=lambda step, loss: loss * bad if step == 8 else loss)
    with pytest.raises(NonFiniteError, match=r"phase 'second' at step 8, in pull: the last checkpoint is intact"):
        run_phases(agent, phases, tmp_path, SETTINGS, None)
    begun = load_checkpoint(tmp_path)
    assert begun.progress["step"] == 5
    assert all(torch.isfinite(tensor).all() for tensor in begun.tensors["agent"].values())
    assert all(torch.isfinite(tensor).all() for tensor in agent.state_dict().values())


def test_a_gradient_that_is_not_finite_stops_too(tmp_path: Path) -> None:
    """The square root's slope at 0 is infinite, its value is not."""
    agent, phases = make(first=lambda step, loss: (loss * 0).sqrt() if step == 2 else loss)
    with pytest.raises(NonFiniteError, match=r"phase 'first' at step 2, in the gradient"):
        run_phases(agent, phases, tmp_path, SETTINGS, None)
    assert all(torch.isfinite(tensor).all() for tensor in agent.state_dict().values())


def test_the_seed_decides_the_chance(tmp_path: Path, whole: Whole) -> None:
    agent, phases = make()
    run_phases(agent, phases, tmp_path / "other", SETTINGS.model_copy(update={"seed": 2}), None)
    assert not same(agent.state_dict(), whole[0])


def test_a_line_that_was_torn_does_not_spoil_the_next(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"phase": "first", "st')
    journal = MetricsLogger(tmp_path)
    journal.write("first", 7, {"loss": 1.0})
    journal.close()
    (whole,) = (tmp_path / "log.jsonl").read_text().splitlines()
    assert json.loads(whole)["step"] == 7
