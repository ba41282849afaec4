"""Base of all groups of settings: frozen, validated, with a description of each field.

Nothing in a configuration is imported or evaluated: names are looked up in a registry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    model_serializer,
)

T = TypeVar("T")


class FrozenDict(dict[str, T]):
    """A dict of a frozen configuration: mutating methods raise TypeError; `dict(...)` makes a mutable copy."""

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("A configuration is frozen: make another with configuration.changed(...).")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[type[FrozenDict[T]], tuple[dict[str, T]]]:
        """Copy and pickle without item assignment."""
        return FrozenDict, (dict(self),)


class Settings(BaseModel):
    """Base class: frozen, and unknown keys are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)


_frozen = (AfterValidator(FrozenDict), PlainSerializer(dict))
Weight = Annotated[float, Field(ge=0)]
"""Weight of a cost, >= 0: a negative weight would reward the cost."""
Weights = Annotated[dict[str, Weight], *_frozen]
"""Weights by name, frozen."""
Options = Annotated[dict[str, Any], *_frozen]
"""Free options by name, frozen."""


class Reason(Settings):
    """The reason of one setting's value; `overridden` marks a user's choice."""

    setting: str = Field(description="Names the setting by its dotted path, such as `planner.horizon`.")
    value: str = Field(description="Shows the setting's value as readable text.")
    because: str = Field(description="Gives the reason of the value.")
    overridden: bool = Field(False, description="Marks a user's override.")


class ObjectiveChange(Settings):
    """A training that was given up, and what the training after it does otherwise."""

    phase: str = Field(description="Names the training phase.")
    step: int = Field(ge=0, description="Counts the steps after which it was given up.")
    seconds: float = Field(ge=0, description="Counts the seconds of training that were spent on it.")
    alarm: str = Field(description="Says what was measured, in one sentence.")
    changes: tuple[str, ...] = Field(description="Shows each changed setting as `name: before -> after`.")
    because: str = Field(description="Gives the reason of the changes.")

    def __str__(self) -> str:
        """In one line."""
        return f"{self.phase}, given up after step {self.step}: {self.alarm} {', '.join(self.changes)}, because {self.because}."


class WithHistory(Settings):
    """Base of what is changed while a training runs; without a change it is written as versions without a history wrote it."""

    history: tuple[ObjectiveChange, ...] = Field((), description="Tells of trainings that were given up, in order.")

    @model_serializer(mode="wrap")
    def _without_empty_history(self, write: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        content = write(self)
        if not self.history:
            content.pop("history", None)
        return content


def shown(value: Any) -> str:
    """A setting's value as readable text."""
    if isinstance(value, Settings):
        return ", ".join(f"{name} {shown(getattr(value, name))}" for name in type(value).model_fields)
    if isinstance(value, Mapping):
        return str(dict(value))
    return f"{value:g}" if isinstance(value, float) else str(value)
