"""`bench memory`: worlds that hide their velocities, lived in with a belief and without."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np
import pytest

from forethought.errors import ForethoughtError
from forethought_benchmarks.control import protocol as control
from forethought_benchmarks.control.unit import FORETHOUGHT, NO_MEMORY
from forethought_benchmarks.memory import protocol
from forethought_benchmarks.memory.memory_worlds import HIDDEN, MEMORY_WORLDS

SHORT = replace(MEMORY_WORLDS["CartPolePositions-v0"], life_steps=250, threshold=1000)


@pytest.mark.parametrize("name", HIDDEN)
def test_a_world_shows_its_positions_and_is_the_same_otherwise(name: str) -> None:
    """Same rewards and endings for the same seed and actions."""
    world, places = HIDDEN[name]
    ours, whole = gymnasium.make(MEMORY_WORLDS[name].gym_id), gymnasium.make(world)
    seen, full = ours.reset(seed=5)[0], whole.reset(seed=5)[0]
    ours.action_space.seed(0)
    for _ in range(30):
        assert ours.observation_space.contains(seen)
        np.testing.assert_array_equal(seen, full[list(places)])
        action = ours.action_space.sample()
        (seen, *rest, _), (full, *others, _) = ours.step(action), whole.step(action)
        assert rest == others
        if rest[1]:
            break


@pytest.mark.slow
def test_a_life_with_and_without_a_belief(tmp_path: Path) -> None:
    """Two rows of each metric; only the belief's life has one, and the measurement chose it."""
    file = control.run(tmp_path, [0], known=(SHORT,), every=protocol.AGENTS, name=protocol.NAME)
    rows = json.loads(file.read_text())["rows"]
    assert {row["agent"] for row in rows if row["metric"] == "episode_return"} == {FORETHOUGHT, NO_MEMORY}
    for agent, size in ((FORETHOUGHT, 64), (NO_MEMORY, 0)):
        folder = tmp_path / "memory" / SHORT.name / agent / "seed-0"
        settings = json.loads((folder / "run" / "configuration.json").read_text())
        assert settings["model"]["belief_dim"] == size, agent
    with pytest.raises(ForethoughtError, match="benchmark 'memory' has no agent 'sac'"):
        protocol.run(tmp_path, agents=["sac"])
