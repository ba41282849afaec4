"""`kill -9` at ten random moments of a life, in processes of their own: what is resumed equals what was left alone."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lived_worlds import SLOPE
from test_live import TINY, same_weights

import forethought as ft
from forethought.data.store import EpisodeStore

KILLS, STEPS = 10, 2000
CODE = """
import json, sys
import forethought as ft
run, steps, config, world, actors = sys.argv[1:]
from pathlib import Path
again = (Path(run) / "life.json").exists()
ft.live(world, out=run, steps=int(steps), config=json.loads(config), actors=int(actors), resume=again)
"""
CONFIG = TINY | {"training.online.checkpoint_steps": 300, "training.online.evaluation_steps": 500}


def begun(run: Path, actors: int) -> subprocess.Popen[bytes]:
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", CODE, str(run), str(STEPS), json.dumps(CONFIG), SLOPE, str(actors)]
    # A session of its own: a test kills it with all of its processes.
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet, start_new_session=True)


def content(run: Path) -> dict[str, object]:
    record = json.loads((run / "life.json").read_text())
    store = EpisodeStore.open(run / "dataset")
    rows = [store.read(index) for index in range(store.num_episodes)]
    return {"record": record, "actions": [row.actions.tolist() for row in rows], "seeds": store.seeds.tolist()}


def workers_of(parent: int) -> list[Path]:
    """The processes that act for this one, as folders of the kernel."""
    return [path for path in Path("/proc").glob("[0-9]*") if alive(path) and fields(path)[1] == str(parent)]


def fields(process: Path) -> list[str]:
    """State and parent of a process; empty once it is gone."""
    with contextlib.suppress(OSError):
        return (process / "stat").read_text().rpartition(")")[2].split()
    return ["X", ""]


def alive(process: Path) -> bool:
    return fields(process)[0] not in "XZ"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked for in Linux's /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_actors_end_with_their_life(tmp_path: Path, how: signal.Signals) -> None:
    """However it ends; in a terminal, Ctrl-C reaches them, too."""
    life, deadline = begun(tmp_path / "run", 2), time.monotonic() + 60
    try:
        while len(workers := workers_of(life.pid)) < 2 or not (tmp_path / "run" / "checkpoints").exists():
            assert life.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        if how == signal.SIGINT:
            os.killpg(life.pid, how)
        else:
            life.kill()
        life.wait(30)
        while any(map(alive, workers)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(life.pid, signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize("actors", [1, 2])
def test_ten_kills_change_nothing(tmp_path: Path, actors: int) -> None:
    """Weights, record and dataset are equal."""
    whole, killed, chance = tmp_path / "whole", tmp_path / "killed", random.Random(0)
    started = time.monotonic()
    assert begun(whole, actors).wait(600) == 0
    seconds = time.monotonic() - started
    for _ in range(KILLS):
        process = begun(killed, actors)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0.1, 0.35) * seconds)
        assert process.poll() is None, "the life was over before it could be killed ten times"
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert begun(killed, actors).wait(600) == 0
    assert content(killed) == content(whole)
    assert same_weights(ft.load(killed), ft.load(whole))
