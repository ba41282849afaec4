"""Return of an agent in its world's own task: mean and interval over episodes, beside random actions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from forethought.agent import Agent
from forethought.atomic_io import make_folder, write_json
from forethought.config import CostConfig
from forethought.cost.intrinsic import drive_energies
from forethought.errors import ForethoughtError, require_whole
from forethought.evaluation.baselines import EpisodeReturn
from forethought.evaluation.evaluated_world import EvaluatedWorld
from forethought.types import Frame, Task
from forethought.worlds import World, registry

FIRST_SEED = 2_000_003
"""Seeds of evaluated episodes begin here: neither lived ones nor those that chose the agent."""
METRICS = "metrics.json"


@dataclass(frozen=True)
class ReturnScore:
    """Return of an agent in the world's own task.

    Fields:
        world: its name. mode: `react`, `plan` or `auto`. agent, random: return of the agent and of random actions in the same
            episodes.
        drives: the cost of each drive in an episode, of both. total: return less the weighted drives, of both.
    """

    world: str
    mode: Literal["react", "plan", "auto"]
    agent: EpisodeReturn
    random: EpisodeReturn
    drives: Mapping[str, tuple[EpisodeReturn, EpisodeReturn]]
    total: tuple[EpisodeReturn, EpisodeReturn]

    @property
    def sentence(self) -> str:
        """The result in one line."""
        agent, random = self.total
        above = "" if agent.low > random.high else " It is not above random actions: give it more steps."
        found = f"return {_interval(self.agent)} in {self.agent.episodes} episodes ({self.mode})"
        felt = "".join(
            f"; {name} {_interval(mine)}, random actions {_interval(theirs)}" for name, (mine, theirs) in self.drives.items()
        )
        return f"{self.world}: {found}; random actions {_interval(self.random)}{felt}.{above}"


def _interval(found: EpisodeReturn) -> str:
    return f"{found.mean:.1f} [{found.low:.1f}, {found.high:.1f}]"


def _pair(values: Iterable[EpisodeReturn]) -> tuple[EpisodeReturn, EpisodeReturn]:
    agent, random = values
    return agent, random


def evaluate_return(
    agent: Agent,
    *,
    episodes: SupportsIndex = 20,
    mode: Literal["react", "plan", "auto"] = "react",
    seed: SupportsIndex = 0,
    out: Path | str | None = None,
) -> ReturnScore:
    """Measure an agent in its world's own task; `lived` agents have learned one.

    Args:
        agent: the agent. episodes: their number; the same for every agent. mode: `react`, `plan` or `auto`.
        seed: shifts the planner's random generators. out: folder for `metrics.json`; None writes nothing.

    Raises:
        ForethoughtError: the agent has not learned its world's reward.
    """
    data, count = agent.configuration.data, require_whole(episodes, "episodes", 1)
    agent.reset(Task.world(count), seed=require_whole(seed, "seed"))
    world = registry.make(data.world, count, **data.options)
    try:
        found = run_episodes(world, lambda frame: agent.act(frame.observation, mode), FIRST_SEED).kept()
        policy = registry.policy(world.spec, "random")
        policy.reset(world, [seed + 1 for seed in range(FIRST_SEED, FIRST_SEED + count)])
        random = run_episodes(world, lambda frame: policy.act(world, frame), FIRST_SEED).kept()
    finally:
        world.close()
    both, cost = (found, random), agent.configuration.planner.cost
    drives = {name: _pair(each.over(each.energies[:, at]) for each in both) for at, name in enumerate(data.drives)}
    total = _pair(each.over(each.total(cost, data.drives)) for each in both)
    mine, theirs = _pair(each.over(each.returns) for each in both)
    score = ReturnScore(data.world, mode, mine, theirs, drives, total)
    if out is not None:
        make_folder(out)
        write_json(Path(out) / METRICS, asdict(score))
    return score


@dataclass(frozen=True)
class EpisodeRewards:
    """Rewards of N episodes that ran side by side.

    Fields: returns: float64 [N], their sums. energies: float64 [N, drives], sums of the drives' costs. lengths: int64 [N], in
    steps. lost: copy -> the reason, where the world failed.
    """

    returns: NDArray[np.float64]
    energies: NDArray[np.float64]
    lengths: NDArray[np.int64]
    lost: Mapping[int, str]

    def kept(self) -> EpisodeRewards:
        """The same without the lost episodes.

        Raises:
            ForethoughtError: all are lost.
        """
        if len(self.lost) == len(self.returns):
            raise ForethoughtError(
                f"All {len(self.lost)} episodes of an evaluation were lost: {next(iter(self.lost.values()))}"
            )
        lost = list(self.lost)
        returns, energies = np.delete(self.returns, lost), np.delete(self.energies, lost, 0)
        return EpisodeRewards(returns, energies, np.delete(self.lengths, lost), {})

    def total(self, cost: CostConfig, drives: Sequence[str]) -> NDArray[np.float64]:
        """What the agent is after: return less the drives' costs, each with its weight, [N]."""
        weights = [cost.drive_weights.get(name, 0.0) for name in drives]
        return cost.reward * self.returns - self.energies @ np.array(weights, np.float64)

    def over(self, values: NDArray[np.float64]) -> EpisodeReturn:
        """Mean and interval of one value for each episode [N]."""
        return EpisodeReturn.over(values, self.lengths)


def run_episodes(
    world: World, act: Callable[[Frame], NDArray[np.float32]], first_seed: int, steps: int | None = None
) -> EpisodeRewards:
    """One episode in each copy of a world, from the seeds `first_seed`, `first_seed` + 1, ...

    Args:
        act: the present frame to the actions [N, size] of a step, environment units; it is asked at every step.
        steps: of each episode at most; None: the world's own limit.
    """
    evaluated = EvaluatedWorld(world)
    frame = world.reset(range(first_seed, first_seed + world.num))
    returns, lengths = np.zeros(world.num), np.zeros(world.num, np.int64)
    energies = np.zeros((world.num, len(world.spec.drives)))
    for _ in range(min(steps or world.spec.max_steps, world.spec.max_steps)):
        running: NDArray[np.bool_] = ~frame.ended
        if not running.any():
            break
        frame = evaluated.step(np.asarray(act(frame), np.float32))
        returns, lengths = returns + np.where(running, frame.rewards, 0.0), lengths + running
        energies += running[:, None] * drive_energies(world.spec.drives, frame.drives)
    return EpisodeRewards(returns, energies, lengths, evaluated.lost)
