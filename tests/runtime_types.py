"""Types and shapes are checked at each call of the packages in the tests.

beartype checks every function. jaxtyping checks shapes, and only in the modules that annotate them: it makes a call twenty
times as slow. Of the functions that a function makes anew at each of its calls, a test checks the first: to have one checked
takes a millisecond, and a decision makes twenty.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import CodeType, FunctionType
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


made_in_this_test: set[tuple[str, str, CodeType]] = set()
"""Functions inside functions that the test has made, and has checked; `conftest` forgets them before the next."""


def check_the_first() -> None:
    """Of functions inside functions beartype's hook checks the first of each test."""
    # The name is beartype's own matter: with a version that has another one, all are checked.
    with suppress(ImportError, AttributeError):
        hook = importlib.import_module("beartype.claw._ast._clawaststar")
        decorator = hook.__beartype__

        def sparing(*, conf: BeartypeConf) -> Callable[[Decorated], Decorated]:
            check = decorator(conf=conf)

            def decorate(made: Decorated) -> Decorated:
                if not isinstance(made, FunctionType) or "<locals>" not in made.__qualname__:
                    return check(made)
                # The code alone won't do: what a decorator makes of several functions has that of the decorator.
                key = (made.__module__, made.__qualname__, made.__code__)
                if key in made_in_this_test:
                    return made
                made_in_this_test.add(key)
                return check(made)

            return decorate

        hook.__beartype__ = sparing


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
    check_the_first()
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
