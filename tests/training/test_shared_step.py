"""Trainings of two and four processes: equal to that of one, exact after a kill, and of one mind about ends and errors."""

from __future__ import annotations

import json
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import tiny
from forethought.configurator import Budget
from forethought.data import EpisodeStore
from forethought.data_parallel import launched_rank
from forethought.errors import ForethoughtError
from forethought.training import loop
from forethought.training.agent_files import load
from forethought.training.checkpoint import read_tensors
from forethought.training.phases import Terms
from forethought.training.train import train
from rank_processes import exit_codes, in_processes

STEPS = {
    "training.world_model_steps": 6, "training.predictor_steps": 4, "training.rollout_steps": 3, "training.critic_steps": 6,
    "training.levels_steps": 5, "training.distances_steps": 5, "training.policy_steps": 6, "training.checkpoint_every": 4,
}  # fmt: skip
UPPER = ("training.levels_steps", "training.distances_steps")
CONFIG = tiny.SMALL | tiny.LEVELS | {"model.hierarchy.levels": 2} | STEPS
KINDS: dict[str, dict[str, Any]] = {
    "deterministic": {
        "training.loss.expander": 16, "training.loss.masked_prediction": 0.5, "training.loss.sigreg": 0.1,
        "training.loss.episode_infonce": 0.5, "training.loss.episode_infonce_start": 0.0,
        "training.loss.infonce_prediction": 0.3, "training.loss.within_episode_variance": 0.5, "training.loss.ema": 0.9,
    },
    "codes": tiny.CODES,
    "continuous": {"model.latent.kind": "gaussian", "model.latent.dim": 4, "planner.risk.num_scenarios": 4},
}  # fmt: skip
PHASES = ["world model", "predictor", "critic", "levels", "distances", "policy"]


def learn(
    store: Path, run: Path, config: dict[str, Any] | None, trap: tuple[Any, ...] = (), seconds: float | None = None
) -> None:
    """Train in this process; beside the run: the losses and the weights of this rank, or the sentence of its error.

    Args:
        config: None resumes the run.
        trap: what happens to one rank (`kill`, `interrupt` or `nan`), the rank, the phase and its step.
        seconds: a time budget.
    """
    losses: dict[str, list[float]] = {}
    plain, rank = loop.take_step, launched_rank()

    def watched(phase: Any, optimizer: Any, rates: Any, step: int, loss_of: Any) -> Any:
        sprung = trap[1:] == (rank, phase.name, step) and trap[0]
        if sprung == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if sprung == "interrupt":
            os.kill(os.getpid(), signal.SIGINT)
        if sprung == "nan":
            phase.step = spoiled(phase.step)
        found = plain(phase, optimizer, rates, step, loss_of)
        losses.setdefault(phase.name, []).append(float(found[0]))
        return found

    loop.take_step = watched  # type: ignore[assignment]
    beside = run.with_name(f"{run.name}-{rank}")
    logging.getLogger("forethought").addHandler(logging.FileHandler(beside.with_suffix(".log")))
    try:
        budget = None if seconds is None else Budget(seconds)
        agent = train(EpisodeStore.open(store), out=run, config=config, resume=config is None, budget=budget)
    except (ForethoughtError, KeyboardInterrupt) as error:
        beside.with_suffix(".error").write_text(f"{type(error).__name__}: {error}")
        return
    finally:
        loop.take_step = plain
    beside.with_suffix(".json").write_text(json.dumps(losses))
    save_file({name: value.contiguous() for name, value in agent.modules.state_dict().items()}, beside.with_suffix(".weights"))


def spoiled(step: Callable[..., tuple[Tensor, Terms]]) -> Callable[..., tuple[Tensor, Terms]]:
    """The same step with a loss that is NaN."""

    def with_nan(*given: Any) -> tuple[Tensor, Terms]:
        loss, terms = step(*given)
        return loss * torch.nan, terms

    return with_nan


def losses_of(run: Path) -> dict[str, list[float]]:
    found: dict[str, list[float]] = json.loads(run.with_name(f"{run.name}-0.json").read_text())
    return found


def weights_of(run: Path) -> dict[str, Tensor]:
    return read_tensors(run / "agent" / "weights.safetensors")


def assert_same(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    assert not [name for name in first if not torch.equal(first[name], second[name])]


def assert_close(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Equal to 1e-5, of the largest number where numbers are above 1 (whitening: up to a hundred)."""
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        if values.numel():
            tolerance = 1e-5 * max(1.0, float(values.abs().max()))
            assert float((found[name] - values).abs().max()) <= tolerance, name


@pytest.fixture(scope="module")
def store() -> Path:
    return tiny.point_store(False).path


@pytest.fixture(scope="module")
def alone(store: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("alone")
    return {kind: folder / kind for kind in KINDS}


@pytest.fixture(scope="module")
def two(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two processes that nothing interrupts."""
    run = tmp_path_factory.mktemp("two") / "run"
    in_processes(2, learn, store, run, CONFIG | KINDS["deterministic"])
    return run


def compare(run: Path, single: Path, store: Path, kind: str) -> None:
    if not single.exists():
        in_processes(1, learn, store, single, CONFIG | KINDS[kind])
    expected, found = losses_of(single), losses_of(run)
    assert list(found) == list(expected) == PHASES
    for phase, values in expected.items():
        assert found[phase] == pytest.approx(values, rel=1e-5), phase
    assert_close(weights_of(run), weights_of(single))


def test_two_processes_equal_one(store: Path, alone: dict[str, Path], two: Path) -> None:
    compare(two, alone["deterministic"], store, "deterministic")


@pytest.mark.parametrize(
    "kind", ["deterministic", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("codes", "continuous"))]
)
def test_four_processes_equal_one(kind: str, store: Path, alone: dict[str, Path], tmp_path: Path) -> None:
    in_processes(4, learn, store, tmp_path / "run", CONFIG | KINDS[kind])
    compare(tmp_path / "run", alone[kind], store, kind)


def test_every_process_returns_the_agent_and_only_the_first_one_writes(two: Path) -> None:
    of_ranks = [load_file(two.with_name(f"run-{rank}.weights")) for rank in range(2)]
    assert_same(*of_ranks)
    assert_same(of_ranks[0], weights_of(two))
    lines = [json.loads(line) for line in (two / "log.jsonl").read_text().splitlines()]
    steps = [(line["phase"], line["step"]) for line in lines if "loss" in line]
    assert len(steps) == len(set(steps)) == len(PHASES)
    assert json.loads((two / "training.json").read_text())["processes"] == 2


def test_one_process_opens_what_two_trained(two: Path) -> None:
    assert_same(load(two, "cpu").modules.state_dict(), weights_of(two))


@pytest.mark.parametrize(("trap", "phase"), [("kill", "critic"), pytest.param("interrupt", "levels", marks=pytest.mark.slow)])
def test_a_resume_is_exact(trap: str, phase: str, store: Path, two: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    codes = exit_codes(2, learn, store, run, CONFIG | KINDS["deterministic"], (trap, 1, phase, 4))
    said = (tmp_path / "run-0.error").read_text()
    if trap == "kill":
        assert codes == [0, -signal.SIGKILL]
        assert said.startswith("ForethoughtError: Rank 0 of 2 lost another process")
        assert "--resume" in said
    else:
        assert codes == [0, 0]
        assert said.startswith("KeyboardInterrupt")
    assert not (run / "agent").exists()
    in_processes(2, learn, store, run, None)
    assert_same(weights_of(run), weights_of(two))


@pytest.mark.slow
def test_a_resume_of_four_is_exact(store: Path, tmp_path: Path) -> None:
    """Four numbers have several sums: the order in which gradients are added must not depend on the first step."""
    run, whole = tmp_path / "run", tmp_path / "whole"
    config = CONFIG | KINDS["deterministic"]
    in_processes(4, learn, store, whole, config)
    in_processes(4, learn, store, run, config, ("interrupt", 2, "levels", 2))
    in_processes(4, learn, store, run, None)
    assert_same(weights_of(run), weights_of(whole))


@pytest.mark.slow
def test_another_number_of_processes_goes_on_and_says_so(store: Path, two: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    in_processes(2, learn, store, run, CONFIG | KINDS["deterministic"], ("interrupt", 0, "distances", 2))
    in_processes(1, learn, store, run, None)
    assert "was trained by 2 process(es) and goes on with 1" in (tmp_path / "run-0.log").read_text()
    assert_close(weights_of(run), weights_of(two))


def test_a_nan_of_one_process_ends_all_with_the_same_sentence(store: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    in_processes(2, learn, store, run, CONFIG, ("nan", 1, "world model", 3))
    said = [(tmp_path / f"run-{rank}.error").read_text() for rank in range(2)]
    assert said[0] == said[1]
    assert said[0].startswith("NonFiniteError: NaN or infinity in phase 'world model' at step 3")


def test_a_time_budget_is_decided_by_one_for_all(store: Path, tmp_path: Path) -> None:
    many = tiny.SMALL | {name: 100_000 for name in STEPS if name not in {"training.checkpoint_every", *UPPER}}
    in_processes(2, learn, store, tmp_path / "run", many, (), 4.0)
    counts = [
        {phase: len(values) for phase, values in json.loads((tmp_path / f"run-{rank}.json").read_text()).items()}
        for rank in range(2)
    ]
    assert counts[0] == counts[1]
    assert all(0 < count < 100_000 for count in counts[0].values())
    assert_same(*(load_file(tmp_path / f"run-{rank}.weights") for rank in range(2)))


def test_batches_that_cannot_be_shared_are_refused_in_all_processes(store: Path, tmp_path: Path) -> None:
    in_processes(2, learn, store, tmp_path / "run", CONFIG | {"training.critic_batch": 31})
    said = [(tmp_path / f"run-{rank}.error").read_text() for rank in range(2)]
    sentence = "training.critic_batch = 31 rows cannot be shared evenly by 2 processes"
    assert said[0].startswith(f"ForethoughtError: {sentence}")
    assert said[1].startswith(f"MainProcessError: {sentence}")
    assert not (tmp_path / "run").exists()
