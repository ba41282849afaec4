"""Random streams of all episodes at once, as on a GPU; here on the CPU."""

from __future__ import annotations

import pytest
import torch

from forethought.actor import EpisodeGenerators, check_planner, episode_rng, make_planner
from forethought.actor.counter_rng import CounterStreams, philox_words
from forethought.config import CategoricalConfig, ICEMConfig

CPU = torch.device("cpu")
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]
"""Philox-4x32-10's known answers (Random123, kat_vectors): counter, key, words."""


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_philox_gives_the_known_answers(counter: tuple[int, ...], key: tuple[int, ...], words: tuple[int, ...]) -> None:
    a, b, c, d = (torch.tensor(word) for word in counter)
    low, high = (torch.tensor(word) for word in key)
    assert tuple(int(word) for word in philox_words((a, b, c, d), (low, high))) == words


@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_an_episode_gets_the_same_alone_in_a_batch_and_in_parts(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def numbers(seeds: list[int], count: int) -> torch.Tensor:
        found: torch.Tensor = getattr(CounterStreams(seeds, CPU), kind)(count)
        return found

    together = numbers([5, 6, 2**64 - 1], 1001)
    assert torch.equal(together[1], numbers([6], 1001)[0])
    assert not torch.equal(together[0], together[1])
    monkeypatch.setattr("forethought.actor.counter_rng._MOST", 64)
    assert torch.equal(together, numbers([5, 6, 2**64 - 1], 1001)), "computed in parts"


def test_numbers_go_on_and_subsets_share_their_streams() -> None:
    streams, whole = CounterStreams([1, 2, 3], CPU), CounterStreams([2], CPU)
    first = streams.subset(torch.tensor([1])).normal(8)
    assert torch.equal(torch.cat([first, streams.normal(8)[1:2]], 1), torch.cat([whole.normal(8), whole.normal(8)], 1))


def test_they_are_standard() -> None:
    streams = CounterStreams(range(100), CPU)
    normal, uniform = streams.normal(4000), streams.uniform(4000)
    assert normal.isfinite().all()
    assert normal.mean().abs() < 0.005
    assert (normal.std() - 1).abs() < 0.005
    assert ((normal**4).mean() - 3).abs() < 0.05
    assert torch.corrcoef(normal).fill_diagonal_(0).abs().max() < 0.08
    assert uniform.min() >= 0
    assert uniform.max() < 1
    assert (uniform.mean() - 0.5).abs() < 0.003


@pytest.mark.parametrize("config", [ICEMConfig(), CategoricalConfig()])
def test_planners_keep_their_contract_with_them(
    config: ICEMConfig | CategoricalConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(episode_rng, "COUNTED", frozenset({"cpu"}))
    assert not torch.equal(EpisodeGenerators([1]).normal(4), torch.randn(1, 4, generator=torch.Generator().manual_seed(1)))
    check_planner(make_planner(config, horizon=3), codes=None if config.kind == "icem" else 3)
