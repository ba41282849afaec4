"""The entries of an observation space, by their paths, and a check of what comes against what was declared."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from forethought.errors import ForethoughtError
from forethought.worlds.any_gymnasium.images import Layout, layout_of, range_of, sides
from forethought.worlds.notices import warn_once

WHOLE = "observation"
"""Path of an observation that is neither a Dict nor a Tuple."""
LONGEST_VECTOR = 4096
"""Numbers of an entry that `proprioception` takes; a longer one must be named."""
ROUNDING = 1e-5
"""How far, relative to a bound, a value may lie beyond it without a word."""

Values = Mapping[str, Any]
"""Checked values of an observation: path -> array, or string of a text."""


@dataclass(frozen=True, eq=False)
class Entry:
    """One entry of an observation that holds no further entries.

    Fields:
        path: its keys joined by dots, such as `robot.place`; indices of a Tuple are numbers.
        space: its space.
        kind: `image`, `numbers`, `text`, or `unreadable` (of no fixed size).
        layout: of an image.
        size: numbers that it becomes, one-hot for discrete ones; 0 for other kinds.
    """

    path: str
    space: spaces.Space[Any]
    kind: Literal["image", "numbers", "text", "unreadable"]
    layout: Layout | None = None
    size: int = 0

    @cached_property
    def declared(self) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Shape and dtype that its space declares."""
        return tuple(self.space.shape or ()), np.dtype(self.space.dtype or np.float32)

    @cached_property
    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Least and largest values of a Box, and a little more for rounding; None for another space."""
        if not isinstance(self.space, spaces.Box):
            return None
        low, high = self.space.low.astype(np.float64), self.space.high.astype(np.float64)
        return np.asarray(low - ROUNDING * (1 + abs(low))), np.asarray(high + ROUNDING * (1 + abs(high)))

    @cached_property
    def discrete(self) -> bool:
        """Whether its numbers are choices, so that they are equal or differ and nothing lies between."""
        return isinstance(self.space, (spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary))

    def __str__(self) -> str:
        """Path and content, for messages."""
        shape = list(self.space.shape or ())
        content = {
            "image": f"image {shape}, {self.space.dtype}",
            "numbers": f"{self.size} numbers" if self.size > 1 else "1 number",
            "text": "text",
        }.get(self.kind, f"{type(self.space).__name__}, of no fixed size")
        return f"'{self.path}' ({content})"


def entries_of(space: spaces.Space[Any], symbolic: Collection[str] = (), path: str = "") -> Iterator[Entry]:
    """All entries of a space, in the space's own order; those at the paths `symbolic` are numbers, not images."""
    for key, part in _parts(space):
        yield from entries_of(part, symbolic, f"{path}.{key}" if path else key)
    if not isinstance(space, (spaces.Dict, spaces.Tuple)):
        yield _entry(path or WHOLE, space, symbolic)


def values_of(space: spaces.Space[Any], observation: Any, world: str) -> dict[str, Any]:
    """Value of each entry by its path, unchecked.

    Raises:
        ForethoughtError: a Dict or Tuple has other keys or another length than its space. More keys are logged once.
    """
    return dict(_values(space, observation, world, ""))


def checked(entry: Entry, value: Any, world: str) -> Any:
    """The value as an array of the declared shape and kind of dtype, or as a string.

    Values beyond the declared bounds are logged once, except where they cannot be represented (choices, images).

    Raises:
        ForethoughtError: another shape, kind of dtype or choice than declared.
    """
    if entry.kind == "unreadable":
        return value
    if entry.kind == "text":
        if not isinstance(value, str):
            raise _differs(world, entry, "text", type(value).__name__)
        return value
    array = _array(entry, value, world)
    if entry.discrete:
        _check_choices(entry, array, world)
    elif entry.kind == "image":
        _check_range_of_image(entry, array, world)
    else:
        _notice_bounds(entry, array, world)
    return array


def numbers(entry: Entry, array: NDArray[Any]) -> NDArray[np.float32]:
    """A checked value of numbers as a vector [size]; choices are one-hot."""
    if isinstance(entry.space, (spaces.Discrete, spaces.MultiDiscrete)):
        array = np.asarray(spaces.flatten(entry.space, array))
    if array.dtype == np.float32:
        return array.ravel().copy()
    # A number beyond float32 becomes infinite, and the world's check of its numbers says so.
    with np.errstate(over="ignore"):
        return array.ravel().astype(np.float32)


def _parts(space: spaces.Space[Any]) -> Iterator[tuple[str, spaces.Space[Any]]]:
    if isinstance(space, spaces.Dict):
        yield from ((str(key), part) for key, part in space.spaces.items())
    elif isinstance(space, spaces.Tuple):
        yield from ((str(index), part) for index, part in enumerate(space.spaces))


def _entry(path: str, space: spaces.Space[Any], symbolic: Collection[str]) -> Entry:
    if path not in symbolic and (layout := layout_of(space)) is not None:
        return Entry(path, space, "image", layout)
    if isinstance(space, spaces.Text) or (space.dtype is not None and space.dtype.kind == "U"):
        return Entry(path, space, "text")
    if isinstance(space, (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)):
        return Entry(path, space, "numbers", size=spaces.flatdim(space))
    return Entry(path, space, "unreadable")


def _values(space: spaces.Space[Any], observation: Any, world: str, path: str) -> Iterator[tuple[str, Any]]:
    where = f"its observation{f' {path!r}' if path else ''}"
    if isinstance(space, spaces.Dict):
        if not isinstance(observation, Mapping):
            raise ForethoughtError(
                f"World {world!r}: {where} is declared as a Dict, but {type(observation).__name__} came; correct its "
                "observation_space."
            )
        if missing := [str(key) for key in space.spaces if key not in observation]:
            raise ForethoughtError(
                f"World {world!r}: {where} has no {missing[0]!r}, which its observation_space declares; it holds "
                f"{', '.join(map(str, observation))}."
            )
        if more := [str(key) for key in observation if key not in space.spaces]:
            warn_once(world, f"{where} holds {', '.join(more)}, which its observation_space does not declare: left out")
    elif isinstance(space, spaces.Tuple):
        length = len(observation) if isinstance(observation, (tuple, list)) else type(observation).__name__
        if length != len(space.spaces):
            raise ForethoughtError(
                f"World {world!r}: {where} is declared as a Tuple of {len(space.spaces)}, but {length} came; correct its "
                "observation_space."
            )
    else:
        yield path or WHOLE, observation
        return
    keys: Any = space.spaces if isinstance(space, spaces.Dict) else range(len(space.spaces))
    for key in keys:
        yield from _values(space[key], observation[key], world, f"{path}.{key}" if path else str(key))


def _array(entry: Entry, value: Any, world: str) -> NDArray[Any]:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise _differs(world, entry, _declared(entry), f"{type(value).__name__} ({error})") from error
    space = entry.space
    # One choice is one choice, also as an array of one.
    if isinstance(space, spaces.Discrete) and array.size == 1:
        array = array.reshape(())
    shape, dtype = entry.declared
    kinds = "fiub" if dtype.kind == "f" else "iub"
    if array.dtype.kind not in kinds or not _same_shape(entry, array.shape, shape, world):
        raise _differs(world, entry, _declared(entry), f"{array.dtype} {list(array.shape)}")
    return array


def _same_shape(entry: Entry, came: tuple[int, ...], declared: tuple[int, ...], world: str) -> bool:
    """Whether two shapes are the same; images may have other sides, which is logged once, because they are resized anyway."""
    if came == declared:
        return True
    if entry.layout is None or len(came) != len(declared):
        return False
    both = sides(entry.layout)
    if any(here != there for axis, (here, there) in enumerate(zip(came, declared, strict=True)) if axis not in both):
        return False
    warn_once(world, f"its observation {entry.path!r} is declared as {list(declared)}, but other sizes come; each is resized")
    return min(came[axis] for axis in both) > 0


def _declared(entry: Entry) -> str:
    return f"{entry.space.dtype} {list(entry.space.shape or ())}"


def _differs(world: str, entry: Entry, declared: str, came: str) -> ForethoughtError:
    return ForethoughtError(
        f"World {world!r}: its observation {entry.path!r} is declared as {declared} in observation_space, but {came} came; "
        "correct its observation_space or what it returns, or wrap it."
    )


def _check_choices(entry: Entry, array: NDArray[Any], world: str) -> None:
    space: Any = entry.space
    start = np.asarray(getattr(space, "start", 0))
    number = 2 if isinstance(space, spaces.MultiBinary) else space.n if isinstance(space, spaces.Discrete) else space.nvec
    if (array < start).any() or (array >= start + number).any():
        raise _differs(world, entry, str(space), f"the value {array.tolist()}")


def _check_range_of_image(entry: Entry, array: NDArray[Any], world: str) -> None:
    space: Any = entry.space
    low, high = range_of(space) or (0.0, 255.0)
    if array.dtype == np.uint8 and (low, high) == (0, 255):
        return
    # NaN fails both comparisons, and is refused with the rest.
    slack = ROUNDING * (high - low)
    if not (array.min() >= low - slack and array.max() <= high + slack):
        raise _differs(
            world, entry, f"{_declared(entry)} within {low:g} to {high:g}", f"values {array.min():g} to {array.max():g}"
        )


def _notice_bounds(entry: Entry, array: NDArray[Any], world: str) -> None:
    if entry.bounds is None:
        return
    low, high = entry.bounds
    if not ((array < low).any() or (array > high).any()):
        return
    warn_once(world, f"its observation {entry.path!r} leaves the bounds that its observation_space declares; taken as it comes")
