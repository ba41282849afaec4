"""A griffe extension: docstring examples become code blocks, and `Fields:` becomes the section `Attributes:`."""

from __future__ import annotations

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"(?:^[ ]*>>>[^\n]*\n?(?:^(?![ ]*$)[^\n]+\n?)*)+", re.MULTILINE)

FIELDS = re.compile(r"^Fields:\n((?:[ ]+[^\n]*\n?)+)", re.MULTILINE)
CONTINUED = re.compile(r"^    (?![\w, *]+:)[^\n]+", re.MULTILINE)
"""A line of `Fields:` that goes on with the one before."""


class PlainDocstrings(griffe.Extension):
    """Rewrites each docstring before it is parsed."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Fence its examples, and rename its fields."""
        if obj.docstring is not None:
            text = FIELDS.sub(lambda match: "Attributes:\n" + CONTINUED.sub(r"    \g<0>", match[1]), obj.docstring.value)
            obj.docstring.value = EXAMPLE.sub(lambda match: f"```pycon\n{match[0].rstrip()}\n```\n", text)
