"""Experience that was recorded before a life, by anybody: where an agent that learns by acting may start from."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from forethought.data.store import EpisodeStore
from forethought.errors import ForethoughtError
from forethought.types import Episode, WorldSpec

log = logging.getLogger(__name__)
FIRST_UPDATES = 4_000
"""Updates from recorded experience at most, before the first step of one's own."""


def require_fitting(store: EpisodeStore, spec: WorldSpec, block: int | None) -> None:
    """Check that a life in this world can start from the store; `block`: steps in a block that were asked for, if any.

    Raises:
        ForethoughtError: it is of other streams, actions, drives or blocks.
    """
    if block is not None and store.block != block:
        raise ForethoughtError(
            f"{store.path} has blocks of {store.block} steps, and you ask for blocks of {block}: leave out --block, or record "
            f"it with --block {block}."
        )
    for what in ("streams", "action", "drives"):
        mine, theirs = getattr(spec, what), getattr(store.spec, what)
        if mine != theirs:
            raise ForethoughtError(
                f"{store.path} was recorded with other {what} ({_words(theirs)}) than the life has ({_words(mine)}): give the "
                "world's options as they were then, or record it again."
            )


def episodes_of(store: EpisodeStore) -> list[Episode]:
    """All episodes, in their order; says once where they tell no reward."""
    episodes = [store.read(index) for index in range(store.num_episodes)]
    rewards = np.concatenate([episode.rewards[1:] for episode in episodes])
    if not rewards.any() and not any(episode.drives.any() for episode in episodes):
        log.warning("%s holds no reward and no drive: what it shows is copied, and its reward is learned by acting", store.path)
    return episodes


def as_request(store: EpisodeStore) -> dict[str, str]:
    """What a life remembers of the store, to go on with the same one."""
    return {"path": str(store.path.absolute()), "fingerprint": store.fingerprint}


def _words(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(f"{each.name} {list(each.shape)}" if hasattr(each, "shape") else str(each) for each in value) or "none"
    return str(value)
