"""Reacher: the suite's arm, goals by configuration or by fingertip, and pictures that follow it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from forethought.types import WorldTask
from forethought.worlds import registry
from forethought.worlds.check import check_world
from forethought.worlds.reacher import NAME, fingertip

pytest.importorskip("dm_control")


@pytest.fixture
def world() -> Iterator[Any]:
    made = registry.make(NAME, 1)
    yield made
    made.close()


def near(made: Any, one: list[float], other: list[float]) -> bool:
    return bool(made.copies[0].near(made.maker.sight(np.array(one)), made.maker.sight(np.array(other))))


def test_it_is_a_world() -> None:
    check_world(lambda num: registry.make(NAME, num, streams=["proprioception"]))


def test_the_fingertip_is_the_models(world: Any) -> None:
    world.reset([3])
    data = world.copies[0]._data
    world.maker.mujoco.mj_forward(world.maker.model, data)
    assert fingertip(data.qpos) == pytest.approx(data.geom("finger").xpos[:2], abs=1e-6)


def test_a_step_is_two_of_the_suites(world: Any) -> None:
    from dm_control import suite

    suites = suite.load("reacher", "hard", task_kwargs={"random": 0})
    suites.reset()
    start = suites.physics.data.qpos.copy()
    world.begin([WorldTask(0, (*start.tolist(), 0.0, 0.0), (0.0, 0.0, 0.0, 0.0), None, 50)])
    for action in ([0.5, -1.0], [-0.2, 0.7], [1.0, 1.0]):
        for _ in range(2):
            suites.step(np.array(action))
        frame = world.step(np.array([action], np.float32))
    wanted = [*suites.physics.data.qpos, *suites.physics.data.qvel]
    assert frame.truth["state"][0] == pytest.approx(wanted, abs=1e-4)


def test_the_peers_test_compares_both_joints_and_wraps_the_shoulder(world: Any) -> None:
    assert near(world, [1.0, 0.5, 3.0, 0.0], [1.04, 0.54, 0.0, 0.0]), "velocities don't count"
    assert not near(world, [1.0, 0.5, 0.0, 0.0], [1.06, 0.5, 0.0, 0.0])
    assert not near(world, [1.0, 0.5, 0.0, 0.0], [1.0, 0.44, 0.0, 0.0])
    assert near(world, [math.pi - 0.01, 0.5, 0.0, 0.0], [-math.pi + 0.01, 0.5, 0.0, 0.0])


def test_the_strict_test_compares_the_fingertip() -> None:
    made: Any = registry.make(NAME, 1, success="fingertip")
    assert near(made, [0.0, 1.0, 0.0, 0.0], [0.03, 1.0, 0.0, 0.0])
    assert not near(made, [0.0, 1.0, 0.0, 0.0], [0.06, 1.0, 0.0, 0.0]), "13 mm"
    assert near(made, [0.0, 1.0, 0.0, 0.0], [1.0, -1.0, 0.0, 0.0]), "the elbow on the other side"
    made.close()


def test_pictures_follow_the_arm(world: Any) -> None:
    first = world.maker.sight(np.array([0.0, 0.5, 0.0, 0.0])).stream("pixels")
    turned = world.maker.sight(np.array([0.05, 0.5, 0.0, 0.0])).stream("pixels")
    assert first.shape == (64, 64, 3)
    assert first.std() > 5
    assert np.abs(first.astype(int) - turned).max() > 20, "0.05 rad, the success test's radius, is visible"
