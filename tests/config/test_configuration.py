"""Settings that a user asks for: found by nested and dotted names, checked together, with their reasons."""

from __future__ import annotations

from typing import Any

import pytest

from forethought.config import CodesConfig, Configuration, ICEMConfig, MPPIConfig
from forethought.errors import ForethoughtError


@pytest.mark.parametrize(
    "changes",
    [
        {"planner": {"search": {"num_samples": 64, "num_elites": 7}, "horizon": 4}},
        {"planner.search.num_samples": 64, "planner.search.num_elites": 7, "planner.horizon": 4},
        {"planner.search": {"num_samples": 64}, "planner": {"horizon": 4, "search.num_elites": 7}},
        {"planner": {"horizon": 9, "search": {"num_samples": 64}}, "planner.horizon": 4, "planner.search.num_elites": 7},
    ],
)
def test_nested_and_dotted_names_say_the_same(configuration: Configuration, changes: dict[str, Any]) -> None:
    found = configuration.changed(changes, "to see")
    assert (found.planner.horizon, found.planner.search.num_samples) == (4, 64)
    assert found.planner.search == ICEMConfig(num_samples=64, num_elites=7)
    reasons = {reason.setting: (reason.value, reason.because, reason.overridden) for reason in found.reasons}
    assert reasons == {
        "planner.horizon": ("4", "to see", True),
        "planner.search.num_samples": ("64", "to see", True),
        "planner.search.num_elites": ("7", "to see", True),
    }
    assert configuration.planner.horizon == 5, "the first is as it was"
    assert found.differing(configuration) == ["planner.search", "planner"]


def test_another_kind_keeps_what_both_have(configuration: Configuration) -> None:
    wide = configuration.changed({"planner.search.num_samples": 500}, "more")
    found = wide.changed({"planner.search.kind": "mppi"}, "another")
    assert found.planner.search == MPPIConfig(num_samples=500)
    assert found.changed({"planner.search.temperature": 2.0}, "hot").planner.search == MPPIConfig(
        num_samples=500, temperature=2.0
    )


def test_a_setting_of_one_kind_alone_asks_for_that_kind_where_there_was_none(configuration: Configuration) -> None:
    assert configuration.changed({"model.latent.num_codes": 3}, "ways").model.latent == CodesConfig(num_codes=3)
    gaussian = configuration.changed({"model.latent.kind": "gaussian"}, "numbers")
    with pytest.raises(
        ForethoughtError, match=r"num_codes is a setting of model.latent.kind = codes, and it is gaussian: set both"
    ):
        gaussian.changed({"model.latent.num_codes": 3}, "ways")
    with pytest.raises(ForethoughtError, match=r"temperature is a setting of planner.search.kind = mppi, and it is icem"):
        configuration.changed({"planner.search.temperature": 2.0}, "hot")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"actor.candidate": 4}, r"no group 'actor'"),
        ({"actor": 4}, r"no group 'actor'"),
        ({"learning": {"clipp": 4}}, r"no setting 'training.clipp'"),
        ({"body": {"world": "x"}}, r"it is called data now"),
        ({"data": {"world": "x"}}, r"no group 'data': known: model, planner, training"),
        ({"planer.horizon": 4}, r"no group 'planer': did you mean 'planner'"),
        ({"planner.horizn": 4}, r"no setting 'planner.horizn': did you mean 'horizon'"),
        ({"planner": {"search": {"num_sample": 3}}}, r"no setting 'planner.search.num_sample': did you mean 'num_samples'"),
        ({"planner": 3}, r"Give 'planner' as a group of settings, such as planner.horizon"),
        ({"planner.horizon": 0}, r"'planner.horizon' can't be 0: input should be greater than or equal to 1"),
        ({"planner.search": 3}, r"'planner.search' can't be 3"),
        ({"planner": {"search": 3}, "planner.search.num_samples": 4}, r"is in 'search', which is also set to a plain value"),
        ({"planner.cost.extra": {"mine": -1}}, r"'planner.cost.extra.mine' can't be -1"),
        (
            {"planner.search.kind": "cemm"},
            r"planner.search.kind' can't be 'cemm': there is no planner .*'cem'",
        ),
        (
            {"planner.search.num_elites": 400},
            r"planner.search: num_elites \(400\) can't be more than num_samples \(300\): set both",
        ),
        ({"planner.upper.search": {"num_elites": 200}}, r"planner.upper.search: num_elites \(200\) can't be more"),
        ({"planner.cost.critic": 0.0}, r"No cost has a weight but effort's"),
        ({"planner.cost.drive_weights": {"pain": 1.0}}, r"no drive 'pain'; known: effort"),
        ({"planner.cost.extra": {"critic": 1.0}}, r"'critic' is the name of a cost that every agent has"),
        ({"planner.search.kind": "categorical"}, r"can't search continuous actions"),
        ({"planner.upper.search.kind": "categorical"}, r"can't search macro-actions"),
        ({"planner.risk.num_scenarios": 8}, r"need a latent variable to differ by"),
        ({"model.latent.kind": "codes", "model.predictor.kind": "transformer"}, r"needs model.predictor.kind = mlp"),
        ({"model.predictor.context": 99}, r"planner.history \(64\) can't be less than model.predictor.context \(99\)"),
        ({"model.retrieval_size": 8}, r"planner.retrieved_candidates \(32\) can't be more than model.retrieval_size \(8\)"),
        ({"planner.horizon": 9}, r"planner.horizon \(9\) can't be more than model.retrieval_horizon \(5\)"),
        ({"model.hierarchy": {"levels": 3}}, r"model.hierarchy.kind = graph is a search right above level 1"),
        ({"planner.upper.search.gradient_steps": 3}, r"changes the plans of learned levels above the first"),
        (
            {"model.hierarchy": {"levels": 2, "kind": "learned", "retrieval_size": 8}},
            r"retrieval_size \(8\) can't be less than the 50 remembered plans",
        ),
        (
            {"model.hierarchy": {"levels": 2, "kind": "learned"}, "planner.upper.horizon": 9},
            r"planner.upper.horizon \(9\) can't be",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(configuration: Configuration, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ForethoughtError, match=told):
        configuration.changed(changes, "to see")


def test_no_way_to_make_one_skips_the_cross_checks(configuration: Configuration) -> None:
    content = configuration.model_dump()
    content["planner"]["risk"]["num_scenarios"] = 8
    with pytest.raises(ForethoughtError, match="need a latent variable"):
        Configuration.model_validate(content)


def test_reasons_of_settings_that_another_kind_lacks_are_gone(configuration: Configuration) -> None:
    wide = configuration.changed({"planner.search.num_elites": 7}, "few")
    found = wide.changed({"planner.search.kind": "mppi"}, "another")
    assert [reason.setting for reason in found.reasons] == ["planner.search.kind"]
    assert wide.because("planner.search.num_elites") == "few"


def test_names_of_the_first_schema_are_converted_with_a_warning(
    configuration: Configuration, caplog: pytest.LogCaptureFixture
) -> None:
    former = {"actor.candidates": 64, "actor": {"elites": 7, "horizon": 4}, "learning.clip": 3, "world_model.codes": 1}
    found = configuration.changed(former, "as before")
    assert found.planner.search == ICEMConfig(num_samples=64, num_elites=7)
    assert (found.planner.horizon, found.training.sequence_length, found.model.latent.kind) == (4, 3, "none")
    assert "The setting learning.clip is called training.sequence_length now." in caplog.messages
    assert found.because("planner.horizon") == "as before"
    assert configuration.changed({"world_model": {"codes": 3}}, "ways").model.latent == CodesConfig(num_codes=3)
