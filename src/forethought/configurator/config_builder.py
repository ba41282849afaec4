"""Collects settings with their reasons, lets the user's overrides win, and refuses keys that do not exist."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from forethought.settings import SECTIONS, Configuration, Reason, SpaceSettings, model_of, shown, validated


class ConfigBuilder:
    """A configuration in the making."""

    def __init__(self) -> None:
        """Nothing chosen: each setting has its default."""
        self.values: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
        self.reasons: dict[str, Reason] = {}

    def choose(self, setting: str, value: Any, because: str) -> None:
        """Set `section.key`, in words why; what the user asked for stays as it is."""
        section, key = setting.split(".")
        asked = self.asked(setting)
        if asked:
            because = f"you asked for it (the rules say {shown(value)})"
        else:
            self.values[section][key] = validated(section, key, value)
        kept = self.values[section][key]
        self.reasons[setting] = Reason(setting=setting, value=shown(kept), because=because, overridden=asked)

    def chosen(self, setting: str) -> Any:
        """The value so far: chosen, or the default."""
        section, key = setting.split(".")
        return self.values[section].get(key, model_of(section).model_fields[key].default)

    def asked(self, setting: str) -> bool:
        """Whether the user has said what `section.key` is to be."""
        return setting in self.reasons and self.reasons[setting].overridden

    def override(self, wanted: Mapping[str, Any]) -> None:
        """The user's own settings, nested or dotted; they win and are marked. Before the rules, which take them into account.

        Raises:
            ForethoughtError: a section or key that does not exist, with the nearest one that does; or a value of the wrong
                type or out of range.
        """
        for setting, value in _flatten(wanted):
            section, _, key = setting.partition(".")
            kept = validated(section, key, value)
            self.values[section][key] = kept
            self.reasons[setting] = Reason(setting=setting, value=shown(kept), because="you asked for it", overridden=True)

    def build(self, body: SpaceSettings) -> Configuration:
        """The whole."""
        return Configuration.model_validate(
            {"space": body, **self.values, "reasons": tuple(self.reasons[name] for name in sorted(self.reasons))}
        )


def _flatten(nested: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in nested.items():
        name = f"{prefix}{key}"
        is_group = isinstance(value, Mapping) and "." not in name
        if is_group and prefix == "":
            yield from _flatten(value, f"{name}.")
        else:
            yield name, value
