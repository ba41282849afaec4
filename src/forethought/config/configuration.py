"""The configuration of an agent, by lifetime: data, model, planner, training; each setting with its reason.

`data` and `model` are fixed with the weights, `planner` may change while the agent acts, `training` applies only to training.
Cross-checks are validators: every new or changed configuration passes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import Field, ValidationError, model_validator

from forethought import parts
from forethought.config.base import Reason, Settings, WithHistory, shown
from forethought.config.data_spec import DataSpec
from forethought.config.model_config import ModelConfig
from forethought.config.planner_config import CategoricalConfig, PlannerConfig
from forethought.config.training_config import TrainingConfig
from forethought.config.upgrade import present_name, present_settings
from forethought.errors import ForethoughtError, did_you_mean

Kind = TypeVar("Kind", bound=Settings)
CONFIGURATION = "configuration.json"
"""File name of a run's configuration."""
LIFETIMES = ("model", "planner", "training")
"""Groups that a user may set; `data` is measured."""


class Configuration(WithHistory):
    """The configuration of every module, with the reasons; `forethought show RUN` prints it."""

    schema_version: Literal[2] = Field(2, description="Says which names the settings have; older files are converted.")
    data: DataSpec = Field(description="Describes what is observed and can be done.")
    model: ModelConfig = Field(ModelConfig(), description="Sizes the networks; fixed with the weights.")
    planner: PlannerConfig = Field(PlannerConfig(), description="Sets how the agent decides; may change while it acts.")
    training: TrainingConfig = Field(TrainingConfig(), description="Sets how the weights are learned.")
    reasons: tuple[Reason, ...] = Field((), description="Says why settings have their values.")

    @model_validator(mode="after")
    def _parts_agree(self) -> Configuration:
        """Run all cross-checks, so that errors occur at construction and not during training."""
        for check in (_costs_exist, _search_fits_actions, _futures_can_differ, _levels_fit, _memory_is_long_enough):
            check(self)
        return self

    @property
    def body(self) -> DataSpec:
        """The name of `data` in version 0.1.0, for code that still reads it."""
        return self.data

    def changed(self, changes: Mapping[str, Any], because: str) -> Configuration:
        """A copy with changed settings.

        Args:
            changes: nested (`{"planner": {"horizon": 4}}`) or dotted (`{"planner.horizon": 4}`). because: their reason.

        Raises:
            ForethoughtError: an unknown setting, an invalid value, or incompatible settings.
        """
        nested_changes = nested(changes)
        merged_settings = {name: merged(getattr(self, name), values, name) for name, values in nested_changes.items()}
        configuration = validated(Configuration, dict(self) | merged_settings)
        require_known_parts(configuration)
        # A new kind may lack settings of the previous one.
        reasons = {reason.setting: reason for reason in self.reasons if exists(configuration, reason.setting)}
        for setting in paths(nested_changes):
            reasons[setting] = Reason(
                setting=setting, value=shown(lookup(configuration, setting)), because=because, overridden=True
            )
        return configuration.model_copy(update={"reasons": tuple(reasons[name] for name in sorted(reasons))})

    def differing(self, other: Configuration) -> list[str]:
        """Groups in which another configuration differs, such as `model.encoder`; reasons are not compared."""
        groups = ["data"] if self.data != other.data else []
        for lifetime in LIFETIMES:
            settings, other_settings = getattr(self, lifetime), getattr(other, lifetime)
            for name in type(settings).model_fields:
                value = getattr(settings, name)
                if value != getattr(other_settings, name):
                    group = f"{lifetime}.{name}" if isinstance(value, Settings) else lifetime
                    groups += [] if group in groups else [group]
        return groups

    def because(self, setting: str) -> str:
        """The reason of a setting, such as `planner.horizon`; `the default` if it has none."""
        reasons = [reason.because for reason in self.reasons if reason.setting == setting]
        return reasons[0] if reasons else "the default"


def require_known_parts(of: Configuration) -> None:
    """Check that all named parts are registered. Files are read without this check, to inspect settings without the parts.

    Raises:
        ForethoughtError: names the setting, the most similar name, and how to register a part.
    """
    upper = of.planner.upper.search.kind
    names: tuple[tuple[parts.Kind, str, str], ...] = (
        ("world_model", of.model.kind, "model.kind"),
        ("encoder", of.model.encoder.kind, "model.encoder.kind"),
        ("predictor", of.model.predictor.kind, "model.predictor.kind"),
        ("planner", of.planner.search.kind, "planner.search.kind"),
        ("planner", upper, "planner.upper.search.kind"),
    )
    for kind, name, setting in names:
        parts.require_known(kind, name, f"The setting '{setting}' can't be '{name}'")


def nested(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Convert changes with nested or dotted names to one nested dict by lifetime. Names of schema 1 are converted.

    Raises:
        ForethoughtError: an unknown lifetime, or a plain value in its place.
    """
    tree: dict[str, Any] = {}
    for former, given in changes.items():
        for name, value in present_settings(former, given):
            _put(tree, name, value)
    for name, value in tree.items():
        if name not in LIFETIMES:
            hint = f"it is called {now} now." if (now := present_name(name)) else did_you_mean(name, LIFETIMES)
            raise ForethoughtError(f"The configuration has no group '{name}': {hint}")
        if not isinstance(value, Mapping):
            example = "planner.horizon" if name == "planner" else f"{name}.{'batch' if name == 'training' else 'critic_hidden'}"
            raise ForethoughtError(f"Give '{name}' as a group of settings, such as {example}.")
    return tree


def merged(current: Settings, changes: Mapping[str, Any], where: str) -> Settings:
    """Settings with changes, validated by their types; `where`: their dotted name.

    For unions of kinds (a search, a latent variable), `kind` selects another kind; settings that both kinds have are kept.

    Raises:
        ForethoughtError: an unknown setting (the message has the most similar one) or an invalid value.
    """
    values = dict(current)
    for name, value in changes.items():
        fields = type(current).model_fields
        if name not in fields:
            raise ForethoughtError(f"There is no setting '{where}.{name}': {did_you_mean(name, fields)}")
        current_value = values[name]
        if isinstance(current_value, Settings) and isinstance(value, Mapping):
            members = kinds(type(current), name)
            if members:
                current_value = _of_kind(current_value, members, value, f"{where}.{name}")
            values[name] = merged(current_value, value, f"{where}.{name}")
        else:
            values[name] = value
    return validated(type(current), values, where)


def kinds(model: type[Settings], name: str) -> list[type[Settings]]:
    """The kinds of a field that is a union of settings; empty for other fields."""
    return [member for member in _members(model.model_fields[name].annotation) if issubclass(member, Settings)]


def tags(member: type[Settings]) -> tuple[str, ...]:
    """The names that a member of a union answers to; empty if it takes any name."""
    return get_args(member.model_fields["kind"].annotation)


def _members(annotation: Any) -> list[type]:
    """The classes of a union, without their annotations."""
    bare = [get_args(member)[0] if get_origin(member) is Annotated else member for member in get_args(annotation)]
    return [member for member in bare if isinstance(member, type)]


def _put(tree: dict[str, Any], path: str, value: Any) -> None:
    """Set a dotted name; groups are set by their settings, so that later changes override earlier ones one by one."""
    if isinstance(value, Mapping) and _is_group(path) and value:
        for name, inner in value.items():
            _put(tree, f"{path}.{name}", inner)
        return
    *groups, last = path.split(".")
    if len(groups) > 1 and not _models(groups) and any(groups[-1] in model.model_fields for model in _models(groups[:-1])):
        raise ForethoughtError(f"There is no setting '{path}': '{'.'.join(groups)}' is one setting, so give it as a whole.")
    for group in groups:
        tree = tree.setdefault(group, {})
        if not isinstance(tree, dict):
            raise ForethoughtError(f"'{path}' is in '{group}', which is also set to a plain value: keep one of the two.")
    if last == "kind" and tree.get(last, value) != value:
        _drop_foreign(tree, groups, value)
    tree[last] = value


def _drop_foreign(tree: dict[str, Any], groups: list[str], kind: Any) -> None:
    """Remove settings of a kind requested earlier, such as in a file, that the new kind does not have."""
    models = [model for model in _models(groups) if kind in tags(model)]
    for name in [name for name in tree if models and name not in models[0].model_fields]:
        del tree[name]


def _of_kind(current: Settings, members: list[type[Settings]], changes: Mapping[str, Any], where: str) -> Settings:
    """Settings of the kind that the changes select, by its name or by settings that only one kind has."""
    by_kind = {kind: member for member in members for kind in tags(member)}
    any_name = next((member for member in members if member.model_fields["kind"].annotation is str), None)
    if "kind" in changes:
        kind = changes["kind"]
        if not isinstance(kind, str):
            raise ForethoughtError(f"{where}.kind can't be {kind!r}: {did_you_mean(str(kind), by_kind)}")
        if kind not in by_kind and any_name is None:
            raise ForethoughtError(f"{where}.kind can't be {kind!r}: {did_you_mean(str(kind), by_kind)}")
    else:
        foreign = [name for name in changes if name not in type(current).model_fields]
        candidates = {kind: member for kind, member in by_kind.items() if foreign and set(foreign) <= set(member.model_fields)}
        if not candidates:
            return current
        kind = next(iter(candidates))
        if set(type(current).model_fields) != {"kind"} or len(set(candidates.values())) > 1:
            raise ForethoughtError(
                f"{where}.{foreign[0]} is a setting of {where}.kind = {' or '.join(candidates)}, and it is "
                f"{lookup(current, 'kind')}: set both."
            )
    return as_kind(current, by_kind.get(kind, any_name or type(current)), kind)


def as_kind(current: Settings, member: type[Settings], kind: str) -> Settings:
    """Settings of another kind, not validated yet; what both kinds have is kept."""
    if isinstance(current, member):
        return current
    shared = {name: value for name, value in dict(current).items() if name in member.model_fields and name != "kind"}
    return member.model_construct(**(shared | {"kind": kind}))


def validated(model: type[Kind], values: Mapping[str, Any], where: str = "") -> Kind:
    """Validated settings with these values.

    Raises:
        ForethoughtError: an invalid value; one sentence with the setting's dotted name.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise ForethoughtError(sentence(error, where)) from error


def sentence(error: ValidationError, where: str = "") -> str:
    """The first validation error as a sentence with the setting's dotted name."""
    first = error.errors()[0]
    setting = ".".join(_named([part for part in where.split(".") if part], first["loc"]))
    if first["type"] == "value_error":
        return f"{setting}: {first['ctx']['error']}."
    return f"The setting '{setting}' can't be {first['input']!r}: {first['msg'].lower()}."


def _named(names: list[str], location: tuple[int | str, ...]) -> list[str]:
    """The settings on the way to a fault, without the tags by which kinds are told apart."""
    for part in map(str, location):
        models = _models(names) if names else []
        if not models or any(part in model.model_fields for model in models):
            names = [*names, part]
    return names


def paths(changes: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Dotted names of all settings in nested changes; a dict of weights is one setting."""
    for name, value in changes.items():
        path = f"{prefix}{name}"
        if isinstance(value, Mapping) and _is_group(path):
            yield from paths(value, f"{path}.")
        else:
            yield path


def lookup(settings: Any, path: str) -> Any:
    """The value at a dotted name."""
    value = settings
    for name in path.split("."):
        value = getattr(value, name)
    return value


def exists(settings: Any, path: str) -> bool:
    """Whether there is a value at a dotted name."""
    try:
        lookup(settings, path)
    except AttributeError:
        return False
    return True


def _is_group(path: str) -> bool:
    """Whether a dotted name is a group of settings."""
    return bool(_models(path.split(".")))


def _models(names: list[str]) -> list[type[Settings]]:
    """The classes of settings that a group may have, by its path; empty if it is no group."""
    models: list[Any] = [Configuration]
    for name in names:
        annotations = [model.model_fields[name].annotation for model in models if name in model.model_fields]
        models = [member for annotation in annotations for member in (_members(annotation) or (annotation,))]
        models = [member for member in models if isinstance(member, type) and issubclass(member, Settings)]
    return models


# --- cross-checks ------------------------------------------------------------------------------------------------------


def _costs_exist(of: Configuration) -> None:
    cost, drives = of.planner.cost, of.data.drives
    for name in cost.drive_weights:
        if name not in (known := ("effort", *drives)):
            raise ForethoughtError(f"planner.cost.drive_weights has no drive '{name}'; {did_you_mean(name, known)}")
    for name in cost.extra:
        if name in parts.KINDS["cost"].reserved:
            raise ForethoughtError(
                f"planner.cost.extra: '{name}' is the name of a cost that every agent has: give yours another."
            )
    if not any((*cost.task.values(), *cost.extra.values(), *(cost.drive_weights.get(name) for name in drives))):
        raise ForethoughtError(
            "No cost has a weight but effort's, so inaction would be optimal: give planner.cost.critic a weight."
        )
    if of.model.discount == 1 and drives:
        raise ForethoughtError(f"model.discount = 1 adds up what {' and '.join(drives)} will cost without end: set it below 1.")


def _search_fits_actions(of: Configuration) -> None:
    search, kind = of.planner.search, of.data.action_kind
    if parts.is_built_in("planner", search.kind) and isinstance(search, CategoricalConfig) != (kind == "discrete"):
        raise ForethoughtError(
            f"The planner '{search.kind}' can't search {kind} actions: leave planner.search.kind to the configurator."
        )
    if isinstance(of.planner.upper.search, CategoricalConfig):
        raise ForethoughtError(
            "planner.upper.search.kind = categorical can't search macro-actions, which are continuous: set it to icem."
        )


def _futures_can_differ(of: Configuration) -> None:
    if of.model.stochastic and of.model.kind != "jepa":
        raise ForethoughtError(
            f"model.latent.kind = {of.model.latent.kind} needs model.kind = jepa (now {of.model.kind}): only the "
            "JEPA has a latent variable."
        )
    if of.model.stochastic and of.model.predictor.kind != "mlp":
        raise ForethoughtError(
            f"model.latent.kind = {of.model.latent.kind} needs model.predictor.kind = mlp (now {of.model.predictor.kind}): a "
            "latent variable does not support a context yet."
        )
    if of.model.stochastic and of.training.predictor_loss != "mse":
        raise ForethoughtError(
            f"training.predictor_loss = {of.training.predictor_loss} does not support model.latent.kind = "
            f"{of.model.latent.kind}: set training.predictor_loss = mse."
        )
    if of.planner.risk.num_scenarios > 1 and not of.model.stochastic:
        raise ForethoughtError(
            f"planner.risk.num_scenarios = {of.planner.risk.num_scenarios} futures need a latent variable to differ by: set "
            "model.latent.kind = codes."
        )


def _levels_fit(of: Configuration) -> None:
    hierarchy, upper = of.model.hierarchy, of.planner.upper
    if hierarchy.kind == "graph" and hierarchy.levels > 2:
        raise ForethoughtError(
            "model.hierarchy.kind = graph is a search right above level 1: set model.hierarchy.levels = 2 (now "
            f"{hierarchy.levels}), or model.hierarchy.kind = learned."
        )
    learned = hierarchy.levels - 1 if hierarchy.kind == "learned" else 0
    if not isinstance(upper.search, CategoricalConfig) and upper.search.gradient_steps and not learned:
        raise ForethoughtError(
            f"planner.upper.search.gradient_steps = {upper.search.gradient_steps} changes the plans of learned levels above "
            "the first, 1 at least, and there are 0: set it to 0, or model.hierarchy.kind = learned with "
            "model.hierarchy.levels = 2."
        )
    if not learned:
        return
    if hierarchy.retrieval_size < upper.retrieved_candidates:
        raise ForethoughtError(
            f"model.hierarchy.retrieval_size ({hierarchy.retrieval_size}) can't be less than the {upper.retrieved_candidates} "
            "remembered plans that a search starts from, half of planner.upper.search.num_samples: set both."
        )
    if upper.horizon > hierarchy.retrieval_horizon:
        raise ForethoughtError(
            f"planner.upper.horizon ({upper.horizon}) can't be more than model.hierarchy.retrieval_horizon "
            f"({hierarchy.retrieval_horizon}), the length of remembered sequences: set both before training."
        )


def _memory_is_long_enough(of: Configuration) -> None:
    planner, model = of.planner, of.model
    if planner.history < model.predictor.context:
        raise ForethoughtError(
            f"planner.history ({planner.history}) can't be less than model.predictor.context ({model.predictor.context}), the "
            "rows that a prediction reads: set both."
        )
    if 0 < model.retrieval_size < planner.retrieved_candidates:
        raise ForethoughtError(
            f"planner.retrieved_candidates ({planner.retrieved_candidates}) can't be more than model.retrieval_size "
            f"({model.retrieval_size}): set both."
        )
    if model.retrieval_size and planner.retrieved_candidates and planner.horizon > model.retrieval_horizon:
        raise ForethoughtError(
            f"planner.horizon ({planner.horizon}) can't be more than model.retrieval_horizon ({model.retrieval_horizon}), the "
            "blocks of a remembered action sequence: set both before training, or planner.retrieved_candidates = 0."
        )
