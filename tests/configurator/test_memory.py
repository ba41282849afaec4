"""Memory of training and planning is compared with what is free before anything is learned."""

from __future__ import annotations

import pytest

import tiny
from forethought.config import Configuration
from forethought.configurator import configure
from forethought.configurator.memory import planning_bytes, require_available
from forethought.errors import ForethoughtError

GIB = 2**30


def settings(**overrides: object) -> Configuration:
    store = tiny.rooms_store()
    wishes = {name.replace("__", "."): value for name, value in overrides.items()}
    return configure(store.spec, store.block, store.statistics(), overrides=wishes)


def test_planning_that_cannot_fit_is_refused_by_its_setting() -> None:
    with pytest.raises(ForethoughtError, match=r"Planning needs .* planner\.search\.num_samples \(now 2000000000"):
        require_available(settings(planner__search__num_samples=2_000_000_000), 1000, 64 * GIB)


def test_scenarios_and_levels_count() -> None:
    plain = planning_bytes(settings())
    assert planning_bytes(settings(model__latent__kind="codes", planner__risk__num_scenarios=8)) > 4 * plain
    above = {"model__hierarchy__levels": 2, "model__hierarchy__retrieval_size": 10**9}
    assert planning_bytes(settings(planner__upper__search__num_samples=10**9, **above)) > 100 * plain


def test_training_that_cannot_fit_is_refused_by_its_setting() -> None:
    with pytest.raises(ForethoughtError, match=r"Training needs .* training\.batch \(now 10000000\)"):
        require_available(settings(training__batch=10_000_000), 1000, 64 * GIB)


def test_what_fits_or_is_unknown_is_not_refused() -> None:
    require_available(settings(), 10_000, 4 * GIB)
    require_available(settings(planner__search__num_samples=2_000_000_000), 1000, None)
