"""Blocks of several steps: how fast a world changes, and episodes of single steps in blocks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lived_worlds import SLOPE

import forethought as ft
from forethought.data.store import EpisodeStore
from forethought.errors import ForethoughtError
from forethought.online import lifetime
from forethought.online.blocks import change_in_a_step, in_blocks, repeats_actions
from forethought.online.dataset import LivedDataset
from forethought.types import ActionSpace, Episode, StreamSpec, WorldSpec

OPTIONS = {"streams": ["proprioception"]}
TINY: dict[str, Any] = {
    "model.encoder.state_dim": 8, "model.encoder.hidden": 16, "model.predictor.hidden": 16, "model.reward.hidden": 16,
    "training.online.updates_per_step": 0.2, "training.online.batch": 16, "training.online.random_steps": 60,
    "planner.search.num_samples": 16, "planner.search.num_elites": 4,
}  # fmt: skip


def spec_of(kind: str = "vector", shape: tuple[int, ...] = (1,)) -> WorldSpec:
    stream = StreamSpec("seen", shape, "uint8" if kind == "image" else "float32")
    return WorldSpec("line", {}, (stream,), ActionSpace("continuous", 1, (-1.0,), (1.0,)), 100)


def episode_of(seen: np.ndarray, terminated: bool = False) -> Episode:
    """Single steps; the action, the reward and the drive of step t are t + 1."""
    count = np.arange(1, len(seen), dtype=np.float32)
    felt = np.concatenate([[0], count]).astype(np.float32)
    ended = np.zeros(len(seen), bool)
    ended[-1] = terminated
    return Episode({"seen": seen}, count[:, None], {}, felt[:, None], 0, rewards=felt, terminated=ended)


@pytest.mark.parametrize(("block", "length"), [(1, 5), (2, 6), (3, 7), (4, 3)])
def test_nothing_is_lost_in_blocks(block: int, length: int) -> None:
    """Sums of rewards and drives, the end and the executed actions are the same; the last block may be partial."""
    single = episode_of(np.arange(length + 1, dtype=np.float32)[:, None], terminated=True)
    blocks = in_blocks(single, block)
    assert len(blocks) == -(-length // block)
    assert blocks.steps.sum() == length
    assert blocks.steps[:-1].tolist() == [block] * (len(blocks) - 1)
    assert blocks.observation["seen"][:, 0].tolist() == [*range(0, length, block), length]
    assert blocks.rewards.sum() == single.rewards.sum()
    assert blocks.drives.sum() == single.drives.sum()
    assert blocks.rewards[1] == single.rewards[1 : block + 1].sum()
    assert blocks.terminated.tolist() == [*[False] * len(blocks), True]
    executed = np.arange(block) < blocks.steps[:, None]
    assert blocks.actions[executed].tolist() == single.actions[:, 0].tolist()
    assert not blocks.actions[~executed].any()


def test_a_slower_world_changes_less_in_a_step() -> None:
    """A sine of period 100 moves by 2 pi / 100 of its standard deviation a step; what never changes does not count."""
    time = np.arange(101)
    sine = np.sin(2 * np.pi * time / 100)
    for factor in (1.0, 50.0):
        rows = np.stack([factor * sine, np.full(101, 7.0)], 1).astype(np.float32)
        assert change_in_a_step([episode_of(rows)], spec_of(shape=(2,))) == pytest.approx(2 * np.pi / 100, rel=0.02)
    twice = episode_of(np.sin(4 * np.pi * time / 100).astype(np.float32)[:, None])
    assert change_in_a_step([twice], spec_of()) == pytest.approx(4 * np.pi / 100, rel=0.02)
    assert change_in_a_step([episode_of(np.zeros((9, 1), np.float32))], spec_of()) == 0


def test_pictures_tell_the_speed_of_what_moves() -> None:
    """A spot that crosses the picture in 64 steps, and one that takes 16."""

    def crossing(steps: int) -> Episode:
        frames = np.zeros((steps + 1, 64, 64, 3), np.uint8)
        for row in range(steps + 1):
            left = round(row * 56 / steps)
            frames[row, 28:36, left : left + 8] = 255
        return episode_of(frames)

    spec = spec_of("image", (64, 64, 3))
    slow, fast = (change_in_a_step([crossing(steps)], spec) for steps in (64, 16))
    assert 3 < fast / slow < 5


def test_blocks_are_the_users_or_chosen(tmp_path: Path) -> None:
    """By default the world decides; the agent repeats one action, and the dataset, the agent and its record know the steps."""
    chosen = ft.live(SLOPE, out=tmp_path / "chosen", steps=100, config=TINY)
    assert chosen.configuration.data.block == 1
    assert "of its spread: each step is decided" in chosen.configuration.because("data.block")
    agent = ft.live(SLOPE, out=tmp_path / "run", steps=150, config=TINY, block=3)
    data, store = agent.configuration.data, EpisodeStore.open(tmp_path / "run" / "dataset")
    assert (data.block, data.action_repeat, data.block_size, store.block) == (3, True, 1, 3)
    assert agent.configuration.because("data.block") == "you asked for it"
    assert repeats_actions(store)
    record = json.loads((tmp_path / "run" / "life.json").read_text())
    assert record["steps"] == sum(int(store.read(number).steps.sum()) for number in range(store.num_episodes))
    agent.reset(ft.Task.world(), seed=0)
    for mode in ("plan", "react"):
        actions = agent.decide({"proprioception": np.zeros((1, 2), np.float32)}, mode).actions
        assert actions.shape == (1, 3, 1)
        assert (actions == actions[:, :1]).all()
    assert ft.evaluate_return(agent, episodes=2).agent.episodes == 2


def test_recorded_blocks_are_gone_on_with(tmp_path: Path) -> None:
    """A store whose blocks differ within lets the agent decide each step of a block; one that repeats, does not."""
    store = ft.collect(SLOPE, out=tmp_path / "given", episodes=4, policy="random", block=2, options=OPTIONS)
    assert not repeats_actions(store)
    agent = ft.live(SLOPE, out=tmp_path / "run", steps=60, recorded=store.path, config=TINY)
    assert (agent.configuration.data.block, agent.configuration.data.block_size) == (2, 2)
    held = ft.live(SLOPE, out=tmp_path / "held", steps=80, config=TINY, block=2)
    again = ft.live(SLOPE, out=tmp_path / "again", steps=60, recorded=tmp_path / "held" / "dataset", config=TINY)
    assert held.configuration.data.action_repeat
    assert again.configuration.data.action_repeat


def test_a_life_goes_on_with_its_blocks(tmp_path: Path) -> None:
    """`resume` needs no word of them, and refuses others."""
    ft.live(SLOPE, out=tmp_path / "run", steps=80, config=TINY, block=2)
    agent = ft.live(SLOPE, out=tmp_path / "run", steps=120, resume=True)
    assert agent.configuration.data.block == 2
    with pytest.raises(ForethoughtError, match="was begun with block = 2, not 3"):
        ft.live(SLOPE, out=tmp_path / "run", steps=160, resume=True, block=3)


def test_a_killed_life_in_blocks_comes_to_the_same_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first look, whose actions differ within a block, is read again as it was lived."""
    monkeypatch.setattr(lifetime, "block_length", lambda change, length: (3, "the test says so"))
    whole = ft.live(SLOPE, out=tmp_path / "whole", steps=200, config=TINY)
    assert whole.configuration.data.block == 3
    assert whole.configuration.because("data.block") == "the test says so"
    assert not repeats_actions(EpisodeStore.open(tmp_path / "whole" / "dataset"))
    count = lifetime.Lifetime._count

    def dying(self: lifetime.Lifetime, outcome: Any, number: int) -> None:
        if number == 6:
            raise KeyboardInterrupt
        count(self, outcome, number)

    monkeypatch.setattr(lifetime.Lifetime, "_count", dying)
    with pytest.raises(KeyboardInterrupt):
        ft.live(SLOPE, out=tmp_path / "run", steps=200, config=TINY)
    monkeypatch.setattr(lifetime.Lifetime, "_count", count)
    resumed = ft.live(SLOPE, out=tmp_path / "run", steps=200, resume=True)
    left, right = whole.modules.state_dict(), resumed.modules.state_dict()
    assert all(bool((left[name] == right[name]).all()) for name in left)


def test_a_look_that_is_killed_while_it_is_recorded_goes_on_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The length of the block is known then, but the rest of the look is of single steps, as in a life that was not killed."""
    monkeypatch.setattr(lifetime, "block_length", lambda change, length: (3, "the test says so"))
    ft.live(SLOPE, out=tmp_path / "whole", steps=100, config=TINY)
    add = LivedDataset.add

    def dying(self: LivedDataset, number: int, episode: Episode | str, seed: int) -> None:
        if number == 1:
            raise KeyboardInterrupt
        add(self, number, episode, seed)

    monkeypatch.setattr(LivedDataset, "add", dying)
    with pytest.raises(KeyboardInterrupt):
        ft.live(SLOPE, out=tmp_path / "run", steps=100, config=TINY)
    monkeypatch.setattr(LivedDataset, "add", add)
    ft.live(SLOPE, out=tmp_path / "run", steps=100, resume=True)
    whole, resumed = (EpisodeStore.open(tmp_path / name / "dataset") for name in ("whole", "run"))
    assert whole.num_rows == resumed.num_rows
    rows = np.arange(whole.num_rows)
    for name in ("actions", "rewards", "proprioception"):
        assert (whole.rows(name, rows) == resumed.rows(name, rows)).all()
