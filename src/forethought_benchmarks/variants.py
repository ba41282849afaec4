"""Variants shared by long-horizon benchmarks: the same weights without upper levels, and other hierarchies above level 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from forethought.data.store import EpisodeStore
from forethought.evaluation.arena import Arena
from forethought.training.retrain import retrain_hierarchy
from forethought_benchmarks.cached_experiments import Variant, scores_of, success_rows

EFFORT: Mapping[str, Any] = {"planner.search.num_samples": 100, "planner.search.num_iterations": 3}
"""Search effort of level 1, the same in all variants."""
FLAT: Mapping[str, Any] = {"planner.upper.max_levels": 1}
"""Without upper levels."""


def both_modes(name: str, changes: Mapping[str, Any] | None = None) -> tuple[Variant, ...]:
    """A variant with Mode-2 at level 1, and the same variant with Mode-1 at level 1."""
    changes = changes or {}
    return Variant(name, changes={**changes, **EFFORT}), Variant(f"{name}-mode-1", "react", changes)


def names_of(variants: Sequence[Variant]) -> list[str]:
    """Names of the variants in the rows."""
    return [variant.name for variant in variants]


def grown(base: Path, name: str) -> Path:
    """Folder of another hierarchy above a run's level 1."""
    return Path(f"{base}-{name}")


def compare_depths(base: Path, store: EpisodeStore, arena: Arena, others: Mapping[str, Mapping[str, Any]]) -> None:
    """Train `others` (name -> settings of `model.hierarchy`) above the level 1 of a run, and score both modes of each."""
    for name, hierarchy in others.items():
        scores_of(retrain_hierarchy(base, store, grown(base, name), hierarchy), grown(base, name), arena, both_modes(name))


def depth_rows(
    world: str, bases: Sequence[Path], seeds: Sequence[int], others: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Rows of the scores of `compare_depths` for these runs."""
    return [
        line
        for name in others
        for line in success_rows(world, names_of(both_modes(name)), [grown(base, name) for base in bases], seeds)
    ]
