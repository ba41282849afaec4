"""The conformance kit finds worlds that break a promise, and says which."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from forethought.errors import ConformanceError
from forethought.types import Frame
from forethought.worlds import check_world
from forethought.worlds.rooms.world import RoomsWorld

Broken = Callable[[Frame], Frame]
NOISE = np.random.default_rng(0)


def without(part: str, name: str) -> Broken:
    def broken(frame: Frame) -> Frame:
        left = {key: value for key, value in getattr(frame, part).items() if key != name}
        return replace(frame, **{part: left})

    return broken


def noisy_truth(frame: Frame) -> Frame:
    return replace(frame, truth={name: NOISE.random(values.shape, np.float32) for name, values in frame.truth.items()})


def whole_numbers(frame: Frame) -> Frame:
    object.__setattr__(frame, "ended", frame.ended.astype(int))
    return frame


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (without("observation", "pixels"), r"gives nothing as stream 'pixels'; make it uint8\[3, 64, 64, 3\]"),
        (without("truth", "room"), "gives nothing as truth 'room'"),
        (whole_numbers, r"gives int64\[3\] as ended; make it bool\[3\]"),
        (lambda frame: replace(frame, drives=frame.drives[:, :0]), "as drives"),
        (noisy_truth, "other frames for the same seeds"),
        (lambda frame: replace(frame, observation={"pixels": frame.observation["pixels"] * 0}), "the same picture"),
    ],
)
def test_a_broken_promise_is_told(broken: Broken, sentence: str) -> None:
    class BrokenWorld(RoomsWorld):
        def _frame(self) -> Frame:
            return broken(super()._frame())

    def make(num: int) -> RoomsWorld:
        options: dict[str, Any] = {"hazards": 1} if "drives" in sentence else {}
        return BrokenWorld(num, **options)

    with pytest.raises(ConformanceError, match=sentence):
        check_world(make)
