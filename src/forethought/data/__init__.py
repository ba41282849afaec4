"""Datasets of recorded episodes (offline replay): collection, storage on disk, sampling of training clips.

`EpisodeStore` is a folder of memory-mapped arrays. `StoreWriter` writes one shard by shard, so that a kill loses no finished
shard. `ClipSampler` samples training clips from it. `collect` fills one from any world.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forethought.data.collection import collect
    from forethought.data.sampler import ClipSampler
    from forethought.data.statistics import StoreStatistics
    from forethought.data.store import EpisodeStore
    from forethought.data.store_format import SHARD_EPISODES, Failure
    from forethought.data.writer import StoreWriter

_PLACES = {
    "SHARD_EPISODES": "store_format",
    "ClipSampler": "sampler",
    "EpisodeStore": "store",
    "Failure": "store_format",
    "StoreStatistics": "statistics",
    "StoreWriter": "writer",
    "collect": "collection",
}

__all__ = [
    "SHARD_EPISODES",
    "ClipSampler",
    "EpisodeStore",
    "Failure",
    "StoreStatistics",
    "StoreWriter",
    "collect",
]


def __getattr__(name: str) -> Any:
    """Load a name on first use: the configurator of an acting agent needs no worlds, and a collecting process no torch."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
