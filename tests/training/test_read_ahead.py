"""Batches read ahead are those read in turn: the same clips, the same noise after them, the same rows of each process."""

from __future__ import annotations

import threading

import pytest
import torch
from torch import Tensor

import tiny
from forethought.action_codec import ActionCodec
from forethought.agent_networks import AgentNetworks
from forethought.data_parallel import TrainingProcesses, local_rows
from forethought.training.phases import step_generator
from forethought.training.read_ahead import ReadAhead
from forethought.training.world_model_phase import WorldModelPhase


def generator_of(step: int) -> torch.Generator:
    return step_generator(3, "clips", step)


def test_batches_and_what_follows_are_those_of_reading_in_turn() -> None:
    threads: list[str] = []

    def read(generator: torch.Generator) -> Tensor:
        threads.append(threading.current_thread().name)
        return torch.rand(4, generator=generator)

    ahead = ReadAhead(read, generator_of)
    for step in (5, 6, 7, 3):  # 3: not the one that was read ahead
        mine, its = generator_of(step), generator_of(step)
        assert torch.equal(ahead(step, mine), torch.rand(4, generator=its))
        assert torch.equal(torch.rand(2, generator=mine), torch.rand(2, generator=its))
    ahead.close()
    assert sum(name.startswith("read ahead") for name in threads) >= 2
    assert sum(name == "MainThread" for name in threads) == 2  # the steps that nothing announced


def test_the_next_batch_is_read_while_the_caller_computes() -> None:
    reading = threading.Event()

    def read(generator: torch.Generator) -> int:
        if threading.current_thread() is not threading.main_thread():
            reading.set()
        return 0

    ahead = ReadAhead(read, generator_of)
    ahead(0, generator_of(0))
    assert reading.wait(10)
    ahead.close()


def test_an_error_comes_with_its_step() -> None:
    def read(generator: torch.Generator) -> int:
        if torch.equal(generator.get_state(), generator_of(1).get_state()):
            raise ValueError("the clip of step 1")
        return 0

    ahead = ReadAhead(read, generator_of)
    ahead(0, generator_of(0))
    with pytest.raises(ValueError, match="step 1"):
        ahead(1, generator_of(1))
    ahead.close()


def test_the_thread_reads_the_rows_of_its_process() -> None:
    ahead = ReadAhead(lambda generator: local_rows(torch.arange(4)), generator_of)
    with TrainingProcesses(1, 2).sharing_rows():
        assert ahead(0, generator_of(0)).tolist() == [2, 3]
        assert ahead(1, generator_of(1)).tolist() == [2, 3]
    ahead.close()


def test_a_phase_that_reads_ahead_learns_the_same() -> None:
    changes = {"training.seed": 0, "training.loss.masked_prediction": 0.5}
    configuration = tiny.point_agent().configuration.changed(changes, because="a test")
    losses = []
    for ahead in (False, True):
        torch.manual_seed(0)
        modules = AgentNetworks(configuration)
        body = ActionCodec(configuration.data, torch.device("cpu"))
        phase = WorldModelPhase(modules, tiny.point_store(False), configuration, body)
        phase.start()
        assert phase.ahead is None, "on CPUs nothing is read ahead"
        if ahead:
            phase.read_ahead()
        losses.append([told["loss"] for told in tiny.learn(phase, 4)])
        phase.finish()
    assert losses[0] == losses[1]
