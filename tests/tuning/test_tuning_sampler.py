"""The sampler: few changes first, then what the trials say; the same arguments give the same options."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import tiny
from forethought.tuning.record import TrialRecord
from forethought.tuning.sampler import complete, first_options, importances, next_options
from forethought.tuning.search_space import SearchAxis, search_space
from forethought.tuning.trial_score import TrialScore


@pytest.fixture
def axes() -> tuple[SearchAxis, ...]:
    return tuple(axis for axis in search_space(tiny.point_agent(False).configuration) if axis.stage == "training")


def scored(axes: tuple[SearchAxis, ...], number: int, options: dict[str, int], successes: int) -> TrialRecord:
    assert set(options) <= {axis.name for axis in axes}
    return TrialRecord(number, "training", 0, options, (TrialScore(20, successes, 0.0, 0.0, 0.0),))


def test_the_first_trials_change_two_things_each_and_all_in_turn(axes: tuple[SearchAxis, ...]) -> None:
    found = first_options(axes, 8, 0)
    assert found == first_options(axes, 8, 0) != first_options(axes, 8, 1)
    assert [len(options) for options in found] == [2] * 8
    assert {name for options in found for name in options} == {axis.name for axis in axes}
    assert all(axis.own not in [options[axis.name]] for options in found for axis in axes if axis.name in options)


def test_later_trials_follow_the_scores_and_are_new(axes: tuple[SearchAxis, ...]) -> None:
    """Whoever changes the learning rate upwards succeeds: most of the next trials do."""
    rate = "training.learning_rate"
    trials = [scored(axes, 0, {}, 2)]
    for number, options in enumerate(first_options(axes, 30, 3), 1):
        trials.append(scored(axes, number, options, 18 if options.get(rate) == 2 else 2))
    found = next_options(axes, trials, 9, 0)
    assert found == next_options(axes, trials, 9, 0)
    assert sum(options.get(rate) == 2 for options in found) >= 5
    tried = [complete(axes, trial.options) for trial in trials]
    assert not any(complete(axes, options) in tried for options in found)


def test_what_matters_is_important(axes: tuple[SearchAxis, ...]) -> None:
    """It is judged by the best tenth, so it takes many trials that change everything."""
    rate, random = "training.learning_rate", np.random.default_rng(0)
    trials = []
    for number in range(80):
        options = {axis.name: int(random.integers(len(axis.options))) for axis in axes}
        trials.append(scored(axes, number, options, 18 if options[rate] == 2 else 2))
    found = importances(axes, trials)
    assert max(found, key=lambda name: found[name]) == rate
    assert importances(axes, trials[:1]) == {}
    assert importances(axes, [dataclasses.replace(trial, scores=()) for trial in trials]) == {}
    few = [scored(axes, 0, {}, 2), scored(axes, 1, {rate: 2, axes[0].name: 1}, 5)]
    assert set(importances(axes, few)) == {rate, axes[0].name}


def test_a_small_space_is_used_up(axes: tuple[SearchAxis, ...]) -> None:
    one = axes[:1]
    trials = [scored(one, 0, {}, 3), scored(one, 1, {one[0].name: 1}, 4)]
    found = next_options(one, trials, 9, 0)
    assert len(found) == len(one[0].options) - 2
