"""Types and shapes are checked at each call of the packages in the tests.

beartype checks every function. jaxtyping checks shapes, and only in the modules that annotate them: it makes a call twenty
times as slow.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import jaxtyping
from beartype import BeartypeConf, beartype
from beartype.claw import beartype_packages

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
PACKAGES = ("forethought", "forethought_benchmarks")
SOURCE = Path(__file__).parents[1] / "src"


class NotCheckedWarning(UserWarning):
    """A function has an annotation that beartype cannot read; it runs unchecked."""


LATE = ("forethought.cli.show", "forethought.collecting")
"""Modules with annotations that beartype's own hook cannot look up."""

# An int passes for a float, as it does for mypy (PEP 484). A violation is what Python itself raises for a wrong argument.
SETTINGS = BeartypeConf(
    is_pep484_tower=True,
    claw_is_pep526=False,
    violation_type=TypeError,
    warning_cls_on_decorator_exception=NotCheckedWarning,
)


def checked(function: Decorated) -> Decorated:
    """The function with its annotations checked at each call."""
    return beartype(conf=SETTINGS)(function)


def modules() -> dict[str, str]:
    """Every module of the packages: its name and its source."""
    paths = sorted(SOURCE.rglob("*.py"))
    names = (".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__") for path in paths)
    return {name: path.read_text(encoding="utf-8") for name, path in zip(names, paths, strict=True)}


def check_every_call() -> None:
    """To be called before anything of the packages is imported."""
    beartype_packages(PACKAGES, conf=SETTINGS)
    shaped = [name for name, source in modules().items() if "from jaxtyping import" in source]
    jaxtyping.install_import_hook([*shaped, *LATE], "runtime_types.checked")


def unchecked() -> list[str]:
    """Warnings of all functions that run unchecked, one each; to be called in a process that has imported none of them."""
    check_every_call()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for name in modules():
            importlib.import_module(name)
    return [str(one.message) for one in caught if issubclass(one.category, NotCheckedWarning)]


if __name__ == "__main__":
    print("\n".join(message.partition("() in file")[0].partition(" ")[2] for message in unchecked()))  # noqa: T201
