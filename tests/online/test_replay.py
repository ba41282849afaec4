"""The replay: windows stay within their episode, and reading an episode again gives what living it gave."""

from __future__ import annotations

import numpy as np
import torch

from forethought.config import StreamSettings
from forethought.online.replay import FIRST_ROWS, Happened, Replay
from forethought.types import Episode

STREAM = StreamSettings(name="place", kind="vector", shape=(1,), mean=(0.0,), std=(1.0,))


def block(row: int, over: bool = False) -> Happened:
    """A block that leads to this row; its drive is the row, too."""
    place = {"place": np.array([row], np.float32)}
    return Happened(np.full(2, row, np.float32), float(row), np.array([row], np.float32), over, place)


def replay_of(lengths: list[int], terminated: bool = False) -> Replay:
    """Episodes whose observation counts up over all rows; the block's reward is the row that it leads to."""
    replay, row = Replay((STREAM,), 2, 1), 0
    for length in lengths:
        replay.begin({"place": np.array([row], np.float32)})
        row += 1
        for step in range(length):
            replay.add(block(row, terminated and step + 1 == length))
            row += 1
    return replay


def test_a_window_is_of_one_episode_and_counts_its_blocks_alone() -> None:
    """Inside, rows and rewards follow each other; after the end nothing counts."""
    replay = replay_of([5, 3, 9])
    windows = replay.sample(500, 4, torch.Generator().manual_seed(0))
    places, counts = windows.observation["place"][..., 0], windows.counts
    inside = counts.bool()
    assert ((places[:, 1:] - places[:, :-1])[inside] == 1).all()
    assert (windows.rewards[inside] == places[:, 1:][inside]).all()
    assert (windows.drives[..., 0] == windows.rewards).all()
    assert (windows.actions[..., 0][inside] == places[:, 1:][inside]).all()
    assert (counts[:, 0] == 1).all(), "each window begins at a block"
    assert ((counts[:, 1:] - counts[:, :-1]) <= 0).all(), "what has ended does not go on"
    ends = {5, 9, 19}
    assert all(int(end) in ends for end in places[:, -1][counts[:, -1] == 0].tolist()), "it stays at its episode's last row"


def test_every_block_is_sampled_and_none_but_blocks() -> None:
    """All starts occur, and about equally often."""
    replay = replay_of([2, 1, 4])
    starts = replay.sample(7000, 1, torch.Generator().manual_seed(0)).observation["place"][:, 0, 0]
    found, counts = np.unique(starts.numpy(), return_counts=True)
    assert found.tolist() == [0, 1, 3, 5, 6, 7, 8]
    assert counts.min() > 850


def test_the_past_of_a_window_stays_within_its_episode() -> None:
    """Rows before it follow each other; before the beginning they are unknown, and the rest is as without a past."""
    replay = replay_of([5, 3, 9])
    plain = replay.sample(300, 4, torch.Generator().manual_seed(0))
    windows = replay.sample(300, 4, torch.Generator().manual_seed(0), past=3)
    places, known = windows.observation["place"][..., 0], windows.known.bool()
    assert torch.equal(places[:, 3:], plain.observation["place"][..., 0])
    assert torch.equal(windows.actions[:, 3:], plain.actions)
    assert torch.equal(windows.rewards, plain.rewards)
    assert known[:, 3:].all()
    steps = places[:, 1:4] - places[:, :3]
    assert (steps[known[:, :3]] == 1).all()
    assert (windows.actions[:, :3, 0][known[:, :3]] == places[:, 1:4][known[:, :3]]).all()
    first = torch.tensor([0.0, 6.0, 10.0])
    begun = first[torch.bucketize(places[:, 3].contiguous(), first, right=True) - 1]
    assert torch.equal(known.sum(1) - 5, (places[:, 3] - begun).clamp(max=3).long())


def test_an_ending_is_of_the_last_block_alone() -> None:
    """`terminated` stands where the episode ended by itself."""
    windows = replay_of([3, 3], terminated=True).sample(200, 1, torch.Generator().manual_seed(0))
    ended = windows.terminated[:, 0].bool()
    assert set(windows.observation["place"][:, 1, 0][ended].tolist()) == {3.0, 7.0}


def test_an_episode_read_again_gives_the_rows_that_living_it_gave() -> None:
    """`add_episode` equals `begin` and `add`, and grows past the first rows."""
    lived, length = replay_of([FIRST_ROWS + 10]), FIRST_ROWS + 10
    places = np.arange(length + 1, dtype=np.float32)[:, None]
    rewards = np.arange(length + 1, dtype=np.float32)
    actions = np.repeat(np.arange(1, length + 1, dtype=np.float32)[:, None], 2, 1)
    episode = Episode({"place": places, "unread": places}, actions, {}, np.zeros((length + 1, 0), np.float32), 0, rewards)
    read = Replay((STREAM,), 2)
    read.add_episode(episode)
    assert read.rows == lived.rows == length + 1
    a, b = (each.sample(300, 3, torch.Generator().manual_seed(1)) for each in (lived, read))
    assert torch.equal(a.observation["place"], b.observation["place"])
    assert torch.equal(a.rewards, b.rewards)
    assert torch.equal(a.actions, b.actions)
    assert torch.equal(a.counts, b.counts)


def test_a_lost_episode_is_taken_out() -> None:
    """Windows are those of a replay that never had it, also after the next episode."""
    whole, cut = replay_of([5, 3]), replay_of([5, 9])
    cut.truncate(6)
    cut.begin({"place": np.array([6], np.float32)})
    for row in (7, 8, 9):
        cut.add(block(row))
    a, b = (each.sample(200, 2, torch.Generator().manual_seed(0)) for each in (whole, cut))
    assert whole.rows == cut.rows
    assert torch.equal(a.observation["place"], b.observation["place"])
    assert torch.equal(a.counts, b.counts)
    assert torch.equal(a.rewards * a.counts, b.rewards * b.counts), "what does not count may hold anything"


def test_a_notable_block_is_drawn_often_wherever_it_lies_in_its_window() -> None:
    """An eighth of the windows lead to it; without one nothing changes; what is taken out is forgotten."""
    replay = Replay((STREAM,), 2, 1)
    replay.notable_above = 1000.5
    replay.begin({"place": np.array([0], np.float32)})
    for row in range(1, 1003):
        replay.add(block(row))
    drawn = replay.sample(800, 3, torch.Generator().manual_seed(0))
    hits = (drawn.rewards > 1000.5) & (drawn.counts > 0)
    assert int(hits.any(1).sum()) >= 100
    places = hits[:100].float().sum(0)
    assert bool((places > 10).all()), "at each place of the window"
    plain = replay_of([5, 3])
    same = replay_of([5, 3])
    same.notable_above = 100.0
    a, b = (each.sample(50, 2, torch.Generator().manual_seed(0)) for each in (plain, same))
    assert torch.equal(a.rewards, b.rewards)
    replay.truncate(900)
    assert float(replay.sample(800, 3, torch.Generator().manual_seed(0)).rewards.max()) < 1000
