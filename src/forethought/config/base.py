"""What every group of settings is: frozen, checked, and each field with its own sentence.

Nothing in a configuration is imported or evaluated: names look up a registry.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer

T = TypeVar("T")


class FrozenDict(dict[str, T]):
    """A dict of a frozen configuration: what would change it raises; `dict(it)` is a copy that may be changed."""

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("A configuration is frozen: make another with configuration.changed(...).")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[type[FrozenDict[T]], tuple[dict[str, T]]]:
        """Copies and pickles as what it is, without item assignment."""
        return FrozenDict, (dict(self),)


class Settings(BaseModel):
    """Base: frozen, and a key that does not exist is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)


_frozen = (AfterValidator(FrozenDict), PlainSerializer(dict))
Weight = Annotated[float, Field(ge=0)]
"""Of a cost: what is below 0 would be sought."""
Weights = Annotated[dict[str, Weight], *_frozen]
"""Weights by name, frozen."""
Options = Annotated[dict[str, Any], *_frozen]
"""Free options by name, frozen."""


class Reason(Settings):
    """Why one setting has its value, in words; `overridden` marks a user's own choice."""

    setting: str = Field(description="Names the setting by its dotted path, such as `planner.horizon`.")
    value: str = Field(description="Shows the setting's value as people read it.")
    because: str = Field(description="Says in words why the value is so.")
    overridden: bool = Field(False, description="Marks a user's own choice.")


def shown(value: Any) -> str:
    """A setting's value as people read it."""
    if isinstance(value, Settings):
        return ", ".join(f"{name} {shown(getattr(value, name))}" for name in type(value).model_fields)
    if isinstance(value, Mapping):
        return str(dict(value))
    return f"{value:g}" if isinstance(value, float) else str(value)
