"""Options of Rooms and their validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from forethought.errors import ForethoughtError
from forethought.worlds.parsing import parsed

LayoutName = Literal["two", "four", "nine", "sixteen", "trip", "corridor"]

STEPS: dict[LayoutName, int] = {"two": 100, "four": 200, "nine": 300, "sixteen": 400, "trip": 1000, "corridor": 150}
"""Episode length, in steps, when `max_steps` is not given."""
SPEED = 1.43 * 1.5
"""Pixels per step and axis at full action, when `speed` is not given."""


class RoomsOptions(BaseModel):
    """Options of forethought/Rooms-v0; the default is two rooms with a new wall and door in each episode.

    Fields:
        layout: 1 x 2, 2 x 2, 3 x 3 or 4 x 4 rooms; `trip`: 4 x 4 rooms in a row of four buildings of 2 x 2, with one door from
            each building to the next; `corridor`: two rooms with two doors at the ends of the wall between them. One door is
            always open; the other is a gate, and whether it is shut is visible only from nearby. The observation then contains
            the position, too, and a goal is a position.
        doors: `random`: walls and doors are sampled for each episode; `fixed`: the same in all episodes.
        shut: probability that a door is shut for the whole episode; a random spanning tree of doors stays open, so that
            every room can be reached (hence more than two rooms are needed).
        blocked: probability that the gate is shut, sampled for each episode; in `corridor` only.
        flicker: probability per step that a door opens or closes; it never closes on the agent.
        keys: number of locked doors; walking over the key of the same colour opens the door. Every key is reachable from the
            start without a key. In `trip`, the first `keys` of the three doors between buildings are locked: the key of each
            door is in the building before it, in the room opposite the door's room.
        carried: probability, for each key, that an episode starts with the key held; a task never does. Without it, episodes
            rarely visit the rooms behind the third locked door.
        balls: distractors that drift, bounce and sometimes teleport (exponential waiting time, mean 35 steps).
        noise: standard deviation of pixel noise sampled for each frame, 0..255 units.
        episode_noise: standard deviation of a noise pattern that is constant over the episode, 0..255 units.
        fog: radius of the visible window around the agent in pixels; 0 is no fog.
        hazards: number of patches that cause the drive `pain` (1 while the agent is on a patch).
        food: number of food items (drive `hunger`, growing from 0 to 1; eating resets it and moves the item).
        speed: pixels per step and axis at full action.
        max_steps: episode length; None: by layout (100, 200, 300, 400, 1000, 150). A task's budget overrides it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    layout: LayoutName = "two"
    doors: Literal["fixed", "random"] = "random"
    shut: float = Field(0.0, ge=0, le=1)
    flicker: float = Field(0.0, ge=0, le=1)
    blocked: float = Field(0.5, ge=0, le=1)
    keys: int = Field(0, ge=0, le=3)
    carried: float = Field(0.0, ge=0, le=1)
    balls: int = Field(0, ge=0, le=8)
    noise: float = Field(0.0, ge=0, le=128)
    episode_noise: float = Field(0.0, ge=0, le=128)
    fog: float = Field(0.0, ge=0, le=64)
    hazards: int = Field(0, ge=0, le=8)
    food: int = Field(0, ge=0, le=8)
    speed: float = Field(SPEED, gt=0, le=3)
    max_steps: int | None = Field(None, ge=1)

    @property
    def recorded(self) -> dict[str, Any]:
        """Options as stores and manifests record them; newer options with default values are omitted, as in older files."""
        plain = {name for name in ("speed", "carried") if getattr(self, name) == RoomsOptions.model_fields[name].default}
        return self.model_dump(mode="json", exclude=plain if self.layout == "corridor" else plain | {"blocked"})

    @property
    def steps(self) -> int:
        """Episode length in steps."""
        return STEPS[self.layout] if self.max_steps is None else self.max_steps


def parse_options(options: Mapping[str, Any]) -> RoomsOptions:
    """Validated options.

    Raises:
        ForethoughtError: an unknown option (with the nearest known one), a value out of range, or options that
            contradict one another.
    """
    validated = parsed(RoomsOptions, options, "Rooms")
    if validated.layout == "two" and validated.shut > 0:
        raise ForethoughtError(
            "Rooms option 'shut' needs more than two rooms, for two have a single door that must stay open: "
            "use layout='four', or 'flicker' for a door that opens and closes."
        )
    if validated.layout == "two" and validated.keys > 1:
        raise ForethoughtError(f"Rooms option 'keys' is {validated.keys}, but two rooms have one door: use keys=1.")
    if validated.layout == "corridor" and (validated.shut or validated.flicker or validated.keys):
        raise ForethoughtError(
            "Rooms layout 'corridor' has one door that is always open and one that may be shut: set 'blocked', and leave "
            "'shut', 'flicker' and 'keys' at 0."
        )
    if validated.layout != "corridor" and validated.blocked != RoomsOptions.model_fields["blocked"].default:
        raise ForethoughtError("Rooms option 'blocked' is about the gate of layout='corridor': use that layout, or 'shut'.")
    if validated.carried and not validated.keys:
        raise ForethoughtError("Rooms option 'carried' is about keys, and there are none: set 'keys' to 1 or more.")
    if 0 < validated.fog < 4:
        raise ForethoughtError(f"Rooms option 'fog' is a radius of 4 to 64 pixels, or 0 for none; {validated.fog} is not.")
    return validated
