"""Every mistake that people make gets one clear sentence and exit code 2, never a traceback."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from forethought.agent import Agent
from forethought.agent_networks import AgentNetworks
from forethought.cli.main import main
from forethought.config import Configuration
from forethought.configurator import configure
from forethought.data import EpisodeStore
from forethought.errors import ForethoughtError
from forethought.training.agent_files import save_agent
from forethought.training.checkpoint import save_checkpoint
from forethought.types import PIXELS, Task

Mistake = Callable[..., str]
PROGRESS = re.compile(r"\d\d:\d\d:\d\d ")


@pytest.fixture
def mistake(capsys: pytest.CaptureFixture[str]) -> Mistake:
    """Run a command that must fail; gives its one sentence."""

    def run(*words: object) -> str:
        capsys.readouterr()
        assert main([str(word) for word in words]) == 2
        said = capsys.readouterr()
        lines = [line for line in said.err.splitlines() if not PROGRESS.match(line)]
        assert len(lines) == 1, said.err
        assert "Traceback" not in said.err
        assert lines[0].startswith("forethought: ")
        assert lines[0].endswith((".", "?")), "a sentence ends"
        return lines[0]

    return run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny store, and a run with an agent that has learned nothing yet."""
    folder = tmp_path_factory.mktemp("errors")
    words = ["collect", "forethought/Rooms-v0", "--episodes", "6", "--workers", "0", "--option", "max_steps=30"]
    assert main([*words, "--out", str(folder / "store")]) == 0
    store = EpisodeStore.open(folder / "store")
    overrides = {"model": {"encoder": {"width": 4}, "retrieval_size": 0, "predictor": {"hidden": 16}}}
    configuration = configure(store.spec, store.block, store.statistics(), overrides=overrides)
    (folder / "run").mkdir()
    (folder / "run" / "configuration.json").write_text(json.dumps(configuration.model_dump(mode="json")))
    save_agent(folder / "run", configuration, AgentNetworks(configuration))
    return folder


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Path:
    """A store of one's own to damage."""
    return shutil.copytree(made / "store", tmp_path / "store")


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    """A run of one's own to damage."""
    return shutil.copytree(made / "run", tmp_path / "run")


# --- worlds ---------------------------------------------------------------------------------------------------------


def test_unknown_world(mistake: Mistake, tmp_path: Path) -> None:
    assert "did you mean 'forethought/Rooms-v0'?" in mistake("collect", "forethought/Roms-v0", "--out", tmp_path / "s")
    assert "NoSuchThing-v0" in mistake("collect", "NoSuchThing-v0", "--out", tmp_path / "s")
    assert "no_such_module" in mistake("collect", "no_such_module:Env-v0", "--out", tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_unknown_option_and_policy(mistake: Mistake, tmp_path: Path) -> None:
    words = ("collect", "forethought/Rooms-v0", "--out", tmp_path / "s")
    assert "did you mean 'layout'?" in mistake(*words, "--option", "layuot=four")
    assert "did you mean 'exploring'?" in mistake(*words, "--policy", "explorng")
    for name in ("num", "name"):
        assert f"no option '{name}'" in mistake(*words, "--option", f"{name}=3")


@pytest.mark.parametrize(("world", "module"), [("gym_pusht/PushT-v0", "gym_pusht"), ("pointmaze-medium-v0", "ogbench")])
def test_missing_extra(mistake: Mistake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: str, module: str) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)  # what Python itself does to say "not here"
    sentence = mistake("collect", world, "--out", tmp_path / "s")
    assert "the [worlds] extra: run `make worlds`" in sentence


class Broken(gymnasium.Env[Any, Any]):
    """An environment with one thing wrong."""

    observation_space = gymnasium.spaces.Box(-1, 1, (3,), np.float32)
    action_space: gymnasium.Space[Any] = gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    bad_value = 0.0

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        return self.np_random.uniform(-1, 1, 3).astype(np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        seen = self.np_random.uniform(-1, 1, 3).astype(np.float32)
        seen[0] += self.bad_value
        return seen, 0.0, False, False, {}


class NotANumber(Broken):
    """Sees NaN."""

    bad_value = float("nan")


class Dials(Broken):
    """Wants a text."""

    action_space = gymnasium.spaces.Text(5)


class Wide(Broken):
    """Has another body."""

    action_space = gymnasium.spaces.Box(-1, 1, (7,), np.float32)


@pytest.fixture
def broken_worlds() -> Iterator[None]:
    """The two of them under their ids."""
    names = {"NotANumber-v0": NotANumber, "Dials-v0": Dials, "Fine-v0": Broken, "Wide-v0": Wide}
    for name, kind in names.items():
        gymnasium.register(name, kind, max_episode_steps=20)
    yield
    for name in names:
        del gymnasium.registry[name]


@pytest.mark.usefixtures("broken_worlds")
def test_nan_in_observations(mistake: Mistake, tmp_path: Path) -> None:
    words = ("--out", tmp_path / "s", "--episodes", 2, "--workers", 0, "--option", 'streams=["proprioception"]')
    assert "NaN" in mistake("collect", "NotANumber-v0", *words)


@pytest.mark.usefixtures("broken_worlds")
def test_action_space_unsupported(mistake: Mistake, tmp_path: Path) -> None:
    assert "Text" in mistake("collect", "Dials-v0", "--out", tmp_path / "s")


# --- stores ---------------------------------------------------------------------------------------------------------


def test_no_store(mistake: Mistake, tmp_path: Path) -> None:
    assert "forethought collect" in mistake("train", tmp_path / "nothing", "--out", tmp_path / "run")
    (tmp_path / "empty").mkdir()
    assert "not a store" in mistake("train", tmp_path / "empty", "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_store_with_no_episode(mistake: Mistake, store: Path) -> None:
    (store / "manifest.json").unlink()
    assert "--resume" in mistake("train", store, "--out", store.parent / "run")


def test_truncated_store(mistake: Mistake, store: Path) -> None:
    pixels = store / "shards" / "00000" / f"{PIXELS}.npy"
    pixels.write_bytes(pixels.read_bytes()[:-1000])
    assert f"{PIXELS}.npy" in mistake("train", store, "--out", store.parent / "run")
    assert f"{PIXELS}.npy" in mistake("show", store)


@pytest.mark.parametrize("name", ["manifest.json"])
def test_store_with_a_flipped_byte_in_its_manifest(mistake: Mistake, store: Path, name: str) -> None:
    text = (store / name).read_text()
    (store / name).write_text(text.replace('"block": 5', '"block": 6'))
    assert name in mistake("train", store, "--out", store.parent / "run")


def test_store_with_a_flipped_byte_in_its_arrays(mistake: Mistake, store: Path) -> None:
    flip(store / "shards" / "00000" / f"{PIXELS}.npy")
    assert f"{PIXELS}.npy" in mistake("train", store, "--out", store.parent / "run")
    assert not (store.parent / "run").exists()


def test_store_of_one_episode(mistake: Mistake, tmp_path: Path) -> None:
    words = ["collect", "forethought/Rooms-v0", "--episodes", "1", "--workers", "0", "--option", "max_steps=30"]
    assert main([*words, "--out", str(tmp_path / "s")]) == 0
    assert "collect at least 2 episodes" in mistake("train", tmp_path / "s", "--out", tmp_path / "run")


def test_the_folder_is_taken(mistake: Mistake, store: Path, run: Path, tmp_path: Path) -> None:
    assert "store" in mistake("collect", "forethought/Rooms-v0", "--out", store)
    assert "--resume" in mistake("train", store, "--out", run)
    (tmp_path / "file").write_text("")
    assert "file" in mistake("train", store, "--out", tmp_path / "file")
    assert "file" in mistake("evaluate", run, "--tasks", 2, "--out", tmp_path / "file")


# --- runs and checkpoints -------------------------------------------------------------------------------------------


def flip(file: Path) -> None:
    """One bit of the byte in the middle."""
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize("name", ["weights.safetensors", "configuration.json"])
def test_flipped_byte_in_an_agent(mistake: Mistake, run: Path, name: str) -> None:
    flip(run / "agent" / name)
    assert name in mistake("evaluate", run, "--tasks", 2)


def test_flipped_byte_in_a_checkpoint(mistake: Mistake, store: Path, run: Path) -> None:
    configuration = Configuration.model_validate_json((run / "configuration.json").read_text())
    progress = {"phase": "world model", "step": 1, "seconds": {}}
    checkpoint = save_checkpoint(run, 1, {"agent": AgentNetworks(configuration).state_dict()}, progress)
    flip(checkpoint / "agent.safetensors")
    assert "agent.safetensors" in mistake("train", store, "--out", run, "--resume")


@pytest.mark.parametrize("damage", ["{", "[]", "{}"])
def test_damaged_records_of_a_run(mistake: Mistake, store: Path, run: Path, damage: str) -> None:
    (run / "training.json").write_text(damage)
    assert "training.json" in mistake("evaluate", run, "--tasks", 2)
    assert "training.json" in mistake("train", store, "--out", run, "--resume")
    if damage != "{}":
        (run / "metrics.json").write_text(damage)
        assert "metrics.json" in mistake("show", run)


def test_no_run(mistake: Mistake, tmp_path: Path) -> None:
    assert "forethought train" in mistake("evaluate", tmp_path / "run")
    assert "neither a store nor a run" in mistake("show", tmp_path)
    assert "forethought train" in mistake("report", tmp_path / "run")


def test_nothing_to_resume(mistake: Mistake, store: Path, tmp_path: Path) -> None:
    assert "resume" in mistake("train", store, "--out", tmp_path / "new", "--resume")


# --- configuration and budget ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "hint"),
    [
        ("planner.horizn=8", "did you mean 'horizon'?"),
        ("plannr.horizon=8", "did you mean 'planner'?"),
        ("planner.horizon=many", "planner.horizon"),
        ("planner.horizon=-1", "planner.horizon"),
        ("planner.search.kind=cemm", "planner.search.kind"),
        ("planner.search.init_std=Infinity", "planner.search.init_std"),
        ("training.seed=99999999999999999999999", "training.seed"),
        ("planner.horizon", "key=value"),
    ],
)
def test_wrong_setting(mistake: Mistake, store: Path, override: str, hint: str) -> None:
    assert hint in mistake("train", store, "--out", store.parent / "run", "--set", override)
    assert not (store.parent / "run").exists()


def test_wrong_setting_in_a_file(mistake: Mistake, store: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text('{"training": {"loss": {"varaince": 1}}}')
    assert "did you mean 'variance'?" in mistake("train", store, "--out", tmp_path / "run", "--config", file)


def test_budget_too_small(mistake: Mistake, store: Path, tmp_path: Path) -> None:
    assert "budget" in mistake("train", store, "--out", tmp_path / "run", "--seconds", 1).lower()
    assert "0.1 ms a decision is too little" in mistake("train", store, "--out", tmp_path / "run", "--ms-per-decision", 0.1)
    assert "GiB" in mistake("train", store, "--out", tmp_path / "run", "--memory-gib", 0.1)
    for limit in ("--seconds", "--memory-gib", "--ms-per-decision"):
        for amount in (0, -1, "nan", "inf"):
            assert "positive number" in mistake("train", store, "--out", tmp_path / "run", limit, amount)
    assert not (tmp_path / "run").exists()


# --- goals ----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("broken_worlds")
def test_another_world_than_the_agent_has_learned(mistake: Mistake, run: Path) -> None:
    assert "goals" in mistake("evaluate", run, "--world", "Fine-v0", "--tasks", 2)
    sentence = mistake("evaluate", run, "--world", "Wide-v0", "--tasks", 2)
    assert "can't act in Wide-v0" in sentence
    assert "actions of size 7" in sentence


def test_no_task_at_all(mistake: Mistake, run: Path) -> None:
    for number in (0, -1):
        assert "at least one task" in mistake("evaluate", run, "--world", "Wide-v0", "--tasks", number)


@pytest.mark.parametrize("shape", [(32, 32, 3), (64, 64), (64, 64, 4), (2, 32, 64, 3)])
def test_goal_of_the_wrong_shape(run: Path, shape: tuple[int, ...]) -> None:
    import forethought as ft

    agent: Agent = ft.load(run)
    with pytest.raises(ForethoughtError, match=r"64, 64, 3") as raised:
        agent.reset(task=Task.reach({PIXELS: np.zeros(shape, np.uint8)}), seed=0)
    assert str(raised.value).count("\n") == 0


def test_goal_without_its_stream(run: Path) -> None:
    import forethought as ft

    with pytest.raises(ForethoughtError, match="pixels"):
        ft.load(run).reset(task=Task.reach({"picture": np.zeros((64, 64, 3), np.uint8)}), seed=0)


# --- benchmarks -----------------------------------------------------------------------------------------------------


def test_unknown_bench(mistake: Mistake, tmp_path: Path) -> None:
    assert "did you mean" in mistake("bench", "rooms-random-dors", "--out", tmp_path)
