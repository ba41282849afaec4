"""Clips are drawn from every place of their split alike, and from nothing but the caller's generator."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from forethought.data import ClipSampler, EpisodeStore, StoreWriter
from forethought.errors import ForethoughtError
from forethought.types import ActionSpace, Episode, StreamSpec, WorldSpec


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> EpisodeStore:
    """30 episodes of 3 to 9 blocks."""
    spec = WorldSpec("toy", {}, (StreamSpec("proprioception", (1,), "float32"),), ActionSpace("discrete", 3), 9, 1)
    writer = StoreWriter(tmp_path_factory.mktemp("sampler") / "store", spec, 1)
    shape = [(3 + seed % 7, seed) for seed in range(30)]
    writer.append(
        [
            Episode({"proprioception": np.full((t + 1, 1), seed, np.float32)}, np.zeros((t, 3), np.float32), {},
                    np.zeros((t + 1, 0), np.float32), seed)
            for t, seed in shape
        ]
    )  # fmt: skip
    return writer.finalise()


def chance(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_batch_is_a_function_of_its_generator(store: EpisodeStore) -> None:
    sampler, again = (ClipSampler(store, "train", 3) for _ in range(2))
    drawn = [sampler.draw(16, chance(seed)) for seed in range(4)]
    resumed = again.draw(16, chance(3))
    np.testing.assert_array_equal(resumed, drawn[3])
    assert not np.array_equal(drawn[0], drawn[1])


@given(length=st.integers(0, 9), seed=st.integers(0, 2**31), reach=st.integers(1, 30))
@settings(max_examples=30, deadline=None)
def test_samples_lie_within_their_split_and_far_rows_within_their_episode(
    store: EpisodeStore, length: int, seed: int, reach: int
) -> None:
    for split in ("train", "heldout"):
        if store.lengths_with_partial[store.split(split)].max() < max(length, 1):
            continue
        generator, sampler = chance(seed), ClipSampler(store, split, max(length, 1))
        episodes, offsets = sampler.draw(8, generator)
        assert set(episodes) <= set(store.split(split))
        assert (offsets >= 0).all()
        assert (offsets + length <= store.lengths_with_partial[episodes]).all()
        gaps = sampler.gaps(episodes, offsets, reach, generator)
        assert (gaps >= 1).all()
        assert (gaps <= reach).all()
        assert (offsets + gaps <= store.lengths_with_partial[episodes]).all()


def test_sampling_is_uniform_over_places(store: EpisodeStore) -> None:
    sampler = ClipSampler(store, "train", 4)
    drawn = Counter((int(e), int(o)) for seed in range(10) for e, o in zip(*sampler.draw(2000, chance(seed)), strict=True))
    lengths = {int(episode): int(store.lengths_with_partial[episode]) for episode in store.train}
    assert set(drawn) == {(episode, offset) for episode, blocks in lengths.items() for offset in range(blocks - 4 + 1)}
    assert len(drawn) == sampler.places
    expected = 20_000 / sampler.places
    # Chi-square over `places` cells: mean places - 1, standard deviation sqrt(2 places); 5 of them off would be a bug.
    chi = sum((count - expected) ** 2 / expected for count in drawn.values())
    assert abs(chi - sampler.places) < 5 * (2 * sampler.places) ** 0.5


def test_clips_longer_than_any_episode_are_refused(store: EpisodeStore) -> None:
    with pytest.raises(ForethoughtError, match="no train episode of the store at .* has 50 blocks; use shorter clips"):
        ClipSampler(store, "train", 50)
