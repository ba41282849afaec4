"""A small made-up world, and episodes of it, for the tests of the store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from forethought.data import EpisodeStore, StoreWriter
from forethought.types import ActionSpace, Episode, StreamSpec, WorldSpec


@pytest.fixture
def spec() -> WorldSpec:
    return WorldSpec(
        name="toy",
        options={"size": 8, "nested": {"a": [1, 2]}},
        streams=(StreamSpec("pixels", (8, 8, 3), "uint8"), StreamSpec("proprioception", (3,), "float32")),
        action=ActionSpace("continuous", 2, (-1.0, -1.0), (1.0, 2.0)),
        max_steps=20,
        block=2,
        truth={"position": 2, "room": 1},
        drives=("pain",),
    )


@pytest.fixture
def make_episode() -> Callable[..., Episode]:
    def make(seed: int, blocks: int = 5) -> Episode:
        random = np.random.default_rng(seed)

        def floats(*shape: int) -> np.ndarray:
            return random.standard_normal(shape).astype(np.float32)

        return Episode(
            observation={
                "pixels": random.integers(0, 256, (blocks + 1, 8, 8, 3), dtype=np.uint8),
                "proprioception": floats(blocks + 1, 3),
            },
            actions=np.clip(floats(blocks, 4), -1, 1),
            truth={"position": floats(blocks + 1, 2), "room": floats(blocks + 1, 1)},
            drives=floats(blocks + 1, 1),
            seed=seed,
        )

    return make


@pytest.fixture
def episodes(make_episode: Callable[..., Episode]) -> list[Episode]:
    """30 episodes of 3 to 9 blocks."""
    return [make_episode(seed, 3 + seed % 7) for seed in range(30)]


@pytest.fixture
def store(tmp_path: Path, spec: WorldSpec, episodes: list[Episode]) -> EpisodeStore:
    """The 30 episodes in three shards of 11, 1 and 18."""
    writer = StoreWriter(tmp_path / "store", spec, 2, {"policy": "made up"})
    for shard in (episodes[:11], episodes[11:12], episodes[12:]):
        writer.append(shard)
    return writer.finalise()


def assert_equal_episodes(found: Episode, expected: Episode) -> None:
    assert found.seed == expected.seed
    for name in ("actions", "drives"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), strict=True)
    for name in ("observation", "truth"):
        ours, theirs = getattr(found, name), getattr(expected, name)
        assert list(ours) == list(theirs)
        for key in theirs:
            np.testing.assert_array_equal(ours[key], theirs[key], strict=True)


@pytest.fixture
def same_episode() -> Callable[[Episode, Episode], None]:
    return assert_equal_episodes
