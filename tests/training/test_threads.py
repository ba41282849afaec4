"""The number of threads: fewer beside busy processes if they are faster, all of them otherwise, the same ones at a resume."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import pytest
import torch

from forethought.training.threads import LIMITS, WATCH_SECONDS, OtherProcesses, ThreadChange, Threads, seconds_by_threads


@pytest.fixture(autouse=True)
def two_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine of two cores, on which the user set nothing."""
    for name in LIMITS:
        monkeypatch.delenv(name, raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


class Machine:
    """Two cores; others use some of them. Two threads beside a busy process are slower than one."""

    def __init__(self, others: float, slowdown: float = 3.0) -> None:
        self.used, self.slowdown, self.seconds, self.measured = others, slowdown, 0.0, 0
        self.written: list[dict[str, Any]] = []

    def threads(self, changes: Sequence[ThreadChange] = ()) -> Threads:
        return Threads(list(changes), self.write, lambda: self.used, lambda: self.seconds, 2, self.measure)

    def write(self, changes: list[dict[str, Any]]) -> None:
        self.written = changes

    def measure(self, counts: Sequence[int]) -> dict[int, float]:
        self.measured += 1
        return {count: self.slowdown if count > 1 and self.used > 0.4 else 2.0 / count for count in counts}

    def train(self, threads: Threads, phases: Sequence[str] = ("a", "b"), steps: int = 40, first: int = 0) -> list[int]:
        """The number of threads of each step; a step takes a second."""
        counts = []
        for phase in phases:
            threads.begin(phase, ["a", "b"], first if phase == phases[0] else 0)
            for step in range(first if phase == phases[0] else 0, steps):
                self.seconds += 1
                threads.before(step)
                counts.append(torch.get_num_threads())
        return counts


def test_on_an_idle_machine_nothing_is_measured_or_written() -> None:
    machine = Machine(others=0.1)
    assert set(machine.train(machine.threads())) == {2}
    assert not machine.measured
    assert not machine.written


def test_beside_a_busy_process_one_thread_trains_where_it_is_faster() -> None:
    machine = Machine(others=1.0)
    with machine.threads() as threads:
        assert set(machine.train(threads)) == {1}
    assert machine.written == [asdict(ThreadChange("a", 0, 1))]
    assert 1 <= machine.measured <= 3, "now and then"
    assert torch.get_num_threads() == 2, "what was PyTorch's stays PyTorch's"


def test_two_threads_stay_where_they_are_faster_all_the_same() -> None:
    machine = Machine(others=1.0, slowdown=2.1)
    assert set(machine.train(machine.threads())) == {2}
    assert machine.measured
    assert not machine.written


def test_all_threads_train_again_when_the_others_are_done() -> None:
    machine = Machine(others=1.0)
    threads = machine.threads()
    assert set(machine.train(threads, phases=["a"], steps=10)) == {1}
    machine.used = 0.0
    counts = machine.train(threads, phases=["b"], steps=20)
    assert counts[-1] == 2
    assert counts.index(2) <= WATCH_SECONDS


def test_a_resumed_training_repeats_the_changes() -> None:
    machine = Machine(others=1.0)
    changes = [ThreadChange("a", 5, 1), ThreadChange("a", 30, 2), ThreadChange("b", 0, 1)]
    idle = Machine(others=0.0)
    threads = idle.threads(changes)
    counts = idle.train(threads, phases=["a"], first=20)
    assert counts[:20] == [1] * 10 + [2] * 10
    threads.begin("b", ["a", "b"], 0)
    assert torch.get_num_threads() == 1
    assert not idle.written, "nothing new until the recorded changes are over"
    assert machine.used == 1.0


@pytest.mark.parametrize("name", LIMITS)
def test_a_number_that_the_user_set_stays(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "2")
    machine = Machine(others=1.0)
    assert set(machine.train(machine.threads())) == {2}
    monkeypatch.delenv(name)
    torch.set_num_threads(3)
    assert set(machine.train(machine.threads())) == {3}, "three of two cores are nobody's default"


def test_the_measurement_keeps_the_number_of_threads() -> None:
    seconds = seconds_by_threads([2, 1])
    assert set(seconds) == {1, 2}
    assert all(value > 0 for value in seconds.values())
    assert torch.get_num_threads() == 2
    assert OtherProcesses()() >= 0
