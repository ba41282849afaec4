"""Rules after an alarm: what they change and why, what they leave to the user, and when they give up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from forethought.config import Configuration
from forethought.configurator.recovery import MOST_CHANGES, RECOVERY, NoRecoveryError, StateAlarm, recovered

Configured = Callable[..., Configuration]
DEAD = StateAlarm("constant", "world model", 50, 12.5, "the states are almost constant (std 0.007).")
MUTE = replace(DEAD, kind="uninformative", sentence="the state tells less than random features do.")
LAYOUTS: dict[str, Any] = {"seen": {"layout": 0.9}}


def test_a_change_tells_what_was_measured_what_is_changed_and_why(configured: Configured) -> None:
    before = configured(**LAYOUTS)
    assert not before.training.loss.lsuv_init
    after = recovered(before, DEAD)
    assert after.training.loss.lsuv_init
    assert after.differing(before) == ["training.loss"]
    (change,) = after.history
    assert (change.step, change.seconds, change.alarm) == (50, 12.5, DEAD.sentence)
    assert change.changes == ("training.loss.lsuv_init: False -> True",)
    why = after.because("training.loss.lsuv_init")
    assert "it was False, and after step 50 the states are almost constant (std 0.007): the gradient" in why
    assert change.because in why
    assert not [reason for reason in after.reasons if reason.overridden], "the rules chose it, not the user"
    others = {reason.setting: reason for reason in before.reasons if reason.setting != "training.loss.lsuv_init"}
    assert {name: reason for reason in after.reasons if (name := reason.setting) in others} == others


def test_a_configuration_without_a_history_is_written_as_before_it_had_one(configured: Configured) -> None:
    before = configured(**LAYOUTS)
    assert "history" not in before.model_dump(mode="json")
    assert '"history":[' not in before.model_dump_json(), "the planner's history is a number"
    after = recovered(before, DEAD)
    assert Configuration.model_validate_json(after.model_dump_json()) == after


@pytest.mark.parametrize("alarm", [DEAD, MUTE, replace(DEAD, kind="diverged")], ids=lambda alarm: alarm.kind)
def test_the_objectives_differ_and_end(configured: Configured, alarm: StateAlarm) -> None:
    configuration, seen = configured(**LAYOUTS), set[str]()
    for number in range(MOST_CHANGES):
        seen.add(configuration.training.model_dump_json())
        configuration = recovered(configuration, alarm)
        assert len(configuration.history) == number + 1
    seen.add(configuration.training.model_dump_json())
    assert len(seen) == MOST_CHANGES + 1
    with pytest.raises(
        NoRecoveryError, match=r"Training stops in phase 'world model' at step 50.*Tried before: training\."
    ) as told:
        recovered(configuration, alarm)
    assert not told.value.asked


def test_what_the_user_set_stays_and_another_rule_is_taken(configured: Configured) -> None:
    given = {"training.loss.lsuv_init": False}
    after = recovered(configured(**LAYOUTS, overrides=given), DEAD)
    assert not after.training.loss.lsuv_init
    assert after.because("training.loss.lsuv_init").startswith("you asked for it")
    assert after.training.loss.variance == 10


def test_a_rule_is_not_taken_by_halves(configured: Configured) -> None:
    """The second rule changes two settings, and the third one of them, too."""
    given = {"training.loss.lsuv_init": True, "training.loss.covariance": 0.04}
    with pytest.raises(NoRecoveryError, match=r"would change training\.loss\.covariance, but you set"):
        recovered(configured(**LAYOUTS, overrides=given), DEAD)


def test_where_all_rules_would_change_what_the_user_set_he_is_told_so(configured: Configured) -> None:
    given = {"training.loss.lsuv_init": False, "training.loss.variance": 0.5}
    with pytest.raises(
        NoRecoveryError, match=r"but you set training\.loss\.lsuv_init = False, training\.loss\.variance = 0\.5"
    ) as told:
        recovered(configured(**LAYOUTS, overrides=given), DEAD)
    assert told.value.asked
    with pytest.raises(NoRecoveryError, match=r"would change training\.learning_rate, but you set .*leave it to"):
        recovered(configured(overrides={"training.learning_rate": 1.0}), replace(DEAD, kind="diverged"))


def test_rules_change_training_alone(configured: Configured) -> None:
    """The shapes of the weights are those that memory was checked for."""
    for kind in RECOVERY:
        configuration = configured(**LAYOUTS)
        for _ in range(MOST_CHANGES):
            after = recovered(configuration, replace(DEAD, kind=kind))  # type: ignore[arg-type]
            assert (after.model, after.planner, after.data) == (configuration.model, configuration.planner, configuration.data)
            configuration = after
