"""What every test runs under: shapes and types checked at each call, one thread, no display, no network to a hub."""

from __future__ import annotations

import importlib.util
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

os.environ.setdefault("MUJOCO_GL", "egl")
os.environ.setdefault("MPLBACKEND", "Agg")

from runtime_types import check_every_call, made_in_this_test

# Before anything of ours is imported, so that every annotation of the packages is checked in every test.
check_every_call()

import torch  # noqa: E402

from forethought.execution.ray_cluster import Carrier  # noqa: E402

del Carrier.__sizeof__  # beartype's own, which Ray cannot trace

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """A shell starts what runs in its background with Ctrl-C ignored, and some tests press it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def checked_anew() -> None:
    """Each test checks the types of functions inside functions, too: see `runtime_types`."""
    made_in_this_test.clear()


@pytest.fixture(autouse=True)
def registered_parts() -> Iterator[None]:
    """What a test registers is forgotten after it, so that another may use the name."""
    from forethought import parts

    before = dict(parts._registered)
    yield
    # Forethought's own parts stay: they register once, when their module is first imported.
    own = {key: part for key, part in parts._registered.items() if parts._home(part).startswith("forethought")}
    parts._registered.clear()
    parts._registered.update(own | before)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """A Ray cluster of two nodes on this machine."""
    from forethought_benchmarks.scaling.local_cluster import local_cluster

    with local_cluster() as cluster:
        yield cluster


NEEDS = {"worlds": ("gym_pusht", "ogbench"), "cluster": ("ray",)}
"""Marker -> packages of the extra of that name, without which its tests skip."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of an extra skip where it is not installed, and say how to get it."""
    for extra, packages in NEEDS.items():
        if all(importlib.util.find_spec(name) is not None for name in packages):
            continue
        skip = pytest.mark.skip(reason=f"needs the [{extra}] extra: pip install -e '.[{extra}]'")
        for item in items:
            # The marker, and not a keyword, which the folder of this name would be for all that is in it.
            if item.get_closest_marker(extra):
                item.add_marker(skip)
