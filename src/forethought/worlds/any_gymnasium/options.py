"""The options of any Gymnasium environment."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from forethought.worlds.env_adapter import EnvOptions

Positive = Annotated[float, Field(gt=0)]


class GymnasiumOptions(EnvOptions):
    """Options of any Gymnasium environment.

    streams: what the agent observes: `pixels` (the image of the observation, or its rendering), `proprioception` (all numbers
        joined), `rendering`, or any entry of the observation by its path, such as `robot.camera`.
    symbolic: paths of entries that have the shape of images and hold symbols, such as a grid of object codes: read as numbers.
    arguments: keyword arguments of the environment itself, such as the name of a camera.
    reset_options: the `options` of the environment's reset, the same for every episode.
    drives: costs that the body senses, name -> a key of `info` (`a.b`: in a dict in it), or `module:function` of the
        observation.
    action_limit: entries of the action without a bound stay within this distance of 0, or of their other bound; one number, or
        one for each entry.
    success_distance: success threshold with vector observations: root mean square distance to the goal, each value divided
        by `state_scale`. state_scale: one value per value of the state; None or empty: 1. Discrete entries must be equal,
        unless their scale is above 1.
    success_pixels: success threshold without vector observations: mean absolute difference of the pixels (of 255).
    goals: where the tasks of an evaluation come from in an environment with `desired_goal` and `achieved_goal`: `own`, its
        own goals and its own success; `episodes`, what held-out episodes showed, as in other environments.

    A threshold of None is derived from recorded episodes (`worlds.success`), and `state_scale` with it.
    """

    streams: tuple[str, ...] = Field(("pixels",), min_length=1)
    symbolic: tuple[str, ...] = ()
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    reset_options: dict[str, JsonValue] = Field(default_factory=dict)
    drives: dict[str, str] = Field(default_factory=dict)
    action_limit: Positive | tuple[Positive, ...] = 1.0
    success_distance: Positive | None = None
    state_scale: tuple[Positive, ...] | None = None
    success_pixels: Positive | None = None
    goals: Literal["own", "episodes"] = "own"
