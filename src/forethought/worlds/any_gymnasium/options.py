"""The options of any Gymnasium environment."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, JsonValue

from forethought.worlds.env_adapter import AdapterOptions


class GymnasiumOptions(AdapterOptions):
    """Options of any Gymnasium environment.

    arguments: keyword arguments of the environment itself, such as the name of a camera.
    success_distance: success threshold with vector observations: root mean square distance to the goal, each value divided
        by `state_scale`. state_scale: one value per value of the state; None or empty: 1.
    success_pixels: success threshold without vector observations: mean absolute difference of the pixels (of 255).

    A threshold of None is derived from recorded episodes (`worlds.success`), and `state_scale` with it.
    """

    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    success_distance: float | None = Field(None, gt=0)
    state_scale: tuple[Annotated[float, Field(gt=0)], ...] | None = None
    success_pixels: float | None = Field(None, gt=0)
