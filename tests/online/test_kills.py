"""`kill -9` at ten random moments of a life, in processes of their own: what is resumed equals what was left alone."""

from __future__ import annotations

import contextlib
import json
import os
import random
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
run, steps, config, world = sys.argv[1:]
from pathlib import Path
ft.live(world, out=run, steps=int(steps), config=json.loads(config), resume=(Path(run) / "life.json").exists())
"""
CONFIG = TINY | {"training.online.checkpoint_steps": 300, "training.online.evaluation_steps": 500}


def begun(run: Path) -> subprocess.Popen[bytes]:
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", CODE, str(run), str(STEPS), json.dumps(CONFIG), SLOPE]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def content(run: Path) -> dict[str, object]:
    record = json.loads((run / "life.json").read_text())
    store = EpisodeStore.open(run / "dataset")
    rows = [store.read(index) for index in range(store.num_episodes)]
    return {"record": record, "actions": [row.actions.tolist() for row in rows], "seeds": store.seeds.tolist()}


@pytest.mark.slow
def test_ten_kills_change_nothing(tmp_path: Path) -> None:
    """Weights, record and dataset are equal."""
    whole, killed, chance = tmp_path / "whole", tmp_path / "killed", random.Random(0)
    started = time.monotonic()
    assert begun(whole).wait(600) == 0
    seconds = time.monotonic() - started
    for _ in range(KILLS):
        process = begun(killed)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0.1, 0.35) * seconds)
        assert process.poll() is None, "the life was over before it could be killed ten times"
        process.kill()
        process.wait()
    assert begun(killed).wait(600) == 0
    assert content(killed) == content(whole)
    assert same_weights(ft.load(killed), ft.load(whole))
