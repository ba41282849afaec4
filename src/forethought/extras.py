"""Optional packages: the base install is what an acting agent imports, and everything else belongs to an extra.

A folder that needs an extra calls `require_extra` when it is imported: `worlds` and `cli` need `train`, `report` needs `page`;
`tuning.tune` asks for `tune` when it is called, `execution.RayCluster` asks for `cluster` when it is made.
`pyproject.toml` lists the same packages; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from types import MappingProxyType
from typing import Literal

from forethought.errors import ForethoughtError

ExtraName = Literal["train", "page", "tune", "cluster"]


@dataclass(frozen=True)
class Extra:
    """One extra. Fields: purpose: the subject of the error message. packages: name to import -> name to install."""

    purpose: str
    packages: Mapping[str, str]


EXTRAS: Mapping[ExtraName, Extra] = MappingProxyType(
    {
        "train": Extra(
            "Recording, training, evaluating and the command line",
            {"gymnasium": "gymnasium", "PIL": "pillow", "rich": "rich", "tensorboard": "tensorboard", "tyro": "tyro"},
        ),
        "page": Extra(
            "The page of a run and pictures of a world",
            {"imageio_ffmpeg": "imageio-ffmpeg", "jinja2": "jinja2", "matplotlib": "matplotlib", "PIL": "pillow"},
        ),
        "tune": Extra("Tuning and its search", {"optuna": "optuna"}),
        "cluster": Extra("Workers on a cluster", {"ray": "ray"}),
    }
)


class MissingExtraError(ForethoughtError, ImportError):
    """A package of an extra is not installed; the message has the command that installs it."""


def lacking(extra: ExtraName) -> str:
    """The sentence that says which packages of an extra are not installed, and how to install them; "" if none lacks.

    >>> lacking("train")
    ''
    """
    wanted = EXTRAS[extra]
    absent = [package for module, package in wanted.packages.items() if find_spec(module) is None]
    if not absent:
        return ""
    return f'{wanted.purpose} need packages that are not installed ({", ".join(absent)}): pip install "forethought[{extra}]".'


def require_extra(extra: ExtraName) -> None:
    """Check that an extra is installed; imports none of it.

    Raises:
        MissingExtraError: a package of the extra is not installed.
    """
    sentence = lacking(extra)
    if sentence:
        raise MissingExtraError(sentence)
