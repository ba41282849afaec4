"""Builder of a configuration: read and set like the configuration itself, with a reason for each value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

from forethought.config import (
    LIFETIMES,
    Configuration,
    DataSpec,
    ModelConfig,
    PlannerConfig,
    Reason,
    Settings,
    TrainingConfig,
    shown,
)
from forethought.config.configuration import (
    as_kind,
    kinds,
    lookup,
    merged,
    nested,
    paths,
    require_known_parts,
    tags,
    validated,
)
from forethought.errors import ForethoughtError


class ConfigBuilder:
    """Collects settings with their reasons; the user's overrides take precedence.

    `with builder.because("..."): builder.planner.horizon = 4` sets a setting, unless the user has overridden it.

    Attributes: model, planner, training: the settings so far, read and set as those of a `Configuration`.
    """

    model: ModelConfig
    planner: PlannerConfig
    training: TrainingConfig

    def __init__(self, overrides: Mapping[str, Any]) -> None:
        """Start from the defaults and the user's overrides, nested or dotted.

        Raises:
            ForethoughtError: an unknown setting (the message has the most similar one) or an invalid value.
        """
        nested_overrides = nested(overrides)
        default: dict[str, Settings] = {"model": ModelConfig(), "planner": PlannerConfig(), "training": TrainingConfig()}
        self.values = {name: merged(group, nested_overrides.get(name, {}), name) for name, group in default.items()}
        self.reasons: dict[str, Reason] = {}
        self._reason: str | None = None
        for setting in paths(nested_overrides):
            self._note(setting, "you asked for it", overridden=True)
        self.model = cast(ModelConfig, _Group(self, "model"))
        self.planner = cast(PlannerConfig, _Group(self, "planner"))
        self.training = cast(TrainingConfig, _Group(self, "training"))

    @contextmanager
    def because(self, why: str) -> Iterator[None]:
        """The reason of all settings that are set inside."""
        self._reason = why
        try:
            yield
        finally:
            self._reason = None

    def asked(self, setting: str) -> bool:
        """Whether the user has overridden the setting of this dotted name."""
        lookup(self._whole(), setting)
        return setting in self.reasons and self.reasons[setting].overridden

    def assign(self, setting: str, value: Any) -> None:
        """Set a dotted name with the current reason, unless the user has overridden it."""
        assert self._reason is not None, f"{setting} is set without a reason: use `with builder.because(...)`"
        if self.asked(setting):
            self._note(setting, f"you asked for it (the rules say {shown(value)})", overridden=True)
            return
        lifetime, *groups = setting.split(".")
        self.values[lifetime] = _with(self.values[lifetime], groups, value)
        if groups[-1] == "kind":
            self._require_overrides_fit(setting.removesuffix(".kind"))
        self._note(setting, self._reason)

    def measured(self, setting: str, value: Any, why: str) -> None:
        """Note the reason of what is read off the data and is no setting, such as `data.block`."""
        self.reasons[setting] = Reason(setting=setting, value=shown(value), because=why, overridden=False)

    def _require_overrides_fit(self, group: str) -> None:
        """Check that a kind, selected by the rules, has all settings that the user has overridden."""
        settings = lookup(self._whole(), group)
        for setting, reason in self.reasons.items():
            name = setting.removeprefix(f"{group}.")
            if reason.overridden and name != setting and not hasattr(settings, name):
                raise ForethoughtError(
                    f"{setting} = {reason.value} is no setting of {group}.kind = {settings.kind} ({self._reason}): "
                    "leave it out."
                )

    def _note(self, setting: str, because: str, overridden: bool = False) -> None:
        value = shown(lookup(self._whole(), setting))
        self.reasons[setting] = Reason(setting=setting, value=value, because=because, overridden=overridden)

    def _whole(self) -> Any:
        return SimpleNamespace(**self.values)

    def build(self, data: DataSpec) -> Configuration:
        """The validated configuration.

        Raises:
            ForethoughtError: settings that are incompatible.
        """
        checked = {name: validated(type(self.values[name]), self.values[name].model_dump(), name) for name in LIFETIMES}
        reasons = tuple(self.reasons[name] for name in sorted(self.reasons))
        configuration = validated(Configuration, {"data": data, **checked, "reasons": reasons})
        require_known_parts(configuration)
        return configuration


class _Group:
    """Attribute access to a group of settings by its dotted name."""

    def __init__(self, builder: ConfigBuilder, path: str) -> None:
        object.__setattr__(self, "_builder", builder)
        object.__setattr__(self, "_path", path)

    def __getattr__(self, name: str) -> Any:
        path = f"{self._path}.{name}"
        value = lookup(self._builder._whole(), path)
        return _Group(self._builder, path) if isinstance(value, Settings) else value

    def __setattr__(self, name: str, value: Any) -> None:
        self._builder.assign(f"{self._path}.{name}", value)


def _with(settings: Settings, groups: list[str], value: Any) -> Settings:
    """Settings with another value at a path; `build` validates all of them together."""
    name, *rest = groups
    if name not in type(settings).model_fields:
        raise ForethoughtError(f"There is no setting '{name}' in {type(settings).__name__}.")
    if not rest:
        return settings.model_copy(update={name: value})
    inner = getattr(settings, name)
    if rest == ["kind"]:
        members = kinds(type(settings), name)
        member = next((kind for kind in members if value in tags(kind)), type(inner))
        if member is not type(inner):
            return settings.model_copy(update={name: as_kind(inner, member, value)})
    return settings.model_copy(update={name: _with(inner, rest, value)})
