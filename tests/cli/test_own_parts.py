"""As somebody with research to do would: a module of own parts in a folder, and the real commands beside it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from forethought import parts
from forethought.cli.main import main
from forethought.report import run_report
from forethought.training.checkpoint import read_tensors
from forethought.training.world_model_phase import WorldModelPhase

MODULE = '''
import torch
from torch import nn

from forethought.actor import Plan, Planner
from forethought.actor.sampling_search import Incumbent
from forethought.cost import Cost
from forethought.parts import register
from forethought.perception import Encoder
from forethought.world_model import Predictor


@register("encoder", "backbone")
class Backbone(Encoder):
    """Frozen convolution, and a head that learns."""

    def __init__(self, streams, settings):
        super().__init__()
        self.streams, self.state_dim = streams, settings.state_dim
        self.body = nn.Conv2d(3, 4, 16, stride=16).requires_grad_(False)
        self.head = nn.Linear(4 * 4 * 4, settings.state_dim)

    def forward(self, observation, visible=None):
        pixels = observation["pixels"]
        seen = pixels.flatten(0, -4).permute(0, 3, 1, 2).float() / 255
        if visible is not None:
            seen = seen * visible["pixels"].reshape(-1, 1, *visible["pixels"].shape[-2:])
        return self.head(self.body(seen).relu().flatten(1)).unflatten(0, pixels.shape[:-3])


@register("predictor", "gated")
class Gated(Predictor):
    def __init__(self, state_dim, action_dim, settings):
        super().__init__()
        self.both = nn.Linear(state_dim + action_dim, 2 * state_dim)

    def forward(self, states, actions):
        change, gate = self.both(torch.cat([states, actions], -1)).chunk(2, -1)
        return states + torch.sigmoid(gate) * change


@register("regulariser", "unit_norm")
def unit_norm(states):
    return (states.square().mean(-1) - 1).square().mean()


@register("loss", "direction")
def direction(inputs):
    return 1 - torch.cosine_similarity(inputs.predictions, inputs.targets, dim=-1).mean()


@register("cost", "far")
class Far(Cost):
    def __init__(self, state_dim, settings):
        super().__init__()

    def forward(self, imagined, goal):
        return (imagined.states - goal.state[:, None, None]).abs().mean(-1)


@register("planner", "shooting")
class Shooting(Planner):
    def __init__(self, settings, horizon):
        self.horizon, self.candidates = horizon, settings.num_samples

    def plan(self, problem):
        incumbent = Incumbent(problem)
        if problem.candidates is not None:
            incumbent.evaluate(problem.candidates)
        drawn = problem.streams.uniform(self.candidates, self.horizon, problem.low.numel())
        incumbent.evaluate(problem.low + drawn * (problem.high - problem.low))
        return incumbent.plan()
'''
PHASES = ("predictor", "rollout", "critic", "policy")
CONFIG = {
    "model": {"encoder": {"kind": "backbone", "state_dim": 16}, "predictor": {"kind": "gated"}, "critic_hidden": 32},
    "planner": {"search": {"kind": "shooting", "num_samples": 8}, "horizon": 2, "cost": {"extra": {"far": 0.5}}},
    "training": {
        "loss": {"extra": {"unit_norm": 0.1, "direction": 0.2}},
        "world_model_steps": 8, "batch": 8, "checkpoint_every": 2, "distillation_plans": 8,
        **{f"{phase}_steps": 3 for phase in PHASES}, **{f"{phase}_batch": 8 for phase in PHASES},
    },
}  # fmt: skip
FROZEN = "world_model.perception.body.weight"


class Words:
    """Commands in a folder. Each begins as a new process does: without own parts, unless it says `--use`."""

    def __init__(self, folder: Path, patched: pytest.MonkeyPatch) -> None:
        self.folder, self.patched = folder, patched
        # The page of each training would put three times 100 tasks before the agent.
        patched.setattr(run_report, "show_run", partial(run_report.show_run, tasks=2))

    def __call__(self, *words: str, code: int = 0) -> None:
        with self.patched.context() as patched:
            patched.chdir(self.folder)
            patched.setattr(sys, "path", list(sys.path))
            patched.setattr(parts, "_registered", dict(parts._registered))
            patched.delitem(sys.modules, "my_parts", raising=False)
            assert main(list(words)) == code
            sys.modules.pop("my_parts", None)


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Words]:
    """A folder with own parts, a configuration, a small store, and a run."""
    folder = tmp_path_factory.mktemp("research")
    (folder / "my_parts.py").write_text(MODULE)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    with pytest.MonkeyPatch.context() as patched:
        command = Words(folder, patched)
        some = ("--episodes", "12", "--workers", "0", "--option", "doors=fixed", "--option", "max_steps=30")
        command("collect", "forethought/Rooms-v0", "--out", "data", *some)
        command("train", "data", "--out", "run", "--config", "config.json", "--use", "my_parts")
        yield command


def test_a_run_of_own_parts_is_evaluated_reported_and_shown(words: Words, capsys: pytest.CaptureFixture[str]) -> None:
    words("evaluate", "run", "--tasks", "2", "--use", "my_parts")
    words("report", "run", "--use", "my_parts")
    words("show", "run", "--use", "my_parts")
    capsys.readouterr()
    words("show", "run")
    assert "backbone" in capsys.readouterr().out, "settings are data, and shown without the module"
    logged = (words.folder / "run" / "log.jsonl").read_text()
    for name in ("unit_norm", "direction", "heldout_unit_norm", "heldout_direction"):
        assert f'"{name}"' in logged


def test_without_the_module_one_sentence_says_how(words: Words, capsys: pytest.CaptureFixture[str]) -> None:
    words("evaluate", "run", "--tasks", "2", code=2)
    found = capsys.readouterr().err
    assert "there is no encoder 'backbone'" in found
    assert "--use MODULE" in found
    words("train", "data", "--out", "other", "--config", "config.json", code=2)
    assert not (words.folder / "other").exists()
    words("evaluate", "run", "--use", "not_my_parts", code=2)
    assert "no module 'not_my_parts'" in capsys.readouterr().err


def test_a_stopped_run_of_own_parts_goes_on(
    words: Words, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The frozen backbone is in no checkpoint, and the end is that of the unbroken run."""
    plain = WorldModelPhase.step

    def stopped(self: WorldModelPhase, step: int, generator: Any) -> Any:
        if step == 5:
            raise KeyboardInterrupt
        return plain(self, step, generator)

    with monkeypatch.context() as patched:
        patched.setattr(WorldModelPhase, "step", stopped)
        words("train", "data", "--out", "stopped", "--config", "config.json", "--use", "my_parts", code=130)
    assert "forethought train data --out stopped --resume --use my_parts" in capsys.readouterr().err
    checkpoints = words.folder / "stopped" / "checkpoints"
    assert FROZEN not in read_tensors(max(checkpoints.glob("0*")) / "agent.safetensors")
    assert FROZEN in read_tensors(checkpoints / "frozen.safetensors")
    words("train", "data", "--out", "stopped", "--resume", "--use", "my_parts")
    ours, theirs = (read_tensors(words.folder / run / "agent" / "weights.safetensors") for run in ("run", "stopped"))
    assert FROZEN in ours
    assert all(value.equal(theirs[name]) for name, value in ours.items())
