"""Datasets of recorded episodes (offline replay): collection, storage on disk, sampling of training clips.

`EpisodeStore` is a folder of memory-mapped arrays. `StoreWriter` writes one shard by shard, so that a kill loses no finished
shard. `ClipSampler` samples training clips from it. `collect` fills one from any world.
"""

from typing import TYPE_CHECKING, Any

from forethought.data.collection import collect
from forethought.data.statistics import StoreStatistics
from forethought.data.store import EpisodeStore
from forethought.data.store_format import SHARD_EPISODES, Failure
from forethought.data.writer import StoreWriter

if TYPE_CHECKING:
    from forethought.data.sampler import ClipSampler

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
    """The sampler is loaded on first use: it needs torch, which takes 200 MB and seconds in each collecting process."""
    if name == "ClipSampler":
        from forethought.data.sampler import ClipSampler

        return ClipSampler
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
