"""The options of any Gymnasium environment."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, JsonValue

from forethought.worlds.env_adapter import AdapterOptions

Positive = Annotated[float, Field(gt=0)]


class GymnasiumOptions(AdapterOptions):
    """Options of any Gymnasium environment.

    arguments: keyword arguments of the environment itself, such as the name of a camera.
    reset_options: the `options` of the environment's reset, the same for every episode.
    action_limit: entries of the action without a bound stay within this distance of 0, or of their other bound; one number, or
        one for each entry.
    success_distance: success threshold with vector observations: root mean square distance to the goal, each value divided
        by `state_scale` (empty: by 1).
    success_pixels: success threshold without vector observations: mean absolute difference of the pixels (of 255).
    """

    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    reset_options: dict[str, JsonValue] = Field(default_factory=dict)
    action_limit: Positive | tuple[Positive, ...] = 1.0
    success_distance: Positive = 0.25
    state_scale: tuple[Positive, ...] = ()
    success_pixels: Positive = 1.0
