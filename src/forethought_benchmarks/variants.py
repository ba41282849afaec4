"""The arms that benchmarks of long ways share: the same weights flat, and other levels above the same level 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from forethought.data.store import EpisodeStore
from forethought.evaluation.evaluate import Arena
from forethought.training.retrain import retrain_hierarchy
from forethought_benchmarks.cached_experiments import Variant, scores_of, success_rows

EFFORT: Mapping[str, Any] = {"planner.search.num_samples": 100, "planner.search.num_iterations": 3}
"""How hard level 1 searches, in all arms alike."""
FLAT: Mapping[str, Any] = {"planner.upper.max_levels": 1}
"""Without what is above."""


def both_modes(name: str, changes: Mapping[str, Any] | None = None) -> tuple[Variant, ...]:
    """An arm that searches at level 1, and the same with Mode-1 there."""
    changes = changes or {}
    return Variant(name, changes={**changes, **EFFORT}), Variant(f"{name}-mode-1", "react", changes)


def names_of(variants: Sequence[Variant]) -> list[str]:
    """As rows call them."""
    return [variant.name for variant in variants]


def grown(base: Path, name: str) -> Path:
    """Where other levels above a run's level 1 are kept."""
    return Path(f"{base}-{name}")


def compare_depths(base: Path, store: EpisodeStore, arena: Arena, others: Mapping[str, Mapping[str, Any]]) -> None:
    """Train `others` (name -> settings of `model.hierarchy`) above the level 1 of a run, and score both modes of each."""
    for name, hierarchy in others.items():
        scores_of(retrain_hierarchy(base, store, grown(base, name), hierarchy), grown(base, name), arena, both_modes(name))


def depth_rows(
    world: str, bases: Sequence[Path], seeds: Sequence[int], others: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The rows of what `compare_depths` has scored above these runs."""
    return [
        line
        for name in others
        for line in success_rows(world, names_of(both_modes(name)), [grown(base, name) for base in bases], seeds)
    ]
