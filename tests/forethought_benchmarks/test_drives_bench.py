"""`bench drives`: the meadow hurts, starves and rewards as it says, and each life has its own weights."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from forethought_benchmarks.control import protocol as control
from forethought_benchmarks.control.unit import FORETHOUGHT, HUNGER_ONLY, PAIN_ONLY, REWARD_ONLY
from forethought_benchmarks.drives import protocol
from forethought_benchmarks.drives.meadow import EPISODE, HUNGER_STEP, Meadow

AWAY = np.array([0.05, 0.05])


def meadow(**places: np.ndarray) -> Meadow:
    """The body in the middle, everything else in a corner; nothing moves without an action."""
    env = Meadow()
    env.reset(seed=0)
    env.place, env.beacon, env.food = np.full(2, 0.5), AWAY.copy(), AWAY.copy()
    env.hazards = np.tile(AWAY, (len(env.hazards), 1))
    for name, place in places.items():
        setattr(env, name, place)
    return env


def test_it_is_a_gymnasium_environment() -> None:
    """By Gymnasium's own check; the same seed gives the same episode."""
    check_env(gymnasium.make(protocol.MEADOW.gym_id).unwrapped, skip_render_check=True)


def test_each_thing_does_what_it_is() -> None:
    """A hazard hurts, food ends hunger, the beacon rewards and moves, and a body that never eats starves."""
    still = np.zeros(2)
    _, reward, _, _, felt = meadow().step(still)
    assert (reward, felt["hurt"]) == (0.0, False)
    assert felt["body"]["hunger"] == pytest.approx(HUNGER_STEP)
    assert meadow(hazards=np.full((3, 2), 0.55)).step(still)[4]["hurt"]
    fed = meadow(food=np.full(2, 0.5), hunger=0.9)  # type: ignore[arg-type]
    assert fed.step(still)[4]["body"]["hunger"] == 0
    lit = meadow(beacon=np.full(2, 0.5))
    assert lit.step(still)[1] == 1.0
    assert not np.array_equal(lit.beacon, np.full(2, 0.5))
    starving = meadow()
    steps = [starving.step(still) for _ in range(round(1 / HUNGER_STEP))]
    over = [step[2] for step in steps]
    costs = [step[4]["body"]["hunger"] ** 2 for step in steps]
    assert costs[-1] == pytest.approx(1 + EPISODE - len(steps)), "as much as to be starved for the rest of the episode"
    assert costs[-2] < 1
    assert over == [False] * (len(over) - 1) + [True]


@pytest.mark.slow
def test_each_life_has_its_own_weights_and_rows(tmp_path: Path) -> None:
    """All agents from a short life: cost of each drive per 1,000 steps, and the length of an episode, with their floors."""
    short = replace(protocol.MEADOW, life_steps=300)
    file = control.run(tmp_path, [0], known=(short,), every=protocol.AGENTS, name=protocol.NAME)
    rows = {(row["agent"], row["metric"]): row for row in json.loads(file.read_text())["rows"]}
    weights = {}
    for agent in protocol.AGENTS:
        folder = tmp_path / "drives" / short.name / agent / "seed-0" / "run"
        cost = json.loads((folder / "configuration.json").read_text())["planner"]["cost"]
        weights[agent] = (cost["reward"] > 0, cost["drive_weights"]["pain"] > 0, cost["drive_weights"]["hunger"] > 0)
        for metric in ("pain_per_1000_steps", "hunger_per_1000_steps", "episode_length"):
            assert rows[agent, metric]["value"] > 0
            assert rows[agent, metric]["floor"] > 0
    assert weights == {
        FORETHOUGHT: (True, True, True), REWARD_ONLY: (True, False, False), PAIN_ONLY: (False, True, False),
        HUNGER_ONLY: (False, False, True),
    }  # fmt: skip
