"""Why an agent is not above random actions: gates in the order of causes, each from a measurement."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

import tiny
from forethought.evaluation import health as measuring
from forethought.evaluation.diagnosis import (
    Commands,
    Gate,
    diagnose,
    floor_gates,
    health_gates,
    in_words,
    mode_gate,
    score_gates,
)
from forethought.evaluation.health import Health, critic_rank, history_gain
from forethought.evaluation.plan_ranking import PlanRanking
from forethought.evaluation.score import Score
from forethought.evaluation.store_examination.goal_visibility import GoalVisibility
from golden_values import check_golden

SHOWN = GoalVisibility(np.array([1.0, 0.97, 0.9]), np.array([0.0, 0.5, 0.5]), all_numbers=False)
HIDDEN = replace(SHOWN, r2=np.array([1.0, 0.97, 0.05]))
RANKED = PlanRanking(5, imagined=0.04, observed=0.03, by_cost={"critic": 0.04, "goal_distance": 0.1}, search=0.02)
GOOD = Health(
    rows=9000, episodes=200, frames=300_000, history_gain=0.1, horizon=5, model_error=0.1, copy_error=0.6,
    probe_name="state", probe=0.97, critic_rank=0.8,
    visibility=SHOWN, ranking=RANKED,
)  # fmt: skip
ORDER = [
    "amount of data", "length of training", "no collapse", "the goal shows what success compares",
    "one observation is enough", "prediction", "the state shows the goal", "the critic ranks distances",
    "plans that reach the goal look best", "the search finds good plans",
]  # fmt: skip


def score(rate: float, floor: float, tasks: int = 100) -> Score:
    return Score("w", "plan", tasks, rate, 0.0, 1.0, 0.0, floor, None, 0.0, 1.0, 0.0, 0.0, ())


def broken(health: Health) -> list[str]:
    return [gate.name for gate in health_gates(health, Commands()) if not gate.passed]


@pytest.mark.parametrize(("rate", "floor", "word"), [(0.27, 0.43, "below"), (0.45, 0.43, "not above"), (0.8, 0.43, "")])
def test_the_verdict_compares_with_the_random_policys_interval(rate: float, floor: float, word: str) -> None:
    assert (f"is {word} random actions" in score(rate, floor).verdict) if word else score(rate, floor).verdict == ""


def test_an_agent_that_never_succeeds_is_not_above_a_floor_of_zero() -> None:
    assert score(0.0, 0.0).verdict
    assert not score(0.2, 0.0).verdict


def test_every_gate_of_a_healthy_agent_passes() -> None:
    assert broken(GOOD) == []
    assert [gate.name for gate in health_gates(GOOD, Commands())] == ORDER


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("amount of data", {"rows": 300}),
        ("length of training", {"frames": 9000}),
        ("length of training", {"frames": 20_000}),
        ("no collapse", {"alarms": ("Total collapse: the states are almost constant; raise training.loss.variance.",)}),
        ("one observation is enough", {"history_gain": 0.6}),
        ("prediction", {"model_error": 0.7}),
        ("the state shows the goal", {"probe": 0.2}),
        ("the critic ranks distances", {"critic_rank": 0.0}),
        ("the goal shows what success compares", {"visibility": HIDDEN}),
        ("plans that reach the goal look best", {"ranking": replace(RANKED, imagined=0.45)}),
        ("the search finds good plans", {"ranking": replace(RANKED, search=0.5)}),
    ],
)
def test_each_figure_breaks_its_gate(name: str, change: dict[str, object]) -> None:
    found = broken(replace(GOOD, **change))  # type: ignore[arg-type]
    assert found == [name]
    gate = next(gate for gate in health_gates(replace(GOOD, **change), Commands()) if not gate.passed)  # type: ignore[arg-type]
    assert gate.measured
    assert gate.advice


def test_a_predictor_with_context_may_need_history() -> None:
    assert broken(replace(GOOD, history_gain=0.6, context=4)) == []


def gate_of(name: str, health: Health) -> Gate:
    return next(gate for gate in health_gates(health, Commands("data/p", "runs/p", "P-v1")) if gate.name == name)


def test_a_goal_that_hides_a_number_is_shown_by_recording_the_numbers() -> None:
    name = "the goal shows what success compares"
    gate = gate_of(name, replace(GOOD, visibility=HIDDEN))
    assert "51% of the distance" in gate.measured
    assert "number 3" in gate.measured
    assert gate.advice == "forethought collect P-v1 --out data/p-2 --episodes 500 --option 'streams=[\"proprioception\"]'"
    lost = gate_of(name, replace(GOOD, visibility=replace(HIDDEN, all_numbers=True)))
    assert "state" in lost.sentence
    assert lost.advice.startswith("forethought train"), "what is recorded already need not be recorded"


def test_a_wrong_ranking_names_the_part_that_is_wrong() -> None:
    name = "plans that reach the goal look best"
    by_model = gate_of(name, replace(GOOD, ranking=PlanRanking(5, 0.45, 0.05, {"critic": 0.45, "goal_distance": 0.44}, 0.0)))
    assert "world model" in by_model.sentence
    by_cost = gate_of(name, replace(GOOD, ranking=PlanRanking(5, 0.45, 0.5, {"critic": 0.45, "goal_distance": 0.44}, 0.0)))
    assert "Even along observed states" in by_cost.sentence
    other = gate_of(name, replace(GOOD, ranking=PlanRanking(5, 0.45, 0.5, {"critic": 0.45, "goal_distance": 0.1}, 0.0)))
    assert "goal_distance" in other.sentence
    assert "--set planner.cost.critic=0 --set planner.cost.goal_distance=1" in other.advice
    three = {"critic": 0.1, "goal_distance": 0.44, "goal_energy": 0.4}
    critic = gate_of(name, replace(GOOD, ranking=PlanRanking(5, 0.45, 0.5, three, 0.0)))
    assert "planner.cost.critic=1 --set planner.cost.goal_distance=0 --set 'planner.cost.extra={}'" in critic.advice
    energy = gate_of(name, replace(GOOD, ranking=PlanRanking(5, 0.45, 0.5, three | {"goal_energy": 0.05}, 0.0)))
    assert "--set planner.cost.critic=0" in energy.advice
    assert """--set 'planner.cost.extra={"goal_energy":1.0}'""" in energy.advice


def test_a_better_mode_is_named() -> None:
    plan, react = score(0.2, 0.18), replace(score(0.5, 0.18), mode="react")
    auto = replace(score(0.3, 0.18), mode="auto")
    (gate,) = mode_gate(plan, {"react": react, "auto": auto}, Commands(run="runs/p"))
    assert not gate.passed
    assert gate.measured == "Mode-2 (plan) 20%, Mode-1 (react) 50%, auto 30%"
    assert gate.sentence == "Mode-1 (react) is above random actions, and Mode-2 (plan) is not."
    assert "forethought evaluate runs/p --mode react" in gate.advice
    assert mode_gate(plan, {"react": replace(react, success_rate=0.22)}, Commands())[0].passed, "no mode is above"
    assert mode_gate(plan, {}, Commands()) == ()


def test_an_easy_test_and_few_tasks_are_gates() -> None:
    assert [gate.passed for gate in score_gates(score(0.5, 0.61, 8), Commands())] == [False, False]
    assert [gate.passed for gate in score_gates(score(0.5, 0.2), Commands())] == [True, True]


def test_words_say_the_verdict_then_the_first_cause_and_what_to_try() -> None:
    gates = health_gates(replace(GOOD, history_gain=0.6, model_error=0.9), Commands("data/p", "runs/p", "P-v1"))
    first, cause, advice, *_ = in_words(score(0.27, 0.43), gates)
    assert "below random" in first
    assert "velocity" in cause
    assert "60%" in cause
    assert "forethought train data/p --out runs/p-2 --set model.predictor.kind=transformer" in advice
    assert "Every check passed" in in_words(score(0.27, 0.43), health_gates(GOOD, Commands()))[1]
    assert in_words(score(0.9, 0.43), gates) == []


def test_a_hidden_velocity_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """A position with a constant velocity: the previous one explains the step; with the velocity beside it, nothing is left."""
    generator = torch.Generator().manual_seed(0)
    place, speed, actions = (torch.randn(256, 1, 2, generator=generator) for _ in range(3))
    rows = place + speed * torch.arange(3.0)[None, :, None]
    seen = {"hidden": rows, "shown": torch.cat([rows, speed.expand(-1, 3, -1)], -1)}
    agent, store = tiny.point_agent(), tiny.point_store(False)
    gains = {}
    for name, states in seen.items():
        monkeypatch.setattr(measuring, "_windows", lambda *_, states=states: (states, actions.expand(-1, 2, -1)))
        gains[name] = history_gain(agent, store)
    assert gains["hidden"] > 0.9
    assert gains["shown"] < 0.1


def test_a_real_run_is_diagnosed() -> None:
    agent, store = tiny.point_agent(), tiny.point_store(False)
    gates = diagnose(agent, store, score(0.1, 0.2), tiny.point_run(False))
    names = [gate.name for gate in gates]
    assert names[:4] == ["success test", "number of tasks", "amount of data", "length of training"]
    assert not next(gate for gate in gates if gate.name == "length of training").passed
    assert critic_rank(agent, store) is not None
    assert [gate.name for gate in diagnose(agent, None, score(0.1, 0.2))] == ["success test", "number of tasks"]


BROKEN: dict[str, dict[str, object]] = {
    "little data": {"rows": 300, "episodes": 30},
    "short training": {"frames": 9000},
    "few passes": {"frames": 20_000},
    "collapse": {"alarms": ("Total collapse: the states are almost constant; raise training.loss.variance.",)},
    "no velocity": {"history_gain": 0.6},
    "bad prediction": {"model_error": 0.7},
    "nothing measured": {"model_error": None, "copy_error": None, "probe": None, "critic_rank": None, "history_gain": None},
    "no position": {"probe": 0.2},
    "no order": {"critic_rank": 0.0},
    "hidden": {"visibility": HIDDEN},
    "wrong cost": {"ranking": PlanRanking(5, 0.45, 0.5, {"critic": 0.45, "goal_distance": 0.1}, 0.0)},
    "wrong model": {"ranking": PlanRanking(5, 0.45, 0.05, {"critic": 0.45, "goal_distance": 0.44}, 0.0)},
    "weak search": {"ranking": replace(RANKED, search=0.5)},
}


def test_every_gate_says_what_it_said() -> None:
    """Its figure, its sentence, and the command to try next."""
    commands = Commands("data/p", "runs/p", "P-v1")
    found = {
        name: [asdict(gate) for gate in health_gates(replace(GOOD, **change), commands) if name == "good" or not gate.passed]  # type: ignore[arg-type]
        for name, change in ({"good": {}} | BROKEN).items()
    }
    check_golden("gates", found)


@pytest.mark.parametrize(
    "least",
    [
        {"rows": 2000, "frames": 15_000},
        {"rows": 5000, "frames": 15_000},
        {"history_gain": 0.24},
        {"probe": 0.5},
        {"critic_rank": 0.3},
    ],
)
def test_the_least_that_passes(least: dict[str, object]) -> None:
    assert broken(replace(GOOD, **least)) == []  # type: ignore[arg-type]


def test_rows_are_encoded_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, in order, however many go at once."""
    agent, store, rows = tiny.point_agent(), tiny.point_store(False), np.arange(3, 20)
    read: list[np.ndarray] = []
    monkeypatch.setattr(measuring, "goal_visibility", lambda store, encoded, *rest: read.append(encoded(rows)))
    for at_once in (256, 4):
        monkeypatch.setattr(measuring, "ENCODED_AT_ONCE", at_once)
        measuring.encoded_goal_visibility(agent, store)
    seen = {"proprioception": torch.from_numpy(store.rows("proprioception", rows))}
    expected = agent.modules.world_model.metric.pool(agent.modules.world_model.encode(seen)).detach().double().numpy()
    for states in read:
        np.testing.assert_allclose(states, expected, atol=1e-6)


@pytest.mark.parametrize("alarm", ["Lost variation: what changes at x 0..8 is lost; give sigreg a weight.", ""])
def test_the_floor_of_the_state_is_a_gate_with_its_figure_and_advice(monkeypatch: pytest.MonkeyPatch, alarm: str) -> None:
    """It breaks by its alarm alone."""
    monkeypatch.setattr("forethought.evaluation.diagnosis.measure_state_floor", lambda *_: object())
    monkeypatch.setattr("forethought.evaluation.diagnosis.floor_alarms", lambda *_: [alarm] if alarm else [])
    (gate,) = floor_gates(tiny.point_agent(), tiny.point_store(False))
    assert gate.passed == (not alarm)
    assert gate.measured == ("Lost variation: what changes at x 0..8 is lost" if alarm else "no alarm")
    assert gate.advice == ("give sigreg a weight" if alarm else "")


def test_a_very_short_training_has_no_gate_of_its_floor() -> None:
    assert floor_gates(tiny.point_agent(), tiny.point_store(False)) == ()
