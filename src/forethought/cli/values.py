"""`key=value` words and JSON files of overrides, as nested data. Nothing in them is ever imported or evaluated."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from forethought.errors import ForethoughtError

TAKEN = {"self", "name", "num"}
"""What a world is made with beside its options, as Python calls it."""


def value_of(text: str) -> Any:
    """A JSON value where the text is one, else the text itself.

    >>> value_of("0.5"), value_of("true"), value_of("[1, 2]"), value_of("four")
    (0.5, True, [1, 2], 'four')
    """
    try:
        return json.loads(text)
    except ValueError:
        return text


def pair_of(word: str) -> tuple[str, Any]:
    """`key=value` as (key, value)."""
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
        raise ForethoughtError(f"a world has no option '{name}': its name and the number of its copies are given elsewhere.")
    return options


def overrides_of(file: Path | None, words: Iterable[str]) -> dict[str, Any]:
    """Configuration overrides: those of a JSON file, then `group.key=value` words on top, by their dotted names.

    >>> overrides_of(None, ["planner.search.kind=mppi", "planner.horizon=8"])
    {'planner.search.kind': 'mppi', 'planner.horizon': 8}
    """
    overrides = {} if file is None else read_overrides(file)
    for word in words:
        dotted, value = pair_of(word)
        if "." not in dotted:
            raise ForethoughtError(f"'{word}' names no group: write, for example, --set planner.horizon=8.")
        # Last in order, so that it wins over the file.
        overrides.pop(dotted, None)
        overrides[dotted] = value
    return overrides


def read_overrides(file: Path) -> dict[str, Any]:
    """A JSON file with one object of sections.

    Raises:
        ForethoughtError: the file is not there, is not JSON, or holds something other than an object.
    """
    try:
        nested = json.loads(file.read_text())
    except OSError as error:
        raise ForethoughtError(f"the configuration file {file} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise ForethoughtError(f"the configuration file {file} is not JSON: {error}.") from error
    if not isinstance(nested, dict):
        example = '{"planner": {"horizon": 8}}'
        raise ForethoughtError(f"the configuration file {file} must hold one object, such as {example}.")
    return nested
