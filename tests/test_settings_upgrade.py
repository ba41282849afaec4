"""Configurations that earlier versions wrote still open."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from forethought.config import Configuration
from forethought.config.upgrade import LOSS, SECTIONS, SETTINGS, upgraded
from forethought.errors import CorruptFileError
from forethought.training.agent_files import read_configuration

BODY = {
    "world": "forethought/Rooms-v0", "options": {}, "action_kind": "continuous", "action_size": 2,
    "low": [-1, -1], "high": [1, 1], "block": 5, "drives": [], "goals": [],
    "streams": [{"name": "pixels", "shape": [64, 64, 3], "mean": [0, 0, 0], "std": [1, 1, 1]}],
}  # fmt: skip
FIRST: dict[str, Any] = {
    "body": BODY,
    "actor": {"branches": 1, "candidates": 77, "elites": 7, "caution": 0.25, "bank_size": 99},
    "hierarchy": {"top": "learned", "states": "own", "reach": 3.0, "refine": 0},
    "learning": {"seed": 5, "clip": 2},
    "world_model": {"codes": 4, "filling_in": 0.5},
    "cost": {"near": 1.0, "intrinsic": {"effort": 0.5}},
    "memory": {"rows": 9},
    "reasons": [{"setting": "learning.clip", "value": "2", "because": "so", "overridden": False}],
}


def test_a_configuration_of_the_first_schema_opens_under_the_present_names(tmp_path: Path) -> None:
    (tmp_path / "configuration.json").write_text(json.dumps(FIRST))
    found = read_configuration(tmp_path / "configuration.json")
    assert (found.planner.search.num_samples, found.planner.search.num_elites, found.planner.risk.cvar_level) == (77, 7, 0.25)
    assert found.model.retrieval_size == 99
    assert (found.model.hierarchy.kind, found.model.hierarchy.encoder, found.planner.upper.critic_radius) == (
        "learned",
        "separate",
        3.0,
    )
    assert (found.training.seed, found.training.sequence_length) == (5, 2)
    assert (found.model.latent.num_codes, found.training.loss.masked_prediction) == (4, 0.5)
    assert (found.planner.cost.latent_distance_radius, found.planner.cost.drive_weights, found.planner.history) == (
        1.0,
        {"effort": 0.5},
        9,
    )
    assert found.because("training.sequence_length") == "so"


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


def test_every_present_name_exists_and_no_former_one_does() -> None:
    for section, names in SETTINGS.items():
        model = Configuration.model_fields[SECTIONS.get(section, section)].annotation
        assert model is not None
        fields = model.model_fields  # type: ignore[attr-defined]
        assert set(names.values()) <= set(fields)
        assert not set(names) & set(fields)
    assert set(LOSS.values()) == set(Configuration.model_fields["loss"].annotation.model_fields)  # type: ignore[union-attr]
