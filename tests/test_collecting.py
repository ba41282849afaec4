"""Collections by an agent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import forethought
import tiny
from forethought.collecting import agent_policy
from forethought.errors import ForethoughtError
from forethought.worlds import registry


def stores_of(first: Path, second: Path) -> list[dict[str, bytes]]:
    return [{str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*.npy")} for store in (first, second)]


def test_an_agent_acts_in_tasks_of_the_episodes_own_seeds(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"episodes": 3, "seed": 9, "options": tiny.OPTIONS, "progress": False}
    store = forethought.collect(tiny.ROOMS, out=tmp_path / "store", policy=str(tiny.rooms_run()), workers=1, **asked)
    assert store.recipe["policy"].startswith("agent rooms-run ")
    assert store.block == tiny.rooms_agent().configuration.data.block
    assert store.lengths.tolist() == [8, 8, 8], "a task's budget does not end an episode"
    assert (store.seeds < 2**31).all(), "no seed of an evaluation's task"
    maker = registry.family_of(tiny.ROOMS).tasks_at
    assert maker is not None
    tasks = maker(tiny.ROOMS, tiny.OPTIONS, store.seeds.tolist()).tasks
    np.testing.assert_allclose(store.rows("truth.position", store.starts), [task.start for task in tasks], atol=1e-3)
    again = forethought.collect(tiny.ROOMS, out=tmp_path / "again", policy=tiny.rooms_run(), workers=0, **asked)
    assert len(set(map(len, stores_of(store.path, again.path)))) == 1
    assert stores_of(store.path, again.path)[0] == stores_of(store.path, again.path)[1]


def test_without_tasks_of_the_world_its_goals_are_recorded_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    family = registry.family_of(tiny.ROOMS)
    monkeypatch.setitem(family.__dict__, "tasks_at", None)
    world, policy = registry.make(tiny.ROOMS, 2, **tiny.OPTIONS), agent_policy(tiny.rooms_run()).make()
    policy.begin(world, [3, 4])
    goals, store = policy._goal["pixels"], tiny.rooms_store()
    shown = store.rows("pixels", np.arange(store.num_rows))
    train = store.rows_of(store.train)
    for goal in goals:
        rows = np.flatnonzero((shown == goal).all((1, 2, 3)))
        assert len(np.intersect1d(rows, train)) > 0
    assert not np.array_equal(*goals)
    world.close()


def test_an_agent_of_another_world_is_refused_before_anything_is_recorded(tmp_path: Path) -> None:
    for policy in (tiny.rooms_run(), tiny.rooms_agent()):
        with pytest.raises(ForethoughtError, match=r"can't act in CartPole-v1: it observes .* trained with"):
            forethought.collect("CartPole-v1", out=tmp_path / "store", episodes=1, policy=policy, progress=False)
    with pytest.raises(ForethoughtError, match="can't be of the kind int"):
        forethought.collect("CartPole-v1", out=tmp_path / "store", episodes=1, policy=3, progress=False)
    with pytest.raises(ForethoughtError, match="There is no trained agent in"):
        forethought.collect("CartPole-v1", out=tmp_path / "store", episodes=1, policy=tmp_path, progress=False)
    assert not (tmp_path / "store").exists()


def test_an_agent_in_memory_collects_in_this_process(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"episodes": 1, "options": tiny.OPTIONS, "progress": False}
    store = forethought.collect(tiny.ROOMS, out=tmp_path / "store", policy=tiny.rooms_agent(), workers=1, **asked)
    assert store.recipe["policy"] == "agent in memory"
