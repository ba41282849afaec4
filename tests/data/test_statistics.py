from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from forethought.data import EpisodeStore, StoreWriter
from forethought.data.statistics import Sample, between_episodes, moments, within_bounds
from forethought.types import ActionSpace, Episode, StreamSpec, WorldSpec


def test_moments_of_bytes_equal_those_of_floats() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (10, 4, 5, 3), dtype=np.uint8)
    np.testing.assert_allclose(moments(pixels), moments(pixels.astype(np.float64)), rtol=1e-12)


def test_figures_of_known_episodes(store: EpisodeStore) -> None:
    found = store.statistics()
    lengths = store.lengths_with_partial[store.train]
    assert (found.episodes, found.rows) == (30, store.num_rows)
    assert (found.length_median, found.length_max) == (np.median(lengths), lengths.max())
    # The made-up world: uniform bytes, standard normal numbers, nothing in common between moments.
    np.testing.assert_allclose(found.stream_mean["pixels"], 127.5, atol=3)
    np.testing.assert_allclose(found.stream_std["pixels"], 73.9, atol=3)
    assert len(found.stream_std["proprioception"]) == 3
    assert found.between_episodes < 0.1
    assert found.action_variance is not None
    assert found.action_variance > 0
    assert found == store.statistics()


def test_actions_vary_in_units_of_their_bounds() -> None:
    recorded = np.random.default_rng(0).uniform(0, 3, (4000, 4))
    wide = within_bounds(recorded, ActionSpace("continuous", 2, (0.0, -3.0), (3.0, 6.0)))
    assert wide is not None
    # Uniform over the first number's bounds: a third; over a third of the second's: a ninth of that, off the middle.
    np.testing.assert_allclose(wide.var(axis=0), [1 / 3, 1 / 27, 1 / 3, 1 / 27], rtol=0.05)
    assert within_bounds(recorded, ActionSpace("discrete", 4)) is None


def test_held_out_episodes_are_not_looked_at(
    tmp_path: Path, store: EpisodeStore, episodes: list[Episode], spec: WorldSpec
) -> None:
    held_out = set(store.heldout.tolist())
    writer = StoreWriter(tmp_path / "other", spec, 2)
    writer.append(
        [
            Episode({k: v * 0 for k, v in e.observation.items()}, e.actions * 0, e.truth, e.drives, e.seed)
            if number in held_out
            else e
            for number, e in enumerate(episodes)
        ]
    )
    assert writer.finalise().statistics() == store.statistics()


def dots(tmp_path: Path, jump: int, layouts: int) -> EpisodeStore:
    """A 2-pixel dot that jumps back and forth by `jump` pixels of 32, over a backdrop that differs by episode."""
    spec = WorldSpec("dots", {}, (StreamSpec("pixels", (32, 32, 3), "uint8"),), ActionSpace("discrete", 2), 10, 1)
    writer, recorded = StoreWriter(tmp_path / f"{jump}-{layouts}", spec, 1), []
    for seed in range(20):
        backdrop = np.random.default_rng(seed % layouts).integers(0, 100, (32, 32, 3), dtype=np.uint8)
        frames = np.repeat(backdrop[None], 11, axis=0)
        for row, frame in enumerate(frames):
            frame[10:12, 4 + jump * (row % 2) :][:, :2] = 255
        recorded.append(Episode({"pixels": frames}, np.zeros((10, 2), np.float32), {}, np.zeros((11, 0), np.float32), seed))
    writer.append(recorded)
    return writer.finalise()


@pytest.mark.parametrize("jump", [4, 8, 16])
def test_layouts_that_differ_by_episode_are_seen(tmp_path: Path, jump: int) -> None:
    assert dots(tmp_path, jump, layouts=1).statistics().between_episodes < 0.6
    assert dots(tmp_path, jump, layouts=20).statistics().between_episodes > 0.85


def scene(
    tmp_path: Path, name: str, bar: bool = True, moves: float = 0.0, noise: float = 0.0, pixels: bool = True
) -> EpisodeStore:
    """An agent of 4 x 4 pixels that walks at random by up to 6 in a block, and perhaps a bar of another place in each episode.

    `moves`: chance that the bar moves in a block. `pixels`: False shows the places as numbers.
    """
    stream = StreamSpec("pixels", (32, 32, 3), "uint8") if pixels else StreamSpec("numbers", (3,), "float32")
    writer, recorded = StoreWriter(tmp_path / name, WorldSpec("scene", {}, (stream,), ActionSpace("discrete", 2), 16, 1), 1), []
    for seed in range(100):
        random = np.random.default_rng(seed)
        places, frames = random.uniform(1, 27, (17, 3)), np.zeros((17, 32, 32, 3))
        for row in range(1, 17):
            places[row, :2] = np.clip(places[row - 1, :2] + random.uniform(-6, 6, 2), 1, 27)
            if random.random() >= moves:
                places[row, 2] = places[row - 1, 2]
        places[:, 2] *= bar
        for frame, (across, down, other) in zip(frames, places.astype(int), strict=True):
            frame[4:28, other : other + 2] = 200 * bar
            frame[down : down + 4, across : across + 4] = 255
        seen = np.clip(frames + noise * random.standard_normal(frames.shape), 0, 255).astype(np.uint8)
        observation = {stream.name: seen if pixels else places.astype(np.float32)}
        recorded.append(Episode(observation, np.zeros((16, 2), np.float32), {}, np.zeros((17, 0), np.float32), seed))
    writer.append(recorded)
    return writer.finalise()


@pytest.mark.parametrize("pixels", [True, False], ids=["pictures", "numbers"])
def test_layouts_objects_and_slow_agents_are_distinguished(tmp_path: Path, pixels: bool) -> None:
    """Two random rows of an episode resemble each other in all three."""
    layout = scene(tmp_path, "layout", pixels=pixels).statistics()
    objects = scene(tmp_path, "objects", moves=0.3, pixels=pixels).statistics()
    slow = scene(tmp_path, "slow", bar=False, pixels=pixels).statistics()
    assert min(found.between_episodes for found in (layout, objects, slow)) > 0.05
    assert layout.layout > 0.25 > 0.05 > max(objects.layout, slow.layout)
    assert objects.at_rest - objects.layout > 0.5 > max(found.at_rest - found.layout for found in (layout, slow))


def test_layouts_are_seen_through_noise(tmp_path: Path) -> None:
    noisy, alone = (scene(tmp_path, str(bar), bar, noise=10.0).statistics() for bar in (True, False))
    assert noisy.layout > 0.2
    assert noisy.at_rest - noisy.layout < 0.5
    assert alone.layout < 0.05


def test_numbers_without_pixels(tmp_path: Path) -> None:
    spec = WorldSpec("walk", {}, (StreamSpec("proprioception", (1,), "float32"),), ActionSpace("discrete", 2), 50, 1)
    writer = StoreWriter(tmp_path / "store", spec, 1)
    line = np.arange(51, dtype=np.float32)[:, None]
    empty = np.zeros((51, 0), np.float32)
    writer.append([Episode({"proprioception": line}, np.zeros((50, 2), np.float32), {}, empty, n) for n in range(9)])
    found = writer.finalise().statistics()
    assert list(found.stream_mean) == ["proprioception"]
    assert found.between_episodes < 0.1


def test_what_never_changes_does_not_differ_between_episodes() -> None:
    still = np.full((8, 3), 5.0, np.float32)
    assert between_episodes(Sample({"numbers": still}, {"numbers": still})) == 0.0
    assert between_episodes(Sample({}, {})) == 0.0
