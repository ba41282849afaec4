"""Stochastic environments of the benchmark, and the agents that are evaluated there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from forethought.types import TaskSet
from forethought.worlds.pointmaze import gambles
from forethought.worlds.tasks import make_tasks
from forethought_benchmarks.stochastic_prediction.branches import BranchScores, Way, play_out

log = logging.getLogger(__name__)

DETERMINISTIC = "deterministic"
OTHERS: Mapping[str, str] = {DETERMINISTIC: "none", "gaussian": "gaussian", "sparse": "sparse", "noisy": "noisy"}
"""Other predictors above the same encoder, by the kind of their latent variable."""
WISER = "deterministic-wiser"
"""A control: a deterministic model whose distance head ignores transitions that the stochastic model marks as random."""
WALKERS = ("hasty", "hopeful", "careful")
"""Scripted policies of the crossing: greedy, optimistic with replanning, and risk-averse."""
LONG, SEED = 20, 7
"""Blocks of the longest rollout, and the seed of the moments."""


@dataclass(frozen=True)
class Place:
    """A world that can go W ways.

    Fields:
        name: in rows. world, options. episodes: collected. ways: all W.
        decided: blocks after which it shows which way things went; they show nothing new for as long again.
        policy: what acts at the moments that are imagined. waiting: half of these moments are spent waiting, for chance
        decides all the same.
        others: predictors beside the codes. careful: there is something to choose between a quick way and a safe one.
        scripted: policies that play the tasks for comparison, beside the random floor and the expert as ceiling.
        above: ways are longer than a critic counts, so agents act with their level 2 as well.
        tasks: makes tasks of a world, its options, a number and a seed. needs: the package that must be there for it, if any.
    """

    name: str
    world: str
    options: Mapping[str, Any]
    episodes: int
    ways: tuple[Way, ...]
    decided: int
    policy: str = "hasty"
    waiting: bool = True
    others: tuple[str, ...] = (DETERMINISTIC,)
    careful: bool = True
    scripted: tuple[str, ...] = ()
    above: bool = False
    tasks: Callable[[str, Mapping[str, Any], int, int], TaskSet] = make_tasks
    needs: str | None = None

    def is_here(self) -> bool:
        """Whether its dependencies are installed; logs a message if not."""
        found = self.needs is None or find_spec(self.needs) is not None
        if not found:
            log.warning("%s is left out: it needs the [worlds] extra: run `make worlds`", self.name)
        return found


def moments(place: Place, count: int, block: int) -> BranchScores:
    """Moments whose outcome is still random, with all branches."""
    tasks = place.tasks(place.world, place.options, count, SEED).tasks
    ways = [Way({**place.options, **way.options}, way.chance) for way in place.ways]
    return play_out(place.world, ways, tasks, place.policy, block, LONG, place.waiting)


def evenly(*ways: Mapping[str, Any]) -> tuple[Way, ...]:
    """Equally likely outcomes, by the options that force each."""
    return tuple(Way(options, 1 / len(ways)) for options in ways)


PLACES = (
    Place(
        "corridor",
        "forethought/Rooms-v0",
        {"layout": "corridor", "speed": 1.43},
        episodes=16000,
        ways=evenly({"blocked": 0.0}, {"blocked": 1.0}),
        decided=6,
        waiting=False,
    ),
    Place(
        "crossing",
        "forethought/Crossing-v0",
        {},
        episodes=6000,
        ways=evenly({"late": 0.0}, {"late": 1.0}),
        decided=8,
        others=tuple(OTHERS),
        careful=False,
        scripted=WALKERS,
    ),
    Place(
        "crossing-rarely-late",
        "forethought/Crossing-v0",
        {"late": 0.25},
        episodes=6000,
        ways=(Way({"late": 0.0}, 0.75), Way({"late": 1.0}, 0.25)),
        decided=8,
        scripted=WALKERS,
    ),
    Place(
        "highway-merge",
        "highway-merge-v0",
        {},
        episodes=2000,
        ways=evenly({"yields": 0.0}, {"yields": 1.0}),
        decided=7,
        needs="highway_env",
    ),
    Place(
        "teleport",
        "pointmaze-teleport-v0",
        {"streams": ["proprioception"], "max_steps": 190},
        episodes=6000,
        ways=evenly({"exit": 0}, {"exit": 1}, {"exit": 2}),
        decided=10,
        waiting=False,
        above=True,
        tasks=gambles,
        needs="ogbench",
    ),
)
