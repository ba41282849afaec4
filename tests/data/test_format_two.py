"""What version 2 of the dataset format added: rewards, endings, partial blocks, free streams, text."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces

from forethought.data import ClipSampler, EpisodeStore, StoreWriter, collect
from forethought.data.text_column import TextPacker, unpack
from forethought.errors import CorruptFileError, ForethoughtError, NonFiniteError
from forethought.training.agent_files import load
from forethought.training.encoded_dataset import encode_store
from forethought.training.train import train
from forethought.types import ActionSpace, Episode, StreamSpec, Task, WorldSpec
from forethought.worlds import registry
from tiny import SMALL


class Hill(gymnasium.Env[Any, Any]):
    """A walk of `goal` steps on average; it pays its step's number, and 100 at the end, which may lie within a block."""

    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, goal: int = 12, cut: bool = False, bad: bool = False) -> None:
        self.goal, self.cut, self.bad = goal, cut, bad

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.left = self.goal + int(self.np_random.integers(-3, 4))
        self.steps, self.place = 0, self.np_random.normal()
        return self._see(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        self.place += float(action[0])
        over = self.steps == self.left
        reward = np.nan if self.bad else self.steps + 100.0 * over
        return self._see(), reward, over and not self.cut, over and self.cut, {}

    def _see(self) -> Any:
        return np.array([self.steps, self.place], np.float32)


gymnasium.register("Hill-v0", entry_point=Hill)
SENSES = {"streams": ["proprioception"]}


@pytest.mark.parametrize("cut", [False, True])
def test_an_episode_that_ends_within_a_block_is_kept_to_its_end(tmp_path: Path, cut: bool) -> None:
    options = {**SENSES, "arguments": {"cut": cut}}
    store = collect("Hill-v0", out=tmp_path / "hill", episodes=12, options=options, workers=0, progress=False)
    assert (store.schema, store.block, store.failures) == (2, 5, ())
    taken = []
    for number in range(12):
        episode = store.read(number)
        steps = int(episode.observation["proprioception"][-1, 0])
        taken.append(steps)
        assert 9 <= steps <= 15
        assert len(episode) == -(-steps // 5)
        assert episode.steps.tolist() == [5] * (steps // 5) + [steps % 5] * (steps % 5 > 0)
        assert store.lengths[number] == steps // 5
        assert episode.rewards.sum() == steps * (steps + 1) / 2 + 100
        assert (episode.rewards[0], episode.rewards[1]) == (0, 15)
        ends = [False] * len(episode) + [True]
        assert (episode.truncated if cut else episode.terminated).tolist() == ends
        assert not (episode.terminated if cut else episode.truncated).any()
        assert not episode.actions.reshape(-1)[steps:].any()
        assert episode.actions.reshape(-1)[:steps].all()
    assert len({steps % 5 for steps in taken}) > 2
    assert not store.rows("steps", store.starts + store.lengths_with_partial).any()
    clips = store.clips(np.array([0]), np.array([0]), int(store.lengths_with_partial[0]))
    assert clips.steps[0].tolist() == store.read(0).steps.tolist()


def test_a_limit_within_a_block_truncates(tmp_path: Path) -> None:
    store = collect("Hill-v0", out=tmp_path / "h", episodes=2, options={**SENSES, "max_steps": 7}, workers=0, progress=False)
    episode = store.read(0)
    assert episode.steps.tolist() == [5, 2]
    assert episode.truncated.tolist() == [False, False, True]
    assert episode.rewards.tolist() == [0, 15, 13]


def test_a_reward_that_is_no_number_is_an_error() -> None:
    world = registry.make("Hill-v0", 2, **SENSES, arguments={"bad": True})
    world.reset([0, 1])
    with pytest.raises(NonFiniteError, match=r"the reward of copy 0 is NaN or infinite at step 1 \(seed 0\)"):
        world.step(np.zeros((2, 1), np.float32))


def test_episodes_without_a_whole_block_are_kept_but_teach_nothing(tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path / "short", registry.make("Hill-v0", 1, **SENSES).spec, 5)
    row = np.array([3], np.int32)
    numbers = {"proprioception": np.arange(4, dtype=np.float32).reshape(2, 2)}
    truth = {"state": np.zeros((2, 2), np.float32)}
    none = np.zeros((2, 0), np.float32)
    writer.append([Episode(numbers, np.zeros((1, 5), np.float32), truth, none, seed, steps=row) for seed in range(3)])
    store = writer.finalise()
    assert (store.lengths_with_partial.tolist(), store.lengths.tolist()) == ([1] * 3, [0] * 3)
    with pytest.raises(ForethoughtError, match="no training episode of the store at .* has a whole block of 5 steps"):
        store.statistics()


def test_episodes_that_end_within_their_first_block_are_left_out(tmp_path: Path) -> None:
    """Two of three episodes end at once; the others have four blocks."""
    stream, action = StreamSpec("numbers", (2,), "float32"), ActionSpace("continuous", 1, (-1.0,), (1.0,))
    spec = WorldSpec("here", {}, (stream,), action, 20, 5)
    writer, draws = StoreWriter(tmp_path / "some", spec, 5), np.random.default_rng(0)
    episodes = []
    for seed in range(24):
        blocks = 4 if seed % 3 == 0 else 1
        steps = np.full(blocks, 5 if blocks == 4 else 2, np.int32)
        seen = {"numbers": draws.normal(size=(blocks + 1, 2)).astype(np.float32)}
        actions = draws.uniform(-1, 1, (blocks, 5)).astype(np.float32)
        actions[:, steps[0] :] = 0
        nothing = np.zeros((blocks + 1, 0), np.float32)
        episodes.append(Episode(seen, actions, {}, nothing, seed, steps=steps))
    writer.append(episodes)
    store = writer.finalise()
    assert store.statistics().length_median == 4
    agent = load(_trained(store, tmp_path / "run"), "cpu")
    data = encode_store(agent.modules.world_model, store, store.train, agent.body)
    assert set(data.lengths.tolist()) == {4}


def test_an_ended_copy_is_paid_no_more() -> None:
    world = registry.make("Hill-v0", 2, **SENSES)
    assert not world.reset([0, 1]).rewards.any()
    frames = [world.step(np.zeros((2, 1), np.float32)) for _ in range(20)]
    rewards, terminated = (np.array([getattr(frame, name) for frame in frames]) for name in ("rewards", "terminated"))
    for copy in (0, 1):
        last = int(np.argmax(terminated[:, copy]))
        assert rewards[last, copy] == last + 101
        assert terminated[last:, copy].all()
        assert not rewards[last + 1 :, copy].any()
    assert not world.reset([0, 1]).terminated.any()


def test_training_leaves_a_broken_off_block_out(tmp_path: Path) -> None:
    store = collect("Hill-v0", out=tmp_path / "hill", episodes=20, options=SENSES, workers=0, progress=False)
    assert (store.lengths_with_partial > store.lengths).any()
    sampler = ClipSampler(store, "train", 2)
    assert sampler.places == int(np.maximum(store.lengths[store.train] - 1, 0).sum())
    episodes, offsets = sampler.draw(500, torch.Generator().manual_seed(0))
    assert (store.clips(episodes, offsets, 2).steps == 5).all()
    assert (offsets + sampler.gaps(episodes, offsets, 20, torch.Generator()) <= store.lengths[episodes]).all()
    agent = load(_trained(store, tmp_path / "run"), "cpu")
    data = encode_store(agent.modules.world_model, store, store.train, agent.body)
    assert data.lengths.tolist() == store.lengths[store.train].tolist()
    assert len(data.states) == int((store.lengths[store.train] + 1).sum())
    assert store.statistics().length_max == store.lengths[store.train].max()


def _trained(store: EpisodeStore, run: Path) -> Path:
    train(
        store,
        out=run,
        config=SMALL | {"training.sequence_length": 2, "planner.horizon": 2, "model.latent_distance_radius": 1.0},
    )
    return run


# -- what the writer takes -----------------------------------------------------------------------------------------------


def test_a_writer_fills_in_what_is_left_out(store: EpisodeStore, spec: WorldSpec) -> None:
    episode = store.read(0)
    assert not episode.rewards.any()
    assert episode.truncated.tolist() == [False] * len(episode) + [True]
    assert (episode.steps == 2).all()
    assert spec.streams[0].kind == "image"


def test_outcomes_come_back(tmp_path: Path, spec: WorldSpec, make_episode: Callable[..., Episode]) -> None:
    writer = StoreWriter(tmp_path / "store", spec, 2)
    steps, ends = np.array([2, 2, 1], np.int32), np.array([0, 0, 0, 1], bool)
    rewards = np.arange(4, dtype=np.float32)
    writer.append([replace(make_episode(1, 3), rewards=rewards, terminated=ends, truncated=~ends & False, steps=steps)])
    writer.append([make_episode(2, 3)])
    store = writer.finalise()
    found = store.read(0)
    np.testing.assert_array_equal(found.rewards, rewards)
    np.testing.assert_array_equal(found.terminated, ends)
    np.testing.assert_array_equal(found.steps, steps)
    assert not found.truncated.any()
    assert (store.lengths_with_partial.tolist(), store.lengths.tolist()) == ([3, 3], [2, 3])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"rewards": np.zeros(3, np.float32)}, r"rewards is float32\[3\] instead of float32\[4\]"),
        ({"rewards": np.array([0, np.inf, 0, 0], np.float32)}, "NaN or infinity in rewards at row 1"),
        ({"steps": np.array([2, 1, 2], np.int32)}, "block 1 of 3 has 1 steps; give 2, or, in the last one alone, fewer"),
        ({"steps": np.array([2, 2, 0], np.int32)}, "block 2 of 3 has 0 steps"),
        ({"steps": np.array([2, 2, 3], np.int32)}, "block 2 of 3 has 3 steps"),
        ({"steps": np.array([2, 2], np.int32)}, r"steps is int32\[3\] instead of int32\[4\]"),
        ({"terminated": np.array([0, 1, 0, 1], bool)}, "terminated at row 1, before its last; make what follows an episode"),
        ({"truncated": np.ones(3, bool)}, r"truncated is bool\[3\] instead of bool\[4\]"),
    ],
)
def test_outcomes_that_do_not_fit_are_refused(
    tmp_path: Path, spec: WorldSpec, make_episode: Callable[..., Episode], change: dict[str, Any], sentence: str
) -> None:
    writer = StoreWriter(tmp_path / "store", spec, 2)
    with pytest.raises(ForethoughtError, match=f"world toy, episode with seed 1: {sentence}"):
        writer.append([replace(make_episode(1, 3), **change)])
    assert writer.shards == []


@pytest.mark.parametrize(
    ("stream", "sentence"),
    [
        (StreamSpec("a.b", (2,), "float32"), "the name is taken or cannot name a file"),
        (StreamSpec("a/b", (2,), "float32"), "the name is taken or cannot name a file"),
        (StreamSpec("rewards", (2,), "float32"), "the name is taken"),
        (StreamSpec("pixels", (2,), "float32"), "the name is taken"),
        (StreamSpec("wrist", (8, 8), "uint8", "image"), r"an image is uint8 \[height, width, channels\], not uint8\[8, 8\]"),
        (StreamSpec("wrist", (8, 8, 3), "float32", "image"), "an image is uint8"),
        (StreamSpec("words", (2,), "str"), "a text is one string a row"),
        (StreamSpec("force", (), "float32"), r"a vector has at least one axis; give a single number the shape \(1,\)"),
    ],
)
def test_streams_that_cannot_be_are_refused(tmp_path: Path, spec: WorldSpec, stream: StreamSpec, sentence: str) -> None:
    with pytest.raises(ForethoughtError, match=f"stream {stream.name!r}: {sentence}"):
        StoreWriter(tmp_path / "store", replace(spec, streams=(*spec.streams, stream)), 2)
    assert not (tmp_path / "store").exists()


# -- streams of any name and kind ----------------------------------------------------------------------------------------

STREAMS = (
    StreamSpec("front", (16, 16, 3), "uint8"),
    StreamSpec("wrist-camera", (8, 12, 1), "uint8"),
    StreamSpec("values", (3,), "float32"),
    StreamSpec("instruction", (), "str"),
)
ROBOT = WorldSpec("robot", {}, STREAMS, ActionSpace("continuous", 1, (-1.0,), (1.0,)), 12, 2)


def robot_episode(seed: int, blocks: int = 6) -> Episode:
    draws = np.random.default_rng(seed)
    said = ["nimm die Tasse ☕", ""][seed % 2]
    return Episode(
        observation={
            "front": draws.integers(0, 256, (blocks + 1, 16, 16, 3), dtype=np.uint8),
            "wrist-camera": draws.integers(0, 256, (blocks + 1, 8, 12, 1), dtype=np.uint8),
            "values": draws.normal(size=(blocks + 1, 3)).astype(np.float32),
            "instruction": np.array([said] * blocks + [f"done {seed}"]),
        },
        actions=draws.uniform(-1, 1, (blocks, 2)).astype(np.float32),
        truth={},
        drives=np.zeros((blocks + 1, 0), np.float32),
        seed=seed,
    )


@pytest.fixture
def robot_store(tmp_path: Path) -> EpisodeStore:
    writer = StoreWriter(tmp_path / "robot", ROBOT, 2)
    writer.append([robot_episode(seed) for seed in range(12)])
    writer.append([robot_episode(seed) for seed in range(12, 20)])
    return writer.finalise()


def test_kinds_are_derived() -> None:
    assert [stream.kind for stream in STREAMS] == ["image", "image", "vector", "text"]
    assert StreamSpec("pixels", (4, 4, 3), "uint8").kind == "image"
    assert StreamSpec("grid", (4, 4), "uint8").kind == "vector"
    assert StreamSpec("touch", (4, 4, 3), "uint8", "vector").kind == "vector"


def test_text_comes_back(robot_store: EpisodeStore) -> None:
    for number in (0, 1, 19):
        expected = robot_episode(number).observation["instruction"].tolist()
        assert robot_store.read(number).observation["instruction"].tolist() == expected
    ends = robot_store.starts + robot_store.lengths_with_partial
    assert robot_store.rows("instruction", ends).tolist() == [f"done {seed}" for seed in range(20)]
    clips = robot_store.clips(np.array([0, 14]), np.array([0, 0]), 1)
    assert clips.observation["instruction"].tolist() == [["nimm die Tasse ☕"] * 2] * 2
    robot_store.verify()
    spans, data = TextPacker().pack(["same", "same", "", "ü", "same"])
    assert len(data) == len("same") * 2 + 2
    assert unpack(spans, np.frombuffer(data, np.uint8), "there").tolist() == ["same", "same", "", "ü", "same"]


def test_text_that_is_none_is_refused(tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path / "robot", ROBOT, 2)
    episode = robot_episode(3)
    for wrong in (np.zeros(7, np.float32), np.array(["one"])):
        with pytest.raises(ForethoughtError, match="episode with seed 3: instruction is .* instead of 7 strings"):
            writer.append([replace(episode, observation={**episode.observation, "instruction": wrong})])
    with pytest.raises(ForethoughtError, match="is not valid Unicode"):
        writer.append([replace(episode, observation={**episode.observation, "instruction": np.array(["\ud800"] * 7)})])
    with pytest.raises(CorruptFileError, match="there: a text lies outside the file"):
        unpack(np.array([[0, 9]]), np.zeros(3, np.uint8), "there")
    with pytest.raises(CorruptFileError, match="there holds no UTF-8"):
        unpack(np.array([[0, 1]]), np.array([255], np.uint8), "there")


def test_two_images_and_a_vector_of_free_names_train(
    robot_store: EpisodeStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        extra = {"training.loss.masked_prediction": 1.0, "training.loss.ema": 0.9}
        train(
            robot_store,
            out=tmp_path / "run",
            config=SMALL | extra | {"training.sequence_length": 2, "model.latent_distance_radius": 1.0},
        )
    assert sum("'instruction' stream is text, which perception does not encode yet" in line for line in caplog.messages) == 1
    agent = load(tmp_path / "run", "cpu")
    streams = agent.configuration.data.streams
    assert [(stream.name, stream.kind) for stream in streams] == [
        ("front", "image"), ("wrist-camera", "image"), ("values", "vector"),
    ]  # fmt: skip
    row = {name: values[0] for name, values in robot_store.read(0).observation.items() if name != "instruction"}
    agent.reset(Task.reach(row), seed=0)
    assert agent.act(row).shape == (1,)
    before = agent.modules.world_model.encode({name: torch.from_numpy(value) for name, value in row.items()})
    row["wrist-camera"] = 255 - row["wrist-camera"]
    after = agent.modules.world_model.encode({name: torch.from_numpy(value) for name, value in row.items()})
    assert not torch.equal(before, after)


def test_text_alone_is_nothing_to_learn_from(tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path / "words", replace(ROBOT, streams=STREAMS[3:]), 2)
    words = [robot_episode(seed) for seed in range(8)]
    writer.append([replace(each, observation={"instruction": each.observation["instruction"]}) for each in words])
    with pytest.raises(ForethoughtError, match="robot has no stream but text"):
        train(writer.finalise(), out=tmp_path / "run", config=SMALL)
