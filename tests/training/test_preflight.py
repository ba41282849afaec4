"""What can be known before a training is refused, or said, before it: no run's folder, no log."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny
import toy_env  # noqa: F401 - registers the environment
from forethought.data import EpisodeStore
from forethought.data.collection import collect
from forethought.errors import ForethoughtError
from forethought.training import preflight
from forethought.training.preflight import checked_options, require_even_shares
from forethought.training.train import train
from toy_env import DOT


def dots(out: Path, **options: Any) -> EpisodeStore:
    return collect(DOT, out=out, episodes=12, workers=0, progress=False, options={"streams": ["proprioception"], **options})


def test_the_runs_configuration_keeps_the_derived_test(tmp_path: Path) -> None:
    agent = train(dots(tmp_path / "store"), out=tmp_path / "run", config=tiny.SMALL)
    options = agent.configuration.data.options
    assert options["success_distance"] > 0
    assert len(options["state_scale"]) == 2


def test_a_threshold_that_passes_everything_is_refused_before_training(tmp_path: Path) -> None:
    store = dots(tmp_path / "store", success_distance=1000.0)
    with pytest.raises(ForethoughtError, match=r"No held-out episode .*--success success_distance=null"):
        train(store, out=tmp_path / "run", config=tiny.SMALL)
    assert not (tmp_path / "run").exists()
    assert checked_options(store, {"success_distance": None})["success_distance"] < 1000


def test_wrong_options_of_the_test_are_refused(tmp_path: Path) -> None:
    store = dots(tmp_path / "store")
    with pytest.raises(ForethoughtError, match="did you mean 'success_distance'"):
        checked_options(store, {"success_distanc": 1})
    with pytest.raises(ForethoughtError, match="success_distance"):
        checked_options(store, {"success_distance": -1.0})
    with pytest.raises(ForethoughtError, match="success test of its own"):
        checked_options(tiny.rooms_store(), {"success_distance": 1.0})


def test_batches_are_shared_evenly_or_refused() -> None:
    configuration = tiny.point_agent().configuration  # batches of 16 and 32, and of levels and distances by default
    require_even_shares(configuration, 1)
    require_even_shares(configuration, 8)
    with pytest.raises(ForethoughtError, match=r"training.batch = 16 rows cannot be shared evenly by 3 processes: set it to a"):
        require_even_shares(configuration, 3)
    with pytest.raises(ForethoughtError, match=r"training.batch = 16 .* 32 processes"):
        require_even_shares(configuration, 32)


def test_a_recording_without_a_world_trains_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    store = tiny.point_store(False)
    with caplog.at_level(logging.WARNING):
        assert checked_options(store) == dict(store.spec.options)
    assert "no world to act in" in caplog.text


def test_memory_is_refused_before_the_runs_folder_exists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "available_memory", lambda device: 2**20)
    with pytest.raises(ForethoughtError, match="memory are free"):
        train(tiny.rooms_store(), out=tmp_path / "run", config=tiny.SMALL)
    assert not (tmp_path / "run").exists()


def test_a_built_in_world_keeps_its_options() -> None:
    store = tiny.rooms_store()
    assert checked_options(store) == dict(store.spec.options)
    assert np.isfinite(store.lengths).all()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("finished") / "run"
    train(tiny.point_store(False), out=run, config=tiny.SMALL)
    return run


@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        ("data.block", 5, r"its block is 5, and the store's is \d"),
        ("data.world", "another", "its world is 'another'"),
        ("data.low", [-9.0, -9.0], "its action is"),
        ("data.high", [1.0], "its action is"),
        ("training.loss.expander", 10**7, "training.loss.expander"),
        ("data.streams.0.shape", [7], "its list of streams is"),
        ("data.drives", ["pain", "hunger"], "its list of drives is"),
        ("training.sequence_length", 10**4, "don't fit the longest episode"),
        ("training.batch", 10**7, "lower training.batch"),
        ("planner.search.num_samples", 10**7, "lower planner.search.num_samples"),
        ("planner.cost.extra", {"nowhere": 1.0}, "nowhere"),
    ],
)
def test_a_resume_compares_the_configuration_with_the_store(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, value: Any, sentence: str
) -> None:
    """A configuration of a stranger, or one that was changed by hand: one sentence before anything is allocated."""
    monkeypatch.setattr(preflight, "available_memory", lambda device: 2**32)
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    document = json.loads((run / "configuration.json").read_text())
    *outer, last = (int(name) if name.isdigit() else name for name in place.split("."))
    inner = document
    for name in outer:
        inner = inner[name]
    inner[last] = value
    (run / "configuration.json").write_text(json.dumps(document))
    before = json.loads((run / "training.json").read_text())
    with pytest.raises(ForethoughtError, match=sentence):
        train(tiny.point_store(False), out=run, resume=True)
    assert json.loads((run / "training.json").read_text()) == before
