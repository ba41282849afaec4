"""Parts by name: who may have which name, where a name is looked up, and what is said where nothing is found."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

import tiny
from forethought import parts
from forethought.actor import make_planner
from forethought.actor.cem import ICEM
from forethought.config import Configuration, OwnPlannerConfig
from forethought.errors import ForethoughtError


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setattr(parts, "_registered", dict(parts._registered))
        yield


def mine(*given: Any) -> None:
    """A factory."""


def other(*given: Any) -> None:
    """Another one."""


def points(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """An installed package has this entry point among the planners."""
    point = EntryPoint(name, value, "forethought.planners")
    monkeypatch.setattr(parts, "entry_points", lambda group: [point] if group == point.group else [])


def test_forethoughts_own_parts_are_all_registered() -> None:
    """The settings know the names without loading torch; the rooms must keep the promise."""
    import forethought.agent_networks  # noqa: F401

    for kind, known in parts.KINDS.items():
        for name in known.built_in:
            assert callable(parts.find(kind, name))  # type: ignore[arg-type]


def test_a_name_is_given_once() -> None:
    parts.register("planner", "mine")(mine)
    parts.register("planner", "mine")(mine)
    for name in ("mine", "icem"):
        with pytest.raises(ForethoughtError, match=f"already a planner '{name}'"):
            parts.register("planner", name)(other)
    with pytest.raises(ForethoughtError, match="already a loss term 'variance'"):
        parts.register("loss", "variance")(mine)
    with pytest.raises(ForethoughtError, match="can't be called 'a.b'"):
        parts.register("planner", "a.b")
    with pytest.raises(ForethoughtError, match="no kind of part 'planer': did you mean 'planner'"):
        # As it is called without the tests' type checker.
        inspect.unwrap(parts.register)("planer", "mine")  # type: ignore[arg-type]


def test_an_installed_package_brings_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    points(monkeypatch, "theirs", "forethought.actor.registry:_icem")
    asked: Configuration = tiny.point_agent(False).configuration.changed({"planner.search.kind": "theirs"}, "to see")
    assert isinstance(make_planner(asked.planner.search, 3), ICEM)
    assert parts.names("planner")[-1] == "theirs"


@pytest.mark.parametrize("value", ["nowhere_at_all:planner", "forethought.actor.registry:nothing"])
def test_an_entry_point_that_does_not_load_says_so(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    points(monkeypatch, "theirs", value)
    with pytest.raises(ForethoughtError, match=f"'theirs' can't be loaded from '{value}'"):
        make_planner(OwnPlannerConfig(kind="theirs"), 3)


def test_a_name_in_a_file_imports_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "trap.py").write_text("raise SystemExit('this ran')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("trap", "trap:planner", "trap.planner"):
        with pytest.raises(ForethoughtError, match="there is no planner"):
            tiny.point_agent(False).configuration.changed({"planner.search.kind": name}, "to see")
    assert "trap" not in sys.modules


def test_a_module_to_use_is_found_in_the_present_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "parts_to_use.py").write_text("from forethought.parts import register\nregister('planner', 'used')(print)\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    parts.use(["parts_to_use"])
    assert parts.find("planner", "used") is print
    with pytest.raises(ForethoughtError, match="--use no_such_parts: there is no module 'no_such_parts'"):
        parts.use(["no_such_parts"])
    (tmp_path / "lacking.py").write_text("import no_such_library\n")
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        parts.use(["lacking"])


def test_another_process_imports_what_defines_the_parts_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forethought's own need no word, and a part of a script is known there alone."""
    before = parts.own_modules()
    parts.register("planner", "mine")(mine)
    assert parts.own_modules() == tuple(sorted({*before, __name__}))
    monkeypatch.setattr(mine, "__module__", "__main__")
    assert parts.own_modules() == before
