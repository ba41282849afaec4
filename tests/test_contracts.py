"""Contracts are complete: whatever Forethought reads of a part, its contract names. Every attribute that is read is watched."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny
from agent_fixtures import B, see
from forethought import parts
from forethought.actor import Planner
from forethought.agent import Agent
from forethought.cost import Cost
from forethought.perception import Encoder
from forethought.training.agent_files import load
from forethought.training.train import train
from forethought.types import Task
from forethought.world_model import FirstLevel, Predictor
from test_extension_points import Bilinear, Linear, Plain, Restless, Standstill

WATCHED: dict[str, tuple[Any, type, type, dict[str, Any]]] = {
    "encoder": (
        "plain",
        Plain,
        Encoder,
        {"model.encoder.kind": "plain", "training.loss.masked_prediction": 0.5, "training.loss.ema": 0.9},
    ),
    "predictor": ("bilinear", Bilinear, Predictor, {"model.predictor.kind": "bilinear"}),
    "world_model": ("linear", Linear, FirstLevel, {"model.kind": "linear", "training.loss.masked_prediction": 0.5}),
    "cost": ("restless", Restless, Cost, {"planner.cost.extra": {"restless": 0.5}}),
    "planner": ("standstill", Standstill, Planner, {"planner.search.kind": "standstill"}),
}


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setattr(parts, "_registered", dict(parts._registered))
        yield


def watched(kind: type, read: set[str]) -> type:
    """The same class, which notes what the package reads of it; what PyTorch and the part itself read is their own affair."""

    def note(self: Any, name: str) -> Any:
        caller = str(sys._getframe(1).f_globals.get("__name__"))
        if caller.startswith("forethought."):
            read.add(name)
        return object.__getattribute__(self, name)

    return type(f"Watched{kind.__name__}", (kind,), {"__getattribute__": note})


def promised(contract: type) -> set[str]:
    """All names of a contract: methods, and attributes that it declares."""
    return set(dir(contract)) | {name for base in contract.__mro__ for name in vars(base).get("__annotations__", {})}


def ask_everything(agent: Agent) -> None:
    """Each mode, and each question that people may ask."""
    agent.reset(Task.reach(see(agent, B, 1)), seed=0)
    for mode in ("plan", "auto", "react"):
        agent.decide(see(agent, B, 2), mode)  # type: ignore[arg-type]
    space = agent.configuration.data
    actions = np.zeros((B, 1, space.block, space.action_size), np.float32)
    agent.imagine(see(agent, 1, 2), actions[0])
    following = {name: values[:, None] for name, values in see(agent, B, 3).items()}
    agent.energy(see(agent, B, 2), actions, following)


@pytest.mark.parametrize("kind", WATCHED)
def test_only_what_a_contract_names_is_read(kind: Any, tmp_path: Path) -> None:
    name, part, contract, config = WATCHED[kind]
    read: set[str] = set()
    parts.register(kind, name)(watched(part, read))
    train(tiny.point_store(False), out=tmp_path / "run", config=tiny.SMALL | config)
    ask_everything(load(tmp_path / "run", "cpu"))
    assert read, "the watch sees something"
    assert not read - promised(contract)
