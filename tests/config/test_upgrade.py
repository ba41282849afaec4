"""Configurations that earlier versions wrote still open."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from forethought.config import (
    CodesConfig,
    Configuration,
    ContinuousLatentConfig,
    ICEMConfig,
    MPPIConfig,
    NoLatentConfig,
)
from forethought.config.configuration import lookup
from forethought.config.upgrade import FORMER, present_name, upgraded
from forethought.errors import CorruptFileError
from forethought.training.agent_files import read_configuration

BODY = {
    "world": "forethought/Rooms-v0", "options": {}, "action_kind": "continuous", "action_size": 2,
    "low": [-1, -1], "high": [1, 1], "block": 5, "drives": [], "goals": [],
    "streams": [{"name": "pixels", "shape": [64, 64, 3], "mean": [0, 0, 0], "std": [1, 1, 1]}],
}  # fmt: skip
DEFAULT = Configuration.model_validate({"data": BODY})
FIRST: dict[str, Any] = {
    "body": BODY,
    "actor": {"branches": 1, "candidates": 77, "elites": 7, "caution": 0.25, "bank_size": 99, "horizon": 3, "memory_seeds": 9},
    "hierarchy": {
        "top": "learned",
        "states": "own",
        "reach": 3.0,
        "refine": 0,
        "candidates": 90,
        "elites": 10,
        "iterations": 3,
        "horizon": 2,
    },
    "learning": {"seed": 5, "clip": 2},
    "world_model": {"codes": 4, "filling_in": 0.5},
    "cost": {"near": 1.0, "intrinsic": {"effort": 0.5}},
    "memory": {"rows": 9},
    "reasons": [{"setting": "learning.clip", "value": "2", "because": "so", "overridden": False}],
}


def test_a_configuration_of_the_first_schema_opens_under_the_present_names(tmp_path: Path) -> None:
    (tmp_path / "configuration.json").write_text(json.dumps(FIRST))
    found = read_configuration(tmp_path / "configuration.json")
    hierarchy = found.model.hierarchy
    assert found.planner.search == ICEMConfig(num_samples=77, num_elites=7)
    assert (found.planner.risk.cvar_level, found.model.retrieval_size, found.model.retrieval_horizon) == (0.25, 99, 3)
    assert found.planner.horizon == 3
    assert (hierarchy.kind, hierarchy.encoder, found.planner.upper.critic_radius) == ("learned", "separate", 3.0)
    upper = ICEMConfig(num_samples=90, num_iterations=3, num_elites=10, init_std=0.5, noise_autocorrelation=0.0)
    assert found.planner.upper.search == upper
    assert (found.training.seed, found.training.sequence_length) == (5, 2)
    assert (found.model.latent, found.training.loss.masked_prediction) == (CodesConfig(num_codes=4), 0.5)
    cost = found.planner.cost
    assert (found.model.latent_distance_radius, cost.drive_weights, found.planner.history) == (1.0, {"effort": 0.5}, 9)
    assert found.because("training.sequence_length") == "so"


def test_the_first_schema_said_how_many_codes_where_this_one_names_the_latent(tmp_path: Path) -> None:
    cases: tuple[tuple[dict[str, Any], object], ...] = (
        ({}, NoLatentConfig()),
        ({"codes": 1, "latent_dim": 2}, NoLatentConfig()),
        ({"latent": "noisy", "codes": 1, "latent_dim": 3}, ContinuousLatentConfig(kind="noisy", dim=3)),
    )
    for model, latent in cases:
        (tmp_path / "one.json").write_text(json.dumps({**FIRST, "world_model": model}))
        assert read_configuration(tmp_path / "one.json").model.latent == latent


def test_a_search_keeps_what_its_kind_has(tmp_path: Path) -> None:
    actor = {"planner": "mppi", "candidates": 50, "elites": 20, "temperature": 0.7, "memory_seeds": 4}
    (tmp_path / "one.json").write_text(json.dumps({**FIRST, "actor": actor}))
    assert read_configuration(tmp_path / "one.json").planner.search == MPPIConfig(num_samples=50, temperature=0.7)


def test_what_this_version_writes_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "first.json").write_text(json.dumps(FIRST))
    written = read_configuration(tmp_path / "first.json").model_dump(mode="json")
    assert upgraded(written, tmp_path) is written
    assert written["schema_version"] == 2


@pytest.mark.parametrize(("section", "key", "value"), [("actor", "branches", 2), ("hierarchy", "refine", 5)])
def test_a_setting_that_is_gone_is_refused_where_it_asked_for_something(
    tmp_path: Path, section: str, key: str, value: int
) -> None:
    content = {**FIRST, section: {**FIRST[section], key: value}}
    with pytest.raises(CorruptFileError, match=rf"{section}.{key} = {value} is gone .*: set it to \d in the file"):
        upgraded(content, tmp_path / "configuration.json")


def test_a_later_schema_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorruptFileError, match="schema 3"):
        upgraded({"schema_version": 3}, tmp_path / "configuration.json")


def test_every_present_name_exists() -> None:
    """Of each setting that was renamed; settings of a kind are looked up in that kind."""
    kinds = {"latent": [CodesConfig(), ContinuousLatentConfig(kind="noisy")], "search": [ICEMConfig(), MPPIConfig()]}
    for name in FORMER.values():
        *groups, last = name.split(".")
        if groups[-1] in kinds:
            assert any(last in type(kind).model_fields for kind in kinds[groups[-1]]), name
        else:
            lookup(DEFAULT, name)
    assert present_name("actor.nothing") is None
