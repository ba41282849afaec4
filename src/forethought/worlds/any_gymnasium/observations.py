"""What an environment observes, as the streams that the option `streams` names."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from forethought.errors import ForethoughtError, did_you_mean
from forethought.types import PIXELS, PROPRIOCEPTION, StreamSpec
from forethought.worlds.any_gymnasium.entries import LONGEST_VECTOR, Entry, Values, checked, entries_of, numbers, values_of
from forethought.worlds.any_gymnasium.images import COLOURS, as_bytes, as_rgb, frame_of, frames_in, range_of
from forethought.worlds.any_gymnasium.options import GymnasiumOptions
from forethought.worlds.env_adapter import ACHIEVED, DESIRED
from forethought.worlds.frames import resized
from forethought.worlds.notices import warn_once

RENDERING = "rendering"
IMAGE_NAMES = ("pixels", "image", "rgb", "observation", "obs")
"""Names of the entry that `pixels` takes where there are several images; else the first one."""

Render = Callable[[], NDArray[np.uint8]]


@dataclass(frozen=True)
class ObservationStream:
    """One stream of the agent: its spec, the entries that it shows, and how it is read from checked values."""

    spec: StreamSpec
    entries: tuple[Entry, ...]
    read: Callable[[Values, Render], NDArray[Any]]


class ObservationReader:
    """Checks an environment's observations against their space, and turns them into streams.

    `pixels` is the image (of several, one of `IMAGE_NAMES`, else the first), or the rendering where there is none.
    `proprioception` joins all numbers, those of goals left out. Any other name is the path of an entry: an image, numbers, a
    text, or a Dict whose numbers are joined. `PATH.0` is the oldest of stacked frames; the path alone shows the newest.

    Attributes:
        entries: of the observation, in the space's order.
        size: numbers of `proprioception`.
        discrete: bool [size], numbers that are one-hot or binary.
        streams: what the agent sees, `pixels` and `proprioception` first.
        renders: whether a stream needs `render()`.
    """

    def __init__(self, space: spaces.Space[Any], options: GymnasiumOptions, world: str, own_goals: bool = False) -> None:
        """Reads observations of `space`; own_goals: whether the world's own goals are used.

        Raises:
            ForethoughtError: a name in `streams` or `symbolic` is no entry, or an entry cannot be observed.
        """
        self._space, self._side, self._world, self._own_goals = space, options.size, world, own_goals
        self.entries = tuple(entries_of(space, options.symbolic))
        if unknown := set(options.symbolic) - {entry.path for entry in self.entries}:
            (name, *_), paths = sorted(unknown), [entry.path for entry in self.entries]
            raise ForethoughtError(f"World {world!r} has no entry {name!r} (option symbolic): {did_you_mean(name, paths)}")
        first = {PIXELS: 0, PROPRIOCEPTION: 1}
        self._joined = [
            entry
            for entry in self.entries
            if entry.kind == "numbers" and entry.size <= LONGEST_VECTOR and entry.path.split(".")[0] not in (ACHIEVED, DESIRED)
        ]
        self.size = sum(entry.size for entry in self._joined)
        self.discrete = np.concatenate([np.zeros(0, bool), *(np.full(e.size, e.discrete) for e in self._joined)])
        self.streams = tuple(self._stream(name) for name in sorted(options.streams, key=lambda name: first.get(name, 2)))
        specs = [stream.spec.name for stream in self.streams]
        if twice := [name for name in specs if specs.count(name) > 1]:
            raise ForethoughtError(f"World {world!r}: two of its streams are called {twice[0]!r}; name each entry once.")
        self.renders = any(not stream.entries for stream in self.streams)

    def values(self, observation: Any) -> Values:
        """Value of each entry, checked.

        Raises:
            ForethoughtError: keys, shape or dtype differ from what the space declares.
        """
        found = values_of(self._space, observation, self._world)
        return {entry.path: checked(entry, found[entry.path], self._world) for entry in self.entries}

    def kept(self, values: Values) -> Values:
        """The values that the streams show, in arrays of their own: many environments reuse their buffers."""
        return {entry.path: np.array(values[entry.path]) for stream in self.streams for entry in stream.entries}

    def numbers(self, values: Values) -> NDArray[np.float32]:
        """All numbers, [size]."""
        return _join(values, self._joined)

    def left_out(self) -> tuple[str, ...]:
        """What the agent does not observe, one phrase each, with how to choose it."""
        shown = {entry.path for stream in self.streams for entry in stream.entries}
        goals = (ACHIEVED, DESIRED) if self._own_goals else ()
        hidden = [entry for entry in self.entries if entry.path not in shown and entry.path.split(".")[0] not in goals]
        told = [str(entry) for entry in hidden if entry.kind == "unreadable"]
        named = [entry for entry in hidden if entry.kind != "unreadable"]
        if set(self._joined) <= set(named) and self._joined:
            words, them = ", ".join(map(str, self._joined)), "it" if len(self._joined) == 1 else "them"
            told.append(f"{words} (choose {them} with {_choice(self._names(), PROPRIOCEPTION)})")
            named = [entry for entry in named if entry not in self._joined]
        told += [f"{entry} (choose it with {_choice(self._names(), entry.path)})" for entry in named]
        return tuple(told + [word for stream in self.streams if (word := self._unseen_frames(stream))])

    def _names(self) -> list[str]:
        return [stream.spec.name for stream in self.streams]

    def _unseen_frames(self, stream: ObservationStream) -> str:
        """Of stacked frames a stream shows the newest."""
        if stream.spec.kind != "image" or not stream.entries:
            return ""
        (entry,) = stream.entries
        count = _frames(entry)
        shown = {other.spec.name for other in self.streams}
        missing = [index for index in range(count - 1) if _file_name(f"{entry.path}.{index}") not in shown]
        if not missing or stream.spec.name == _file_name(f"{entry.path}.{count - 1}"):
            return ""
        rgba = " (unless it is an RGBA image)" if count == 4 and entry.layout in ("hwf", "fhw") else ""
        return (
            f"{len(missing)} older of the {count} frames or channels that are stacked in {entry}{rgba}; {stream.spec.name!r} "
            f"shows the newest, the last (choose the oldest with {_choice(self._names(), f'{entry.path}.{missing[0]}')})"
        )

    def _stream(self, name: str) -> ObservationStream:
        images = [entry for entry in self.entries if entry.kind == "image"]
        if name == RENDERING or (name == PIXELS and not images):
            return self._rendering(name)
        if name == PIXELS:
            by_path = {entry.path: entry for entry in images}
            return self._image(name, next((by_path[path] for path in IMAGE_NAMES if path in by_path), images[0]))
        if name == PROPRIOCEPTION:
            if not self.size:
                raise ForethoughtError(
                    f"World {self._world!r} observes no numbers that {PROPRIOCEPTION} could join; it observes "
                    f"{', '.join(map(str, self.entries))}: choose from these by name, or {PIXELS}."
                )
            return self._vector(name, self._joined)
        return self._named(name)

    def _named(self, name: str) -> ObservationStream:
        """The stream of an entry's path, of one of its frames, or of the numbers below a path."""
        for entry in self.entries:
            if name in (entry.path, _file_name(entry.path)):
                if entry.kind == "image":
                    return self._image(_file_name(name), entry)
                if entry.kind == "text":
                    return _text(_file_name(name), entry)
                return self._vector(_file_name(name), [entry])
            frames = range(_frames(entry))
            index = next((index for index in frames if name in _both(f"{entry.path}.{index}")), None)
            if index is not None and len(frames) > 1:
                return self._image(_file_name(name), entry, index)
        below = [entry for entry in self.entries if entry.path.startswith(f"{name}.") and entry.kind == "numbers"]
        if not below:
            paths = [PIXELS, PROPRIOCEPTION, RENDERING, *(entry.path for entry in self.entries)]
            raise ForethoughtError(f"World {self._world!r} observes no {name!r}: {did_you_mean(name, paths)}")
        return self._vector(_file_name(name), below)

    def _vector(self, name: str, entries: Sequence[Entry]) -> ObservationStream:
        for entry in entries:
            if entry.kind == "unreadable" or (entry.discrete and entry.size > LONGEST_VECTOR):
                raise ForethoughtError(
                    f"World {self._world!r}: {entry} cannot be observed as numbers; wrap the environment so that it is a Box."
                )
        spec = StreamSpec(name, (sum(entry.size for entry in entries),), "float32", "vector")
        return ObservationStream(spec, tuple(entries), lambda values, render: _join(values, entries))

    def _image(self, name: str, entry: Entry, index: int | None = None) -> ObservationStream:
        space: Any = entry.space
        low, high = range_of(space) or (0.0, 255.0)

        def read(values: Values, render: Render) -> NDArray[Any]:
            image = as_bytes(values[entry.path], low, high)
            return resized(as_rgb(frame_of(image, entry.layout or "hwc", index)), self._side)

        return ObservationStream(self._image_spec(name), (entry,), read)

    def _rendering(self, name: str) -> ObservationStream:
        return ObservationStream(self._image_spec(name), (), lambda values, render: resized(render(), self._side))

    def _image_spec(self, name: str) -> StreamSpec:
        return StreamSpec(name, (self._side, self._side, 3), "uint8", "image")


def rendered_image(image: Any, world: str) -> NDArray[np.uint8]:
    """What `render()` returned, as RGB uint8 [h, w, 3]; an image [3, h, w] is turned.

    Raises:
        ForethoughtError: it is no uint8 image; says what it is.
    """
    array: NDArray[Any] = np.asarray(image) if image is not None and not isinstance(image, (str, list, tuple)) else np.zeros(0)
    fits = array.ndim == 2 or (array.ndim == 3 and {array.shape[2], array.shape[0]} & set(COLOURS))
    if not fits or array.dtype != np.uint8 or not array.size:
        what = (
            type(image).__name__
            if not array.size
            else f"{array.dtype} {list(array.shape)}, {array.min():g} to {array.max():g},"
        )
        raise ForethoughtError(
            f"World {world!r}: render() returned {what} instead of a uint8 image [h, w, 3]; "
            "use streams=['proprioception'] if it observes numbers, or choose another render_mode in `arguments`."
        )
    first = array.ndim == 3 and array.shape[2] not in COLOURS
    return as_rgb(array.transpose(1, 2, 0) if first else array)


def say_what_is_left_out(reader: ObservationReader, world: str) -> None:
    """Log, once a process, what the agent does not observe."""
    for phrase in reader.left_out():
        warn_once(world, f"the agent does not observe {phrase}")


def _frames(entry: Entry) -> int:
    return 1 if entry.layout is None else frames_in(entry.layout, tuple(entry.space.shape or ()))


def _text(name: str, entry: Entry) -> ObservationStream:
    return ObservationStream(StreamSpec(name, (), "str", "text"), (entry,), lambda values, render: np.array(values[entry.path]))


def _join(values: Values, entries: Sequence[Entry]) -> NDArray[np.float32]:
    parts = [numbers(entry, values[entry.path]) for entry in entries]
    return parts[0] if len(parts) == 1 else np.concatenate([np.zeros(0, np.float32), *parts])


def _file_name(path: str) -> str:
    """A stream's name for a path: letters, digits, `_` and `-`."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", path)


def _both(path: str) -> tuple[str, str]:
    return path, _file_name(path)


def _choice(names: Sequence[str], name: str) -> str:
    return f"streams={[*names, name]}"
