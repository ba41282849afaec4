"""Options of the Crossing, and their validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from forethought.worlds.parsing import parsed


class CrossingOptions(BaseModel):
    """Options of forethought/Crossing-v0.

    Fields:
        late: share of drivers who run the light; the others brake. 0 or 1 makes the world deterministic.
        cue: how much a car's colour tells of its driver: 0 nothing, 1 all (orange runs the light, blue brakes).
        max_steps: episode length; a task's own budget goes before it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    late: float = Field(0.5, ge=0, le=1)
    cue: float = Field(0.0, ge=0, le=1)
    max_steps: int = Field(150, ge=1)


def parse_options(options: Mapping[str, Any]) -> CrossingOptions:
    """Validated options.

    Raises:
        ForethoughtError: an unknown option (with the nearest known one), or a value out of range.
    """
    return parsed(CrossingOptions, options, "Crossing")
