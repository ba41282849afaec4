"""Conformance kit for worlds: an error says what is wrong with your world, where, and how to fix it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from forethought.errors import ConformanceError, ForethoughtError
from forethought.types import PIXELS, ActionSpace, Frame
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


def ignored_seed(world: World, seed: int) -> str:
    """A sentence, for `warn_once`, if the seed does not decide what the world shows.

    Two episodes of one seed and the same actions are compared. Empty if they are equal, or if something else is wrong with the
    world, which recording finds. `world` has one copy.
    """
    try:
        frames, again = _play(world, [seed]), _play(world, [seed])
        differ = [not _alike(one, other) for one, other in zip(frames, again, strict=True)]
    except ForethoughtError:
        return ""
    if not any(differ):
        return ""
    step = differ.index(True)
    where = f"go on differently after {step} of the same actions" if step else "start elsewhere each time"
    return (
        f"it does not follow its seed: episodes of one seed {where}, so neither a collection nor a task can be repeated; in "
        "its reset, call super().reset(seed=seed), and draw all chance from self.np_random."
    )


def _alike(one: Frame, other: Frame) -> bool:
    """Whether two frames show the same, but for the last digits of a renderer or a simulation."""
    for name, values in one.observation.items():
        if values.dtype.kind not in "fiu":
            if not np.array_equal(values, other.observation[name]):
                return False
            continue
        tolerance = 2.0 if values.dtype == np.uint8 else 1e-5
        if not np.allclose(values.astype(float), other.observation[name].astype(float), rtol=1e-4, atol=tolerance):
            return False
    return bool(np.array_equal(one.ended, other.ended))


def _play(world: World, seeds: list[int], copy: int = 0) -> list[Frame]:
    draws = np.random.default_rng(0)
    frames = [_read(world.reset(seeds))]
    for _ in range(STEPS):
        frames.append(_read(world.step(_random_actions(world.spec.action, draws)[copy : copy + world.num])))
    return frames


def _read(frame: Frame) -> Frame:
    """The frame, all of its streams read: after the next step an environment may not be able to render it any more."""
    for name in frame.observation:
        frame.observation[name]
    return frame


def _random_actions(action: ActionSpace, draws: np.random.Generator) -> NDArray[np.float32]:
    if action.kind == "discrete":
        return np.eye(action.size, dtype=np.float32)[draws.integers(0, action.size, N)]
    return draws.uniform(action.low, action.high, (N, action.size)).astype(np.float32)


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
