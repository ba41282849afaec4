"""The agent's side of its life: when it has found something, and how long it stays curious."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from online_fixtures import networks_of, settings

from forethought.online.life import Life
from forethought.online.replay import Happened

TOTAL = 100


def block(reward: float = -1.0, terminated: bool = False) -> Happened:
    seen = {"proprioception": np.zeros(2, np.float32)}
    return Happened(np.zeros(1, np.float32), reward, np.zeros(0, np.float32), terminated, seen)


def interests(monkeypatch: pytest.MonkeyPatch, blocks: list[Happened]) -> tuple[Life, list[float], list[float]]:
    """A life through these blocks, one update each: the factors of curiosity and cloning at each update."""
    configuration = settings(updates_per_step=1.0)
    networks, codec = networks_of(configuration)
    life, interest, copying = Life(networks, configuration, codec, TOTAL, (-1.5, -0.5)), list[float](), list[float]()

    def update(windows: Any, generator: Any, curious: float, cloning: float, lived: float) -> dict[str, torch.Tensor]:
        assert 0 <= lived <= 1
        assert lived == pytest.approx(life.steps / TOTAL)
        interest.append(curious)
        copying.append(cloning)
        life.learner.updates += 1
        return {}

    monkeypatch.setattr(life.learner, "update", update)
    life.begin({"proprioception": np.zeros(2, np.float32)})
    for each in blocks:
        life.happened(each)
    return life, interest, copying


def test_an_agent_that_finds_nothing_stays_curious_to_the_last_quarter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then it does what it knows to be best."""
    life, interest, copying = interests(monkeypatch, [block()] * TOTAL)
    assert life.found is None
    assert interest[:75] == [1.0] * 75
    assert interest[-1] == 0
    assert all(later <= earlier for earlier, later in itertools.pairwise(interest))
    assert copying[49] == 0
    assert copying[24] == pytest.approx(0.5)


@pytest.mark.parametrize("what", [block(terminated=True), block(reward=0.6)])
def test_what_is_found_ends_curiosity(monkeypatch: pytest.MonkeyPatch, what: Happened) -> None:
    """An ending, or a reward beyond those of the first episodes by their range; a checkpoint remembers it."""
    life, interest, _ = interests(monkeypatch, [block()] * 19 + [what] + [block()] * 40)
    assert life.found == 20
    assert interest[19] == 1.0
    assert interest[20] == pytest.approx(0.8)
    assert interest[24:] == [0.0] * len(interest[24:])
    again = interests(monkeypatch, [])[0]
    again.restore(life.progress())
    assert (again.found, again.steps) == (20, 60)


def test_a_reward_that_is_a_little_higher_is_no_find(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the range of the first episodes above their highest."""
    assert interests(monkeypatch, [block(reward=0.4)] * 5)[0].found is None


def test_a_lost_episode_is_not_lived(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its blocks leave the count and the replay; those of the episode before stay."""
    life, _, _ = interests(monkeypatch, [block()] * 4)
    life.begin({"proprioception": np.zeros(2, np.float32)})
    for _ in range(3):
        life.happened(block())
    life.forget_episode()
    assert (life.steps, life.replay.rows) == (4, 5)
    life.begin({"proprioception": np.zeros(2, np.float32)})
    life.forget_episode()
    assert (life.steps, life.replay.rows) == (4, 5)


def test_terms_are_the_mean_of_the_last_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    life, _, _ = interests(monkeypatch, [])
    for value in (1.0, 2.0, 6.0):
        life.learner.updates += 1
        life._note({"reward": torch.tensor(value)})
    assert life.terms["reward"] == pytest.approx(3.0)
    life.learner.updates += 10_000
    life._note({"reward": torch.tensor(103.0)})
    assert life.terms["reward"] == pytest.approx(4.0), "a hundredth of the new one"


def test_curiosity_fades_over_a_quarter_of_the_steps_that_finding_took(monkeypatch: pytest.MonkeyPatch) -> None:
    life, interest, _ = interests(monkeypatch, [block()] * 19 + [block(terminated=True)] + [block()] * 20)
    assert interest[20:26] == pytest.approx([0.8, 0.6, 0.4, 0.2, 0.0, 0.0])
    assert life.found == 20
