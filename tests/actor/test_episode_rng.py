"""Random streams: one per episode, exactly resumable."""

import pytest
import torch

from forethought.actor import EpisodeGenerators


@pytest.mark.parametrize("draw", ["normal", "uniform"])
def test_an_episode_draws_the_same_alone_and_in_a_batch(draw):
    together = getattr(EpisodeGenerators([5, 6, 7]), draw)(4, 5)
    alone = getattr(EpisodeGenerators([6]), draw)(4, 5)
    assert torch.equal(together[1], alone[0])
    assert not torch.equal(together[0], together[1])


def test_in_place_normals_are_per_episode_too_and_standard():
    together, alone = torch.empty(3, 5000), torch.empty(1, 5000)
    EpisodeGenerators([5, 6, 7]).normal_(together)
    EpisodeGenerators([6]).normal_(alone)
    assert torch.equal(together[1], alone[0])
    assert together.mean().abs() < 0.03
    assert (together.std() - 1).abs() < 0.03


def test_a_batch_of_another_size_is_an_error():
    with pytest.raises(ValueError, match="zip"):
        EpisodeGenerators([1, 2]).normal_(torch.empty(3, 4))
