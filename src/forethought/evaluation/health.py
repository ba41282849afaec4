"""Measurements of a trained agent on held-out data that need no world: collapse, history, prediction, probe, critic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forethought.agent import Agent
from forethought.data.store import EpisodeStore
from forethought.errors import ForethoughtError
from forethought.evaluation.open_loop import open_loop_error
from forethought.evaluation.plan_ranking import PlanRanking, rank_plans
from forethought.evaluation.probes import probe_r2
from forethought.evaluation.states import encode_observations
from forethought.evaluation.statistics import rank_correlation
from forethought.evaluation.store_examination.goal_visibility import GoalVisibility, compares_numbers, goal_visibility
from forethought.perception import to_tensors
from forethought.world_model.monitors import CollapseMonitor, asked_of

CLIPS, PAIRS, FARTHEST = 256, 512, 10
ENCODED_AT_ONCE = 256
STILL = 0.02
"""Share of the states' change below which an unexplained rest is no hidden velocity."""


@dataclass(frozen=True)
class Health:
    """What was measured; None where the data do not allow it.

    Fields:
        rows, episodes: of the training split. frames: frames that the world model was trained on.
        alarms: of the collapse monitor on held-out clips. context: rows that the predictor sees.
        history_gain: share of the error of a linear one-block prediction that the previous observation removes.
        model_error, copy_error: open-loop error at `horizon` blocks, and that of copying the last state.
        probe: lowest held-out R2 of the true value `probe_name` by a linear probe of the state.
        critic_rank: rank correlation of the critic's distance with the recorded blocks between two rows.
        visibility: what one encoded observation shows of the numbers that success compares.
        ranking: where the imagined cost puts recorded plans that reach a goal.
    """

    rows: int
    episodes: int
    frames: int
    alarms: tuple[str, ...] = ()
    context: int = 1
    history_gain: float | None = None
    horizon: int = 0
    model_error: float | None = None
    copy_error: float | None = None
    probe_name: str = ""
    probe: float | None = None
    critic_rank: float | None = None
    visibility: GoalVisibility | None = None
    ranking: PlanRanking | None = None


def measure_health(agent: Agent, store: EpisodeStore, frames: int) -> Health:
    """Measure an agent on the store that it was trained on; `frames`: frames that the world model was trained on."""
    rows = int(store.lengths[store.train].sum())
    horizon, model_error, copy_error = _prediction(agent, store)
    name, probe = _probe(agent, store)
    return Health(
        rows, len(store.train), frames, _alarms(agent, store), agent.configuration.model.predictor.context,
        history_gain(agent, store), horizon, model_error, copy_error, name, probe, critic_rank(agent, store),
        encoded_goal_visibility(agent, store), rank_plans(agent, store),
    )  # fmt: skip


def encoded_goal_visibility(agent: Agent, store: EpisodeStore) -> GoalVisibility | None:
    """What one encoded observation shows of the numbers that success compares; see `goal_visibility`."""

    def read(rows: NDArray[np.int64]) -> NDArray[np.float64]:
        level, streams = agent.modules.world_model, agent.configuration.data.streams
        parts = []
        for first in range(0, len(rows), ENCODED_AT_ONCE):
            chunk = rows[first : first + ENCODED_AT_ONCE]
            observation = {stream.name: store.rows(stream.name, chunk) for stream in streams}
            parts.append(level.metric.pool(encode_observations(agent, observation)).cpu().double().numpy())
        return np.concatenate(parts)

    scale = agent.configuration.data.options.get("state_scale")
    return goal_visibility(store, read, store.train, store.heldout, scale)


def history_gain(agent: Agent, store: EpisodeStore) -> float | None:
    """Share of the error of a linear one-block prediction that the previous observation removes; None on short episodes.

    A state that shows a position and hides a velocity has a large one. 0 where next to nothing is unexplained.
    """
    fit, test = (_windows(agent, store, episodes, 2, CLIPS) for episodes in (store.train, store.heldout))
    if fit is None or test is None:
        return None
    change = float((test[0][:, 2] - test[0][:, 1]).square().mean())
    without, with_previous = (_linear_error(fit, test, first) for first in (1, 0))
    return 0.0 if without <= STILL * change else 1 - with_previous / without


def critic_rank(agent: Agent, store: EpisodeStore) -> float | None:
    """Rank correlation of the critic's distance with the recorded blocks between two rows of a held-out episode.

    None on short episodes, where goals show some streams only, and where plans do not count the critic.
    """
    length = int(min(FARTHEST, np.median(store.lengths[store.heldout])))
    windows = _windows(agent, store, store.heldout, length, CLIPS, pooled=False) if length >= 3 else None
    if windows is None or agent.configuration.data.goals or not agent.configuration.planner.cost.critic:
        return None
    states, generator = windows[0], np.random.default_rng(0)
    first, gap = generator.integers(0, len(states), PAIRS), generator.integers(1, length + 1, PAIRS)
    with torch.no_grad():
        distance = agent.modules.critic.distance(states[first, 0], states[first, torch.from_numpy(gap)])
    return rank_correlation(distance.cpu().double().numpy(), gap.astype(np.float64))


@torch.no_grad()
def _windows(
    agent: Agent, store: EpisodeStore, episodes: NDArray[np.int64], blocks: int, count: int, pooled: bool = True
) -> tuple[Tensor, Tensor] | None:
    """`count` random windows: states [count, blocks + 1, d] and actions [count, blocks, A]; None if none is so long."""
    long_enough = episodes[store.lengths[episodes] >= blocks]
    if not len(long_enough):
        return None
    generator = np.random.default_rng(0)
    chosen = generator.choice(long_enough, count)
    clips = store.clips(chosen, generator.integers(0, store.lengths[chosen] - blocks + 1), blocks)
    level = agent.modules.world_model
    states = level.encode(to_tensors(clips.observation, agent.configuration.data.streams, agent.device))
    actions = agent.body.to_model(torch.from_numpy(clips.actions).to(agent.device))
    return level.metric.pool(states) if pooled else states, actions


def _linear_error(fit: tuple[Tensor, Tensor], test: tuple[Tensor, Tensor], first: int) -> float:
    """Held-out error of the last state of windows of two blocks, predicted linearly from the rows from `first` on."""

    def table(windows: tuple[Tensor, Tensor]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        states, actions = (part.cpu().double().numpy() for part in windows)
        parts = [states[:, first:2].reshape(len(states), -1), actions[:, first:].reshape(len(states), -1)]
        return np.concatenate([*parts, np.ones((len(states), 1))], 1), states[:, 2] - states[:, 1]

    (x, y), (tested, truth) = table(fit), table(test)
    # The ridge is relative to the inputs' scale: more inputs must not win by fitting noise.
    ridge = 1e-2 * np.trace(x.T @ x) / x.shape[1]
    weights = np.linalg.solve(x.T @ x + ridge * np.eye(x.shape[1]), x.T @ y)
    return float(np.square(tested @ weights - truth).mean())


def _alarms(agent: Agent, store: EpisodeStore) -> tuple[str, ...]:
    """Alarms of the collapse monitor on held-out clips of the length of training."""
    windows = _windows(agent, store, store.heldout, agent.configuration.training.sequence_length, CLIPS)
    return () if windows is None else CollapseMonitor.measure(*windows, **asked_of(agent.configuration)).alarms


def _prediction(agent: Agent, store: EpisodeStore) -> tuple[int, float | None, float | None]:
    """Open-loop error at the planning horizon, or the longest one that the episodes have."""
    try:
        error = open_loop_error(agent, store, None)
    except ForethoughtError:
        return 0, None, None
    index = min(agent.configuration.planner.horizon, len(error.horizon)) - 1
    return int(error.horizon[index]), float(error.state_error[index]), float(error.copy_error[index])


def _probe(agent: Agent, store: EpisodeStore) -> tuple[str, float | None]:
    """The true value that goals are about, `position` or `state`, and its probe; None without one or an undefined one."""
    found = probe_r2(agent, store) if store.spec.truth and not compares_numbers(store.spec) else {}
    name = next((name for name in ("position", "state") if name in found), "")
    value = found.get(name)
    return name, None if value is None or not np.isfinite(value) else value
