"""A life that starts from recorded experience: what it copies, what it refuses, and that a kill changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lived_worlds import SLOPE
from online_fixtures import networks_of, settings
from test_learner import windows
from test_live import TINY, same_weights

import forethought as ft
from forethought.data.store import EpisodeStore
from forethought.errors import ForethoughtError
from forethought.online.learner import Learner
from forethought.online.lifetime import Lifetime
from forethought.online.replay import Replay

OPTIONS: dict[str, Any] = {"streams": ["proprioception"]}


def climb(observation: Any) -> Any:
    """To the top at once."""
    return np.clip(-np.asarray(observation[:1]) / 0.3, -1, 1)


def recorded(path: Path, block: int = 1, **options: Any) -> EpisodeStore:
    return ft.collect(SLOPE, out=path, episodes=6, policy=climb, block=block, options=OPTIONS | options)


def test_a_life_from_demonstrations_takes_no_random_actions(tmp_path: Path) -> None:
    """Its dataset holds its own episodes alone; the first evaluation is before the first step."""
    store = recorded(tmp_path / "given")
    agent = ft.live(SLOPE, out=tmp_path / "run", steps=60, recorded=store.path, config=TINY)
    life = json.loads((tmp_path / "run" / "life.json").read_text())
    assert life["evaluations"][0][0] == 0
    assert life["request"]["recorded"]["fingerprint"] == store.fingerprint
    assert EpisodeStore.open(tmp_path / "run" / "dataset").num_episodes == life["episodes"] == len(life["returns"])
    assert agent.configuration.because("training.online.cloning").startswith("6 recorded episodes")
    assert agent.configuration.training.online.curiosity == 0


def test_a_killed_one_comes_to_the_same_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The given episodes are read again, and what was lived is lived again; the store need not be named again."""
    given = recorded(tmp_path / "given").path
    whole = ft.live(SLOPE, out=tmp_path / "whole", steps=120, recorded=given, config=TINY)
    original = Lifetime._count

    def dying(self: Lifetime, outcome: Any, number: int) -> None:
        if number == 4:
            raise KeyboardInterrupt
        original(self, outcome, number)

    monkeypatch.setattr(Lifetime, "_count", dying)
    with pytest.raises(KeyboardInterrupt):
        ft.live(SLOPE, out=tmp_path / "run", steps=120, recorded=given, config=TINY)
    monkeypatch.setattr(Lifetime, "_count", original)
    resumed = ft.live(SLOPE, out=tmp_path / "run", steps=120, resume=True)
    assert same_weights(whole, resumed)
    monkeypatch.undo()
    other = ft.collect(SLOPE, out=tmp_path / "other", episodes=3, policy=climb, block=1, options=OPTIONS, seed=9).path
    with pytest.raises(ForethoughtError, match="was begun with recorded"):
        ft.live(SLOPE, out=tmp_path / "run", steps=200, recorded=other, resume=True)


def test_a_store_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    """Before the first update; the sentence says how to record it."""
    recorded(tmp_path / "blocks", block=5)
    with pytest.raises(ForethoughtError, match=r"blocks of 5 steps.*ask for blocks of 1: leave out --block"):
        ft.live(SLOPE, out=tmp_path / "run", steps=60, recorded=tmp_path / "blocks", block=1)
    recorded(tmp_path / "plain")
    options = OPTIONS | {"drives": {"pain": "hurt"}}
    with pytest.raises(ForethoughtError, match="recorded with other drives"):
        ft.live(SLOPE, out=tmp_path / "run", steps=60, recorded=tmp_path / "plain", options=options)
    assert not (tmp_path / "run").exists()


def test_windows_know_what_was_given(tmp_path: Path) -> None:
    """Those of the episodes before the life, and no others."""
    store = ft.collect(SLOPE, out=tmp_path / "given", episodes=2, policy="random", block=1, options=OPTIONS)
    replay = Replay(settings().data.streams, 1)
    replay.add_episode(store.read(0), given=True)
    replay.add_episode(store.read(1))
    drawn = replay.sample(300, 2, torch.Generator().manual_seed(0))
    first = store.read(0).observation["proprioception"]
    ours = torch.tensor([(row.numpy() == first).all(1).any() for row in drawn.observation["proprioception"][:, 0]])
    assert torch.equal(drawn.given.bool(), ours)


def test_cloning_copies_given_blocks_alone_and_ends() -> None:
    """With an untrained critic the policy goes where the given blocks are; late in a life, or not given, it does not."""

    def copied(given: float, early: float) -> float:
        configuration = settings(cloning=5.0, learning_rate=3e-3, value=0.0)
        networks, codec = networks_of(configuration)
        learner, some = Learner(networks, configuration, codec), windows()
        some.actions.fill_(0.7)
        some.given.fill_(given)
        for step in range(150):
            learner.update(some, torch.Generator().manual_seed(step), copying=early)
        assert networks.cost_policy is not None
        block = networks.cost_policy(networks.world_model.encode(some.observation)).detach()
        return float((block - 0.7).abs().mean())

    assert copied(1.0, 1.0) < 0.15
    assert copied(0.0, 1.0) > 0.3
    assert copied(1.0, 0.0) > 0.3
