"""The options of any Gymnasium environment."""

from __future__ import annotations

from pydantic import Field, JsonValue

from forethought.worlds.env_adapter import AdapterOptions


class GymnasiumOptions(AdapterOptions):
    """Options of any Gymnasium environment.

    arguments: keyword arguments of the environment itself, such as the name of a camera.
    success_distance: success threshold with vector observations: root mean square distance to the goal, each value divided
        by `state_scale` (empty: by 1).
    success_pixels: success threshold without vector observations: mean absolute difference of the pixels (of 255).
    """

    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    success_distance: float = Field(0.25, gt=0)
    state_scale: tuple[float, ...] = ()
    success_pixels: float = Field(1.0, gt=0)
