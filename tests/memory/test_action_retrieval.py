"""The candidate bank against a plain search."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from forethought.errors import ForethoughtError
from forethought.memory import NearestNeighborActions

GENERATOR = torch.Generator().manual_seed(0)
BANK = NearestNeighborActions(torch.randn(50, 4, generator=GENERATOR), torch.randn(50, 3, 2, generator=GENERATOR))
QUERIES = torch.randn(5, 4, generator=GENERATOR)


@settings(max_examples=20, deadline=None)
@given(count=st.integers(1, 50), chunk=st.integers(1, 60))
def test_nearest_is_the_plain_search_for_every_chunk(count, chunk):
    plain = torch.cdist(QUERIES, BANK.states, compute_mode="donot_use_mm_for_euclid_dist").argsort(dim=1)[:, :count]
    assert torch.equal(BANK.nearest_moments(QUERIES, count, chunk), plain)
    assert torch.equal(BANK.nearest(QUERIES, count, chunk), BANK.actions[plain])


def test_a_lived_state_recalls_what_was_done_in_it():
    assert torch.equal(BANK.nearest(BANK.states[7:9], 1)[:, 0], BANK.actions[7:9])


def test_an_episode_recalls_the_same_alone_and_in_a_batch():
    assert torch.equal(BANK.nearest(QUERIES, 6)[2:3], BANK.nearest(QUERIES[2:3], 6))


def test_mistakes_are_named():
    with pytest.raises(ForethoughtError, match="51 neighbours"):
        BANK.nearest(QUERIES, 51)
    with pytest.raises(ForethoughtError, match="same M"):
        NearestNeighborActions(torch.zeros(3, 4), torch.zeros(2, 3, 2))
