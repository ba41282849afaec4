"""Drives of any Gymnasium environment: signals read from `info` or from the observation, by the option `drives`."""

from __future__ import annotations

import importlib
import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forethought.errors import ForethoughtError, did_you_mean
from forethought.types import require_drive_names
from forethought.worlds.any_gymnasium.making import annotated_return
from forethought.worlds.notices import warn_once

NUMBERS = (float, int, bool)
"""What a function that reads a drive returns, by its annotation."""


class DriveReader:
    """Reads the drives of a step; a key that `info` lacks at a step counts as 0 there.

    Attributes: names: of the drives.
    """

    def __init__(self, sources: Mapping[str, str], world: str) -> None:
        """`sources`: name -> a key of `info` (`a.b`: in a dict in it), or `module:function` of the observation.

        Raises:
            ForethoughtError: a name is taken, or there is no such function.
        """
        self.names, self._sources, self._world = tuple(sources), dict(sources), world
        require_drive_names(sources)
        self._functions = {name: _function(source, name) for name, source in sources.items() if ":" in source}
        self._missing = {name for name in sources if name not in self._functions}
        self._keys: set[str] = set()

    def read(self, observation: Any, info: Mapping[str, Any]) -> NDArray[np.float32]:
        """The signals of one step, [drives].

        Raises:
            ForethoughtError: one is no number, not finite, or negative.
        """
        if not self.names:
            return np.zeros(0, np.float32)
        self._keys.update(str(key) for key in info)
        return np.array([self._one(name, observation, info) for name in self.names], np.float32)

    def say_what_is_missing(self) -> None:
        """Say once, after an episode, which keys `info` has not had so far."""
        for name in sorted(self._missing):
            key = self._sources[name]
            known = did_you_mean(key, sorted(self._keys)).rstrip(".") if self._keys else "it is empty"
            warn_once(self._world, f"drive '{name}' is 0 so far: info has had no '{key}' yet ({known})")

    def _one(self, name: str, observation: Any, info: Mapping[str, Any]) -> float:
        source = self._sources[name]
        if name in self._functions:
            value: Any = self._functions[name](observation)
        else:
            value = info
            for key in source.split("."):
                if not isinstance(value, Mapping) or key not in value:
                    return 0.0
                value = value[key]
            self._missing.discard(name)
        try:
            number = float(np.asarray(value).item())
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number) or number < 0:
            raise ForethoughtError(
                f"World {self._world!r}: drive '{name}' is {value!r} ({source}), but a drive is one finite number, 0 where "
                "nothing is felt and above 0 else: give a `module:function` of the observation that makes it so."
            )
        return number


def _function(source: str, name: str) -> Callable[[Any], Any]:
    """The function `module:function`, which takes an observation.

    Stores and agents hold options of worlds and may come from a stranger: as for makers of environments (`making.maker_of`),
    only a function of that module whose annotation says that it returns a number can be called by its name.
    """
    module_name, _, attribute = source.rpartition(":")
    try:
        function = getattr(importlib.import_module(module_name), attribute, None)
    except ImportError as error:
        raise ForethoughtError(f"drives: the module of '{name}' ({source}) can't be imported: {error}.") from error
    if not inspect.isfunction(function) or function.__module__ != module_name or annotated_return(function) not in NUMBERS:
        raise ForethoughtError(
            f"drives: '{name}' is {source}, which is no function of that module annotated as returning a float: write "
            f"`def {attribute or 'drive'}(observation) -> float`, or give a key of info."
        )
    return function
