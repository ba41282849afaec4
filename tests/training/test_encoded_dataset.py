"""Every row encoded once: rows that fit their episodes, actions and drives in their places."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import tiny
from forethought.errors import NonFiniteError
from forethought.training.encoded_dataset import CHUNK, KEPT_BACK, EncodedDataset, encode_store


@pytest.fixture(scope="module")
def encoded() -> EncodedDataset:
    agent, store = tiny.point_agent(False), tiny.point_store(False)
    return encode_store(agent.modules.world_model, store, store.heldout, agent.body)


def test_every_row_is_where_it_belongs(encoded: EncodedDataset) -> None:
    agent, store = tiny.point_agent(False), tiny.point_store(False)
    assert len(encoded.states) == int((store.lengths[store.heldout] + 1).sum())
    for number, episode in enumerate(store.heldout):
        read = store.read(int(episode))
        first, blocks = int(encoded.starts[number]), int(encoded.lengths[number])
        assert blocks == len(read)
        rows = slice(first, first + blocks + 1)
        states = agent.modules.world_model.encode({"proprioception": torch.from_numpy(read.observation["proprioception"])})
        assert torch.allclose(encoded.states[rows], states, atol=1e-5)
        actions = agent.body.to_model(torch.from_numpy(read.actions))
        assert torch.equal(encoded.actions[first : first + blocks], actions)
        assert torch.equal(encoded.drives[rows], torch.from_numpy(read.drives))


def test_more_rows_than_a_chunk_are_encoded_alike() -> None:
    agent, store = tiny.point_agent(False), tiny.point_store(False)
    every = np.arange(store.num_episodes)
    whole = encode_store(agent.modules.world_model, store, every, agent.body)
    assert len(whole.states) > CHUNK
    one = encode_store(agent.modules.world_model, store, every[-1:], agent.body)
    assert torch.allclose(whole.states[int(whole.starts[-1]) :], one.states, atol=1e-5)


@pytest.mark.parametrize("room", [1, 4, 7, 9])
def test_sampled_rows_have_room_behind_them_and_reach_every_place(encoded: EncodedDataset, room: int) -> None:
    fits = encoded.lengths >= room
    assert fits.any(), "the tiny store has held-out episodes of 9 blocks"
    episode, offset = encoded.sample_rows(3000, torch.Generator().manual_seed(0), room=room)
    assert (offset >= 0).all()
    assert (offset + room <= encoded.lengths[episode]).all()
    found = set(zip(episode.tolist(), offset.tolist(), strict=True))
    possible = {(e, o) for e in fits.nonzero().flatten().tolist() for o in range(int(encoded.lengths[e]) - room + 1)}
    assert found == possible


def test_a_broken_encoder_is_told_with_the_episode() -> None:
    agent, store = tiny.point_agent(False), tiny.point_store(False)
    with torch.no_grad():
        agent.modules.world_model.perception.fuse.bias[0] = torch.nan
    with pytest.raises(NonFiniteError, match=f"row of episode {store.heldout[0]} in"):
        encode_store(agent.modules.world_model, store, store.heldout, agent.body)


def test_the_last_episodes_are_split_off_whole(encoded: EncodedDataset) -> None:
    before, after = encoded.split()
    assert len(after.lengths) == max(1, round(KEPT_BACK * len(encoded.lengths)))
    for name in ("states", "goals", "actions", "drives", "lengths"):
        assert torch.equal(torch.cat([getattr(before, name), getattr(after, name)]), getattr(encoded, name)), name
    for part in (before, after):
        assert int(part.starts[0]) == 0
        assert int(part.starts[-1] + part.lengths[-1]) == len(part.states) - 1
    one, none = before.split()[1].split()
    assert (len(one.lengths), len(none.lengths), len(none.states)) == (1, 0, 0)
