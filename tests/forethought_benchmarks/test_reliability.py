"""A small sample of the reliability campaign, and that it notices what it is there for."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from forethought.errors import ForethoughtError
from forethought.training.checkpoint import save_checkpoint
from forethought_benchmarks.registry import run as run_bench
from forethought_benchmarks.reliability import crafted_files, protocol
from forethought_benchmarks.reliability.crafted_values import VALUES, changed, places, without
from forethought_benchmarks.reliability.damage import Damage, content_of, cuts, flips
from forethought_benchmarks.reliability.file_faults import Fault, operations, saved_in
from forethought_benchmarks.reliability.interruptions import Interrupted, interrupt
from forethought_benchmarks.reliability.outcomes import FAULT, RESULT, SENTENCE, Outcome, OutcomeCounts, attempt
from forethought_benchmarks.reliability.sandbox import Sandbox

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the campaign needs /proc")


def refuse(message: str) -> None:
    raise ForethoughtError(message)


def test_outcomes() -> None:
    assert attempt(lambda: 3) == Outcome(RESULT, value=3)
    assert attempt(lambda: refuse("The store is gone: collect it again.")).kind == SENTENCE
    assert attempt(lambda: refuse("half a")).kind == FAULT, "no sentence"
    crash = attempt(lambda: [][1])
    assert crash.kind == FAULT
    assert "IndexError in test_reliability.py" in crash.text


def test_counts_become_rows() -> None:
    tally = OutcomeCounts("kill", "kill -9, training", more={"added_mib": 1.5})
    for outcome in (Outcome(RESULT), Outcome(SENTENCE, "No."), Outcome(FAULT, "boom")):
        tally.add(outcome, "at operation 3")
    assert tally.faults == ["at operation 3: boom"]
    rows = {row["metric"]: row["value"] for row in tally.rows()}
    assert rows == {"tried": 3, "results": 1, "sentences": 1, "faults": 1, "added_mib": 1.5}


def test_a_published_path_is_saved_until_it_is_taken_away(tmp_path: Path) -> None:
    done = [
        ["rename", f"{tmp_path}/.building", f"{tmp_path}/1"],
        ["rename", f"{tmp_path}/.b/x", f"{tmp_path}/.b/y"],
        ["rename", f"{tmp_path}/.building", f"{tmp_path}/2"],
        ["rename", f"{tmp_path}/2", f"{tmp_path}/2.aside"],
    ]
    assert saved_in(tmp_path, done) == [f"{tmp_path}/1"]


def test_places_and_values() -> None:
    document = {"a": [1, 2, 3], "b": {"c": None}}
    assert list(places(document)) == [(), ("a",), ("a", 0), ("a", 2), ("b",), ("b", "c")]
    assert changed(document, ("b", "c"), VALUES["2^63"]) == {"a": [1, 2, 3], "b": {"c": 2**63}}
    assert without(document, ("a", 0)) == {"a": [2, 3], "b": {"c": None}}
    assert document["b"] == {"c": None}


def test_damage_is_undone(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"abc" * 3000)
    assert {0, 4096, 8192, 8999} <= set(cuts(file))
    assert len(list(flips([file], 7))) == 7
    for damage in (Damage(file, 5, True), Damage(file, 9, False)):
        undo = damage.apply()
        assert file.read_bytes() != b"abc" * 3000
        undo()
        assert file.read_bytes() == b"abc" * 3000


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(tmp_path_factory.mktemp("sandbox") / "log") as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def collection(box: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> tuple[Interrupted, int]:
    """The collection of two shards, and its number of file operations."""
    folder = tmp_path_factory.mktemp("collection")
    first = Interrupted("collection", folder, folder / "store", folder / "run")
    plan = Interrupted(
        "collection", folder, first.store, first.run, box.run("reference", work=first.arguments("whole")).outcome.value
    )
    journal = folder / "operations"
    box.run("interrupted", work=plan.arguments("counted"), journal=str(journal), kind="none", at=0)
    return plan, len(operations(journal))


def test_a_checkpoint_is_compared_by_what_it_gives(tmp_path: Path) -> None:
    """A list of checksums without its last line break is no damage; another weight is."""
    for name, weight in (("one", 1.0), ("another", 2.0)):
        save_checkpoint(tmp_path / name, 3, {"agent": {"a": torch.tensor([weight])}}, {"phase": "critic"})
    whole, listing = content_of("checkpoint", tmp_path / "one"), tmp_path / "one/checkpoints/000000003/checksums.json"
    Damage(listing, listing.stat().st_size - 1, True).apply()
    assert content_of("checkpoint", tmp_path / "one") == whole
    assert content_of("checkpoint", tmp_path / "another") != whole


@pytest.mark.parametrize("trains", [True, False])
def test_a_long_training_is_a_result_if_it_saves_its_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trains: bool
) -> None:
    def long(store: Path, out: Path, resume: bool) -> None:
        try:
            time.sleep(60)
        finally:
            if trains:
                save_checkpoint(out, 4, {"agent": {}}, {})

    monkeypatch.setattr(crafted_files, "train", long)
    monkeypatch.setattr(crafted_files, "LONG", 0.1)
    save_checkpoint(tmp_path, 3, {"agent": {}}, {})
    outcome = attempt(lambda: crafted_files.resume_for_a_while(tmp_path))
    assert outcome.kind == (RESULT if trains else FAULT), outcome.text


@pytest.mark.parametrize("kind", ["kill", "torn", "full", "read-only"])
def test_a_collection_survives_a_fault(box: Sandbox, collection: tuple[Interrupted, int], kind: str) -> None:
    plan, count = collection
    assert count > 50
    for at in (2, count // 2, count - 1):
        outcome = interrupt(plan, box, Fault(kind, at))
        assert outcome.kind in (SENTENCE, RESULT), f"{kind} at operation {at}: {outcome.text}"


def test_a_result_that_differs_is_a_fault(box: Sandbox, collection: tuple[Interrupted, int]) -> None:
    plan, _ = collection
    other = Interrupted(plan.work, plan.folder, plan.store, plan.run, "another digest")
    assert "differs" in interrupt(other, box, Fault("kill", 5)).text


def test_the_sandbox_reports_a_kill_and_a_hang(box: Sandbox, collection: tuple[Interrupted, int]) -> None:
    plan, _ = collection
    arguments = {"work": plan.arguments("killed"), "journal": str(plan.folder / "journal"), "at": 3}
    assert box.run("interrupted", kind="kill", **arguments).signal == signal.SIGKILL
    slow = box.run("contended", seconds=0.3, work=plan.arguments("slow"), delay=30.0, resume=False)
    assert slow.outcome.kind == FAULT
    assert "no end" in slow.outcome.text


def test_parts_keep_the_rows_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {
        "kill": lambda out: [OutcomeCounts("kill", "a", results=2)],
        "disk": lambda out: [OutcomeCounts("disk", "b", sentences=3, faults=["x: traceback"])],
    }
    monkeypatch.setattr(protocol, "PARTS", parts)
    run_bench(protocol.NAME, tmp_path, parts=("kill",))
    path = run_bench(protocol.NAME, tmp_path, parts=("disk",))
    run_bench(protocol.NAME, tmp_path, parts=("disk",))
    rows = [(row["world"], row["metric"], row["value"]) for row in json.loads(path.read_text())["rows"]]
    assert rows.count(("kill", "tried", 2)) == 1
    assert rows.count(("disk", "faults", 1)) == 1
    assert (tmp_path / "reliability" / "disk" / "faults.txt").read_text() == "b: x: traceback\n"
    with pytest.raises(ForethoughtError, match="no part 'kil': did you mean 'kill'"):
        protocol.run(tmp_path, ("kil",))
    with pytest.raises(ForethoughtError, match="has no parts"):
        run_bench("energy", tmp_path, parts=("kill",))


@pytest.mark.slow
@pytest.mark.parametrize("part", list(protocol.PARTS))
def test_the_whole_campaign_finds_nothing(part: str, tmp_path: Path) -> None:
    path = protocol.run(tmp_path, (part,))
    faults = {row["agent"]: row["value"] for row in json.loads(path.read_text())["rows"] if row["metric"] == "faults"}
    assert faults
    assert not any(faults.values()), (tmp_path / "reliability" / part / "faults.txt").read_text()
