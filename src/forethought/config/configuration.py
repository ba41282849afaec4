"""The configuration of an agent, by lifetime: data, model, planner, training; each setting with its reason.

`data` and `model` are fixed with the weights, `planner` may change while the agent acts, `training` matters while it learns.
Cross-checks are validators, so that no way to make or change a configuration skips them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import Field, ValidationError, model_validator

from forethought import parts
from forethought.config.base import Reason, Settings, shown
from forethought.config.data_spec import DataSpec
from forethought.config.model_config import ModelConfig
from forethought.config.planner_config import CategoricalConfig, PlannerConfig
from forethought.config.training_config import TrainingConfig
from forethought.config.upgrade import present_name
from forethought.errors import ForethoughtError, did_you_mean

Kind = TypeVar("Kind", bound=Settings)
CONFIGURATION = "configuration.json"
"""A run's file of settings."""
LIFETIMES = ("model", "planner", "training")
"""What a user may set; `data` is measured."""
TASK_COSTS = ("critic", "goal_distance", "subgoal")
"""Names that `planner.cost.extra` can't have."""


class Configuration(Settings):
    """The configuration of every module, with the reasons; `forethought show RUN` prints it."""

    schema_version: Literal[2] = Field(2, description="Says which names the settings have; older files are converted.")
    data: DataSpec = Field(description="Describes what is observed and can be done.")
    model: ModelConfig = Field(ModelConfig(), description="Sizes the networks; fixed with the weights.")
    planner: PlannerConfig = Field(PlannerConfig(), description="Sets how the agent decides; may change while it acts.")
    training: TrainingConfig = Field(TrainingConfig(), description="Sets how the weights are learned.")
    reasons: tuple[Reason, ...] = Field((), description="Says why settings have their values.")

    @model_validator(mode="after")
    def _parts_agree(self) -> Configuration:
        """What would fail hours later is refused whenever a configuration is made."""
        for check in (_costs_exist, _search_fits_actions, _futures_can_differ, _levels_fit, _memory_is_long_enough):
            check(self)
        return self

    def changed(self, changes: Mapping[str, Any], because: str) -> Configuration:
        """The same but for some settings that somebody has asked for, in words why.

        Args:
            changes: nested (`{"planner": {"horizon": 4}}`) or dotted (`{"planner.horizon": 4}`).

        Raises:
            ForethoughtError: a setting that does not exist, a value that it can't have, or settings that don't go together.
        """
        wanted = nested(changes)
        merged_settings = {name: merged(getattr(self, name), values, name) for name, values in wanted.items()}
        whole = dict(self) | merged_settings
        made = validated(Configuration, whole)
        require_known_parts(made)
        # Another kind may lack settings that the one before had.
        reasons = {reason.setting: reason for reason in self.reasons if exists(made, reason.setting)}
        for setting in paths(wanted):
            reasons[setting] = Reason(setting=setting, value=shown(lookup(made, setting)), because=because, overridden=True)
        return made.model_copy(update={"reasons": tuple(reasons[name] for name in sorted(reasons))})

    def differing(self, other: Configuration) -> list[str]:
        """The groups in which another configuration has other settings, as `model.encoder`; why they are so is not asked."""
        found = ["data"] if self.data != other.data else []
        for lifetime in LIFETIMES:
            mine, theirs = getattr(self, lifetime), getattr(other, lifetime)
            for name in type(mine).model_fields:
                value = getattr(mine, name)
                if value != getattr(theirs, name):
                    group = f"{lifetime}.{name}" if isinstance(value, Settings) else lifetime
                    found += [] if group in found else [group]
        return found

    def because(self, setting: str) -> str:
        """Why a setting, `planner.horizon` say, has its value; a default says so."""
        found = [reason.because for reason in self.reasons if reason.setting == setting]
        return found[0] if found else "the default"


def require_known_parts(of: Configuration) -> None:
    """Refuse names that nothing is registered under. A file is read without this, so that settings show without their parts.

    Raises:
        ForethoughtError: says which setting, the nearest name, and how one's own becomes known.
    """
    upper = of.planner.upper.search.kind
    named: tuple[tuple[parts.Kind, str, str], ...] = (
        ("world_model", of.model.kind, "model.kind"),
        ("encoder", of.model.encoder.kind, "model.encoder.kind"),
        ("predictor", of.model.predictor.kind, "model.predictor.kind"),
        ("planner", of.planner.search.kind, "planner.search.kind"),
        ("planner", upper, "planner.upper.search.kind"),
    )
    for kind, name, setting in named:
        parts.require_known(kind, name, f"The setting '{setting}' can't be '{name}'")


def nested(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Changes by nested or dotted names, as one nested dict of the lifetimes.

    Raises:
        ForethoughtError: a lifetime that does not exist, or a plain value in its place.
    """
    found: dict[str, Any] = {}
    for name, value in changes.items():
        _put(found, name, value)
    for name, value in found.items():
        if name not in LIFETIMES:
            raise ForethoughtError(f"The configuration has no group '{name}': {_hint(name, value, LIFETIMES)}")
        if not isinstance(value, Mapping):
            example = "planner.horizon" if name == "planner" else f"{name}.{'batch' if name == 'training' else 'critic_hidden'}"
            raise ForethoughtError(f"Give '{name}' as a group of settings, such as {example}.")
    return found


def merged(current: Settings, changes: Mapping[str, Any], where: str) -> Settings:
    """Settings with some of them changed, each checked in its own type; `where`: their dotted name.

    In a choice between kinds (a search, a latent variable), `kind` picks another, which keeps the settings that both have.

    Raises:
        ForethoughtError: a setting that does not exist, with the nearest that does; or a value that it can't have.
    """
    values = dict(current)
    for name, value in changes.items():
        fields = type(current).model_fields
        if name not in fields:
            raise ForethoughtError(f"There is no setting '{where}.{name}': {_hint(f'{where}.{name}', value, fields)}")
        now = values[name]
        if isinstance(now, Settings) and isinstance(value, Mapping):
            members = kinds(type(current), name)
            if members:
                now = _of_kind(now, members, value, f"{where}.{name}")
            values[name] = merged(now, value, f"{where}.{name}")
        else:
            values[name] = value
    return validated(type(current), values, where)


def kinds(model: type[Settings], name: str) -> list[type[Settings]]:
    """The kinds that a field of settings may be of; none where there is no choice."""
    return [each for each in _members(model.model_fields[name].annotation) if issubclass(each, Settings)]


def _members(annotation: Any) -> list[type]:
    """The classes of a union, whatever they are annotated with."""
    bare = [get_args(each)[0] if get_origin(each) is Annotated else each for each in get_args(annotation)]
    return [each for each in bare if isinstance(each, type)]


def _put(found: dict[str, Any], path: str, value: Any) -> None:
    """Set a dotted name; groups of settings are taken apart, so that what comes later wins setting by setting."""
    if isinstance(value, Mapping) and _is_group(path) and value:
        for name, inner in value.items():
            _put(found, f"{path}.{name}", inner)
        return
    *groups, last = path.split(".")
    if len(groups) > 1 and not _models(groups) and any(groups[-1] in model.model_fields for model in _models(groups[:-1])):
        raise ForethoughtError(f"There is no setting '{path}': '{'.'.join(groups)}' is one setting, so give it as a whole.")
    for group in groups:
        found = found.setdefault(group, {})
        if not isinstance(found, dict):
            raise ForethoughtError(f"'{path}' goes into '{group}', which is set to a plain value elsewhere.")
    if last == "kind" and found.get(last, value) != value:
        _drop_foreign(found, groups, value)
    found[last] = value


def _drop_foreign(found: dict[str, Any], groups: list[str], kind: Any) -> None:
    """Settings of the kind asked for before, in a file say, that another kind does not have."""
    models = [model for model in _models(groups) if kind in get_args(model.model_fields["kind"].annotation)]
    for name in [name for name in found if models and name not in models[0].model_fields]:
        del found[name]


def _of_kind(now: Settings, members: list[type[Settings]], changes: Mapping[str, Any], where: str) -> Settings:
    """The settings of the kind that the changes ask for, by its name or by settings that one kind alone has."""
    by_kind = {kind: member for member in members for kind in get_args(member.model_fields["kind"].annotation)}
    open_to_all = next((member for member in members if member.model_fields["kind"].annotation is str), None)
    if "kind" in changes:
        kind = changes["kind"]
        if kind not in by_kind and (open_to_all is None or not isinstance(kind, str)):
            raise ForethoughtError(f"{where}.kind can't be {kind!r}: {did_you_mean(str(kind), by_kind)}")
    else:
        foreign = [name for name in changes if name not in type(now).model_fields]
        able = {kind: member for kind, member in by_kind.items() if foreign and set(foreign) <= set(member.model_fields)}
        if not able:
            return now
        kind = next(iter(able))
        if set(type(now).model_fields) != {"kind"} or len(set(able.values())) > 1:
            raise ForethoughtError(
                f"{where}.{foreign[0]} is a setting of {where}.kind = {' or '.join(able)}, and it is "
                f"{lookup(now, 'kind')}: set both."
            )
    member = by_kind.get(kind, open_to_all or type(now))
    if isinstance(now, member):
        return now
    shared = {name: value for name, value in dict(now).items() if name in member.model_fields and name != "kind"}
    return member.model_construct(**(shared | {"kind": kind}))


def validated(model: type[Kind], values: Mapping[str, Any], where: str = "") -> Kind:
    """Settings of these values.

    Raises:
        ForethoughtError: one sentence, with the setting's dotted name.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise ForethoughtError(sentence(error, where)) from error


def sentence(error: ValidationError, where: str = "") -> str:
    """The first thing that is wrong, with the setting's dotted name."""
    first = error.errors()[0]
    place = ".".join(_named([part for part in where.split(".") if part], first["loc"]))
    if first["type"] == "value_error":
        return f"{place}: {first['ctx']['error']}."
    return f"The setting '{place}' can't be {first['input']!r}: {first['msg'].lower()}."


def _named(names: list[str], location: tuple[int | str, ...]) -> list[str]:
    """The settings on the way to a fault, without the tags by which kinds are told apart."""
    for part in map(str, location):
        models = _models(names) if names else []
        if not models or any(part in model.model_fields for model in models):
            names = [*names, part]
    return names


def paths(changes: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Dotted names of all settings in nested changes; weights by name are one setting."""
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
    """The kinds of settings that a group, by its path, may be of; none where it is no group."""
    models: list[Any] = [Configuration]
    for name in names:
        found = [model.model_fields[name].annotation for model in models if name in model.model_fields]
        models = [each for annotation in found for each in (_members(annotation) or (annotation,))]
        models = [each for each in models if isinstance(each, type) and issubclass(each, Settings)]
    return models


def _hint(name: str, value: Any, known: Any) -> str:
    """The present name of what an earlier version called so, or the nearest that there is."""
    now = present_name(name, value)
    return f"it is called {now} now." if now else did_you_mean(name.rsplit(".", 1)[-1], known)


# --- what must go together ---------------------------------------------------------------------------------------------


def _costs_exist(of: Configuration) -> None:
    cost, drives = of.planner.cost, of.data.drives
    for name in cost.drive_weights:
        if name not in (known := ("effort", *drives)):
            raise ForethoughtError(f"planner.cost.drive_weights has no drive '{name}'; {did_you_mean(name, known)}")
    for name in cost.extra:
        if name in TASK_COSTS:
            raise ForethoughtError(
                f"planner.cost.extra: '{name}' is the name of a cost that every agent has: give yours another."
            )
    if not any((*cost.task.values(), *cost.extra.values(), *(cost.drive_weights.get(name) for name in drives))):
        raise ForethoughtError(
            "No cost has a weight but effort's, so to do nothing would be best: give planner.cost.critic a weight."
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
        raise ForethoughtError("planner.upper.search.kind = categorical can't search macro-actions, which are numbers.")


def _futures_can_differ(of: Configuration) -> None:
    if of.model.stochastic and of.model.kind != "jepa":
        raise ForethoughtError(
            f"model.latent.kind = {of.model.latent.kind} needs model.kind = jepa (now {of.model.kind}): a latent variable is a "
            "part of the JEPA."
        )
    if of.model.stochastic and of.model.predictor.kind != "mlp":
        raise ForethoughtError(
            f"model.latent.kind = {of.model.latent.kind} needs model.predictor.kind = mlp (now {of.model.predictor.kind}): a "
            "latent variable is not yet drawn along a past."
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
            "the first, 1 at least, and there will be 0: set it to 0, or model.hierarchy.kind = learned with "
            "model.hierarchy.levels = 2."
        )
    if not learned:
        return
    if hierarchy.retrieval_size < upper.retrieved_candidates:
        raise ForethoughtError(
            f"model.hierarchy.retrieval_size ({hierarchy.retrieval_size}) can't be less than the {upper.retrieved_candidates} "
            "remembered plans that a search begins with, half of planner.upper.search.num_samples: set both."
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
