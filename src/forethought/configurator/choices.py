"""Collects settings with their reasons, lets the user's overrides win, and refuses keys that do not exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from forethought.errors import ForethoughtError, did_you_mean
from forethought.settings import BodySettings, Configuration, Reason

SECTIONS = ("perception", "world_model", "cost", "actor", "hierarchy", "memory", "learning")


class Choices:
    """A configuration in the making."""

    def __init__(self) -> None:
        """Nothing chosen: each setting has its default."""
        self.values: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
        self.reasons: dict[str, Reason] = {}

    def choose(self, setting: str, value: Any, because: str) -> None:
        """Set `section.key`, in words why."""
        section, key = setting.split(".")
        self.values[section][key] = value
        self.reasons[setting] = Reason(setting=setting, value=_show(value), because=because)

    def follow(self, setting: str, value: Any, because: str) -> None:
        """As `choose`, where the user has not asked for something else."""
        if setting not in self.reasons or not self.reasons[setting].overridden:
            self.choose(setting, value, because)

    def chosen(self, setting: str) -> Any:
        """The value so far: chosen, or the default."""
        section, key = setting.split(".")
        return self.values[section].get(key, _model(section).model_fields[key].default)

    def override(self, wanted: Mapping[str, Any]) -> None:
        """The user's own settings, nested or dotted; they win and are marked.

        Raises:
            ForethoughtError: a section or key that does not exist, with the nearest one that does.
        """
        for setting, value in _flatten(wanted):
            section, _, key = setting.partition(".")
            if section not in SECTIONS:
                raise ForethoughtError(f"The configuration has no section '{section}': {did_you_mean(section, SECTIONS)}")
            known = _model(section).model_fields
            if key not in known:
                raise ForethoughtError(
                    f"The configuration has no setting '{setting}': {did_you_mean(key, known)}"
                    if key
                    else f"Give '{section}' as a group of settings, such as {section}.{next(iter(known))}."
                )
            self.values[section][key] = value
            earlier = self.reasons.get(setting)
            because = f"you asked for it (the rules say {earlier.value})" if earlier else "you asked for it"
            self.reasons[setting] = Reason(setting=setting, value=_show(value), because=because, overridden=True)

    def build(self, body: BodySettings) -> Configuration:
        """The validated whole.

        Raises:
            ForethoughtError: a value of the wrong type or out of range; names the setting.
        """
        try:
            return Configuration.model_validate(
                {"body": body, **self.values, "reasons": tuple(self.reasons[name] for name in sorted(self.reasons))}
            )
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ForethoughtError(f"The setting '{where}' can't be {first['input']!r}: {first['msg'].lower()}.") from error


def _model(section: str) -> type[BaseModel]:
    model = Configuration.model_fields[section].annotation
    assert isinstance(model, type)
    assert issubclass(model, BaseModel)
    return model


def _flatten(nested: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in nested.items():
        name = f"{prefix}{key}"
        is_group = isinstance(value, Mapping) and "." not in name
        if is_group and prefix == "":
            yield from _flatten(value, f"{name}.")
        else:
            yield name, value


def _show(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
