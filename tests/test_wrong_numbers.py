"""Public functions refuse what is no number in one sentence; called as users call them, without the tests' type checks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import tiny

CALLS = """
import json, logging, sys
import numpy as np
import forethought as ft
from forethought.types import Task
from forethought.worlds.tasks import make_tasks
logging.disable()
run, path, out, ROOMS = *sys.argv[1:], "forethought/Rooms-v0"
store, agent = ft.EpisodeStore.open(path), ft.load(run, "cpu")
world = ft.make_world("CartPole-v1", 1, streams=["proprioception"])
seen = {"pixels": store.rows("pixels", np.array([0]))[0]}
plan = np.zeros((1, agent.configuration.data.block, 2), np.float32)
ahead = {"pixels": seen["pixels"][None, None]}
agent.reset(Task.reach(seen))
many = {"pixels": seen["pixels"][None]}
CALLS = {
    "collect episodes": lambda v: ft.collect(ROOMS, out=out, episodes=v, workers=0),
    "collect workers": lambda v: ft.collect(ROOMS, out=out, episodes=2, workers=v),
    "collect seed": lambda v: ft.collect(ROOMS, out=out, episodes=2, seed=v, workers=0),
    "collect block": lambda v: ft.collect(ROOMS, out=out, episodes=2, block=v, workers=0),
    "train seed": lambda v: ft.train(store, out=out, seed=v),
    "budget seconds": lambda v: ft.Budget(v),
    "budget memory": lambda v: ft.Budget(memory_gib=v),
    "budget milliseconds": lambda v: ft.Budget(ms_per_decision=v),
    "evaluate tasks": lambda v: ft.evaluate(agent, tasks=v),
    "evaluate seed": lambda v: ft.evaluate(agent, tasks=1, seed=v),
    "evaluate cvar": lambda v: ft.evaluate(agent, tasks=1, cvar=v),
    "reset seed": lambda v: agent.reset(Task.reach(seen), seed=v),
    "reset seeds": lambda v: agent.reset(Task.reach(seen), seeds=[v]),
    "deadline": lambda v: agent.act(seen, deadline_ms=v),
    "imagine samples": lambda v: agent.imagine(seen, plan, samples=v),
    "imagine seed": lambda v: agent.imagine(seen, plan, seed=v),
    "energy temperature": lambda v: agent.energy(many, plan[None], ahead, temperature=v),
    "cvar level": lambda v: agent.with_cvar(v),
    "episode": lambda v: store.read(v),
    "copies": lambda v: ft.make_world(ROOMS, v),
    "number of tasks": lambda v: make_tasks(ROOMS, {}, v, 0),
    "seed of tasks": lambda v: make_tasks(ROOMS, {}, 2, v),
    "seed of a world": lambda v: world.reset([v]),
}
told = {}
for name, call in CALLS.items():
    for value in ("many", [2], object):
        try:
            call(value)
            told[f"{name}: {value!r}"] = ["nothing", ""]
        except Exception as error:
            told[f"{name}: {value!r}"] = [type(error).__name__, str(error)]
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, str]]:
    """Each call with each wrong value: the name of the error, and its message."""
    out = tmp_path_factory.mktemp("wrong") / "out"
    words = [sys.executable, "-c", CALLS, str(tiny.rooms_run()), str(tiny.rooms_store().path), str(out)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert not Path(out).exists(), "what is refused writes nothing"
    return {name: (kind, message) for name, (kind, message) in json.loads(done.stdout).items()}


def test_what_is_no_number_is_refused_in_one_sentence(told: dict[str, tuple[str, str]]) -> None:
    assert len(told) == 69
    wrong = {name: said for name, said in told.items() if said[0] != "ForethoughtError" or "give" not in said[1]}
    assert not wrong
    assert all("\n" not in message and len(message) < 300 for _, message in told.values())
