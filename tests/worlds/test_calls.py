"""Environments whose reset or step is of another kind: the sentence says how."""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np
import pytest

from forethought.errors import ForethoughtError, require_whole
from forethought.worlds import registry
from forethought.worlds.adapter import GymnasiumWorld
from forethought.worlds.check import ignored_seed
from forethought.worlds.contract import World
from forethought.worlds.env_adapter import WorldCrashed
from forethought.worlds.random_streams import world_seed


def made(kind: str, num: int = 1, **options: Any) -> World:
    return registry.make(f"made_worlds:{kind}", num, streams=["proprioception"], **options)


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("FourValues", r"step returned 4 values \(ndarray, float, bool, dict\).*old Gym: split its done"),
        ("NoInfo", r"reset returned one ndarray instead of \(observation, info\), as in the old Gym"),
        ("NoSeed", r"unexpected keyword argument 'seed'.*write it as reset\(self, \*, seed=None, options=None\)"),
    ],
)
def test_the_old_kind_is_named(kind: str, sentence: str) -> None:
    world = made(kind)
    with pytest.raises(ForethoughtError, match=f"World 'made_worlds:{kind}': .*{sentence}") as caught:
        [world.reset([0]), world.step(np.zeros((1, 2), np.float32))]
    assert not isinstance(caught.value, WorldCrashed)


def test_options_at_reset_are_given_and_asked_for() -> None:
    with pytest.raises(WorldCrashed, match=r"if it needs options at reset.*reset_options=\{"):
        made("Mapped").reset([0])
    world = made("Mapped", reset_options={"map": "a"})
    world.reset([0])
    world.reset([1])
    assert isinstance(world, GymnasiumWorld)
    assert world.copies[0]._environment.unwrapped.map == "a"
    with pytest.raises(WorldCrashed) as caught:
        made("Mapped", reset_options={"pam": "a"}).reset([0])
    assert "reset_options" not in str(caught.value)


def test_waiting_for_a_keyboard_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    world = made("Asking")
    world.reset([0])
    with pytest.raises(WorldCrashed, match="it waits for input from a keyboard"):
        world.step(np.zeros((1, 2), np.float32))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("Plain", ""),
        ("Careless", "start elsewhere each time"),
        ("CarelessLater", "go on differently after 1 of the same actions"),
        ("Mapped", ""),
    ],
)
def test_a_seed_that_is_ignored_is_noticed(kind: str, words: str) -> None:
    sentence = ignored_seed(made(kind), 7)
    assert bool(sentence) == bool(words)
    assert words in sentence


@pytest.mark.parametrize("seed", [-1, -(2**40), 2**32 + 1, 2**128 + 1])
@pytest.mark.parametrize("name", ["made_worlds:Plain", "forethought/Rooms-v0"])
def test_seeds_of_any_size_decide_the_start(name: str, seed: int) -> None:
    options: Any = {"streams": ["proprioception"]} if name.startswith("made") else {}
    world, policy = registry.make(name, np.int64(1), **options), registry.policy(name, "random")
    frames, actions = [], []
    for _ in range(2):
        frames.append(world.reset([seed]))
        policy.reset(world, [seed])
        actions.append(policy.act(world, frames[-1]))
    for stream, values in frames[0].observation.items():
        np.testing.assert_array_equal(values, frames[1].observation[stream])
    np.testing.assert_array_equal(*actions)


def test_numpys_integers_are_integers() -> None:
    assert [world_seed(seed) for seed in (np.int64(3), np.uint64(2**63), np.int8(-1))] == [3, 2**63, 2**32 - 1]
    assert made("Plain", np.int32(2), max_steps=np.int64(7), state_scale=np.ones(2)).spec.max_steps == 7
    for wrong in (1.5, "2", None):
        with pytest.raises(ForethoughtError, match="num can't be .*whole number"):
            require_whole(wrong, "num")


@pytest.mark.parametrize("name", ["state_scale", "success_distance", "action_limit"])
def test_nothing_is_divided_by_zero(name: str) -> None:
    for value in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ForethoughtError, match=f"option '{name}"):
            made("Plain", **{name: [1.0, value] if name == "state_scale" else value})
