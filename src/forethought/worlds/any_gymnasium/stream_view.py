"""The streams of one time step of an environment, each made when it is first read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from forethought.errors import ForethoughtError
from forethought.worlds.any_gymnasium.entries import Values
from forethought.worlds.any_gymnasium.observations import ObservationStream, Render


class StreamView:
    """Streams of one time step by name, each made when it is first read, and kept.

    A rendering takes far more time than a step of most environments, and an agent with blocks of n steps reads one in n. An
    environment renders its present state only, so a rendering that is first read after the next step is refused.
    """

    def __init__(self, streams: Sequence[ObservationStream], values: Values, render: Render) -> None:
        """`values`: of the entries that the streams show, arrays that nobody writes into. `render`: draws the present state."""
        self._streams = {stream.spec.name: stream for stream in streams}
        self._values, self._render, self._late = values, render, ""
        self._made: dict[str, NDArray[Any]] = {}

    def __call__(self, name: str) -> NDArray[Any]:
        """The stream `name`.

        Raises:
            ForethoughtError: it is a rendering that was never read, and the environment has moved on.
        """
        if name not in self._made:
            stream = self._streams[name]
            if self._late and not stream.entries:
                raise ForethoughtError(
                    f"World {self._late!r}: the stream {name!r} of an earlier frame was not read before the next step, and the "
                    f"environment can only render its present state; read frame.observation[{name!r}] before world.step."
                )
            self._made[name] = stream.read(self._values, self._render)
        return self._made[name]

    def close(self, world: str) -> None:
        """The environment moves on: from now on nothing is rendered. `world`: for the message."""
        self._late = world
