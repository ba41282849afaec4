"""Policies of one's own: what they get, what may come back, and what goes wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from forethought.data.collection import collect
from forethought.errors import ForethoughtError
from forethought.worlds import registry
from forethought.worlds.any_gymnasium.actions import ActionConverter
from forethought.worlds.own_policy import own_policy

CARTPOLE, NUMBERS = "CartPole-v1", {"streams": ["proprioception"], "max_steps": 20}
MIXED = spaces.Dict(
    {
        "arm": spaces.Box(np.array([-1, 0], np.float32), np.array([1, 5], np.float32)),
        "gear": spaces.Discrete(3, start=-1),
        "rest": spaces.Tuple([spaces.MultiBinary(2), spaces.Box(2.0, 2.0, (1,))]),
    }
)


class Leaning:
    """Pushes to where the pole leans, and now and then anywhere."""

    def reset(self, seed: int) -> None:
        self.generator = np.random.default_rng(seed)

    def __call__(self, observation: np.ndarray) -> int:
        assert (observation.shape, observation.dtype) == ((4,), np.float32)
        return int(observation[2] > 0) if self.generator.random() < 0.9 else 0


def by_global_chance(observation: Any) -> Any:
    return int(np.random.uniform() < 0.5)  # noqa: NPY002


def seen(observation: Any) -> Any:
    assert set(observation) == {"pixels", "proprioception"}
    return np.array([0.5, -1.0])


@pytest.mark.parametrize(
    "space",
    [
        *(spaces.Discrete(4, start=2), spaces.MultiDiscrete([3, 4]), spaces.MultiBinary(3), spaces.Box(-2.0, 2.0, (2, 3))),
        *(spaces.Box(0, 9, (2,), np.int64), MIXED, spaces.Tuple([spaces.Discrete(2), spaces.Discrete(3)])),
    ],
    ids=str,
)
def test_an_action_of_the_environment_comes_back_as_it_was(space: spaces.Space[Any]) -> None:
    converter = ActionConverter(space, "Test-v0")
    space.seed(3)
    for _ in range(20):
        native = space.sample()
        action = converter.agent(native)
        assert (action.shape, action.dtype) == ((converter.space.size,), np.float32)
        again = spaces.flatten(space, converter.native(action))
        np.testing.assert_allclose(again, spaces.flatten(space, native), atol=1e-6)


@pytest.mark.parametrize(
    ("native", "says"),
    [
        (np.array([0.0, np.nan]), "NaN"),
        (np.array([0.0, 1.5]), r"entry 1 of its action is 1.5, outside of -1 to 1"),
        (np.zeros(3), r"float64\[3\], where the environment takes Box"),
        (None, "None"),
        ((np.zeros(2), None), "return the action alone"),
        ("left", "str"),
        (np.array(["a", "b"]), "ndarray"),
    ],
)
def test_what_is_no_action_is_said(native: Any, says: str) -> None:
    with pytest.raises(ForethoughtError, match=says):
        ActionConverter(spaces.Box(-1.0, 1.0, (2,)), "Test-v0").agent(native)


@pytest.mark.parametrize("native", [5, -1, 1.0, [0, 1]])
def test_what_is_no_choice_is_said(native: Any) -> None:
    with pytest.raises(ForethoughtError, match="its action"):
        ActionConverter(spaces.Discrete(2), "Test-v0").agent(native)


@pytest.mark.parametrize("policy", [Leaning, by_global_chance])
def test_a_store_is_the_same_with_workers_and_without(policy: Callable[[Any], Any], tmp_path: Path) -> None:
    asked: dict[str, Any] = {"episodes": 4, "options": NUMBERS, "policy": policy, "progress": False}
    here = collect(CARTPOLE, out=tmp_path / "here", workers=0, **asked)
    away = collect(CARTPOLE, out=tmp_path / "away", workers=1, **asked)
    assert here.recipe["policy"] == f"test_own_policy:{policy.__qualname__}"
    files = [{str(path.relative_to(s.path)): path.read_bytes() for path in s.path.rglob("*.npy")} for s in (here, away)]
    assert files[0] == files[1]
    actions = here.rows("actions", np.arange(here.num_rows))
    assert 0.1 < actions[:, 0].mean() / actions[:, :2].sum(1).mean() < 0.9


def test_a_policy_of_this_process_alone_is_recorded_here(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = collect(
        CARTPOLE, out=tmp_path, episodes=2, options=NUMBERS, policy=lambda observation: 1, workers=2, progress=False
    )
    assert "no collecting process can import it: use workers=0" in caplog.text
    assert store.recipe["policy"].endswith("<lambda>")
    with pytest.raises(ForethoughtError, match="was begun with policy"):
        collect(CARTPOLE, out=tmp_path, episodes=2, options=NUMBERS, policy="random", workers=0, resume=True)


@pytest.mark.parametrize("bad", [np.nan, 7])
def test_a_bad_action_costs_its_episode_with_one_sentence(bad: Any, tmp_path: Path) -> None:
    class Stumbling:
        def reset(self, seed: int) -> None:
            self.stumbles = seed % 8 == 0

        def __call__(self, observation: Any) -> Any:
            return bad if self.stumbles else 0

    options = {**NUMBERS, "max_steps": 6}
    store = collect(
        CARTPOLE, out=tmp_path, episodes=30, options=options, policy=Stumbling, workers=0, progress=False, max_lost=1
    )
    assert {failure.seed % 8 for failure in store.failures} == {0}
    assert store.num_episodes + len(store.failures) == 30
    assert (store.seeds % 8 != 0).all()
    for failure in store.failures:
        assert re.search(r"Stumbling' at step 0 \(seed \d+\): .*its action", failure.reason)


def test_a_policy_that_raises_or_hangs_costs_its_episode(tmp_path: Path) -> None:
    class Broken:
        def reset(self, seed: int) -> None:
            self.hangs = seed % 2 == 0

        def __call__(self, observation: Any) -> Any:
            while self.hangs:
                pass
            raise KeyError("pole")

    with pytest.raises(ForethoughtError, match="all failed") as told:
        collect(CARTPOLE, out=tmp_path, episodes=4, options=NUMBERS, policy=Broken, workers=0, progress=False, patience=0.3)
    assert re.search("raised KeyError: 'pole' at step 0.*hung at step 0|hung .* raised KeyError", str(told.value))


def test_other_worlds_give_their_streams_and_take_their_actions() -> None:
    world = registry.make("forethought/Crossing-v0", 1)
    policy = own_policy(seen).make()
    frame = world.reset([3])
    policy.reset(world, [3])
    np.testing.assert_array_equal(policy.act(world, frame), np.array([[0.5, -1.0]], np.float32))
    world.close()


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ("test_own_policy:nothing", "has no attribute 'nothing'"),
        ("no_such_module:policy", "no module 'no_such_module'"),
        ("test_own_policy:CARTPOLE", "is a str, which cannot be called"),
        (gymnasium.Wrapper, "cannot be made without arguments"),
        ("walking", r"One of your own is module:function"),
    ],
)
def test_what_is_no_policy_is_said_before_anything_is_recorded(policy: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(ForethoughtError, match=says):
        collect(CARTPOLE, out=tmp_path / "store", episodes=2, options=NUMBERS, policy=policy, progress=False)
    assert not (tmp_path / "store").exists()
