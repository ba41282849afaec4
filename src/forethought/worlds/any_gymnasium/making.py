"""One Gymnasium environment by its id, or by the `module:function` that makes it."""

from __future__ import annotations

import difflib
import importlib
import inspect
import sys
import typing
import warnings
from collections.abc import Callable
from importlib.machinery import PathFinder
from typing import Any

import gymnasium
from gymnasium.envs.registration import find_highest_version, get_env_id, parse_env_id

from forethought.errors import ForethoughtError

NEEDS_EXTRA = "World {name!r} needs the [worlds] extra: run `make worlds`, or pip install '.[worlds]' in the clone."
OLD_GYM = ("gym.core.Env", "gym.core.Wrapper")


def make_environment(name: str, /, **arguments: Any) -> gymnasium.Env[Any, Any]:
    """`gymnasium.make` without Gymnasium's time limit and checker; Forethought has its own.

    `name` may also be `module:maker`, a class or a function of that module that makes the environment; see `maker_of`.

    Raises:
        ForethoughtError: unknown id, missing package, or the environment does not start.
    """
    try:
        with warnings.catch_warnings():
            # Third-party packages warn at import about their own dependencies; the user cannot fix these.
            warnings.simplefilter("ignore")
            if (maker := maker_of(name)) is not None:
                environment: Any = maker(**arguments)
            else:
                environment = gymnasium.make(name, max_episode_steps=-1, disable_env_checker=True, **arguments)
    except ForethoughtError:
        raise
    except ImportError as error:
        raise ForethoughtError(
            f"World {name!r} needs a package that is not installed ({error.name or error}): pip install it."
        ) from error
    except gymnasium.error.DependencyNotInstalled as error:
        raise ForethoughtError(f"World {name!r} needs a package that is not installed: {error}.") from error
    except gymnasium.error.UnregisteredEnv as error:
        raise ForethoughtError(_unknown(name)) from error
    except Exception as error:
        cause = _cause(str(error)) or f"{type(error).__name__}: {str(error).rstrip('.')}"
        raise ForethoughtError(f"World {name!r} does not start: {cause}.") from error
    if not isinstance(environment, gymnasium.Env):
        cause = _cause(f"{type(environment)} {type(environment).__mro__}") or f"it is a {type(environment).__name__}"
        raise ForethoughtError(f"World {name!r} does not start: {cause}; give a gymnasium.Env.")
    return environment


def registered_id(name: str) -> str | None:
    """The id in Gymnasium's registry that `gymnasium.make(name)` takes: of the highest version if `name` has none.

    None if there is no such id. A module in front of the name is not imported.
    """
    _, _, plain = name.rpartition(":")
    if plain in gymnasium.registry:
        return plain
    try:
        namespace, stem, version = parse_env_id(plain)
    except gymnasium.error.Error:
        return None
    highest = find_highest_version(namespace, stem) if version is None else None
    return None if highest is None else get_env_id(namespace, stem, highest)


def registered_limit(name: str) -> int | None:
    """The time limit in steps that an id is registered with; None without one, and for what is no id."""
    known = registered_id(name)
    return None if known is None else gymnasium.registry[known].max_episode_steps


def maker_of(name: str) -> Callable[..., gymnasium.Env[Any, Any]] | None:
    """What makes the environment `module:maker`; None if the name is an id of Gymnasium's registry.

    Stores and agents hold the names of their worlds, and may come from a stranger. So a maker is a subclass of `gymnasium.Env`,
    or a function of that module whose annotation says that it returns one: no other function can be called by a name.

    Raises:
        ForethoughtError: the module has something of that name that is no maker.
    """
    module_name, colon, attribute = name.rpartition(":")
    if not colon or not attribute.isidentifier():
        return None
    module = importlib.import_module(module_name)
    if registered_id(attribute) is not None or not hasattr(module, attribute):
        return None
    maker = getattr(module, attribute)
    if inspect.isclass(maker) and issubclass(maker, gymnasium.Env):
        return maker
    if inspect.isfunction(maker) and maker.__module__ == module_name and _returns_environment(maker):
        return maker
    raise ForethoughtError(
        f"World {name!r}: {attribute} in {module_name} is neither a subclass of gymnasium.Env nor a function of that module "
        f"annotated as returning one; write `def {attribute}(...) -> gymnasium.Env`, or register an id for it."
    )


def annotated_return(function: Callable[..., Any]) -> Any:
    """What a function's annotation says that it returns; None without one that can be read."""
    try:
        return typing.get_type_hints(function).get("return")
    except (NameError, TypeError):
        return None


def _returns_environment(maker: Callable[..., Any]) -> bool:
    made = annotated_return(maker)
    made = typing.get_origin(made) or made
    return inspect.isclass(made) and issubclass(made, gymnasium.Env)


def name_of(maker: Callable[..., Any]) -> str:
    """The name `module:maker` of a class or function that makes environments, by which other processes find it, too.

    Raises:
        ForethoughtError: it is no such maker, or no module that can be imported has it.
    """
    module, attribute = getattr(maker, "__module__", ""), getattr(maker, "__qualname__", "")
    place = importable_place(maker)
    if place is None:
        raise ForethoughtError(
            f"A world made by {attribute or maker!r} of {module or 'no module'} has no name by which another process finds it: "
            "move it into a module, or write gymnasium.register('Mine-v0', entry_point=...) and give the id 'Mine-v0'."
        )
    if maker_of(place) is None:
        raise ForethoughtError(f"World {place!r}: Gymnasium has an id of this name; give the maker another name.")
    return place


def importable_place(maker: Any) -> str | None:
    """`module:attribute` of a top-level class or function; None if a new process cannot import it from there."""
    module_name, attribute = getattr(maker, "__module__", None) or "", getattr(maker, "__qualname__", "")
    module = sys.modules.get(module_name)
    if module is None or module_name == "__main__" or not attribute.isidentifier():
        return None
    found = getattr(module, attribute, None) is maker and PathFinder.find_spec(module_name.partition(".")[0]) is not None
    return f"{module_name}:{attribute}" if found else None


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, gymnasium.registry, n=1)
    hint = f" did you mean '{near[0]}'?" if near else " `forethought worlds` lists the known names."
    return (
        f"Unknown world {name!r}: it is not in Gymnasium's registry in this process; for a package that registers its "
        f"environments at import, write 'package:Env-v0', and import a module of your own that registers it first;{hint}"
    )


def _cause(text: str) -> str:
    """What is wrong with an object that is no `gymnasium.Env`, where that is known; empty if not."""
    if "Gym is incompatible" in text or any(old in text for old in OLD_GYM):
        return "it is an environment of the old package gym: wrap it with shimmy, or make its class a gymnasium.Env"
    if "entry_point is not specified" in text or ("Vector" in text and ("must inherit" in text or "VectorEnv" in text)):
        return (
            "it is a vector environment, of several copies: give the id of the single one, because Forethought makes as many "
            "copies as it needs"
        )
    return ""
