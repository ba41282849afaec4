"""Conformance kit for worlds: an error says what is wrong with your world, where, and how to fix it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from forethought.errors import ConformanceError
from forethought.types import PIXELS, Frame
from forethought.worlds.contract import World

N, STEPS = 3, 8


def check_world(make: Callable[[int], World]) -> None:
    """Check that a world keeps the contract of `World`: shapes, dtypes, seeds, independence of copies, frames that change.

    Args:
        make: number of copies -> your world; called twice, the worlds are closed.

    Raises:
        ConformanceError: the first promise that is broken: what, where, and the fix.

    >>> from forethought.worlds import check_world, make
    >>> check_world(lambda num: make("forethought/Rooms-v0", num))
    """
    world, lone = make(N), make(1)
    try:
        frames, again = _play(world, [5, 6, 7]), _play(world, [5, 6, 7])
        for frame in frames:
            _check_frame(world, frame)
        if not all(_same(a, b, slice(None)) for a, b in zip(frames, again, strict=True)):
            _fail(world, "gives other frames for the same seeds and actions", "draw all chance from the seed of `reset`")
        single = _play(lone, [6], copy=1)
        if not all(_same(a, b, slice(1, 2)) for a, b in zip(frames, single, strict=True)):
            _fail(world, "lets a copy depend on its neighbours", "give each copy its own random stream")
        if PIXELS in frames[0].observation and all(_still(frames, copy) for copy in range(N)):
            _fail(world, "shows the same picture whatever is done", "look for a renderer that was closed or is headless")
    finally:
        world.close()
        lone.close()


def _play(world: World, seeds: list[int], copy: int = 0) -> list[Frame]:
    action = world.spec.action
    draws = np.random.default_rng(0)
    frames = [world.reset(seeds)]
    for _ in range(STEPS):
        if action.kind == "discrete":
            actions = np.eye(action.size, dtype=np.float32)[draws.integers(0, action.size, N)]
        else:
            actions = draws.uniform(action.low, action.high, (N, action.size)).astype(np.float32)
        frames.append(world.step(actions[copy : copy + world.num]))
    return frames


def _check_frame(world: World, frame: Frame) -> None:
    promised = [
        (f"stream '{each.name}'", each.dtype, each.shape, frame.observation.get(each.name)) for each in world.spec.streams
    ]
    promised += [(f"truth '{name}'", "float32", (size,), frame.truth.get(name)) for name, size in world.spec.truth.items()]
    promised += [("drives", "float32", (len(world.spec.drives),), frame.drives), ("ended", "bool", (), frame.ended)]
    promised += [("rewards", "float32", (), frame.rewards)]
    promised += [("terminated", "bool", (), frame.terminated), ("truncated", "bool", (), frame.truncated)]
    for what, dtype, shape, values in promised:
        if values is not None and dtype == "str" and values.dtype.kind == "U" and values.shape == (N, *shape):
            continue
        found = "nothing" if values is None else f"{values.dtype}{list(values.shape)}"
        if values is None or values.shape != (N, *shape) or values.dtype != np.dtype(dtype):
            _fail(world, f"gives {found} as {what}", f"make it {dtype}{[N, *shape]}, as its spec says")
    if not np.array_equal(frame.ended, frame.terminated | frame.truncated):
        _fail(world, "has an end that is neither terminated nor truncated, or the other way round", "set one with `ended`")
    if not np.isfinite(frame.rewards).all():
        _fail(world, "gives a reward that is NaN or infinite", "look for a division by zero")


def _same(one: Frame, other: Frame, copies: slice) -> bool:
    pairs = [(values, other.observation[name]) for name, values in one.observation.items()]
    pairs += [(values, other.truth[name]) for name, values in one.truth.items()]
    pairs += [(one.drives, other.drives), (one.ended, other.ended), (one.rewards, other.rewards)]
    return all(np.array_equal(these[copies], those) for these, those in pairs)


def _still(frames: list[Frame], copy: int) -> bool:
    return all(np.array_equal(frame.observation[PIXELS][copy], frames[0].observation[PIXELS][copy]) for frame in frames)


def _fail(world: World, what: str, fix: str) -> None:
    raise ConformanceError(f"check_world: {world.spec.name} {what}; {fix}.")
