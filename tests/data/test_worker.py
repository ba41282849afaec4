from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from forethought.data import StoreWriter
from forethought.data.shard_writer import read_journal, recording_path
from forethought.data.worker import EventWriter
from forethought.worlds import registry


def test_signs_of_life_are_few_and_news_is_not() -> None:
    out = io.StringIO()
    voice = EventWriter(out)
    for row in range(50):
        voice.say("alive", row)
        voice.say("recorded", row)
    events = [json.loads(line)[0] for line in out.getvalue().splitlines()]
    assert events.count("recorded") == 50
    assert events.count("alive") <= 1


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A store that waits for two shards of short episodes in the built-in world."""
    options = {"max_steps": 10}
    spec = registry.make("forethought/Rooms-v0", 1, **options).spec
    asked = {"world": "forethought/Rooms-v0", "options": options, "policy": "random", "seed": 0, "episodes": 70}
    StoreWriter(tmp_path / "store", spec, 5, asked)
    return tmp_path / "store"


def start(store: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-P", "-m", "forethought.data.worker", str(store)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)


def test_it_works_until_its_parent_hangs_up(begun: Path) -> None:
    with start(begun) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"shard": 1, "alone": False, "skip": {"65": "it hung"}}) + "\n")
        process.stdin.flush()
        events = []
        while not events or events[-1] != ["done", 1, ""]:
            events.append(json.loads(process.stdout.readline()))
        assert [number for event, number, _ in events if event == "recorded"] == [64, 66, 67, 68, 69]
        assert StoreWriter.resume(begun).shards == [1]
        process.stdin.close()
        assert process.wait(10) == 0


def test_a_mistake_is_said_and_ends_it(tmp_path: Path) -> None:
    began = time.monotonic()
    with start(tmp_path) as process:
        # Reading before hanging up: a worker whose parent has gone says nothing more.
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())[0] == "alive"
        event, sentence, _ = json.loads(process.stdout.readline())
        assert process.wait(30) == 0
    assert event == "error"
    assert "recipe.json: the store's recipe is missing" in sentence
    assert time.monotonic() - began < 60


def test_a_parent_that_is_gone_costs_no_episode(begun: Path) -> None:
    """Nobody hears the events any more, though the tasks' stream is still open: the process ends, and notes no loss."""
    process = start(begun)
    assert process.stdin is not None
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())[0] == "alive"
    process.stdout.close()
    process.stdin.write('{"shard": 0, "alone": false, "skip": {}}\n')
    process.stdin.flush()
    assert process.wait(timeout=60) == 0
    process.stdin.close()
    assert [entry for entry in read_journal(recording_path(begun, 0)) if "reason" in entry] == []
    assert not list((begun / "shards").glob("0*"))
