"""An agent on disk: the same agent back, or one sentence that names the file."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import tiny
from forethought import parts
from forethought.atomic_io import CHECKSUMS, checksums_of, sha256_of, write_sealed
from forethought.errors import CorruptFileError, ForethoughtError
from forethought.training.agent_files import has_own_networks, load, read_configuration, save_agent, untrained_networks
from forethought.types import Task
from forethought.world_model import JEPALevel


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A copy of a trained run's agent."""
    shutil.copytree(tiny.point_run(False) / "agent", tmp_path / "run" / "agent")
    return tmp_path / "run"


def observation() -> dict[str, np.ndarray]:
    return {"proprioception": np.array([0.1, -0.2, 0.3, 0.4], np.float32)}


def test_a_saved_agent_acts_as_before(run: Path, tmp_path: Path) -> None:
    agent = load(run, "cpu")
    (tmp_path / "again").mkdir()
    save_agent(tmp_path / "again", agent.configuration, agent.modules)
    again = load(tmp_path / "again", "cpu")
    assert again.configuration == agent.configuration
    for each in (agent, again):
        each.reset(Task.reach(observation()), seed=3)
    np.testing.assert_array_equal(agent.act(observation(), "plan"), again.act(observation(), "plan"))


def test_saving_again_replaces_the_old_agent(run: Path) -> None:
    agent = load(run, "cpu")
    with torch.no_grad():
        agent.modules.bank_states.fill_(7.0)
    save_agent(run, agent.configuration, agent.modules)
    assert (load(run, "cpu").modules.bank_states == 7).all()
    assert [path.name for path in run.iterdir()] == ["agent"], "nothing is left over"


def test_no_agent_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ForethoughtError, match="no trained agent in .*forethought train"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["weights.safetensors", "configuration.json"])
def test_a_flipped_byte_anywhere_is_found_and_named(run: Path, name: str) -> None:
    path = run / "agent" / name
    good = path.read_bytes()
    for place in (0, len(good) // 3, len(good) // 2, len(good) - 1):
        content = bytearray(good)
        content[place] ^= 1
        path.write_bytes(content)
        with pytest.raises(CorruptFileError, match=name):
            load(run)
    path.write_bytes(good)
    load(run)


def test_a_changed_setting_is_found_too(run: Path) -> None:
    """A digit that is still a good configuration, but not the one that the weights were trained with."""
    path = run / "agent" / "configuration.json"
    content = path.read_text()
    assert '"horizon": 3' in content
    path.write_text(content.replace('"horizon": 3', '"horizon": 4'))
    with pytest.raises(CorruptFileError, match=r"configuration\.json"):
        load(run)


@pytest.mark.parametrize("name", ["weights.safetensors", "configuration.json"])
def test_a_missing_or_short_file_is_found_and_named(run: Path, name: str) -> None:
    path = run / "agent" / name
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(CorruptFileError, match=name):
        load(run)
    path.unlink()
    with pytest.raises(CorruptFileError, match=name):
        load(run)


def test_a_configuration_of_another_version_names_the_setting(run: Path, tmp_path: Path) -> None:
    content = json.loads((run / "agent" / "configuration.json").read_text())
    content["planner"]["imagination"] = 3
    (tmp_path / "configuration.json").write_text(json.dumps(content))
    with pytest.raises(CorruptFileError, match=r"'planner\.imagination'"):
        read_configuration(tmp_path / "configuration.json")


def crafted(run: Path, groups: tuple[str, ...], name: str, value: Any) -> None:
    """Another setting, with a checksum that fits."""
    path = run / "agent" / "configuration.json"
    content = json.loads(path.read_text())
    place = content
    for group in groups:
        place = place[group]
    place[name] = value
    path.write_text(json.dumps(content))
    files = checksums_of(run / "agent")
    files[path.name] = {"sha256": sha256_of(path), "bytes": path.stat().st_size}
    write_sealed(run / "agent" / CHECKSUMS, {"files": files})


class Greedy(JEPALevel):
    """Looks at a number while it is built, which tensors without memory do not have, and asks for the CPU."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        assert torch.ones((), device="cpu").item() == 1


parts.register("world_model", "greedy")(Greedy)


LARGE = [
    (("model",), "retrieval_size", 2**40),
    (("model",), "retrieval_size", 2**62),
    (("model",), "retrieval_size", 10**30),
    (("model", "predictor"), "hidden", 10**7),
    (("model", "predictor"), "depth", 10**9),
]


@pytest.mark.parametrize("kind", ["jepa", "greedy"])
@pytest.mark.parametrize(("groups", "name", "value"), LARGE)
def test_sizes_that_the_weights_do_not_have_cost_nothing(
    run: Path, kind: str, groups: tuple[str, ...], name: str, value: int
) -> None:
    """Each of these would take all memory, or for ever."""
    crafted(run, ("model",), "kind", kind)
    crafted(run, groups, name, value)
    with pytest.raises(ForethoughtError, match=r"expected|asks for another size") as caught:
        load(run, "cpu")
    assert "\n" not in str(caught.value)


def test_parts_of_ones_own_that_look_at_numbers_load_all_the_same(run: Path) -> None:
    before = load(run, "cpu").modules.state_dict()
    crafted(run, ("model",), "kind", "greedy")
    after = load(run, "cpu").modules.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_cost_that_is_built_in_is_no_part_of_ones_own(tmp_path: Path) -> None:
    """Settings with it are checked as strictly as without, and its weights travel with the agent."""
    plain = read_configuration(tiny.point_run(False) / "configuration.json")
    configuration = plain.changed({"planner.cost.extra": {"goal_energy": 1.0}}, "it is a test")
    assert not has_own_networks(configuration)
    with pytest.raises(ForethoughtError, match="lower the sizes in `model`"):
        untrained_networks(configuration.changed({"model.critic_hidden": 10**7}, "it is a test"))
    modules = untrained_networks(configuration)
    modules.energy.task[-1].scale.fit(torch.randn(50, configuration.model.encoder.state_dim))
    save_agent(tmp_path, configuration, modules)
    crafted(tmp_path, ("model", "predictor"), "hidden", 10**7)
    with pytest.raises(ForethoughtError, match="expected|asks for another size"):
        load(tmp_path, "cpu")
    save_agent(tmp_path, configuration, modules)
    again = load(tmp_path, "cpu").modules.energy.task[-1]
    assert torch.equal(again.scale.matrix, modules.energy.task[-1].scale.matrix)


def test_a_kill_while_an_agent_is_replaced_leaves_the_older_one(run: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Between the two renames of `publish_folder` the older agent is whole, but moved aside."""
    (run / "agent").rename(run / "agent.aside")
    load(run, "cpu")
    assert "the older agent" in caplog.text


def test_sizes_that_no_machine_can_hold_are_refused_before_they_are_built() -> None:
    configuration = read_configuration(tiny.point_run(False) / "configuration.json")
    for changes in (
        {"model.policy_hidden": 2**40}, {"model.policy_hidden": 2**63}, {"model.critic_hidden": 10**7},
        {"training.loss.expander": 10**7}, {"training.loss.expander": 2**63},
    ):  # fmt: skip
        with pytest.raises(ForethoughtError, match="lower the sizes in `model`"):
            untrained_networks(configuration.changed(changes, "it is a test"))
