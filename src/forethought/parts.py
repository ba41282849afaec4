"""Parts by name: encoders, predictors, world models, loss terms, costs and planners that a configuration may name.

A configuration is data: a name in it looks up what is registered here and imports nothing by itself. Names come from three
places: Forethought's own modules; modules of yours, which you import (`--use MODULE` on the command line) and which call
`register`; and installed packages, by an entry point in the kind's group.

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
        words: the kind as people read it. group: of the entry points that hold such parts.
        built_in: names that Forethought's own parts have, which the settings may name.
        reserved: names of terms that every agent has; no part may take them.
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
        "predictor": PartKind("predictor", "forethought.predictors", ("mlp", "transformer")),
        "world_model": PartKind("world model", "forethought.world_models", ("jepa",)),
        "regulariser": PartKind("regulariser", "forethought.regularisers", reserved=_LOSS_TERMS),
        "loss": PartKind("loss term", "forethought.losses", reserved=_LOSS_TERMS),
        "cost": PartKind("cost", "forethought.costs", reserved=("critic", "goal_distance", "subgoal", "effort", "foreseen")),
        "planner": PartKind("planner", "forethought.planners", ("cem", "icem", "mppi", "gradient", "categorical")),
    }
)
"""Every kind of part, by the name that `register` takes."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_registered: dict[tuple[str, str], Callable[..., Any]] = {}


@dataclass(frozen=True)
class PartName:
    """Marks a setting whose value is the name of a part of this kind."""

    kind: Kind


def register(kind: Kind, name: str) -> Callable[[Factory], Factory]:
    """A decorator that makes a part known by its name, from which a run can name it.

    Args:
        kind: see `KINDS`. What is decorated is called with the typed settings of its kind (docs/your-own-parts.md).
        name: letters, digits, `_` and `-`.

    Raises:
        ForethoughtError: no such kind, no such name, or something else has that name already.
    """
    if kind not in KINDS:
        raise ForethoughtError(f"There is no kind of part '{kind}': {did_you_mean(kind, KINDS)}")
    if not _NAME.fullmatch(name):
        raise ForethoughtError(f"A part can't be called '{name}': use letters, digits, _ and - alone.")

    def keep(factory: Factory) -> Factory:
        before = _registered.get((kind, name))
        own = _home(factory).startswith("forethought.")
        known = KINDS[kind]
        if name in known.reserved or (name in known.built_in and not own) or (before and _home(before) != _home(factory)):
            raise ForethoughtError(f"There is already a {known.words} '{name}': register yours under another name.")
        _registered[kind, name] = factory
        return factory

    return keep


def find(kind: Kind, name: str, setting: str = "") -> Callable[..., Any]:
    """What is registered under a name, or the entry point of that name.

    Args: setting: where the name stands, for the error's sentence.

    Raises:
        ForethoughtError: nothing is; says what is known and how to register one's own.
    """
    if (kind, name) in _registered:
        return _registered[kind, name]
    found = _entry_points(kind).get(name)
    if found is None:
        raise ForethoughtError(f"{setting}: {missing(kind, name)}" if setting else missing(kind, name))
    try:
        part: Callable[..., Any] = found.load()
    except (ImportError, AttributeError) as error:
        raise ForethoughtError(f"The {KINDS[kind].words} '{name}' can't be loaded from '{found.value}': {error}.") from error
    return part


def is_known(kind: Kind, name: str) -> bool:
    """Whether a configuration may name it; loads nothing."""
    return name in KINDS[kind].built_in or (kind, name) in _registered or name in _entry_points(kind)


def require_known(kind: Kind, name: str, setting: str) -> None:
    """Refuse a name that nothing has; `setting` begins the sentence.

    Raises:
        ForethoughtError: nothing is registered under it.
    """
    if not is_known(kind, name):
        raise ForethoughtError(f"{setting}: {missing(kind, name)}")


def is_built_in(kind: Kind, name: str) -> bool:
    """Whether it is one of Forethought's own."""
    return name in KINDS[kind].built_in


def names(kind: Kind) -> tuple[str, ...]:
    """All known names of a kind: Forethought's own first."""
    others = {name for place, name in _registered if place == kind} | set(_entry_points(kind))
    return (*KINDS[kind].built_in, *sorted(others - set(KINDS[kind].built_in)))


def missing(kind: Kind, name: str) -> str:
    """The sentence for a name that is not known: the nearest one, and how to register one's own.

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
    """Import modules that register parts: the user's own word, never a file's. The present folder counts as a place to look.

    Raises:
        ForethoughtError: there is no such module.
    """
    for module in modules:
        if (here := str(Path.cwd())) not in sys.path:
            sys.path.append(here)
        try:
            import_module(module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module}.".startswith(f"{error.name}."):
                raise
            raise ForethoughtError(
                f"--use {module}: there is no module '{error.name}', neither installed nor in {here}: name it as `import` does."
            ) from error


def _entry_points(kind: Kind) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=KINDS[kind].group)}


def _home(factory: Callable[..., Any]) -> str:
    """Where a part was defined: the same place may register it again, as a notebook's cell does."""
    kind = factory if hasattr(factory, "__qualname__") else type(factory)
    return f"{kind.__module__}.{kind.__qualname__}"
