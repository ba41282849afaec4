"""A deadline: searches stop between iterations, candidates follow the measured speed, and Mode-1 acts where nothing fits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import tiny
from agent_fixtures import changed, one, see
from forethought.actor import EpisodeGenerators, PlanningProblem, make_planner
from forethought.actor.deadline import FEWEST, Duration, IterationTime, SearchDeadline
from forethought.config import PlannerConfig
from forethought.config.configuration import merged
from forethought.decision import Decision
from forethought.errors import ForethoughtError
from forethought.planning import DecisionTimer
from forethought.planning.decision_timer import PATIENCE
from forethought.types import Task


class Time:
    """A clock that each reading and each piece of work moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def problem(now: Time, per_candidate: float, timer: SearchDeadline | None, codes: int | None = None) -> PlanningProblem:
    """Each candidate costs its time."""

    def rollout(actions: torch.Tensor) -> torch.Tensor:
        now.seconds += per_candidate * actions.shape[1]
        return actions * 1.0

    def energy(states: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
        return (states - 0.3).square().mean((-2, -1))

    low = torch.zeros(2) if codes else -torch.ones(2)
    return PlanningProblem(1, rollout, energy, low, torch.ones(2), codes, 1, None, EpisodeGenerators([0]), timer)


@pytest.mark.parametrize("kind", ["cem", "icem", "mppi", "gradient", "categorical"])
def test_every_search_stops_in_time_with_a_plan(kind: str) -> None:
    settings = merged(PlannerConfig(), {"search": {"kind": kind, "num_samples": 64, "num_iterations": 5}}, "planner")
    assert isinstance(settings, PlannerConfig)
    planner, codes = make_planner(settings.search, 3), 2 if kind == "categorical" else None
    whole = planner.plan(problem(Time(), 0.001, None, codes))
    for seconds in (0.03, 0.1, 10.0):
        now, learned = Time(), IterationTime()
        learned.observe(16, 0.016)
        learned.observe(32, 0.032)
        timer = SearchDeadline(learned, 1, seconds, now)
        plan = planner.plan(problem(now, 0.001, timer, codes))
        assert now.seconds <= seconds + 0.004
        assert timer.iterations >= 1
        assert plan.calls == 3 * round(now.seconds / 0.001)
    assert torch.equal(plan.actions, whole.actions), "with time to spare it is the plan without a deadline"


def test_candidates_follow_the_time_and_never_fall_below_the_fewest() -> None:
    now, learned = Time(), IterationTime()
    for count in (16, 64, 16, 64):
        learned.observe(count, 0.002 + 0.0001 * count)
    many, few, none = (SearchDeadline(learned, 1, seconds, now).candidates(300, 5) for seconds in (1.0, 0.03, 0.0001))
    assert many == 300
    assert FEWEST <= few < 100
    assert none == FEWEST, "the first iteration always has candidates"
    late = SearchDeadline(learned, 1, 0.0001, now, iterations=1)
    assert late.candidates(300, 4) == 0
    assert SearchDeadline(learned, 4, 0.03, now).candidates(300, 1) < SearchDeadline(learned, 1, 0.03, now).candidates(300, 1)


def test_a_pause_of_the_machine_changes_an_expectation_little() -> None:
    duration = Duration()
    for seconds in (1.0, 1.0, 1.0, 100.0):
        duration.observe(seconds)
    assert 1.0 < duration.expected < 2.0


def decide(timer: DecisionTimer, now: Time, milliseconds: float, seconds: float) -> bool:
    """One decision whose search takes so many seconds an iteration; returns whether it fell back."""
    timer.begin(milliseconds)
    fell_back = not (timer.command() and timer.control(1))
    if not fell_back:
        search = timer.search(1, 1)
        assert search is not None
        while search.candidates(FEWEST, 3) and search.iterations < 3:
            now.seconds += seconds
            search.done(FEWEST)
    timing = timer.end(fell_back)
    assert timing is not None
    assert timing.iterations[0] == (0 if fell_back else timing.iterations[0])
    return timing.late


def test_where_nothing_fits_mode_1_acts_and_planning_is_tried_seldom() -> None:
    now = Time()
    timer = DecisionTimer(1, now)
    late = [decide(timer, now, 10.0, 0.05) for _ in range(300)]
    assert late[2 : PATIENCE - 1].count(True) <= 1
    assert 2 < late.count(True) < 15, "under 5 %"
    fast = [decide(timer, now, 10.0, 0.0005) for _ in range(600)]
    assert not any(fast)
    assert timer.skipped <= 600, "and Mode-2 comes back"
    timer.begin(10.0)
    assert timer.command()
    assert timer.control(1)


def test_late_decisions_widen_the_margin() -> None:
    now = Time()
    timer = DecisionTimer(1, now)
    for _ in range(5):
        timer.begin(10.0)
        now.seconds += 0.02
        timer.end(fell_back=False)
    assert timer.margin > 0.3


def test_the_margin_rests_where_one_in_a_hundred_is_late() -> None:
    """It begins at a tenth of the time; a late decision takes ninety-nine times what one in time gives back.

    The first one loads libraries, and does not count.
    """
    now = Time()
    timer = DecisionTimer(1, now)
    margins = list[float]()
    for seconds in (0.02, 0.02, 0.001, 0.001):
        timer.begin(10.0)
        now.seconds += seconds
        timer.end(fell_back=False)
        margins.append(timer.margin)
    wider, less, lesser = np.diff(margins)
    assert margins[0] == pytest.approx(0.1)
    assert wider == pytest.approx(-99 * less) == pytest.approx(-99 * lesser)
    for _ in range(50):
        timer.begin(10.0)
        now.seconds += 0.02
        timer.end(fell_back=False)
    assert timer.margin == pytest.approx(0.6), "never more: there must be time to search"


@pytest.mark.parametrize("name", ["flat", "levels"])
def test_an_agent_says_what_became_of_its_deadline(name: str) -> None:
    agent = tiny.rooms_agent() if name == "flat" else tiny.three_level_agent()
    seen = see(agent, 4)
    plain, roomy = first_decision(agent, seen), first_decision(agent, seen, deadline_ms=1e9)
    assert plain.timing is None
    assert roomy.timing is not None
    assert not roomy.timing.fell_back
    assert len(roomy.timing.iterations) == len(agent.timer.times)
    assert roomy.timing.iterations[0] >= 1
    for _ in range(2):
        agent.decide(one(seen, 1), "plan", deadline_ms=1e-3)
    tight = agent.decide(one(seen, 1), "plan", deadline_ms=1e-3)
    assert tight.timing is not None
    assert tight.timing.fell_back
    assert tight.timing.late
    assert not tight.planned.any()
    assert tight.timing.iterations == (0,) * len(agent.timer.times)
    np.testing.assert_array_equal(first_decision(agent, seen).actions, plain.actions)


def first_decision(agent: tiny.Agent, seen: dict[str, np.ndarray], deadline_ms: float | None = None) -> Decision:
    agent.reset(Task.reach(one(seen, 0)), seed=3)
    return agent.decide(one(seen, 1), "plan", deadline_ms=deadline_ms)


def test_the_settings_keep_a_deadline_and_copies_learn_together() -> None:
    agent = changed(tiny.point_agent(False), planner={"ms_per_decision": 1e6})
    seen = see(agent, 2)
    assert first_decision(agent, seen).timing is not None
    assert agent.copied().timer is agent.timer
    assert agent.copied().mpc.planner.timer is agent.timer


@pytest.mark.parametrize("deadline", [0, -1.0, float("nan")])
def test_a_deadline_that_is_no_time_is_refused(deadline: float) -> None:
    agent = tiny.point_agent(False)
    seen = see(agent, 2)
    agent.reset(Task.reach(one(seen, 0)))
    with pytest.raises(ForethoughtError, match="deadline_ms can't be"):
        agent.act(one(seen, 1), deadline_ms=deadline)
    assert agent.act(one(seen, 1), deadline_ms=1e6).shape == (agent.configuration.data.action_size,)
