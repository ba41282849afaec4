"""Parsing of `key=value` arguments and of JSON files of overrides. No value is ever imported or evaluated."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from forethought.errors import ForethoughtError

TAKEN = {"self", "name", "num"}
"""Arguments of a world's constructor that are not options."""


def value_of(text: str) -> Any:
    """The text parsed as JSON; the text itself if it is not JSON.

    >>> value_of("0.5"), value_of("true"), value_of("[1, 2]"), value_of("four")
    (0.5, True, [1, 2], 'four')
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def pair_of(word: str) -> tuple[str, Any]:
    """Parse `key=value` to (key, value)."""
    key, equals, text = word.partition("=")
    if not equals or not key:
        raise ForethoughtError(f"'{word}' is not of the form key=value, such as layout=four or planner.horizon=8.")
    return key, value_of(text)


def options_of(words: Iterable[str]) -> dict[str, Any]:
    """World options from repeated `--option key=value`.

    >>> options_of(["layout=four", "balls=2"])
    {'layout': 'four', 'balls': 2}
    """
    options = dict(pair_of(word) for word in words)
    for name in TAKEN & options.keys():
        raise ForethoughtError(f"a world has no option '{name}': remove it; the name of the world is its own argument.")
    return options


def overrides_of(file: Path | None, words: Iterable[str]) -> dict[str, Any]:
    """Configuration overrides by dotted name, from a JSON file and from `group.key=value` arguments, which take precedence.

    >>> overrides_of(None, ["planner.search.kind=mppi", "planner.horizon=8"])
    {'planner.search.kind': 'mppi', 'planner.horizon': 8}
    """
    overrides = {} if file is None else read_overrides(file)
    for word in words:
        dotted, value = pair_of(word)
        if "." not in dotted:
            raise ForethoughtError(f"'{word}' names no group: write, for example, --set planner.horizon=8.")
        # Moved to the end, so that it takes precedence over the file.
        overrides.pop(dotted, None)
        overrides[dotted] = value
    return overrides


def read_overrides(file: Path) -> dict[str, Any]:
    """Read a JSON file with one object of settings.

    Raises:
        ForethoughtError: the file is missing, is not JSON, or its top level is not an object.
    """
    try:
        nested = json.loads(file.read_text())
    except OSError as error:
        raise ForethoughtError(f"the configuration file {file} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise ForethoughtError(f"the configuration file {file} is not JSON: {error}.") from error
    if not isinstance(nested, dict):
        example = '{"planner": {"horizon": 8}}'
        raise ForethoughtError(f"the configuration file {file} must hold one object, such as {example}.")
    return nested
