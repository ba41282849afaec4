"""Families of environments: each is one object, and another package's are found by their entry points."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

import line_world
import tiny
from forethought.cli.main import main
from forethought.data.collection import collect
from forethought.errors import ForethoughtError
from forethought.evaluation.evaluate import evaluate
from forethought.training.agent_files import load
from forethought.training.train import train
from forethought.worlds import check_world, registry
from forethought.worlds.families import BUILT_IN, FAMILIES, GYMNASIUM
from forethought.worlds.tasks import make_tasks


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, **entries: str) -> None:
    """A package whose entry points of `forethought.worlds` are these, as pip would leave it."""
    info = folder / "otherlab-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: otherlab\nVersion: 1.0\n")
    lines = [f"{name} = {place}" for name, place in entries.items()]
    (info / "entry_points.txt").write_text("\n".join([f"[{registry.GROUP}]", *lines, ""]))
    monkeypatch.syspath_prepend(folder)
    registry.installed_families.cache_clear()


@pytest.fixture
def forgotten() -> Iterator[None]:
    """What is installed is read anew before and after."""
    registry.installed_families.cache_clear()
    yield
    registry.installed_families.cache_clear()


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_familys_own_names_are_its_own(family: object) -> None:
    for name in family.worlds:  # type: ignore[attr-defined]
        assert registry.family_of(name) is family
        assert "random" in registry.policies(name)


def test_any_other_id_is_gymnasiums() -> None:
    assert registry.family_of("CartPole-v1") is GYMNASIUM
    assert registry.family_of("my_package:Mine-v3") is GYMNASIUM
    assert registry.family_of("ogbench:pointmaze-large-v0").name == "pointmaze"
    worlds = ("CartPole-v1", "gym_pusht/PushT-v0", "forethought/Rooms-v0")
    assert [registry.built_in(name) for name in worlds] == [False, False, True]
    assert all(family.vectorized and family.make_tasks for family in BUILT_IN)
    with pytest.raises(ForethoughtError, match="draws no goals of its own"):
        make_tasks("CartPole-v1", {}, 2, 0)


@pytest.mark.usefixtures("forgotten")
def test_a_world_of_another_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is listed, collected from, learned and evaluated in, like ours."""
    install(tmp_path, monkeypatch, line="line_world:LINE")
    assert registry.family_of(line_world.NAME) is line_world.LINE
    check_world(lambda num: registry.make(line_world.NAME, num))
    assert main(["worlds"]) == 0
    assert f"{line_world.NAME}\n    Line, a point" in capsys.readouterr().out
    store = collect(line_world.NAME, out=tmp_path / "store", episodes=70, options={"max_steps": 16}, workers=0, progress=False)
    assert len(store.train) + len(store.heldout) == 70
    assert store.spec.name == line_world.NAME
    train(store, out=tmp_path / "run", config=tiny.SMALL)
    score = evaluate(tmp_path / "run", tasks=5, mode="react")
    assert (score.tasks, score.expert_ceiling, score.world) == (5, 1.0, line_world.NAME)
    assert evaluate(load(tmp_path / "run", "cpu"), tasks=5, mode="react").touched == score.touched, "no store is needed"


@pytest.mark.usefixtures("forgotten")
def test_what_cannot_be_loaded_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    install(tmp_path, monkeypatch, gone="otherlab.gone:FAMILY", line="line_world:LINE", wrong="line_world:NAME")
    monkeypatch.setattr(logging.getLogger("forethought"), "propagate", True)
    assert registry.installed_families() == (line_world.LINE,)
    assert "the worlds 'gone' cannot be loaded from otherlab.gone:FAMILY" in caplog.text
    assert "'wrong' at line_world:NAME is no EnvFamily but str" in caplog.text
    assert registry.family_of("CartPole-v1") is GYMNASIUM


@pytest.mark.usefixtures("forgotten")
def test_another_package_takes_no_name_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "greedy_worlds.py").write_text(
        "from dataclasses import replace\nfrom line_world import LINE\nGREEDY = replace(LINE, matches=lambda name: True)\n"
    )
    install(tmp_path, monkeypatch, greedy="greedy_worlds:GREEDY")
    assert registry.family_of("forethought/Rooms-v0").name == "rooms"
    assert registry.family_of("gym_pusht/PushT-v0").name == "pusht"
    assert registry.family_of("CartPole-v1").name == "line"
