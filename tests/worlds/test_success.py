"""A success threshold from the data: between what random actions come to and how far the goals are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from test_goals import Store

from forethought.errors import ForethoughtError
from forethought.worlds import registry
from forethought.worlds.goals import measure_success, tasks_from_episodes, why_no_tasks, with_success_test
from forethought.worlds.success import RandomTrials, require_a_test, scales_of
from toy_env import BOTH, DOT, PIXEL_DOT


def trials(start: list[float], closest: list[float], smallest: float = 0.01) -> RandomTrials:
    return RandomTrials(np.array(start), np.array(closest), smallest)


def test_the_threshold_is_what_a_fifth_of_random_trials_meets() -> None:
    near = [0.02, 0.04, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    found = trials([1.0] * 11, near)
    assert found.threshold() == 0.1
    assert found.share_within(0.1) == pytest.approx(3 / 11)
    assert trials([0.2] * 11, near).threshold() == 0.05, "at most a quarter of the way"


def test_pairs_that_begin_at_the_goal_are_no_tasks() -> None:
    found = trials([0.05, 0.1, 1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.05, 0.3, 0.4, 0.5])
    assert found.share_within(0.1) == pytest.approx(3 / 6)
    assert found.share_of_tasks(0.1) == (pytest.approx(1 / 4), 4)
    assert found.share_of_tasks(2.0) == (0.0, 0)


def test_discrete_states_are_told_apart_by_less_than_their_smallest_difference() -> None:
    assert trials([2.0] * 10, [0.0] * 10, smallest=0.5).threshold() == 0.25
    assert trials([0.0] * 10, [0.0] * 10, math.inf).threshold() is None, "nothing changes"


def test_a_given_threshold_that_tests_nothing_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    found = trials([1.0] * 10, [0.05, 0.1, 0.15, 0.2, 0.2, 0.2, 0.3, 0.4, 0.5, 0.6])
    with pytest.raises(
        ForethoughtError, match=r"success_distance = 0\.55 is no test: .* 90% of 10 .* success_distance = 0\.14"
    ):
        require_a_test(found, "success_distance", 0.55)
    require_a_test(found, "success_distance", 0.14)
    assert not caplog.text
    require_a_test(found, "success_distance", 0.25)
    assert "success_distance = 0.25 is a weak test: random actions meet it in 60% of 10" in caplog.text


def test_the_scale_of_a_constant_is_one_however_far_from_zero() -> None:
    states = np.stack([np.linspace(-1, 1, 100), np.full(100, 4096.1), np.zeros(100)], 1).astype(np.float32)
    assert scales_of(states) == (0.583, 1.0, 1.0)


@pytest.mark.parametrize(
    ("name", "streams", "option"), [(DOT, BOTH, "success_distance"), (PIXEL_DOT, ("pixels",), "success_pixels")]
)
def test_tasks_carry_the_derived_test(name: str, streams: tuple[str, ...], option: str) -> None:
    world = registry.make(name, 1, streams=streams)
    store = Store(world, list(range(12)), blocks=8)
    tasks = tasks_from_episodes(store, 5, seed=0)
    threshold = tasks.options[option]
    assert threshold > 0
    assert f"<= {threshold:g}" in tasks.success
    assert with_success_test(store, store.spec.options) == tasks.options, "the same store gives the same test"
    assert with_success_test(store, tasks.options) == tasks.options, "a given test is kept"
    assert measure_success(store, tasks.options).share_within(threshold) < 0.5


def test_episodes_shorter_than_five_blocks_get_nearer_goals() -> None:
    store = Store(registry.make(DOT, 1, streams=("proprioception",)), list(range(6)), blocks=3)
    tasks = tasks_from_episodes(store, 3, seed=0)
    assert {row for _, row in tasks.goal_rows} == {3}
    assert "6 steps later" in tasks.success


def test_random_actions_do_not_repeat_the_recording() -> None:
    """An episode of the random policy has its task's seed: the same choices again would end at the goal."""
    world: Any = registry.make(DOT, 1, streams=("proprioception",))
    policy, store = registry.policy(DOT, "random"), Store(world, [], blocks=8)
    for seed in range(8):
        policy.reset(world, [seed])
        frames = [world.reset([seed])]
        for _ in range(8):
            for _ in range(store.block):
                frame = world.step(policy.act(world, frames[-1]))
            frames.append(frame)
        episode = store.record(world, seed, 8)
        truth = {"state": np.concatenate([frame.truth["state"] for frame in frames])}
        observation = {"proprioception": np.concatenate([frame.observation["proprioception"] for frame in frames])}
        store.episodes.append(type(episode)(observation, episode.actions, truth, episode.drives, seed))
    store.heldout = np.arange(8)
    assert (measure_success(store, store.spec.options, 4).closest > 0).all()


def test_why_there_are_no_tasks() -> None:
    from dataclasses import replace

    spec = registry.make(DOT, 1).spec
    assert why_no_tasks(spec) == ""
    assert "no world to act in" in why_no_tasks(replace(spec, name="my-robot"))
