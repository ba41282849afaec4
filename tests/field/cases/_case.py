"""What the cases share: a scratch folder, trainings of a second, a plain world to trouble, and the one line at the end."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import gymnasium
import numpy as np
from gymnasium.spaces import Box

import forethought as ft

PHASES = ("world_model", "predictor", "rollout", "critic", "levels", "distances", "policy")
SHORT = {f"training.{phase}_steps": 4 for phase in PHASES} | {"training.distillation_plans": 4, "model.critic_hidden": 32}
SENSES = {"streams": ["proprioception"], "success_distance": 0.1}
# Processes that a case starts import this too, and leave no folder behind.
IS_CASE = Path(sys.argv[0]).name[:1].isdigit()
SCRATCH = Path(tempfile.mkdtemp(prefix="forethought-case-")) if IS_CASE else Path("nowhere")
atexit.register(shutil.rmtree, SCRATCH, ignore_errors=True)
EXECUTABLE = str(Path(sys.executable).with_name("forethought"))


class Walk(gymnasium.Env):
    """A point in a square that its two actions push about. Cases override what it shows, takes or does."""

    metadata = {"render_modes": ["rgb_array"]}
    observation_space = Box(-2, 2, (2,), np.float32)
    action_space = Box(-1, 1, (2,), np.float32)

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at, self.t = self.np_random.uniform(-1, 1, 2), 0
        return self.see(), {}

    def step(self, action):
        self.t += 1
        self.at = np.clip(self.at + 0.2 * self.push(action), -2, 2)
        return self.see(), 0.0, self.over(), False, {}

    def push(self, action):
        return np.asarray(action, np.float64)

    def over(self):
        return False

    def see(self):
        return self.at.astype(np.float32)

    def picture(self, side=64):
        """Grey, with a bright square where the point is."""
        frame = np.full((side, side, 3), 90, np.uint8)
        x, y = ((self.at + 2) / 4 * (side - 10)).astype(int)
        frame[y : y + 10, x : x + 10] = (250, 180, 20)
        return frame

    def render(self):
        return self.picture()


def register(kind, steps=50):
    """A Gymnasium id for a class of this process."""
    gymnasium.register(f"{kind.__name__}-v0", kind, max_episode_steps=steps)
    return f"{kind.__name__}-v0"


def own_store(out, streams, see, episodes=20, blocks=10, block=5, seeds=None):
    """Episodes recorded elsewhere: `streams` are StreamSpecs, `see(places [T + 1, 2], episode)` gives stream -> [T + 1, ...]."""
    from forethought.data import StoreWriter
    from forethought.types import ActionSpace, Episode, WorldSpec

    spec = WorldSpec("my-robot", {}, tuple(streams), ActionSpace("continuous", 2, (-1.0, -1.0), (1.0, 1.0)), blocks * block, block)
    chance, made = np.random.default_rng(0), []
    for number in range(episodes):
        actions = chance.uniform(-1, 1, (blocks * block, 2)).astype(np.float32)
        places = np.concatenate([np.zeros((1, 2), np.float32), 0.1 * actions.cumsum(0)])[::block].astype(np.float32)
        drives = np.zeros((blocks + 1, 0), np.float32)
        seed = number if seeds is None else seeds[number]
        made.append(Episode(see(places, number), actions.reshape(blocks, -1), {}, drives, seed))
    writer = StoreWriter(out, spec, block)
    writer.append(made)
    return writer.finalise()


def told(call, *args, **kwargs):
    """('value', what came), ('sentence', a ForethoughtError's text) or ('crash', any other exception in one line)."""
    try:
        return "value", call(*args, **kwargs)
    except ft.ForethoughtError as error:
        return "sentence", f"{type(error).__name__}: {error}"
    except Exception as error:
        return "crash", f"{type(error).__name__}: {error}"


def names(text, *words):
    """Whether a sentence speaks of any of these."""
    return any(word.lower() in str(text).lower() for word in words)


def verdict(good, why):
    """The one line, and the exit code."""
    print(("PASS: " if good else "FAIL: ") + " ".join(str(why).split())[:700], flush=True)
    shutil.rmtree(SCRATCH, ignore_errors=True)
    os._exit(0 if good else 1)
