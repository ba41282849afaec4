"""Caution: what it sets, what it refuses, and that a careful agent fears what a careless one shrugs off."""

from __future__ import annotations

import pytest
import torch

from forethought.config import CodesConfig, Configuration, DataSpec, ModelConfig, PlannerConfig, RiskConfig
from forethought.configurator.risk import with_cvar
from forethought.errors import ForethoughtError
from forethought.planning.scenarios import Scenarios

BODY = DataSpec(
    world="w", streams=(), action_kind="continuous", action_size=1, low=(-1.0,), high=(1.0,), block=1,
)  # fmt: skip
EIGHT = PlannerConfig(risk=RiskConfig(num_scenarios=8))
SEVERAL = Configuration(data=BODY, model=ModelConfig(latent=CodesConfig(num_codes=4)), planner=EIGHT)


def test_care_changes_how_futures_are_weighed_and_nothing_else() -> None:
    changed = with_cvar(SEVERAL, 0.75)
    assert (changed.planner.risk.measure, changed.planner.risk.cvar_level) == ("cvar", 0.75)
    assert with_cvar(changed, 0.0).planner.risk.measure == SEVERAL.planner.risk.measure == "mean", (
        "without care it is the agent that it was"
    )
    assert with_cvar(changed, 0.0).model_copy(update={"planner": SEVERAL.planner, "reasons": ()}) == SEVERAL
    assert changed.because("planner.risk.measure") == "you asked for a CVaR level of 0.75"
    assert len(with_cvar(changed, 0.5).reasons) == len(changed.reasons) == 2


def test_a_gamble_that_pays_on_average_is_taken_without_care_and_left_with_it() -> None:
    gamble, sure = torch.tensor([2.0, 2.0, 2.0, 12.0]), torch.tensor([5.0, 5.0, 5.0, 5.0])
    for cvar_level, taken in ((0.0, 0), (0.75, 1)):
        risk = with_cvar(SEVERAL, cvar_level).planner.risk
        energy = Scenarios(torch.zeros(1, 4, 1, 1), risk.measure, risk.cvar_level).weigh(torch.stack([gamble, sure])[None])
        assert energy.argmin(-1).item() == taken


@pytest.mark.parametrize("cvar_level", [-0.1, 1.5, float("nan")])
def test_a_caution_out_of_range_is_refused(cvar_level: float) -> None:
    with pytest.raises(ForethoughtError, match="between 0"):
        with_cvar(SEVERAL, cvar_level)


def test_who_foresees_one_future_cannot_be_careful() -> None:
    for planner in (PlannerConfig(), EIGHT):
        one = Configuration(data=BODY).model_copy(update={"planner": planner})
        with pytest.raises(ForethoughtError, match=r"model.latent.kind = codes"):
            with_cvar(one, 0.5)
    with pytest.raises(ForethoughtError, match=r"planner.risk.num_scenarios = 1"):
        with_cvar(SEVERAL.model_copy(update={"planner": PlannerConfig()}), 0.5)
