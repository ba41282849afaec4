from __future__ import annotations

import math

import pytest

from forethought.config import CONFIGURATION, Configuration
from forethought.report.life_alarms import life_alarms, standing
from forethought.training.agent_files import read_configuration
from life_fixtures import make_life, progress_of, reading, walk_spec


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Configuration:
    run = tmp_path_factory.mktemp("life")
    make_life(run, walk_spec())
    return read_configuration(run / CONFIGURATION)


def test_a_healthy_life_has_no_alarm(configuration: Configuration) -> None:
    assert standing(progress_of()).above is True
    assert life_alarms(progress_of(), configuration) == ()
    assert life_alarms(progress_of(readings=[]), configuration) == ()


POOR = [(100 * number, 20.0 + number % 3) for number in range(8)]


@pytest.mark.parametrize(
    ("changed", "message", "advice"),
    [
        (
            {"state": "stopped", "stopped_by": "the disk is full."},
            "stopped after 700 of 1000 steps: the disk is full.",
            "--resume",
        ),
        ({"readings": [(1, reading(value=None))]}, "NaN or infinity in value", "learning_rate"),
        ({"readings": [(1, reading(state_std=0.03))]}, "states have collapsed", "training.online.variance"),
        ({"readings": [(1, reading(future_cost=-900.0))]}, "critic diverges", "target_rate"),
        ({"readings": [(1, reading(entropy=0.001))], "returns": POOR, "steps": 100}, "entropy has fallen", "online.entropy"),
        ({"lost": 1, "last_loss": "a crash."}, "1 of 11 episodes were lost, the last because of a crash.", "forethought look"),
        ({"returns": [(each, 0.0) for each in range(9)], "steps": 1}, "All 9 episodes have the return 0", "denser reward"),
        ({"returns": POOR}, "700 of 1000 steps the agent is not above random", "--resume"),
    ],
)
def test_each_fault_is_one_alarm(configuration: Configuration, changed: dict[str, object], message: str, advice: str) -> None:
    (alarm,) = life_alarms(progress_of(**changed), configuration)
    assert message in alarm.message
    assert advice in alarm.advice


def test_a_certain_policy_that_has_learned_its_task_is_no_alarm(configuration: Configuration) -> None:
    assert life_alarms(progress_of(readings=[(1, reading(entropy=0.0001))]), configuration) == ()


def test_early_poor_returns_are_no_alarm(configuration: Configuration) -> None:
    assert life_alarms(progress_of(returns=POOR, steps=400), configuration) == ()


def test_the_latest_evaluation_counts_more_than_episodes_with_exploration() -> None:
    found = standing(progress_of(returns=POOR, evaluations=[(100, 5.0, 1.0, 9.0), (200, 90.0, 80.0, 100.0)]))
    assert found.agent is not None
    assert (found.agent.mean, found.above) == (90.0, True)


def test_too_few_episodes_say_nothing() -> None:
    assert standing(progress_of(returns=POOR[:6])).above is None
    assert standing(progress_of(random=1)).above is None


def test_the_least_entropy_counts_choices_and_steps_of_a_block(configuration: Configuration) -> None:
    """A fiftieth of a uniform choice's entropy in each step of the block, and not below it; -3 nats for each number."""
    discrete = {"action_kind": "discrete", "action_size": 4, "block": 3, "low": (), "high": ()}
    continuous = {"action_kind": "continuous", "action_size": 2, "block": 3, "low": (-1.0, -1.0), "high": (1.0, 1.0)}
    for changed, least in ((discrete, 0.02 * 3 * math.log(4)), (continuous, -3.0 * 6)):
        data = configuration.data.model_copy(update=changed)
        settings = configuration.model_copy(update={"data": data})
        for entropy, alarms in ((least - 0.001, 1), (least + 0.001, 0)):
            found = progress_of(readings=[(1, reading(entropy=entropy))], returns=POOR, steps=100)
            assert len(life_alarms(found, settings)) == alarms, (changed, entropy)
