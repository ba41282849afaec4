"""Checkouts of other libraries: only the files that a comparison needs are imported, and nothing of them is copied."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from forethought.errors import ForethoughtError

SWM, EB_JEPA = "stable-worldmodel", "eb_jepa"
"""Names of the checkouts, as `git clone` makes them."""
PACKAGES = {SWM: "stable_worldmodel", EB_JEPA: "eb_jepa"}


class PeerMissingError(ForethoughtError):
    """A checkout, or a package that one of its files needs, is not there: its rows are left out."""


@dataclass(frozen=True)
class Peers:
    """The folder that holds the checkouts `stable-worldmodel` and `eb_jepa`."""

    folder: Path

    def part(self, checkout: str, module: str, name: str) -> Any:
        """An object of a checkout: `name` of the file `module`, dotted without the package.

        Raises:
            PeerMissingError: there is no such checkout, file or object, or it needs a package that is not installed.
        """
        package = PACKAGES[checkout]
        root = self.folder / checkout / package
        if not root.is_dir():
            raise PeerMissingError(f"There is no {checkout} in {self.folder}: git clone it there.")
        _enter(package, root)
        try:
            return getattr(import_module(f"{package}.{module}"), name)
        except (ImportError, AttributeError) as error:
            raise PeerMissingError(f"{checkout}: {name} can't be imported from {module} ({error}).") from error

    def file(self, checkout: str, path: str) -> Path:
        """A file of a checkout.

        Raises:
            PeerMissingError: it is not there.
        """
        found = self.folder / checkout / path
        if not found.is_file():
            raise PeerMissingError(f"There is no file {path} in {self.folder / checkout}: clone {checkout} again.")
        return found


def _enter(package: str, root: Path) -> None:
    """Make a package importable from `root` without running its `__init__`, which registers worlds and needs more packages."""
    present = sys.modules.get(package)
    if present is not None and list(getattr(present, "__path__", ())) == [str(root)]:
        return
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]
    bare = ModuleType(package)
    bare.__path__ = [str(root)]
    sys.modules[package] = bare
