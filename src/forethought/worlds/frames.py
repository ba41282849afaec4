"""Frames: resizing, lazy rendering, and detection of renderers that fail silently."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from forethought.errors import ForethoughtError
from forethought.types import PIXELS, Frame

BLANK_RANGE = 2
"""A frame whose values, of 255, all lie within this range is blank."""
UNCHANGED_FRAMES = 10
"""An episode of at least this many frames, all equal to the first one despite a moving environment, has a frozen renderer."""

_RENDERED = (
    "its renderer draws nothing, as happens when an earlier environment's renderer was not closed, or under "
    "SDL_VIDEODRIVER=dummy; close that one or unset it",
    "its render() does not follow the world; check its camera and render mode",
)
_OBSERVED = (
    "the image that it observes shows nothing; if it holds symbols and no picture, name it in the option `symbolic`",
    "the image that it observes does not follow the world; check its camera",
)
"""Likely causes of blank frames and of frozen frames."""


def resized(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Resize an image [h, w, 3] to [size, size, 3]; each pixel is the mean over its area."""
    if image.shape == (size, size, 3):
        return image.copy()
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BOX))


class LazyObservation(Mapping[str, NDArray[Any]]):
    """Streams that are rendered when first read, and cached.

    Rendering takes far more time than a step, and an agent with blocks of n steps reads one frame in n.
    """

    def __init__(self, names: Sequence[str], draw: Callable[[str], NDArray[Any]]) -> None:
        """`draw(name)` renders [N, ...] of the time step of creation, even if it is called later."""
        self._names = tuple(names)
        self._draw = draw
        self._drawn: dict[str, NDArray[Any]] = {}

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._drawn:
            self._drawn[name] = self._draw(name)
        return self._drawn[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __reduce__(self) -> tuple[type[dict[str, Any]], tuple[dict[str, NDArray[Any]]]]:
        """Pickled as a plain dict of arrays."""
        return dict, (dict(self),)


def lazy_frame(
    names: Sequence[str],
    draw: Callable[[str], NDArray[Any]],
    truth: Mapping[str, NDArray[np.float32]],
    drives: NDArray[np.float32],
    ended: NDArray[np.bool_],
    **outcome: NDArray[Any],
) -> Frame:
    """A `Frame` with a `LazyObservation`; `outcome` may hold its rewards, terminated and truncated."""
    # Run-time type checks of the constructor would read, and thereby render, every observation.
    frame = Frame({}, truth, drives, ended, **outcome)
    object.__setattr__(frame, "observation", LazyObservation(names, draw))
    return frame


class FrameWatch:
    """Detects two silent failures of headless renderers in one copy's frames: blank frames and frozen frames."""

    def __init__(self, world: str, copy: int, stream: str = PIXELS, observed: bool = False) -> None:
        """For the messages: names of environment and stream, index of the copy, and whether the environment observes the frame.

        A frame that it does not observe is its rendering.
        """
        self._blank, self._frozen = _OBSERVED if observed else _RENDERED
        self._where = f"World {world!r}, copy {copy}" + ("" if stream == PIXELS else f", stream {stream!r},")
        self._sound = False
        self._first: NDArray[np.uint8] | None = None
        self._first_state: NDArray[np.float32] = np.zeros(0, np.float32)
        self._unchanged = 0

    def restart(self) -> None:
        """Start a new episode."""
        self._first = None
        self._unchanged = 0

    def see(self, frame: NDArray[np.uint8], state: NDArray[np.float32], actions_vary: bool, step: int, ended: bool) -> None:
        """Check a frame [h, w, 3] of the true state [S]; `ended`: it is the last one of its episode.

        A frame of one colour is blank. A dark one with something in it is not: whether that is a small bright object or what a
        failing renderer leaves behind, the later frames tell. A renderer is frozen if no frame of an episode differs from the
        first one; not before its end, because a title may stand still for long. A copy whose frames have changed once is not
        checked again. If the true state is known, it must have changed, too: an agent that pushes against a wall does not
        indicate a frozen renderer.

        Raises:
            ForethoughtError: the frame is one colour, or all frames are the same while the world moves.
        """
        low, high = int(frame.min()), int(frame.max())
        if high - low <= BLANK_RANGE:
            raise ForethoughtError(
                f"{self._where} shows a blank frame at step {step} (values {low} to {high}): {self._blank} (or pass "
                "check_frames=false if the world is meant to go blank)."
            )
        if self._sound:
            return
        if self._first is None:
            self._first, self._first_state = frame.copy(), state.copy()
            return
        if not np.array_equal(frame, self._first):
            self._sound = True
            return
        moved = np.abs(state - self._first_state) > 0.05 * (1 + np.abs(self._first_state))
        self._unchanged += bool(actions_vary and (moved.any() or not len(state)))
        if ended and self._unchanged >= UNCHANGED_FRAMES:
            raise ForethoughtError(
                f"{self._where} showed the same frame from the episode's start to its end at step {step} while different "
                f"actions were taken: {self._frozen} (or pass check_frames=false if that is how it looks)."
            )
