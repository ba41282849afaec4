"""The options that a world is asked for, checked: one clear sentence where they cannot be had."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, get_origin

import numpy as np
from pydantic import BaseModel, ValidationError

from forethought.errors import ForethoughtError, did_you_mean

Options = TypeVar("Options", bound=BaseModel)


def plain(value: Any) -> Any:
    """JSON values from what somebody computed: NumPy's numbers and arrays as Python's, tuples as lists, at any depth."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def parsed(kind: type[Options], given: Mapping[str, Any], world: str) -> Options:
    """Options of the world called `world`, as its `kind` describes them.

    A list may be a text, `pixels,proprioception`, as one writes it in a shell.

    Raises:
        ForethoughtError: an unknown option (with the nearest known one), or a value out of range.
    """
    try:
        return kind(**{name: _listed(kind, name, value) for name, value in plain(given).items()})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            hint = did_you_mean(name, kind.model_fields)
            raise ForethoughtError(f"{world} has no option '{name}': {hint}") from error
        raise ForethoughtError(
            f"{world} option '{name}' cannot be {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}."
        ) from error


def _listed(kind: type[BaseModel], name: str, value: Any) -> Any:
    """The words of a text where the option is a list."""
    field = kind.model_fields.get(name)
    if isinstance(value, str) and field is not None and get_origin(field.annotation) is tuple:
        return [word.strip() for word in value.split(",")]
    return value
