"""The promises of every planner, held by `check_planner`; planners that break one each, to see the kit catch them."""

import dataclasses

import pytest
import torch
from pydantic import TypeAdapter, ValidationError

from forethought.actor import (
    PLANNERS,
    EpisodeGenerators,
    Plan,
    Planner,
    PlanningProblem,
    check_planner,
    make_planner,
    shifted,
)
from forethought.config import OwnPlannerConfig, SearchConfig
from forethought.errors import ConformanceError, ForethoughtError

HORIZON, EFFORT = 3, {"num_samples": 40, "num_elites": 6, "num_iterations": 3}
SEARCH = TypeAdapter(SearchConfig)


def planner(name: str, horizon: int = HORIZON, **changes) -> Planner:
    effort = EFFORT | changes
    if name in ("mppi", "gradient"):
        effort.pop("num_elites")
    return make_planner(SEARCH.validate_python({"kind": name} | effort), horizon)


@pytest.mark.parametrize("name", PLANNERS)
@pytest.mark.parametrize(
    "changes", [{}, {"horizon": 1}, {"num_iterations": 1}, {"num_samples": 6}, {"noise_autocorrelation": 0.0}], ids=str
)
def test_every_planner_keeps_its_promises(name, changes):
    check_planner(planner(name, **changes), codes=4 if name == "categorical" else None)


@pytest.mark.parametrize("name", sorted(set(PLANNERS) - {"categorical"}))
def test_polish_keeps_the_promises(name):
    check_planner(planner(name, gradient_steps=4))


def test_choices_cannot_be_polished():
    with pytest.raises(ValidationError, match=r"categorical\.gradient_steps\s+Extra inputs are not permitted"):
        planner("categorical", gradient_steps=1)


class Tampered(Planner):
    """CEM, with one promise broken."""

    def __init__(self, before=lambda problem: problem, after=lambda plan: plan) -> None:
        self.inner, self.horizon, self.before, self.after = planner("cem"), HORIZON, before, after

    def plan(self, problem: PlanningProblem) -> Plan:
        return self.after(self.inner.plan(self.before(problem)))


def edit(**fields):
    return lambda plan: dataclasses.replace(plan, **{name: change(getattr(plan, name)) for name, change in fields.items()})


def shared_noise(problem):
    return dataclasses.replace(problem, streams=EpisodeGenerators([problem.batch + i for i in range(problem.batch)]))


def hide_nan(problem):
    return dataclasses.replace(problem, energy=lambda s, a: torch.nan_to_num(problem.energy(s, a), nan=9.0))


@pytest.mark.parametrize(
    ("broken", "sentence"),
    [
        (Tampered(after=edit(actions=lambda a: a[:, :-1])), "shape"),
        (Tampered(after=edit(calls=lambda c: c + 1)), "Plan.calls"),
        (Tampered(after=edit(actions=lambda a: a + 0.5)), "leaves"),
        (Tampered(after=edit(states=lambda s: s.flip(1))), "Plan.states"),
        (Tampered(after=edit(energy=lambda e: e - 1)), "Plan.energy"),
        (Tampered(before=lambda p: dataclasses.replace(p, candidates=None)), "costs more than the best"),
        (Tampered(before=shared_noise), "in a batch than alone"),
        (Tampered(before=hide_nan), "unnoticed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_kit_catches(broken, sentence):
    with pytest.raises(ConformanceError, match=sentence):
        check_planner(broken)


def test_unknown_planner_is_named_with_the_nearest_known():
    with pytest.raises(ForethoughtError, match="did you mean 'mppi'"):
        make_planner(OwnPlannerConfig(kind="imppi"), 3)


@pytest.mark.parametrize("name", ["cem", "icem", "categorical"])
def test_more_elites_than_candidates_are_refused(name):
    with pytest.raises(ValidationError, match=r"num_elites \(41\) can't be more than num_samples \(40\)"):
        planner(name, num_elites=41)


def test_shifted_drops_what_was_done_and_holds_the_end():
    actions = torch.tensor([[[1.0], [2.0], [3.0]]])
    assert shifted(actions).flatten().tolist() == [2, 3, 3]
