"""Experience: living an episode and living it again tell a listener the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from lived_worlds import Faulty, NoNumber, Reused, Slope, Stairs, Stuck, Wilful
from numpy.typing import NDArray

from forethought.online.experience import Habitat, RandomActor, relive
from forethought.online.replay import Happened
from forethought.types import Episode
from forethought.worlds import notices, registry

OPTIONS = {"streams": ["proprioception"]}


class Notes(RandomActor):
    """Random actions, and everything that was told."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.told: list[Any] = []

    def begin(self, observation: Mapping[str, NDArray[Any]]) -> None:
        super().begin(observation)
        self.told.append(("begin", observation["proprioception"].tolist()))

    def happened(self, what: Happened) -> None:
        seen, felt = what.observation["proprioception"].tolist(), what.drives.tolist()
        self.told.append((np.asarray(what.action).tolist(), what.reward, felt, what.terminated, seen))


def habitat_of(kind: type[Slope]) -> Habitat:
    name = f"lived_worlds:{kind.__name__}"
    world = registry.make(name, 1, **OPTIONS)
    world.close()
    return Habitat(world.spec, name, OPTIONS, patience=0.5)


@pytest.mark.parametrize("kind", [Slope, Stairs, Reused])
@pytest.mark.parametrize("block", [1, 3])
def test_an_episode_lived_again_tells_the_same(kind: type[Slope], block: int) -> None:
    """Event by event: actions, rewards of whole blocks, endings and observations."""
    habitat = habitat_of(kind)
    notes = Blocks(habitat.spec, 0, block)
    episode = habitat.live(notes, 5, block)
    assert isinstance(episode, Episode)
    assert len(notes.told) == len(episode) + 1
    assert notes.told[-1][-1] == episode.observation["proprioception"][-1].tolist(), "the last event ends the episode"
    again = Blocks(habitat.spec, 0, block)
    relive(again, episode, block)
    assert again.told == notes.told
    habitat.close()


class Blocks(Notes):
    """The same with blocks of several steps."""

    def __init__(self, spec: Any, seed: int, block: int) -> None:
        super().__init__(spec, seed)
        self.block = block


def test_a_world_that_fails_costs_its_episode() -> None:
    """The reason is told; the next episode has a new world."""
    habitat = habitat_of(Faulty)
    outcomes = [habitat.live(Notes(habitat.spec, 0), seed, 1) for seed in range(25)]
    lost = [outcome for outcome in outcomes if isinstance(outcome, str)]
    assert 1 <= len(lost) <= 2
    assert "the gear is stuck" in lost[0]
    assert isinstance(outcomes[-1], Episode)
    habitat.close()


def test_a_world_that_hangs_costs_its_episode() -> None:
    """After the patience; the next episode has a new world."""
    habitat = habitat_of(Stuck)
    lost = habitat.live(Notes(habitat.spec, 0), 13, 1)
    assert isinstance(lost, str)
    assert "no sign of life for 0.5 s" in lost
    assert isinstance(habitat.live(Notes(habitat.spec, 0), 14, 1), Episode)
    habitat.close()


def test_a_world_that_ignores_its_seed_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    """In the first episode."""
    notices.forget_notices()
    for kind, times in ((Wilful, 1), (Slope, 0)):
        caplog.clear()
        habitat = habitat_of(kind)
        for seed in range(2):
            assert isinstance(habitat.live(Notes(habitat.spec, 0), seed, 1), Episode)
        assert caplog.text.count("does not follow its seed") == times
        habitat.close()


def test_rewards_that_are_no_numbers_cost_the_episode() -> None:
    """A NaN is named."""
    outcome = habitat_of(NoNumber).live(Notes(habitat_of(NoNumber).spec, 0), 0, 1)
    assert isinstance(outcome, str)
    assert "NaN" in outcome or "nan" in outcome
