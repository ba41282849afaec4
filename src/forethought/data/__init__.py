"""Datasets of recorded episodes (offline replay): collection, storage on disk, sampling of training clips.

`EpisodeStore` is a folder of memory-mapped arrays. `StoreWriter` writes one shard by shard, so that a kill loses no finished
shard. `ClipSampler` samples training clips from it. `collect` fills one from any world.
"""

from forethought.data.collection import collect
from forethought.data.sampler import ClipSampler
from forethought.data.statistics import StoreStatistics
from forethought.data.store import EpisodeStore
from forethought.data.store_format import SHARD_EPISODES, Failure
from forethought.data.writer import StoreWriter

__all__ = [
    "SHARD_EPISODES",
    "ClipSampler",
    "EpisodeStore",
    "Failure",
    "StoreStatistics",
    "StoreWriter",
    "collect",
]
