"""Return of an agent in its world's own task: mean and interval over episodes, beside random actions."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from forethought.agent import Agent
from forethought.atomic_io import make_folder, write_json
from forethought.errors import ForethoughtError, require_whole
from forethought.evaluation.baselines import EpisodeReturn
from forethought.evaluation.evaluated_world import EvaluatedWorld
from forethought.types import Task
from forethought.worlds import World, registry

FIRST_SEED = 2_000_003
"""Seeds of evaluated episodes begin here: neither lived ones nor those that chose the agent."""
METRICS = "metrics.json"


@dataclass(frozen=True)
class ReturnScore:
    """Return of an agent in the world's own task.

    Fields: world: its name. mode: `react` or `plan`. agent, random: of the agent and of random actions in the same episodes.
    """

    world: str
    mode: Literal["react", "plan", "auto"]
    agent: EpisodeReturn
    random: EpisodeReturn

    @property
    def sentence(self) -> str:
        """The result in one line."""
        agent, random = self.agent, self.random
        above = "" if agent.low > random.high else " It is not above random actions: give it more steps."
        found = f"return {agent.mean:.1f} [{agent.low:.1f}, {agent.high:.1f}] in {agent.episodes} episodes ({self.mode})"
        return f"{self.world}: {found}; random actions {random.mean:.1f} [{random.low:.1f}, {random.high:.1f}].{above}"


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
        found = _returns(world, agent, mode, count)
        random = _returns(world, None, mode, count)
    finally:
        world.close()
    score = ReturnScore(data.world, mode, found, random)
    if out is not None:
        make_folder(out)
        write_json(Path(out) / METRICS, asdict(score))
    return score


def _returns(world: World, agent: Agent | None, mode: Literal["react", "plan", "auto"], count: int) -> EpisodeReturn:
    """The return of an agent, or of random actions, in the same episodes."""
    seeds = range(FIRST_SEED, FIRST_SEED + count)
    evaluated, policy = EvaluatedWorld(world), registry.policy(world.spec, "random")
    frame = world.reset(seeds)
    policy.reset(world, [seed + 1 for seed in seeds])
    returns, lengths = np.zeros(count), np.zeros(count, np.int64)
    for _ in range(world.spec.max_steps):
        running: NDArray[np.bool_] = ~frame.ended
        if not running.any():
            break
        actions = policy.act(world, frame) if agent is None else agent.act(frame.observation, mode)
        frame = evaluated.step(np.asarray(actions, np.float32))
        returns, lengths = returns + np.where(running, frame.rewards, 0.0), lengths + running
    lost = list(evaluated.lost)
    if len(lost) == count:
        raise ForethoughtError(f"All {count} episodes were lost: {evaluated.lost[0]}")
    return EpisodeReturn.over(np.delete(returns, lost), np.delete(lengths, lost))
