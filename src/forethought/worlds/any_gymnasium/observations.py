"""What an environment observes, as the streams `pixels` and `proprioception`."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

IMAGE_ENTRIES = ("pixels", "image", "rgb", "observation", "obs")
VECTOR_ENTRIES = ("observation", "state", "proprioception", "agent_pos")
GOAL_ENTRIES = ("desired_goal", "achieved_goal")
LONGEST_VECTOR = 4096


def is_image(space: spaces.Space[Any]) -> bool:
    """Whether a space holds images: uint8 [h, w], [h, w, 1], [h, w, 3] or [h, w, 4], at least 8 x 8."""
    if not isinstance(space, spaces.Box) or space.dtype != np.uint8 or min((*space.shape, 0)[:2]) < 8:
        return False
    return len(space.shape) == 2 or (len(space.shape) == 3 and space.shape[2] in (1, 3, 4))


def is_vector(space: spaces.Space[Any]) -> bool:
    """Whether a space can be flattened to a vector of fixed size."""
    kinds = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)
    return isinstance(space, kinds) and not is_image(space) and spaces.flatdim(space) <= LONGEST_VECTOR


def as_rgb(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert a greyscale, one-channel or RGBA image to RGB [h, w, 3]."""
    if image.ndim == 2:
        image = image[:, :, None]
    return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else np.ascontiguousarray(image[:, :, :3])


class ObservationReader:
    """Extracts an image and a vector from an environment's observations.

    Image: the observation itself if it is an image; in a Dict, the first image among `IMAGE_ENTRIES`, else the first image.
    Vector: the observation itself, flattened; in a Dict, the first existing entry of `VECTOR_ENTRIES`, else all entries of
    fixed size in key order without goals. Text and variable-length entries are ignored.
    """

    def __init__(self, space: spaces.Space[Any]) -> None:
        """Reads observations of `space`."""
        # A plain observation is treated as a Dict with one entry of empty name.
        self._plain = not isinstance(space, spaces.Dict)
        self._spaces = dict(space.spaces) if isinstance(space, spaces.Dict) else {"": space}
        images = [key for key, entry in self._spaces.items() if is_image(entry)]
        named = [key for key in IMAGE_ENTRIES if key in images]
        self._image = (named + images)[0] if images else None
        vectors = [key for key, entry in self._spaces.items() if is_vector(entry) and key not in GOAL_ENTRIES]
        self._vectors = [key for key in VECTOR_ENTRIES if key in vectors][:1] or vectors
        self.size = sum(spaces.flatdim(self._spaces[key]) for key in self._vectors)

    @property
    def has_image(self) -> bool:
        """Whether observations contain an image."""
        return self._image is not None

    def pixels(self, observation: Any) -> NDArray[np.uint8]:
        """The image [h, w, 3]."""
        assert self._image is not None
        return as_rgb(observation if self._plain else observation[self._image])

    def numbers(self, observation: Any) -> NDArray[np.float32]:
        """The vector [size]."""
        entries = {"": observation} if self._plain else observation
        parts = [np.asarray(spaces.flatten(self._spaces[key], entries[key])).ravel() for key in self._vectors]
        return np.concatenate([np.zeros(0), *parts]).astype(np.float32)
