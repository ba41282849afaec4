"""The packages of this environment, and which of them an install of the base or of an extra would bring."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def named(requirements: list[str]) -> set[str]:
    """The packages that requirements name."""
    return {_plain(Requirement(one).name) for one in requirements}


def brought_by(packages: set[str]) -> set[str]:
    """These packages and all that they need, as far as they are installed here."""
    found, waiting = set[str](), set(packages)
    while waiting:
        package = waiting.pop()
        try:
            needed = [Requirement(one) for one in requires(package) or []]
        except PackageNotFoundError:
            continue
        found.add(package)
        waiting |= {_plain(one.name) for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})} - found
    return found


def beyond(*extras: str) -> list[str]:
    """Names to import of all packages that are installed here, and that an install with these extras lacks."""
    wanted = [*PROJECT["dependencies"], *(one for extra in extras for one in PROJECT["optional-dependencies"][extra])]
    brought = brought_by(named(wanted)) | {"forethought"}
    return sorted(
        name for name, owners in packages_distributions().items() if not {_plain(owner) for owner in owners} & brought
    )


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
