"""Weights that an earlier version stored open under their present names, with the same values; own parts keep their names."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import torch

import tiny
from forethought.agent import Agent
from forethought.atomic_io import publish_folder
from forethought.training.agent_files import AGENT, WEIGHTS, load, save_agent
from forethought.training.checkpoint import read_tensors, write_tensors
from forethought.training.former_weights import with_present_names
from forethought.types import Task

FORMER = {
    "nn_distance_p95": "apart",
    "typical_step_sq_distance": "stride",
    "reachability": "reach",
    "worst_case_head": "wary",
    "inverse_temperature": "sureness",
    "masked_predictor": "filler",
    "radius": "near",
}
"""Present attribute to the one of version 0.1.0; `position` and `scale` stand in other modules, too, and are below."""


def former(name: str) -> str:
    """The name of a weight in version 0.1.0."""
    attributes = [FORMER.get(attribute, attribute) for attribute in name.split(".")]
    if "macros" in attributes:
        attributes = ["place" if attribute == "position" else attribute for attribute in attributes]
    if name.startswith("energy.task.0.scale"):
        attributes[-1] = "typical"
    return ".".join(attributes)


def test_a_run_of_an_earlier_version_opens_and_acts_alike(tmp_path: Path) -> None:
    agent = tiny.uncertain_agent()
    save_agent(tmp_path, agent.configuration, agent.modules)
    present = read_tensors(tmp_path / AGENT / WEIGHTS)
    old = {former(name): tensor for name, tensor in present.items()}
    for name in (
        "stages.0.apart",
        "stages.0.stride",
        "energy.task.0.near",
        "energy.task.0.typical",
        "world_model.latent.sureness",
    ):
        assert name in old
    for part in (".reach.", ".wary.", ".filler.", ".macros.place"):
        assert any(part in name for name in old)
    building = tmp_path / "building"
    shutil.copytree(tmp_path / AGENT, building)
    (building / "checksums.json").unlink()
    write_tensors(building / WEIGHTS, old)
    publish_folder(building, tmp_path / AGENT)
    loaded = load(tmp_path, device="cpu")
    assert all(torch.equal(tensor, present[name]) for name, tensor in loaded.modules.state_dict().items())
    np.testing.assert_array_equal(actions(loaded), actions(agent))


def actions(agent: Agent) -> np.ndarray:
    """What an agent does in two episodes."""
    goal, seen = ({"pixels": tiny.long_store().rows("pixels", np.arange(first, first + 2))} for first in (0, 9))
    agent.reset(Task.reach(goal), seed=0)
    return np.asarray(agent.act(seen, "plan"))


def test_only_names_that_the_module_lacks_are_converted() -> None:
    one = torch.ones(())
    expected = {"own.near": one, "stages.0.reachability.peak": one}
    found = {"own.near": one, "stages.0.reach.peak": one, "gone.wary": one}
    assert set(with_present_names(found, expected)) == {"own.near", "stages.0.reachability.peak", "gone.wary"}
