"""Mixed precision trains; what is measured is chosen by seconds, said, recorded, repeated at a resume."""

from __future__ import annotations

import json
import logging
import math
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import tiny
from forethought.action_codec import ActionCodec
from forethought.config import Configuration
from forethought.configurator import configure
from forethought.errors import NonFiniteError
from forethought.training import measured_speed
from forethought.training.agent_files import untrained_networks
from forethought.training.checkpoint import read_tensors
from forethought.training.measured_speed import Arithmetic, StepTiming, measured_on_gpus, with_measured_speed
from forethought.training.train import train
from forethought.training.world_model_phase import WorldModelPhase

CPU = torch.device("cpu")
FLOAT32, BFLOAT16 = Arithmetic("float32", compile=False), Arithmetic("bfloat16", compile=False)
MEASURED = {"training.precision": "measured"}


def configuration(**changes: Any) -> Configuration:
    store = tiny.rooms_store()
    return configure(store.spec, store.block, store.statistics(), overrides=tiny.SMALL | changes)


def weights(run: Path) -> dict[str, Tensor]:
    return read_tensors(run / "agent" / "weights.safetensors")


def assert_same(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    assert not [name for name in first if not torch.equal(first[name], second[name])]


def learn(run: Path, resume: bool = False, **changes: Any) -> None:
    train(tiny.point_store(False), out=run, config=None if resume else tiny.SMALL | changes, resume=resume)


def timed(monkeypatch: pytest.MonkeyPatch, seconds: dict[Arithmetic, float | Exception], loss: float = 1.0) -> None:
    """Steps take so many seconds, whatever they really take; all of them are long enough to be worth it."""

    def time_steps(phase: object, seed: int, device: torch.device, arithmetic: Arithmetic) -> StepTiming:
        found = seconds[arithmetic]
        if isinstance(found, Exception):
            raise found
        return StepTiming(arithmetic, found, 1.0, (1.0 if arithmetic == FLOAT32 else loss,))

    monkeypatch.setattr(measured_speed, "time_steps", time_steps)
    monkeypatch.setattr(measured_speed, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(measured_speed, "LEAST_TO_COMPILE", 0.0)


def chosen(asked: Configuration) -> Configuration:
    networks = untrained_networks(asked)

    def make(copied: Any, candidate: Configuration) -> WorldModelPhase:
        return WorldModelPhase(copied, tiny.rooms_store(), candidate, ActionCodec(candidate.data, CPU))

    return with_measured_speed(asked, networks, make, CPU)


def test_a_world_model_in_bfloat16_learns_and_its_losses_and_weights_are_float32() -> None:
    every_term = {
        f"training.loss.{name}": 0.5
        for name in (
            "sigreg",
            "infonce_prediction",
            "temporal_similarity",
            "masked_prediction",
            "within_episode_variance",
            "ema",
        )
    }
    asked = configuration(**{"training.precision": "bfloat16", "training.loss.expander": 32, **every_term})
    networks = untrained_networks(asked)
    phase = WorldModelPhase(networks, tiny.rooms_store(), asked, ActionCodec(asked.data, CPU))
    phase.start()
    loss, terms = phase.step(0, torch.Generator().manual_seed(0))
    assert len(terms) >= 10
    assert {term.dtype for term in (loss, *terms.values())} == {torch.float32}
    told = tiny.learn(phase, 30)
    assert sum(one["loss"] for one in told[-5:]) < 0.9 * sum(one["loss"] for one in told[:5])
    assert {parameter.dtype for parameter in phase.parameters()} == {torch.float32}


def test_it_is_really_bfloat16_but_close() -> None:
    losses = {}
    for arithmetic in (FLOAT32, BFLOAT16):
        asked = arithmetic.of(configuration())
        networks = untrained_networks(asked)
        phase = WorldModelPhase(networks, tiny.rooms_store(), asked, ActionCodec(asked.data, CPU))
        losses[arithmetic] = measured_speed.time_steps(phase, 0, CPU, arithmetic)
    difference = losses[BFLOAT16].difference(losses[FLOAT32])
    assert 0 < difference < measured_speed.TOLERANCE


def test_a_choice_is_recorded_and_a_resume_repeats_it_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timed(monkeypatch, {FLOAT32: 1.0, BFLOAT16: 0.5})
    learn(tmp_path / "whole", **MEASURED)
    learn(tmp_path / "float32")
    plain, names = WorldModelPhase.step, ["training.precision"]

    def interrupted(self: WorldModelPhase, step: int, generator: torch.Generator) -> Any:
        if step == 7:
            signal.raise_signal(signal.SIGINT)
        return plain(self, step, generator)

    with monkeypatch.context() as patched:
        patched.setattr(WorldModelPhase, "step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            learn(tmp_path / "run", **MEASURED)
    timed(monkeypatch, {FLOAT32: 0.5, BFLOAT16: 1.0})  # were it measured again, it would choose another one
    learn(tmp_path / "run", resume=True)
    assert_same(weights(tmp_path / "run"), weights(tmp_path / "whole"))
    assert not torch.equal(*(next(iter(weights(tmp_path / run).values())) for run in ("whole", "float32")))
    content = json.loads((tmp_path / "run" / "configuration.json").read_text())
    assert content["training"]["precision"] == "bfloat16"
    assert [one["because"] for one in content["reasons"] if one["setting"] in names] == [
        "measured on cpu, by step: float32 1e+03 ms, bfloat16 500 ms; its first losses differ by 0.00% from those in float32"
    ]


def test_measuring_changes_nothing_where_float32_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learn(tmp_path / "plain")
    monkeypatch.setattr(measured_speed, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(measured_speed, "FASTER", math.inf)
    monkeypatch.setattr(measured_speed, "TIMED_SECONDS", 0.01)
    learn(tmp_path / "measured", **MEASURED)
    assert_same(weights(tmp_path / "measured"), weights(tmp_path / "plain"))
    content = json.loads((tmp_path / "measured" / "configuration.json").read_text())
    assert content["training"]["precision"] == "float32"


def test_networks_and_random_states_are_what_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measured_speed, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(measured_speed, "TIMED_SECONDS", 0.01)
    asked = configuration(**MEASURED)
    networks = untrained_networks(asked)
    before, random = {name: value.clone() for name, value in networks.state_dict().items()}, torch.get_rng_state()

    def make(copied: Any, candidate: Configuration) -> WorldModelPhase:
        torch.rand(3)
        return WorldModelPhase(copied, tiny.rooms_store(), candidate, ActionCodec(candidate.data, CPU))

    found = with_measured_speed(asked, networks, make, CPU)
    assert found.training.precision in ("float32", "bfloat16")
    assert_same(networks.state_dict(), before)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(parameter.grad is None for parameter in networks.parameters())


@pytest.mark.parametrize(
    ("bfloat16", "loss", "expected", "sentence"),
    [
        (0.5, 1.01, "bfloat16", "differ by 1.00%"),
        (0.98, 1.0, "float32", "bfloat16 980 ms"),
        (0.5, 1.05, "float32", "bfloat16 has other losses (by 5.0%)"),
        (NonFiniteError("NaN"), 1.0, "float32", "bfloat16 is not finite"),
        (RuntimeError("no memory\nand more"), 1.0, "float32", "bfloat16 fails (no memory)"),
    ],
)
def test_the_fastest_that_agrees_is_chosen_and_said(
    bfloat16: float | Exception, loss: float, expected: str, sentence: str,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    timed(monkeypatch, {FLOAT32: 1.0, BFLOAT16: bfloat16}, loss)
    with caplog.at_level(logging.INFO, "forethought"):
        found = chosen(configuration(**MEASURED))
    assert found.training.precision == expected
    assert sentence in found.because("training.precision")
    assert sentence in caplog.text


def test_compiling_counts_its_own_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda forward, dynamic: forward)
    compiled = Arithmetic("float32", compile=True)
    asked = {"training.compile": "measured", "training.world_model_steps": 20}
    timed(monkeypatch, {FLOAT32: 1.0, compiled: 0.9})  # 20 s, against 18 s and 1 s of compiling
    assert chosen(configuration(**asked)).training.compile is True
    timed(monkeypatch, {FLOAT32: 1.0, compiled: 0.96})
    assert chosen(configuration(**asked)).training.compile is False


def test_a_short_phase_is_not_worth_the_trial() -> None:
    found = chosen(configuration(**MEASURED, **{"training.compile": "measured"}))
    assert (found.training.precision, found.training.compile) == ("float32", False)
    assert "too short to try anything else" in found.because("training.compile")


def test_on_a_gpu_it_is_measured_unless_set_or_reproducible() -> None:
    plain, gpu = configuration(), torch.device("cuda")

    def asked(made: Configuration) -> tuple[object, object]:
        return made.training.precision, made.training.compile

    assert asked(measured_on_gpus(plain, gpu, reproducible=False)) == ("measured", "measured")
    assert asked(measured_on_gpus(plain, gpu, reproducible=True)) == ("float32", False)
    assert asked(measured_on_gpus(plain, CPU, reproducible=False)) == ("float32", False)
    own = configuration(**{"training.precision": "float32"})
    assert asked(measured_on_gpus(own, gpu, reproducible=False)) == ("float32", "measured")


def test_runs_of_earlier_versions_train_in_float32() -> None:
    content = configuration().model_dump(mode="json")
    older: Callable[[str], dict[str, Any]] = lambda group: content[group]  # noqa: E731
    del older("training")["precision"], older("training")["compile"], older("planner")["compile"]
    found = Configuration.model_validate(content)
    assert (found.training.precision, found.training.compile, found.planner.compile) == ("float32", False, False)
