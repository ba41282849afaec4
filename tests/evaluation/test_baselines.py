"""Returns of episodes: sums that stop at an episode's end, with an interval."""

from __future__ import annotations

import numpy as np
import pytest

from forethought.evaluation.baselines import BaselineScore, EpisodeReturn, baseline_figures, return_figures
from forethought.evaluation.episodes import Outcomes, ScriptedController, run_tasks
from forethought.types import Frame, TaskSet, WorldTask
from forethought.worlds import registry
from forethought.worlds.adapter_policies import UniformPolicy
from forethought.worlds.contract import World


def outcomes(returns: list[float], lengths: list[int]) -> Outcomes:
    reached = np.array([True] * len(returns))
    steps = np.ones(len(returns), np.int64)
    return Outcomes(reached, reached, steps, (0,), 0, 0.0, np.array(returns), np.array(lengths, np.int64))


def test_the_return_has_an_interval_around_its_mean() -> None:
    found = EpisodeReturn.of(outcomes([1.0, 2.0, 3.0], [4, 5, 9]))
    assert (found.mean, found.length, found.episodes) == (2.0, 6.0, 3)
    assert found.high - found.mean == pytest.approx(1.96 / 3**0.5, rel=1e-3)
    assert found.low < found.mean < found.high


def test_one_episode_has_no_width() -> None:
    found = EpisodeReturn.of(outcomes([7.0], [3]))
    assert (found.low, found.high) == (7.0, 7.0)


def test_figures_name_the_baseline_and_leave_out_what_is_unmeasured() -> None:
    episodes = EpisodeReturn.of(outcomes([1.0, 3.0], [2, 2]))
    scores = [
        BaselineScore.of("random", outcomes([1.0], [1]), None),
        BaselineScore.of("cloned", outcomes([1.0], [1]), episodes),
    ]
    figures = baseline_figures(scores)
    assert figures["cloned_success_rate"] == 1.0
    assert figures["cloned_return"] == 2.0
    assert not [name for name in figures if name.startswith("random")]
    assert return_figures(None) == {}


def test_rewards_after_the_end_and_after_the_budget_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    world: World = registry.make("CartPole-v1", 2, streams=["proprioception"])
    tasks = TaskSet(
        "CartPole-v1", {}, "", tuple(WorldTask(seed, None, (0.0,) * 4, None, budget) for seed, budget in ((0, 5), (1, 90)))
    )
    step = world.step

    def always_rewarding(actions: np.ndarray) -> Frame:
        frame = step(actions)
        object.__setattr__(frame, "rewards", np.ones(2, np.float32))
        return frame

    monkeypatch.setattr(world, "step", always_rewarding)
    try:
        goals = {"proprioception": np.zeros((2, 4), np.float32)}
        found = run_tasks(world, ScriptedController(UniformPolicy()), tasks, goals)
    finally:
        world.close()
    assert found.lengths[0] == 5
    assert 5 < found.lengths[1] < 90
    assert found.returns.tolist() == found.lengths.tolist()
