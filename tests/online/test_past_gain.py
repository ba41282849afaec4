"""Whether the past is needed is read from random episodes, of numbers and of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from online_fixtures import settings

from forethought.config import DataSpec, StreamSettings
from forethought.configurator.config_builder import ConfigBuilder
from forethought.configurator.online_rules import BELIEF, belief
from forethought.data import EpisodeStore, StoreWriter
from forethought.online.past_gain import past_gain
from forethought.types import ActionSpace, Episode, StreamSpec, WorldSpec

PICTURE = StreamSettings(name="pixels", kind="image", shape=(32, 32, 3), mean=(0.0,) * 3, std=(1.0,) * 3)


def glider(seed: int, shown: str, length: int = 120) -> Episode:
    """A mass on a line, pushed at random between two walls; its velocity is shown or hidden."""
    random = np.random.default_rng(seed)
    actions = random.uniform(-1, 1, (length, 1)).astype(np.float32)
    rows = np.zeros((length + 1, 2))
    for step, (push,) in enumerate(actions):
        velocity = 0.95 * rows[step, 1] + 0.1 * push - 0.02 * rows[step, 0]
        rows[step + 1] = rows[step, 0] + velocity, velocity
    observation = {
        "velocity": {"proprioception": rows.astype(np.float32)},
        "place": {"proprioception": rows[:, :1].astype(np.float32)},
        "nothing": {"proprioception": np.ones((length + 1, 1), np.float32)},
        "picture": {"pixels": drawn(rows[:, 0])},
    }[shown]
    rewards = np.zeros(length + 1, np.float32)
    return Episode(observation, actions, {}, np.zeros((length + 1, 0), np.float32), seed, rewards)


def stored(folder: Path, episodes: list[Episode]) -> EpisodeStore:
    """The episodes as a store."""
    (name, values), *_ = episodes[0].observation.items()
    kind = "image" if values.dtype == np.uint8 else "vector"
    stream = StreamSpec(name, values.shape[1:], values.dtype.name, kind)
    spec = WorldSpec("glider", {}, (stream,), ActionSpace("continuous", 1, (-1.0,), (1.0,)), 500, 1)
    writer = StoreWriter(folder / "store", spec, 1, {}, 0.3)
    writer.append(episodes)
    return writer.finalise()


def drawn(places: np.ndarray) -> np.ndarray:
    """A bright column at each place."""
    across = np.arange(32)[None, :] - 16 - 8 * places[:, None]
    bright = (255 * np.exp(-0.1 * across**2)).astype(np.uint8)
    return np.broadcast_to(bright[:, None, :, None], (len(places), 32, 32, 3)).copy()


@pytest.mark.parametrize(("shown", "needed"), [("velocity", False), ("place", True), ("picture", True), ("nothing", False)])
def test_memory_is_for_worlds_that_hide_what_moves(tmp_path: Path, shown: str, needed: bool) -> None:
    """Hidden velocities are told by the block before."""
    gain = past_gain(stored(tmp_path, [glider(seed, shown) for seed in range(3)]))
    assert 0 <= gain.given <= 1 >= gain.without >= 0
    builder = ConfigBuilder({})
    data: DataSpec = settings().data
    belief(builder, data.model_copy(update={"streams": (PICTURE,)}) if shown == "picture" else data, gain.without, gain.given)
    assert (builder.model.belief_dim == BELIEF) is needed


def test_noise_needs_no_memory(tmp_path: Path) -> None:
    """What nothing explains is not explained by the past either."""
    random = np.random.default_rng(0)
    episodes = [glider(seed, "place") for seed in range(3)]
    for episode in episodes:
        episode.observation["proprioception"][:] = random.standard_normal(episode.observation["proprioception"].shape)
    gain = past_gain(stored(tmp_path, episodes))
    assert gain.without - gain.given < 0.08 or gain.given > gain.without / 3


def test_one_wild_row_does_not_decide(tmp_path: Path) -> None:
    """A crash far from all else leaves the measurement as it was."""
    episodes = [glider(seed, "velocity") for seed in range(3)]
    episodes[1].observation["proprioception"][60:62] += 1000
    gain = past_gain(stored(tmp_path, episodes))
    assert gain.without < 0.3


@pytest.mark.parametrize("length", [1, 2])
def test_episodes_that_end_at_once_tell_nothing(tmp_path: Path, length: int) -> None:
    """There is no block before the present one."""
    gain = past_gain(stored(tmp_path, [glider(seed, "place", length) for seed in range(10)]))
    assert (gain.without, gain.given) == (0.0, 0.0)
