"""Gymnasium's action spaces as an `ActionSpace`, and the agent's actions as the environment's.

A space is a row of *slots*, one for each scalar of its native action. Slots that can take one value only are held constant; the
agent never sees them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from forethought.errors import ForethoughtError
from forethought.types import ActionSpace

UNBOUNDED = 1e9
"""A bound of this size or more means "none": the limits of float32 and of int32 are written so, and no range of such a width
can be explored."""
JOINT_CHOICES = 128
"""Several discrete entries are one choice among all their combinations up to this number of combinations."""
MOST_CHOICES, MOST_NUMBERS = 4096, 4096
"""Largest numbers of discrete choices, and of numbers in an action."""
ROUNDING = 1e-5
"""How far, relative to a bound, an action may lie beyond it."""
NAMED, SHOWN = 4, 120
"""Entries that a message names before it says "and so on", and characters of a space that it shows."""


@dataclass(frozen=True)
class Slot:
    """One scalar of a native action.

    Fields: name: where it is. low, high: its least and its largest value. unlimited: whether one of them is ours. count: how
    many whole numbers it can be (low, low + 1, ...); None for a real number.
    """

    name: str
    low: float
    high: float
    unlimited: bool = False
    count: int | None = None

    @property
    def held(self) -> bool:
        """Whether it can take one value only."""
        return self.count == 1 if self.count is not None else self.low == self.high


class ActionConverter:
    """Converts actions [size] of the agent to native actions of one space.

    A Box of floats is a vector; entries without bounds get some (`limit`). Discrete is one choice; several discrete entries
    (MultiDiscrete, MultiBinary, or a Dict or Tuple of these) are one choice among up to `JOINT_CHOICES` combinations. All else,
    such as a Box of whole numbers or a Dict of floats and choices, is a vector: a whole number takes the agent's number
    scaled to equal shares of its range, so that the bounds and all whole numbers stand for themselves.

    Attributes:
        space: the action space that the agent sees.
        notes: what differs from the environment's own space, for `warn_once`.
    """

    def __init__(self, native: spaces.Space[Any], world: str, limit: float | Sequence[float] = 1.0) -> None:
        """Read the space `native` of the environment `world`; `limit`: see `GymnasiumOptions.action_limit`.

        Raises:
            ForethoughtError: a kind of space that is not supported, nothing to choose, too much to choose from, or a wrong
                number of limits.
        """
        self._native, self._world = native, world
        slots = _slots(native, "", native, world)
        slots = _limited(slots, limit, world)
        self._names = [slot.name for slot in slots]
        self._unlimited = {index for index, slot in enumerate(slots) if slot.unlimited}
        self._free = np.array([not slot.held for slot in slots], bool)
        free = [slot for slot in slots if not slot.held]
        if not free:
            raise ForethoughtError(
                f"World {world!r} has actions that leave nothing to choose ({_short(native)}): wrap the environment so that "
                "they do."
            )
        self._low, self._high = np.array([slot.low for slot in slots]), np.array([slot.high for slot in slots])
        self._counts = np.array([slot.count or 0 for slot in slots])
        self._choices = tuple(slot.count for slot in free if slot.count is not None)
        combinations = math.prod(self._choices) if _is_choice(native) else 0
        self._joint = isinstance(native, spaces.Discrete) or 0 < combinations <= JOINT_CHOICES
        if (self._joint and combinations > MOST_CHOICES) or len(free) > MOST_NUMBERS:
            raise ForethoughtError(
                f"World {world!r} has too many actions ({_short(native)}): up to {MOST_CHOICES} choices and {MOST_NUMBERS} "
                "numbers are supported; wrap the environment so that its actions are fewer."
            )
        if self._joint:
            self.space = ActionSpace("discrete", combinations)
        else:
            self.space = ActionSpace(
                "continuous", len(free), tuple(float(slot.low) for slot in free), tuple(float(slot.high) for slot in free)
            )
        self.notes = tuple(_notes(slots, native, self._joint))

    def native(self, action: NDArray[np.float32]) -> Any:
        """The environment's action for the agent's [size]: one-hot if discrete, else within the bounds.

        It is always a member of the environment's own space, and an object of its own.
        """
        values = self._low.copy()
        if self._joint:
            values[self._free] += np.unravel_index(int(action.argmax()), self._choices)
        else:
            # In float64: a bound such as 0.1 rounded to float32 lies outside of a float64 Box.
            values[self._free] = action
            np.clip(values, self._low, self._high, out=values)
            self._round(values)
        return _assembled(self._native, values)[0]

    def agent(self, native: Any) -> NDArray[np.float32]:
        """The agent's action [size] for an action of the environment's own space: the inverse of `native`.

        Raises:
            ForethoughtError: it is NaN or outside of its bounds, or of another shape or kind.
        """
        values = np.concatenate([np.zeros(0), *slot_values(self._native, native)])
        if not np.isfinite(values).all():
            raise ForethoughtError(f"its action {_short(native)} holds NaN or infinity.")
        slack = ROUNDING * (1 + np.maximum(np.abs(self._low), np.abs(self._high)))
        outside = np.flatnonzero((values < self._low - slack) | (values > self._high + slack))
        if len(outside):
            first = outside[0]
            hint = "; the option action_limit sets bounds where the space has none" if first in self._unlimited else ""
            raise ForethoughtError(
                f"entry {self._names[first]} of its action is {values[first]:g}, outside of {self._low[first]:g} to "
                f"{self._high[first]:g}{hint}."
            )
        free = np.clip(values, self._low, self._high)[self._free]
        if not self._joint:
            return np.asarray(free, np.float32)
        places = (free - self._low[self._free]).astype(np.int64)
        choice = int(np.ravel_multi_index(tuple(places), self._choices))
        return np.asarray(np.eye(self.space.size, dtype=np.float32)[choice])

    def _round(self, values: NDArray[np.float64]) -> None:
        whole = (self._counts > 1) & self._free
        low, count = self._low[whole], self._counts[whole]
        share = (values[whole] - low) / (self._high[whole] - low)
        values[whole] = low + np.minimum(np.floor(share * count), count - 1)


def _slots(space: spaces.Space[Any], name: str, whole: spaces.Space[Any], world: str) -> list[Slot]:
    """The slots of a space, in the order of its native action. `name`: where it is in the space `whole`."""
    if isinstance(space, spaces.Dict):
        parts = [(f"{name}.{key}" if name else str(key), part) for key, part in space.spaces.items()]
        return [slot for place, part in parts for slot in _slots(part, place, whole, world)]
    if isinstance(space, spaces.Tuple):
        return [slot for i, part in enumerate(space.spaces) for slot in _slots(part, f"{name}[{i}]", whole, world)]
    if isinstance(space, spaces.Discrete):
        return [_counted(name or "0", int(space.start), int(space.n))]
    if isinstance(space, spaces.MultiDiscrete):
        pairs = zip(space.start.ravel().tolist(), space.nvec.ravel().tolist(), _places(name, space.nvec.shape), strict=True)
        return [_counted(place, start, count) for start, count, place in pairs]
    if isinstance(space, spaces.MultiBinary):
        return [_counted(place, 0, 2) for place in _places(name, space.shape)]
    if isinstance(space, spaces.Box) and space.dtype is not None and space.dtype.kind in "iubf":
        whole_numbers = space.dtype.kind != "f"
        bounds = zip(space.low.ravel().tolist(), space.high.ravel().tolist(), _places(name, space.shape), strict=True)
        return [
            Slot(place, float(low), float(high), count=int(high) - int(low) + 1 if whole_numbers else None)
            for low, high, place in bounds
        ]
    raise ForethoughtError(
        f"World {world!r} has the action space {_short(whole)}: actions of the kind {type(space).__name__} are not supported; "
        "wrap the environment so that its actions are Box, Discrete, MultiDiscrete or MultiBinary, or a Dict or Tuple of these."
    )


def _counted(name: str, start: int, count: int) -> Slot:
    return Slot(name, float(start), float(start + count - 1), count=count)


def _places(name: str, shape: tuple[int, ...]) -> list[str]:
    """The name of each entry of an array: `3`, `(0, 1)`, or behind the name of the part that it is in, `arm[3]`."""
    places = [",".join(map(str, index)) for index in np.ndindex(shape)]
    if name:
        return [f"{name}[{place}]" if place else name for place in places]
    return [f"({place})" if "," in place else place or "0" for place in places]


def _is_choice(space: spaces.Space[Any]) -> bool:
    """Whether a space is of choices alone; whole numbers in a Box are amounts."""
    if isinstance(space, spaces.Dict):
        return all(_is_choice(part) for part in space.spaces.values())
    if isinstance(space, spaces.Tuple):
        return all(_is_choice(part) for part in space.spaces)
    return isinstance(space, spaces.Discrete | spaces.MultiDiscrete | spaces.MultiBinary)


def _limited(slots: list[Slot], limit: float | Sequence[float], world: str) -> list[Slot]:
    """The slots with finite bounds: within `limit` of 0, or of the one bound that there is."""
    limits = np.asarray(limit, float).ravel()
    if limits.size not in (1, len(slots)):
        raise ForethoughtError(
            f"World {world!r}: action_limit has {limits.size} numbers; give one, or one for each of the {len(slots)} entries "
            "of the action."
        )
    return [_with_bounds(slot, float(most)) for slot, most in zip(slots, np.broadcast_to(limits, len(slots)), strict=True)]


def _with_bounds(slot: Slot, limit: float) -> Slot:
    # NaN as a bound counts as none, too.
    no_low, no_high = not abs(slot.low) < UNBOUNDED, not abs(slot.high) < UNBOUNDED
    if not (no_low or no_high):
        return slot
    low = slot.low if not no_low else slot.high - limit if not no_high else -limit
    high = slot.high if not no_high else slot.low + limit if not no_low else limit
    if slot.count is None:
        return Slot(slot.name, low, high, unlimited=True)
    low, high = math.floor(low) if not no_low else math.ceil(low), math.floor(high)
    return Slot(slot.name, float(low), float(high), unlimited=True, count=int(high - low) + 1)


def _notes(slots: list[Slot], native: spaces.Space[Any], joint: bool) -> list[str]:
    notes = []
    if unlimited := [f"{slot.name} within [{slot.low:g}, {slot.high:g}]" for slot in slots if slot.unlimited]:
        notes.append(
            f"its actions have no bounds ({_short(native)}), and the agent's stay in a finite range: entry "
            f"{_listed(unlimited)}; the option action_limit changes it."
        )
    if held := [f"{slot.name} is always {slot.low:g}" for slot in slots if slot.held and not slot.unlimited]:
        notes.append(f"its actions have entries of one value, which the agent does not choose: entry {_listed(held)}.")
    whole = [f"{slot.name} is {slot.low:g} to {slot.high:g}" for slot in slots if slot.count and not slot.held]
    if whole and not joint:
        notes.append(
            f"its actions hold whole numbers ({_short(native)}), which the agent chooses as real ones that are rounded: entry "
            f"{_listed(whole)}."
        )
    return notes


def _short(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def _listed(texts: Sequence[str]) -> str:
    return ", ".join(texts[:NAMED]) + (f" and so on ({len(texts)} in all)" if len(texts) > NAMED else "")


def _assembled(space: spaces.Space[Any], values: NDArray[np.float64]) -> tuple[Any, NDArray[np.float64]]:
    """The native action from the values of its slots, and the values that are left."""
    if isinstance(space, spaces.Dict):
        named: dict[str, Any] = {}
        for key, part in space.spaces.items():
            named[key], values = _assembled(part, values)
        return named, values
    if isinstance(space, spaces.Tuple):
        parts = []
        for part in space.spaces:
            item, values = _assembled(part, values)
            parts.append(item)
        return tuple(parts), values
    shape = space.shape or ()
    size = math.prod(shape)
    array = values[:size].reshape(shape).astype(space.dtype)
    return (array[()] if isinstance(space, spaces.Discrete) else array), values[size:]


def slot_values(space: spaces.Space[Any], native: Any) -> list[NDArray[np.float64]]:
    """The values of a space's slots, part by part, in a native action; the inverse of `_assembled`.

    Raises:
        ForethoughtError: it has another shape or kind, or lacks a part.
    """
    if isinstance(space, spaces.Dict):
        if not isinstance(native, Mapping) or set(native) != set(space.spaces):
            raise ForethoughtError(f"its action is {_kind(native)}, not a dict with {', '.join(map(str, space.spaces))}.")
        return [values for key, part in space.spaces.items() for values in slot_values(part, native[key])]
    if isinstance(space, spaces.Tuple):
        if not isinstance(native, Sequence) or len(native) != len(space.spaces):
            raise ForethoughtError(f"its action is {_kind(native)}, not a tuple of {len(space.spaces)}.")
        return [values for part, own in zip(space.spaces, native, strict=True) for values in slot_values(part, own)]
    if isinstance(native, tuple):
        raise ForethoughtError(f"its action is a tuple of {len(native)}: return the action alone (model.predict gives a pair).")
    try:
        array = np.asarray(native)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ForethoughtError(f"its action is {_kind(native)}, which is no array: {error}.") from error
    shape, dtype = space.shape or (), np.dtype(space.dtype or np.float32)
    array = array.reshape(()) if isinstance(space, spaces.Discrete) and array.size == 1 else array
    if array.shape != shape or array.dtype.kind not in ("fiub" if dtype.kind == "f" else "iub"):
        raise ForethoughtError(
            f"its action is {_kind(native)}, {array.dtype}{list(array.shape)}, where the environment takes {_short(space)}."
        )
    return [array.astype(np.float64).ravel()]


def _kind(native: Any) -> str:
    return "None" if native is None else f"of the kind {type(native).__name__}"
