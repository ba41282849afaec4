"""Action spaces of any kind: what the agent sees of them, and what the environment is given."""

from __future__ import annotations

import re
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from forethought.errors import ForethoughtError
from forethought.types import ActionSpace
from forethought.worlds.any_gymnasium.actions import MOST_CHOICES, ActionConverter

MOST = float(np.finfo(np.float32).max)
WHOLE = np.iinfo(np.int32)
ROWS = spaces.Box(np.array([[-1, -2], [0, -1]]), np.array([[1, 2], [3, 1]]), dtype=np.float32)
PEDALS = spaces.Dict(
    {
        "gear": spaces.Discrete(3, start=-1),
        "lights": spaces.MultiBinary(2),
        "steer": spaces.Tuple((spaces.Box(-0.1, 0.1, (2,), np.float64), spaces.Box(0, 5, (1,), np.int64))),
    }
)


def one_hot(choice: int, size: int) -> np.ndarray:
    return np.eye(size, dtype=np.float32)[choice]


@pytest.mark.parametrize(
    ("space", "low", "high"),
    [
        (spaces.Box(-0.1, 0.3, (2,), np.float64), (-0.1, -0.1), (0.3, 0.3)),
        (
            spaces.Box(np.array([[-1, -2], [0, -1]]), np.array([[1, 2], [3, 1]]), dtype=np.float32),
            (-1, -2, 0, -1),
            (1, 2, 3, 1),
        ),
        (spaces.Box(-1, 1, (), np.float32), (-1,), (1,)),
        (spaces.Box(-1, 1, (2,), np.float16), (-1, -1), (1, 1)),
        (spaces.Box(-np.inf, np.inf, (1,)), (-2,), (2,)),
        (spaces.Box(-MOST, MOST, (1,), np.float32), (-2,), (2,)),
        (spaces.Box(0.5, np.inf, (1,)), (0.5,), (2.5,)),
        (spaces.Box(-np.inf, -5, (1,)), (-7,), (-5,)),
        (spaces.Box(np.float32([-1, 0.5]), np.float32([1, 0.5])), (-1,), (1,)),
        (spaces.Box(0, 5, (2,), np.int64), (0, 0), (5, 5)),
        (spaces.Box(WHOLE.min, WHOLE.max, (1,), np.int32), (-2,), (2,)),
        (spaces.MultiDiscrete([10, 20, 30], start=[0, 1, -1]), (0, 1, -1), (9, 20, 28)),
        (spaces.MultiBinary((3, 4)), (0,) * 12, (1,) * 12),
        (spaces.Tuple((spaces.Discrete(2), spaces.Box(-1, 1, (1,)))), (0, -1), (1, 1)),
        (PEDALS, (-1, 0, 0, -0.1, -0.1, 0), (1, 1, 1, 0.1, 0.1, 5)),
    ],
)
def test_a_vector_stays_within_the_space(space: spaces.Space[Any], low: tuple[float, ...], high: tuple[float, ...]) -> None:
    converter = ActionConverter(space, "W", limit=2.0)
    assert (converter.space.kind, converter.space.size) == ("continuous", len(low))
    assert converter.space.low == pytest.approx(low)
    assert converter.space.high == pytest.approx(high)
    draws = np.random.default_rng(0).uniform(low, high, (200, len(low)))
    for action in (np.array(low), np.array(high), *draws):
        native = converter.native(action.astype(np.float32))
        assert space.contains(native), (action, native)


@pytest.mark.parametrize(
    ("space", "choices"),
    [
        (spaces.Discrete(3, start=-1), 3),
        (spaces.Discrete(1000), 1000),
        (spaces.MultiDiscrete([3, 2]), 6),
        (spaces.MultiDiscrete([[2, 3], [2, 1]]), 12),
        (spaces.MultiBinary(4), 16),
        (spaces.Dict({"a": spaces.Discrete(3), "b": spaces.Tuple((spaces.Discrete(4, start=1), spaces.MultiBinary(1)))}), 24),
    ],
)
def test_each_combination_is_one_choice(space: spaces.Space[Any], choices: int) -> None:
    converter = ActionConverter(space, "W")
    assert converter.space == ActionSpace("discrete", choices)
    natives = [converter.native(one_hot(choice, choices)) for choice in range(choices)]
    assert all(space.contains(native) for native in natives)
    assert len({str(native) for native in natives}) == choices


def test_floats_arrive_as_they_are_and_whole_numbers_at_their_own() -> None:
    floats = ActionConverter(spaces.Box(-1, 3, (2, 2)), "W")
    given = np.array([-1, 0.25, 3, 9], np.float32)
    np.testing.assert_array_equal(floats.native(given), [[-1, 0.25], [3, 3]])
    whole = ActionConverter(spaces.Box(-3, 7, (1,), np.int64), "W")
    assert [int(whole.native(np.array([value], np.float32))[0]) for value in range(-3, 8)] == list(range(-3, 8))
    shares = [int(whole.native(np.array([value], np.float32))[0]) for value in np.linspace(-3, 7, 1101)]
    assert np.bincount(np.array(shares) + 3) == pytest.approx(100, abs=2)
    nested = ActionConverter(PEDALS, "W").native(np.array([0.9, 1, 0, 0.05, -0.05, 5], np.float32))
    assert (nested["gear"], nested["lights"].tolist(), nested["steer"][1].tolist()) == (1, [1, 0], [5])


def test_the_environment_may_write_into_its_action() -> None:
    converter, given = ActionConverter(spaces.Box(-1, 1, (2,), np.float64), "W"), np.ones(2, np.float32)
    converter.native(given)[:] = 0
    np.testing.assert_array_equal(given, 1)
    np.testing.assert_array_equal(converter.native(given), 1)


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (spaces.Box(-np.inf, np.inf, (6,)), "no bounds.*entry 0 within \\[-1, 1\\].*and so on \\(6 in all\\).*action_limit"),
        (spaces.Box(np.float32([-1, 0.5]), np.float32([1, 0.5])), "entry 1 is always 0.5"),
        (spaces.Box(0, 5, (1,), np.int64), "whole numbers.*rounded: entry 0 is 0 to 5"),
        (PEDALS, "entry gear is -1 to 1, lights\\[0\\] is 0 to 1, lights\\[1\\] is 0 to 1, steer\\[1\\]\\[0\\] is 0 to 5"),
    ],
)
def test_what_differs_is_said(space: spaces.Space[Any], words: str) -> None:
    (note,) = ActionConverter(space, "W").notes
    assert re.search(words, note), note


def test_what_is_the_same_is_not_said() -> None:
    for space in (spaces.Discrete(3), spaces.Box(-1, 1, (2,)), spaces.MultiDiscrete([3, 2])):
        assert not ActionConverter(space, "W").notes


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (spaces.Text(3), "kind Text are not supported"),
        (spaces.Tuple((spaces.Discrete(2), spaces.Sequence(spaces.Discrete(2)))), "kind Sequence are not supported"),
        (spaces.Discrete(1), "nothing to choose"),
        (spaces.Box(-1, 1, (0,)), "nothing to choose"),
        (spaces.Dict({"a": spaces.Discrete(1), "b": spaces.Box(1, 1, (1,))}), "nothing to choose"),
        (spaces.Discrete(MOST_CHOICES + 1), "too many actions"),
        (spaces.Box(-1, 1, (100, 100)), "too many actions"),
    ],
)
def test_what_cannot_be_is_one_sentence(space: spaces.Space[Any], words: str) -> None:
    with pytest.raises(ForethoughtError, match=f"World 'W' has .*actions.*{words}|World 'W' has {words}"):
        ActionConverter(space, "W")
    with pytest.raises(ForethoughtError, match="action_limit has 3 numbers.*2 entries"):
        ActionConverter(spaces.Box(-1, np.inf, (2,)), "W", limit=(1.0, 2.0, 3.0))


def test_every_environment_of_gymnasium_is_understood() -> None:
    for name in ("CartPole-v1", "Pendulum-v1", "MountainCarContinuous-v0", "Blackjack-v1", "FrozenLake-v1"):
        environment = gymnasium.make(name)
        converter = ActionConverter(environment.action_space, name)
        assert not converter.notes, name
        environment.close()
