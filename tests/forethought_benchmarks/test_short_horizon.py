"""Worlds where depth is not needed: which arms say so."""

from __future__ import annotations

from forethought_benchmarks.short_horizon import WAYS
from forethought_benchmarks.variants import FLAT


def test_the_chosen_depth_meets_its_neighbours() -> None:
    """Every way is gone flat and with two levels, by what the configurator chose or by levels grown on it."""
    for way in WAYS:
        tried = {variant.name.removesuffix("-mode-1") for variant in way.arms} | set(way.others)
        assert {"flat", "levels-2"} <= tried
        assert ("flat" if way.chosen == 1 else f"levels-{way.chosen}") in {variant.name for variant in way.arms}
        flat = next(variant for variant in way.arms if variant.name == "flat")
        assert (FLAT.items() <= flat.changes.items()) == (way.chosen > 1), "goes without what is above"
