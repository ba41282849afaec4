"""The worlds of the standard tasks: offsets, budgets and thresholds of their protocols, and rows that stay beside new ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forethought.data.collection import collect
from forethought.data.store import EpisodeStore
from forethought.errors import ForethoughtError
from forethought.evaluation.result_rows import row, write_results
from forethought.worlds.two_room import TWO_ROOM_NAME
from forethought.worlds.two_room.geometry import TWO_ROOM, WALL
from forethought_benchmarks.standard import protocol
from forethought_benchmarks.standard.worlds import WORLDS, GoalProtocol


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> EpisodeStore:
    out = tmp_path_factory.mktemp("standard") / "store"
    return collect(TWO_ROOM_NAME, out=out, episodes=30, policy="demonstrator", workers=0, progress=False)


def named(world: str, name: str, offset: int) -> GoalProtocol:
    return next(p for p in WORLDS[world].protocols if (p.name, p.offset) == (name, offset))


def test_every_world_has_both_protocols_at_the_peers_offset() -> None:
    for name, world in WORLDS.items():
        assert name == world.name
        assert [(p.name, p.offset) for p in world.protocols[:2]] == [("peers", 25), ("strict", 25)]


def test_strict_distances_are_half_the_peers() -> None:
    assert (TWO_ROOM.near, TWO_ROOM.closer) == (16.0, 8.0)
    assert (WALL.near, WALL.closer) == (4.5, 2.25)


@pytest.mark.parametrize("offset", [25, 100])
def test_goals_are_what_a_heldout_episode_showed_some_steps_later(store: EpisodeStore, offset: int) -> None:
    arena = named("two-room", "peers", offset).arena(store)
    assert arena.tasks.tasks
    for task, (episode, goal_row) in zip(arena.tasks.tasks, arena.tasks.goal_rows, strict=True):
        assert episode in store.heldout
        assert task.budget == 2 * offset
        states = store.read(episode).truth["state"]
        assert np.allclose(states[goal_row], task.goal)
        assert np.allclose(states[goal_row - offset // 5], task.start)
        assert np.linalg.norm(np.array(task.start) - task.goal) >= 16.0, "no task starts solved"


def test_strict_tasks_cross_the_wall(store: EpisodeStore) -> None:
    arena = named("two-room", "strict", 25).arena(store)
    assert arena.options["success"] == "closer"
    assert arena.tasks.tasks
    assert all(TWO_ROOM.crosses(np.array(task.start), np.array(task.goal)) for task in arena.tasks.tasks)


def test_rows_of_other_worlds_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def rows_of_world(world: Any, *arguments: Any) -> list[dict[str, Any]]:
        return [row(world.name, "plan", "success_rate", 0.9, seeds=[0])]

    monkeypatch.setattr(protocol, "_rows_of_world", rows_of_world)
    write_results(tmp_path, "standard", [row("push-t", "plan", "success_rate", 0.64), row("wall", "plan", "success_rate", 0.1)])
    path = protocol.run(tmp_path, worlds=["wall"])
    rows = {line["world"]: line["value"] for line in json.loads(path.read_text())["rows"]}
    assert rows == {"push-t": 0.64, "wall": 0.9}


def test_an_unknown_world_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ForethoughtError, match="two-room"):
        protocol.run(tmp_path, worlds=["two-rooms"])
