"""The store of an evaluation: given, the run's own, moved, changed or gone; and each thing is loaded once."""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny
from forethought.atomic_io import write_json
from forethought.data import EpisodeStore, StoreWriter
from forethought.errors import CorruptFileError, ForethoughtError
from forethought.evaluation import evaluate as evaluating
from forethought.evaluation import run_store
from forethought.evaluation.evaluate import evaluation
from forethought.evaluation.run_store import chosen_store


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run beside the store that it was trained on: no more of it than its record."""
    store = EpisodeStore.open(shutil.copytree(tiny.point_store(False).path, tmp_path / "data" / "store"))
    (tmp_path / "runs" / "run").mkdir(parents=True)
    record = {"seconds": {}, "store": str(store.path), "fingerprint": store.fingerprint}
    write_json(tmp_path / "runs" / "run" / "training.json", record)
    return tmp_path / "runs" / "run"


def path_of(store: EpisodeStore | None) -> Path:
    assert store is not None
    return store.path


def test_the_store_that_is_given_comes_first(run: Path, tmp_path: Path) -> None:
    other = tiny.point_store(False)
    assert chosen_store(run, other) is other
    assert path_of(chosen_store(run, str(other.path))) == other.path
    assert path_of(chosen_store(run)) == tmp_path / "data" / "store"
    assert chosen_store(None) is None


@pytest.mark.parametrize("place", ["data/renamed", "runs/store"])
def test_a_store_that_moved_is_found_by_its_content(
    run: Path, tmp_path: Path, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Beside its old place, or beside the run; a look-alike is passed over."""
    shutil.copytree(tiny.point_store(True).path, (tmp_path / place).with_name("a-look-alike"))
    (tmp_path / "data" / "store").rename(tmp_path / place)
    with caplog.at_level(logging.WARNING):
        assert path_of(chosen_store(run)) == tmp_path / place
    assert f"moved from {tmp_path / 'data' / 'store'} to {tmp_path / place}" in caplog.text


def test_a_store_that_changed_is_used_with_a_warning(run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shutil.rmtree(tmp_path / "data" / "store")
    shutil.copytree(tiny.point_store(True).path, tmp_path / "data" / "store")
    with caplog.at_level(logging.WARNING):
        assert path_of(chosen_store(run)) == tmp_path / "data" / "store"
    assert "has changed since" in caplog.text


def test_a_store_that_is_gone_is_missed_only_where_it_is_needed(
    run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.rmtree(tmp_path / "data")
    with pytest.raises(ForethoughtError, match=r"is not at .*store any more.*name its new place with --store"):
        chosen_store(run)
    with caplog.at_level(logging.WARNING):
        assert chosen_store(run, needed=False) is None
    assert "no cloned baseline: The store that" in caplog.text
    (run / "training.json").write_text("{}")
    with pytest.raises(CorruptFileError):
        chosen_store(run, needed=False)


@pytest.mark.parametrize(("rewarded", "shards"), [(0, [0]), (1, [0, 1]), (None, [0, 1])])
def test_rewards_are_read_as_far_as_the_first(
    rewarded: int | None, shards: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = StoreWriter(tmp_path / "store", tiny.point_store(False).spec, 2, {}, held_out=0.5)
    for shard in (0, 1):
        episodes = [tiny.point_episode(10 * shard + seed, 4, False) for seed in range(10)]
        rewards = np.append(np.zeros(4), shard == rewarded).astype(np.float32)
        writer.append([replace(episode, rewards=rewards) for episode in episodes])
    store = writer.finalise()
    read: list[int] = []
    plain = EpisodeStore._array

    def noted(self: EpisodeStore, name: str, shard: int) -> Any:
        read.append(shard)
        return plain(self, name, shard)

    monkeypatch.setattr(EpisodeStore, "_array", noted)
    assert store.gives_rewards() == (rewarded is not None)
    assert read == shards


def test_agent_store_and_arena_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: Counter[str] = Counter()

    def counted(name: str, plain: Any) -> Any:
        def call(*given: Any, **named: Any) -> Any:
            made[name] += 1
            return plain(*given, **named)

        return call

    monkeypatch.setattr(evaluating, "load", counted("agent", evaluating.load))
    monkeypatch.setattr(evaluating, "make_arena", counted("arena", evaluating.make_arena))
    monkeypatch.setattr(run_store, "_store_of", counted("store", run_store._store_of))
    agents: list[float] = []

    def scored(controller: Any, *given: Any, **named: Any) -> Any:
        agents.append(controller.agent.configuration.planner.risk.cvar_level)
        return made_score(controller, *given, **named)

    made_score = evaluating.score_controller
    monkeypatch.setattr(evaluating, "score_controller", scored)
    evaluated = evaluation(tiny.uncertain_run(), tasks=2, mode="react", cvar=0.75)
    lines = evaluated.diagnosis()
    assert made == {"agent": 1, "arena": 1, "store": 1}
    assert lines[0] == evaluated.score.verdict
    assert agents == [0.75, 0.75], "the other modes take the asked risk, too"
