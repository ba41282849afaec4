"""Worker processes: what a driver gets of units that work, die, hang, refuse or fail."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
from units import Chatter, Once, Square

from child_processes import children
from forethought.errors import ForethoughtError
from forethought.execution import Executor, InProcess, Processes, pool, run_units


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers import the units by their module's name."""
    monkeypatch.syspath_prepend(Path(__file__).parent)


@pytest.mark.parametrize("executor", [InProcess(), Processes(1), Processes(3)], ids=["here", "one", "three"])
def test_results_messages_and_the_log_come_to_the_driver(executor: Executor, caplog: pytest.LogCaptureFixture) -> None:
    before, heard = children(), list[tuple[str, int]]()
    with caplog.at_level(logging.INFO):
        found = list(
            run_units(
                executor, [Square(number) for number in range(6)], hear=lambda unit, said: heard.append((unit.name, said))
            )
        )
    assert {unit.number: result[0] for unit, result in found} == {number: number**2 for number in range(6)}
    assert sorted(heard) == [(f"square {number}", number) for number in range(6)]
    assert sorted(record.getMessage() for record in caplog.records if record.name == "units") == [
        f"squared {number}" for number in range(6)
    ]
    assert all((result[1] == os.getpid()) == executor.here for _, result in found)
    assert children() <= before


def test_results_come_as_they_are_ready() -> None:
    slow_first = [Square(0, seconds=1.5), Square(1), Square(2)]
    assert [unit.number for unit, _ in run_units(Processes(2), slow_first)] == [1, 2, 0]


@pytest.mark.parametrize(("trouble", "why"), [("die", r"its process died \(signal 9\)"), ("hang", "no sign of life for 1 s")])
def test_a_lost_unit_is_done_again_and_not_for_ever(
    trouble: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pool, "STARTUP", 1.0)
    once = [Once(tmp_path, number, trouble) for number in (1, 2)]
    with caplog.at_level(logging.WARNING):
        assert sorted(result for _, result in run_units(Processes(2), once, patience=1.0)) == [1, 2]
    assert caplog.text.count("is done again") == 2
    with pytest.raises(ForethoughtError, match=f"{trouble} 3 was lost again and again: {why}"):
        list(run_units(Processes(2), [Once(tmp_path, 3, trouble, times=9)], patience=1.0))
    assert len(list(tmp_path.glob(f"{trouble} 3-*"))) == 3


def test_a_hang_is_noticed_beside_workers_that_chatter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "STARTUP", 1.0)
    units = [Once(tmp_path, 0, "hang"), Chatter(1, 5.0)]
    assert [result for _, result in run_units(Processes(2), units, patience=1.0)] == [0, 1], "long before the chatter ends"


def test_what_a_unit_raises_ends_the_loop(tmp_path: Path) -> None:
    with pytest.raises(ForethoughtError, match="this unit cannot be done; choose another one"):
        list(run_units(Processes(2), [Once(tmp_path, 0, "refuse")]))
    with pytest.raises(ForethoughtError, match="ValueError: a mistake in the unit"):
        list(run_units(Processes(2), [Once(tmp_path, 0, "fail")]))
    with pytest.raises(ValueError, match="a mistake in the unit"):
        list(run_units(InProcess(), [Once(tmp_path, 1, "fail")]))


def test_a_worker_that_cannot_start_is_not_tried_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forethought.execution.worker_process.sys.executable", "false")
    with pytest.raises(ForethoughtError, match="2 workers in a row ended before their first unit.*exit code 1"):
        list(run_units(Processes(2), [Square(0)]))


def test_a_driver_that_stops_hearing_leaves_no_process() -> None:
    def stop(unit: object, message: object) -> None:
        raise KeyboardInterrupt

    before = children()
    with pytest.raises(KeyboardInterrupt):
        list(run_units(Processes(2), [Square(number) for number in range(4)], hear=stop))
    assert children() <= before


def test_the_worker_of_the_last_outcome_can_be_dismissed() -> None:
    with Processes(3).open(lambda unit, message: None) as crew:
        for number in range(3):
            crew.add(Square(number, seconds=0.2))
        outcomes = iter(crew)
        next(outcomes)
        assert crew.dismiss() == 2
        for number in range(3, 6):
            crew.add(Square(number))
        found = list(outcomes)
        assert len(found) == 5
        assert len({outcome.result[1] for outcome in found}) == 2, "no other one is started in its place"
        assert crew.dismiss() == 1
        assert crew.dismiss() == 0, "the last one stays"
