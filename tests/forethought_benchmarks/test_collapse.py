"""The collapse lab: arms differ in what keeps states apart and in nothing else; what the look sees; rows name every figure."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import tiny
from forethought.configurator import configure
from forethought.evaluation.arena import make_arena
from forethought.world_model.monitors import KINDS
from forethought_benchmarks.collapse import ARMS, CollapseVariant, compare, look
from forethought_benchmarks.collapse_page import write_collapse_page


def test_arms_differ_in_the_regularisers_alone() -> None:
    store = tiny.rooms_store()
    made = {
        arm.name: configure(store.spec, store.block, store.statistics(), overrides={**tiny.SMALL, **arm.config}) for arm in ARMS
    }
    assert len(made) == len(ARMS), "names are unique"
    for arm in ARMS:
        loss = made[arm.name].training.loss
        assert made[arm.name].training.model_copy(update={"loss": made["none"].training.loss}) == made["none"].training
        assert made[arm.name].model.encoder == made["none"].model.encoder
        assert loss.one_step > 0
        for name, value in arm.weights.items():
            assert getattr(loss, name) == value
    bare = made["none"].training.loss
    assert {bare.variance, bare.covariance, bare.sigreg, bare.inverse_dynamics, bare.episode_infonce, bare.ema} == {0}
    assert made["full"].training.loss.inverse_dynamics > 0


def test_rows_and_page_of_two_tiny_arms(tmp_path: Path) -> None:
    made = make_arena(tiny.ROOMS, tiny.OPTIONS, 2)
    arena = replace(made, tasks=replace(made.tasks, tasks=tuple(replace(task, budget=5) for task in made.tasks.tasks)))
    arms = [CollapseVariant("none", "Nothing.", {}), CollapseVariant("full", "All.", {}, True)]
    short = {**tiny.SMALL, "training.policy_steps": 0, "planner.policy_candidate": False}
    file = compare(tiny.rooms_store(), arena, tmp_path, arms, (0,), short)
    rows = json.loads(file.read_text())["rows"]
    assert {row["agent"] for row in rows} == {"none", "full"}
    wanted = {"success_rate", "batch_std", "within_episode_std", "rank_me", "probe_position_r2", *KINDS}
    for arm in arms:
        assert wanted <= {row["metric"] for row in rows if row["agent"] == arm.name}
    text = write_collapse_page(file).read_text()
    assert "Nothing." in text
    assert "2 world models" in text
    kept = json.loads((tmp_path / "collapse" / "full-0" / "look.json").read_text())
    assert compare(tiny.rooms_store(), arena, tmp_path, arms, (0,), short) == file, "what is on disk is not made again"
    assert json.loads((tmp_path / "collapse" / "full-0" / "look.json").read_text()) == kept


def test_a_constant_encoder_is_seen_as_total_collapse() -> None:
    agent = tiny.rooms_agent()
    with torch.no_grad():
        agent.modules.world_model.perception.fuse.weight.zero_()
    seen = look(agent, tiny.rooms_store())
    assert seen["figures"]["alarm_total"] == 1
    assert seen["figures"]["alarm_slow_feature"] == 0
    assert seen["alarms"][0].startswith("Total collapse")
    assert seen["figures"]["batch_std"] < 1e-3
    assert np.abs(seen["points"]).max() < 1e-3


def test_points_and_places_are_of_whole_episodes() -> None:
    seen = look(tiny.rooms_agent(), tiny.rooms_store())
    assert len(seen["points"]) == len(seen["positions"]) == len(seen["episodes"])
    assert seen["singular_values"][0] == pytest.approx(1)
    assert seen["singular_values"] == sorted(seen["singular_values"], reverse=True)
    assert 0 < seen["shares"][1] <= seen["shares"][0] < 1
