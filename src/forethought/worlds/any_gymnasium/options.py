"""The options of any Gymnasium environment."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from forethought.worlds.env_adapter import EnvOptions


class GymnasiumOptions(EnvOptions):
    """Options of any Gymnasium environment.

    streams: what the agent observes: `pixels` (the image of the observation, or its rendering), `proprioception` (all numbers
        joined), `rendering`, or any entry of the observation by its path, such as `robot.camera`.
    symbolic: paths of entries that have the shape of images and hold symbols, such as a grid of object codes: read as numbers.
    arguments: keyword arguments of the environment itself, such as the name of a camera.
    success_distance: success threshold with vector observations: root mean square distance to the goal, each value divided
        by `state_scale` (empty: by 1). Discrete entries must be equal, unless `state_scale` is given.
    success_pixels: success threshold without vector observations: mean absolute difference of the pixels (of 255).
    goals: where the tasks of an evaluation come from in an environment with `desired_goal` and `achieved_goal`: `own`, its
        own goals and its own success; `episodes`, what held-out episodes showed, as in other environments.
    """

    streams: tuple[str, ...] = Field(("pixels",), min_length=1)
    symbolic: tuple[str, ...] = ()
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    success_distance: float = Field(0.25, gt=0)
    state_scale: tuple[float, ...] = ()
    success_pixels: float = Field(1.0, gt=0)
    goals: Literal["own", "episodes"] = "own"
