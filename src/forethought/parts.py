"""Plug-in registry of encoders, predictors, world models, loss terms, costs and planners that a configuration may name.

A configuration is data: a name in it is looked up here and imports nothing by itself. Parts come from three sources: built-in
modules; modules of yours, which you import (`--use MODULE` on the command line) and which call `register`; and installed
packages, by an entry point in the kind's group.

>>> @register("regulariser", "mean_square")
... def mean_square(states):
...     return states.square().mean()
>>> find("regulariser", "mean_square") is mean_square
True
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeVar

from forethought.errors import ForethoughtError, did_you_mean

Kind = Literal["encoder", "predictor", "world_model", "regulariser", "loss", "cost", "planner"]
Factory = TypeVar("Factory", bound=Callable[..., Any])


@dataclass(frozen=True)
class PartKind:
    """One kind of part.

    Fields:
        words: the kind in messages. group: of its entry points.
        built_in: names of the built-in parts, which the settings may name.
        reserved: names of terms that every agent has; parts cannot use them.
    """

    words: str
    group: str
    built_in: tuple[str, ...] = ()
    reserved: tuple[str, ...] = ()


_LOSS_TERMS = (
    *("one_step", "multi_step", "variance", "covariance", "within_episode_variance", "sigreg", "infonce_prediction"),
    *("inverse_dynamics", "multi_step_inverse", "episode_infonce", "temporal_similarity", "masked_prediction", "loss"),
)
KINDS: Mapping[str, PartKind] = MappingProxyType(
    {
        "encoder": PartKind("encoder", "forethought.encoders", ("fused",)),
        "predictor": PartKind("predictor", "forethought.predictors", ("mlp", "window", "transformer")),
        "world_model": PartKind("world model", "forethought.world_models", ("jepa",)),
        "regulariser": PartKind("regulariser", "forethought.regularisers", reserved=_LOSS_TERMS),
        "loss": PartKind("loss term", "forethought.losses", reserved=_LOSS_TERMS),
        "cost": PartKind(
            "cost",
            "forethought.costs",
            ("goal_energy",),
            reserved=("critic", "goal_distance", "subgoal", "effort", "future_drives"),
        ),
        "planner": PartKind("planner", "forethought.planners", ("cem", "icem", "mppi", "gradient", "categorical")),
    }
)
"""Kinds of parts by their names, the argument `kind` of `register`."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_registered: dict[tuple[str, str], Callable[..., Any]] = {}


@dataclass(frozen=True)
class PartName:
    """Marks a setting whose value is the name of a part of this kind."""

    kind: Kind


def register(kind: Kind, name: str) -> Callable[[Factory], Factory]:
    """A decorator that registers a part under a name, for use in settings.

    Args:
        kind: see `KINDS`. The decorated factory is called with the typed settings of its kind (docs/your-own-parts.md).
        name: letters, digits, `_` and `-`.

    Raises:
        ForethoughtError: an unknown kind, an invalid name, or a name that is already used.
    """
    if kind not in KINDS:
        raise ForethoughtError(f"There is no kind of part '{kind}': {did_you_mean(kind, KINDS)}")
    if not _NAME.fullmatch(name):
        raise ForethoughtError(f"A part can't be called '{name}': use only letters, digits, _ and -.")

    def decorate(factory: Factory) -> Factory:
        previous = _registered.get((kind, name))
        is_own = _home(factory).startswith("forethought.")
        spec = KINDS[kind]
        if name in spec.reserved or (name in spec.built_in and not is_own) or (previous and _home(previous) != _home(factory)):
            raise ForethoughtError(f"There is already a {spec.words} '{name}': register yours under another name.")
        _registered[kind, name] = factory
        return factory

    return decorate


def find(kind: Kind, name: str, setting: str = "") -> Callable[..., Any]:
    """The factory that is registered under a name, or the entry point of that name.

    Args: setting: the setting that has the name, for the error message.

    Raises:
        ForethoughtError: the name is unknown; the message lists known names and how to register another.
    """
    if (kind, name) in _registered:
        return _registered[kind, name]
    entry_point = _entry_points(kind).get(name)
    if entry_point is None:
        raise ForethoughtError(f"{setting}: {missing(kind, name)}" if setting else missing(kind, name))
    try:
        part: Callable[..., Any] = entry_point.load()
    except (ImportError, AttributeError) as error:
        raise ForethoughtError(
            f"The {KINDS[kind].words} '{name}' can't be loaded from '{entry_point.value}': {error}."
        ) from error
    return part


def is_known(kind: Kind, name: str) -> bool:
    """Whether a configuration may use the name; does not import the part."""
    return name in KINDS[kind].built_in or (kind, name) in _registered or name in _entry_points(kind)


def require_known(kind: Kind, name: str, setting: str) -> None:
    """Check that a name is known; `setting` begins the error message.

    Raises:
        ForethoughtError: the name is unknown.
    """
    if not is_known(kind, name):
        raise ForethoughtError(f"{setting}: {missing(kind, name)}")


def is_built_in(kind: Kind, name: str) -> bool:
    """Whether the part is built in."""
    return name in KINDS[kind].built_in


def names(kind: Kind) -> tuple[str, ...]:
    """All known names of a kind, built-in ones first."""
    others = {name for other_kind, name in _registered if other_kind == kind} | set(_entry_points(kind))
    return (*KINDS[kind].built_in, *sorted(others - set(KINDS[kind].built_in)))


def missing(kind: Kind, name: str) -> str:
    """The message for an unknown name: the most similar known name, and how to register a part.

    >>> missing("planner", "icemm")
    "there is no planner 'icemm' (did you mean 'icem'?): one of your own is known once the module that registers it is imported
    (on the command line: --use MODULE), or a package is installed that has it under the entry points 'forethought.planners'."
    """
    part, known = KINDS[kind], names(kind)
    hint = did_you_mean(name, known).rstrip(".") if known else "none is known"
    return (
        f"there is no {part.words} '{name}' ({hint}): one of your own is known once the module that registers it is imported "
        f"(on the command line: --use MODULE), or a package is installed that has it under the entry points '{part.group}'."
    )


def use(modules: Iterable[str]) -> None:
    """Import modules that register parts; the current folder is on the search path. Only the user names modules, never a file.

    Raises:
        ForethoughtError: a module does not exist.
    """
    for module in modules:
        if (folder := str(Path.cwd())) not in sys.path:
            sys.path.append(folder)
        try:
            import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise
            raise ForethoughtError(
                f"--use {module}: there is no module '{error.name}', neither installed nor in {folder}: check its name."
            ) from error


def own_modules() -> tuple[str, ...]:
    """Modules that define the registered parts of others: what another process imports (`use`) to know them, too.

    A part of a script or notebook is known there alone.
    """
    modules = {(part if hasattr(part, "__module__") else type(part)).__module__ for part in _registered.values()}
    return tuple(sorted(name for name in modules if name != "__main__" and name.partition(".")[0] != "forethought"))


def _entry_points(kind: Kind) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=KINDS[kind].group)}


def _home(factory: Callable[..., Any]) -> str:
    """Module and name of a part's definition, which may register it again, such as a re-run notebook cell."""
    owner = factory if hasattr(factory, "__qualname__") else type(factory)
    return f"{owner.__module__}.{owner.__qualname__}"
