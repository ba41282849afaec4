"""Properties of the data and the world: streams with their normalisers, action space, drives and goals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from forethought.config.base import Options, Settings


class StreamSettings(Settings):
    """One stream of the observation, with its normaliser."""

    name: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]*$", description="Names this observation stream.")
    kind: Literal["image", "vector"] = Field(
        "vector",
        description="Says whether the stream is an image or numbers; left out, 'pixels' is an image and all else numbers.",
    )
    shape: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        description="Gives one observation's shape: height, width and channels of an image, or the number of values."
    )
    mean: tuple[float, ...] = Field(
        description="Is the mean that is subtracted, per channel (images, in 0..255 units) or per value (others)."
    )
    std: tuple[float, ...] = Field(
        description="Is the standard deviation that divides, per channel or value, in the units of `mean`."
    )

    @model_validator(mode="before")
    @classmethod
    def _derive_kind(cls, given: Any) -> Any:
        """Derive the kind by the name in files of versions without kinds."""
        if isinstance(given, Mapping) and "kind" not in given:
            return {**given, "kind": "image" if given.get("name") == "pixels" else "vector"}
        return given


class DataSpec(Settings):
    """Observation and action spaces of the agent; measured in the data, not set by the user."""

    world: str = Field(description="Names the world that the data comes from.")
    options: Options = Field(default_factory=dict, description="Holds the options that the world is made with, by name.")
    streams: tuple[StreamSettings, ...] = Field(description="Lists the observation streams with their normalisers.")
    action_kind: Literal["continuous", "discrete"] = Field(
        description="Says whether an action is a vector of numbers or one choice."
    )
    action_size: int = Field(ge=0, description="Counts the numbers of one step's action, or its choices.")
    low: tuple[float, ...] = Field(description="Bounds one step's action from below, in environment units.")
    high: tuple[float, ...] = Field(description="Bounds one step's action from above, in environment units.")
    block: int = Field(ge=1, description="Counts the environment steps in one action block.")
    action_repeat: bool = Field(False, description="Says whether one action is repeated over all steps of its block.")
    drives: tuple[str, ...] = Field((), description="Names the intrinsic signals that are sensed.")
    goals: tuple[str, ...] = Field((), description="Names the streams that a goal shows; empty means all.")

    @property
    def goal_streams(self) -> tuple[StreamSettings, ...]:
        """The streams of a goal observation."""
        return tuple(stream for stream in self.streams if not self.goals or stream.name in self.goals)

    @property
    def has_images(self) -> bool:
        """Whether a stream is an image."""
        return any(stream.kind == "image" for stream in self.streams)

    @property
    def block_size(self) -> int:
        """A: numbers in one action block of the agent."""
        return self.decisions * self.action_size

    @property
    def decisions(self) -> int:
        """Actions that the agent decides in a block: one, or one for each of its steps."""
        return 1 if self.action_repeat else self.block

    @property
    def recorded_size(self) -> int:
        """Numbers in one action block as it is recorded: one action for each of its steps."""
        return self.block * self.action_size
