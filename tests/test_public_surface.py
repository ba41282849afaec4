"""What people type and import, frozen: a change here is a decision, and goes into the changelog."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil

import pytest

import forethought
from forethought.cli.main import all_verbs

NAMES = [
    "Agent",
    "Budget",
    "Configuration",
    "EpisodeStore",
    "ForethoughtError",
    "ObservationGoal",
    "RewardGoal",
    "Score",
    "Task",
    "WeightedGoals",
    "collect",
    "evaluate",
    "evaluate_return",
    "examine_store",
    "live",
    "load",
    "look",
    "make_world",
    "rebuild_report",
    "train",
    "tune",
]

OPTIONS = {
    "demo": ["world", "out", "seed", "tiny"],
    "worlds": [],
    "look": ["world", "option", "out", "episodes", "seed"],
    "doctor": ["store", "json"],
    "collect": [
        *("world", "out", "episodes", "policy", "seed", "option", "workers", "cluster", "block", "resume", "max_lost", "use"),
    ],
    "train": [
        *("store", "out", "seed", "config", "set", "seconds", "memory_gib", "ms_per_decision", "success", "device", "resume"),
        "use",
    ],
    "tune": [
        *("store", "out", "seconds", "trials", "seed", "config", "set", "tasks", "success", "workers", "cluster", "device"),
        *("resume", "use"),
    ],
    "live": [
        "world",
        "out",
        "steps",
        "until",
        "block",
        "actors",
        "cluster",
        "seed",
        "option",
        "config",
        "set",
        "resume",
        "from",
        "use",
    ],
    "evaluate": ["agent", "world", "tasks", "mode", "cvar", "seed", "out", "store", "workers", "cluster", "use"],
    "report": ["agent", "use"],
    "show": ["path", "use"],
    "settings": ["prefix"],
    "bench": ["name", "out", "seeds", "part", "worlds", "agents", "workers", "cluster", "peers"],
}

# Parts that people write themselves are checked by these.
KITS = {
    "forethought.worlds": "check_world",
    "forethought.perception": "check_perception",
    "forethought.world_model": "check_world_model",
    "forethought.cost": "check_cost",
    "forethought.actor": "check_planner",
}


def test_names() -> None:
    assert sorted(forethought.__all__) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_there_and_documented(name: str) -> None:
    assert getattr(forethought, name).__doc__


def test_no_public_name_is_hidden_by_a_folder_of_the_package() -> None:
    """`forethought.report` was a function until its folder was imported, and from then on that folder."""
    assert not set(NAMES) & {module.name for module in pkgutil.iter_modules(forethought.__path__)}


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Agnet"):
        forethought.Agnet  # noqa: B018


def test_verbs() -> None:
    assert list(all_verbs()) == list(OPTIONS)


@pytest.mark.parametrize("verb", OPTIONS)
def test_options(verb: str) -> None:
    names = [field.name for field in dataclasses.fields(all_verbs()[verb])]  # type: ignore[arg-type]
    assert [{"override": "set", "recorded": "from"}.get(name, name) for name in names] == OPTIONS[verb]


@pytest.mark.parametrize(("module", "name"), KITS.items())
def test_conformance_kits_are_public(module: str, name: str) -> None:
    assert getattr(importlib.import_module(module), name).__doc__


def test_every_name_in_all_exists() -> None:
    for module in pkgutil.walk_packages(forethought.__path__, "forethought."):
        if module.name.endswith("__main__"):
            continue
        loaded = importlib.import_module(module.name)
        for name in getattr(loaded, "__all__", ()):
            assert hasattr(loaded, name), f"{module.name}.__all__ lists {name}, which is not there"
