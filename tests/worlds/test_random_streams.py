"""Counter-based random numbers: reproducible, independent of neighbours, and random enough."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forethought.worlds.random_streams import as_seeds, bits, counter, normal, uniform

GOLDEN = [
    [2886898169135044528, 7362087612703584961],
    [10793564327356205570, 16405694770653134222],
    [10250027090332198871, 5337440430462750951],
]
SEEDS = st.lists(st.integers(0, 2**63), min_size=1, max_size=6)


@given(SEEDS, st.integers(0, 2**40), st.data())
def test_a_row_depends_on_its_own_seed_alone(seeds: list[int], count: int, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(seeds))))
    whole = uniform(as_seeds(seeds), count, 3, 2)
    assert np.array_equal(whole[order], uniform(as_seeds([seeds[i] for i in order]), count, 3, 2))
    assert np.array_equal(whole[-1:], uniform(as_seeds(seeds[-1:]), count, 3, 2))


def test_golden_values() -> None:
    """A change of these changes every world, every recorded seed and every benchmark manifest."""
    assert bits(as_seeds([0, 1, 2**31]), counter(3, 7), 2).tolist() == GOLDEN


def test_neighbouring_seeds_and_counters_are_unrelated() -> None:
    u = np.stack([uniform(as_seeds(range(64)), c, 512) for c in range(8)])
    flat = u.reshape(-1, 512)
    correlation = np.corrcoef(flat) - np.eye(len(flat))
    assert np.abs(correlation).max() < 6 / np.sqrt(512)
    assert np.abs(np.corrcoef(flat.T) - np.eye(512)).max() < 6 / np.sqrt(len(flat))
    assert len(np.unique(flat)) == flat.size


def test_uniform_and_normal_have_their_distributions() -> None:
    u, n = uniform(as_seeds(range(100)), 1, 1000).ravel(), normal(as_seeds(range(100)), 1, 1000).ravel()
    assert u.min() >= 0
    assert u.max() < 1
    assert np.histogram(u, 20, (0, 1))[0] == pytest.approx(np.full(20, 5000), rel=0.08)
    assert n.mean() == pytest.approx(0, abs=0.015)
    assert n.std() == pytest.approx(1, abs=0.01)
    assert (n**4).mean() == pytest.approx(3, abs=0.15)


def test_negative_and_huge_seeds_wrap() -> None:
    assert as_seeds([-1, 2**64 + 5]).tolist() == [2**64 - 1, 5]
