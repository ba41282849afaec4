"""Tests of pictures that are drawn only where they are read."""

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from showing_env import Showing, picture, showing

from forethought.data.recorder import record
from forethought.errors import ForethoughtError
from forethought.worlds import registry

NUMBERS = spaces.Box(-2, 2, (2,), np.float32)
IMAGE = spaces.Box(0, 255, (96, 96, 3), np.uint8)


class Counting(Showing):
    """Counts its renderings."""

    drawn = 0

    def render(self) -> Any:
        type(self).drawn += 1
        return super().render()


def rightwards(steps: int) -> list[np.ndarray]:
    return [np.ones((1, 2), np.float32)] * steps


def show_numbers(place: np.ndarray, step: int) -> np.ndarray:
    return place.astype(np.float32)


def test_pictures_are_drawn_for_kept_rows_only() -> None:
    world = showing(NUMBERS, show_numbers, kind=Counting)
    Counting.drawn = 0
    (episode,) = record(world, registry.policy(world.spec, "random"), [3], 5, lambda *event: None)
    assert episode.steps.tolist() == [5, 5, 5, 5]
    assert Counting.drawn == len(episode) + 1
    for row, state in enumerate(episode.truth["state"]):
        np.testing.assert_array_equal(episode.observation["pixels"][row], picture(state))
    world.close()


def test_a_picture_is_drawn_once_however_often_it_is_read() -> None:
    world = showing(NUMBERS, show_numbers, kind=Counting, max_steps=1)
    world.reset([3])
    Counting.drawn = 0
    frame = world.step(rightwards(1)[0])
    for _ in range(3):
        assert frame.observation["pixels"].shape == (1, 64, 64, 3)
        frame = world.step(rightwards(1)[0])  # ended: it stays where it is
    assert Counting.drawn == 1
    world.close()


def test_what_was_not_read_in_time_is_refused_and_what_was_stays() -> None:
    world = showing(NUMBERS, show_numbers, streams=("pixels", "proprioception"))
    first = world.reset([3])
    unread, read = [world.step(action) for action in rightwards(2)]
    now = read.observation["pixels"].copy()
    world.step(rightwards(1)[0])
    assert not np.array_equal(now, first.observation["pixels"])
    np.testing.assert_array_equal(read.observation["pixels"], now)
    np.testing.assert_array_equal(unread.observation["proprioception"], unread.truth["state"])
    with pytest.raises(ForethoughtError, match=r"'pixels' of an earlier frame .* read frame.observation\['pixels'\] before"):
        unread.observation["pixels"]
    world.reset([4])
    with pytest.raises(ForethoughtError, match="was not read before the next step"):
        unread.observation["pixels"]
    world.close()


def test_an_observed_picture_may_be_read_late_though_its_buffer_is_reused() -> None:
    buffer = np.zeros(IMAGE.shape, np.uint8)

    def show(place: np.ndarray, step: int) -> np.ndarray:
        buffer[:] = picture(place, 96)
        return buffer

    world, eager = showing(IMAGE, show), showing(IMAGE, show)
    frames, at_once = [world.reset([3])], [eager.reset([3])]
    for action in rightwards(3):
        frames.append(world.step(action))
    for action in rightwards(3):
        at_once[-1].observation["pixels"]
        at_once.append(eager.step(action))
    for late, early in zip(frames, at_once, strict=True):
        np.testing.assert_array_equal(late.observation["pixels"], early.observation["pixels"])
    assert not np.array_equal(frames[0].observation["pixels"], frames[3].observation["pixels"])
    world.close()
    eager.close()


def test_a_blank_picture_in_a_kept_row_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    world = showing(NUMBERS, show_numbers)
    frame = world.reset([3])
    monkeypatch.setattr(Showing, "render", lambda self: np.zeros((64, 64, 3), np.uint8))
    frame = world.step(rightwards(1)[0])
    with pytest.raises(ForethoughtError, match="blank frame at step 1"):
        frame.observation["pixels"]
    world.close()
