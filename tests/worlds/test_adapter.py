"""Any Gymnasium environment as a world: streams, actions, seeds, and the ways in which environments disappoint."""

from __future__ import annotations

import contextlib
import pickle
import random
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from crashing_env import raising
from forethought.errors import ForethoughtError, NonFiniteError
from forethought.worlds import registry
from forethought.worlds.adapter import GymnasiumWorld
from forethought.worlds.env_adapter import GlobalRngIsolation, GlobalRngState, WorldCrashed
from forethought.worlds.frames import resized
from toy_env import BOTH, DOT, PIXEL_DOT, Dot, actions, dot


def test_spec_says_what_the_environment_is() -> None:
    world = dot()
    assert [(s.name, s.shape, s.dtype) for s in world.spec.streams] == [
        ("pixels", (64, 64, 3), "uint8"),
        ("proprioception", (2,), "float32"),
    ]
    assert world.spec.action.low == (-2.0, -1.0)
    assert (world.spec.max_steps, world.spec.block, dict(world.spec.truth)) == (60, 5, {"state": 2})
    again = registry.make(world.spec.name, 1, **world.spec.options)
    assert again.spec == world.spec


@pytest.mark.parametrize("image", [True, False])
def test_frames_follow_the_world(image: bool) -> None:
    world = dot(2, image=image)
    frame = world.reset([3, 4])
    assert frame.observation["pixels"].shape == (2, 64, 64, 3)
    assert frame.observation["pixels"].dtype == np.uint8
    np.testing.assert_array_equal(frame.observation["proprioception"], frame.truth["state"])
    moved = world.step(np.array([[2, 0], [-2, 0]], np.float32))
    np.testing.assert_allclose(moved.truth["state"][:, 0] - frame.truth["state"][:, 0], [2, -2], atol=1e-5)
    assert len(np.unique(np.stack([frame.observation["pixels"], moved.observation["pixels"]]), axis=0)) == 2


def test_a_copy_depends_on_its_own_seed_and_actions_alone() -> None:
    for arguments in ({}, {"global_chance": True}):
        three, one = dot(3, **arguments), dot(1, **arguments)
        plan = actions(three, 10)
        together, alone = three.reset([5, 6, 7]), one.reset([6])
        np.random.seed(99)  # noqa: NPY002  # the global streams must neither disturb nor be disturbed
        for row in plan:
            together, alone = three.step(row), one.step(row[1:2])
        for stream in BOTH:
            np.testing.assert_array_equal(together.observation[stream][1], alone.observation[stream][0])
        assert np.random.random() == np.random.RandomState(99).random_sample()  # noqa: NPY002
        assert not np.array_equal(together.truth["state"][0], together.truth["state"][2])


def test_an_ended_copy_stays_where_it_is() -> None:
    world = dot(2)
    world.reset([0, 0])
    push = np.array([[2, 0], [0, 0.5]], np.float32)
    frames = [world.step(push) for _ in range(60)]
    ended = np.array([frame.ended for frame in frames])
    last = int(np.argmax(ended[:, 0]))
    assert 20 < last < 30
    assert ended[last:, 0].all()
    assert list(np.flatnonzero(ended[:, 1])) == [59]
    away = world.step(-push)
    np.testing.assert_array_equal(frames[last].truth["state"][0], away.truth["state"][0])


def test_unread_frames_are_drawn_as_they_were() -> None:
    pytest.importorskip("gym_pusht")
    world = registry.make("gym_pusht/PushT-v0", 1)
    kept, read = world.reset([1]), world.reset([1]).observation["pixels"]
    for row in actions(world, 10):
        world.step(row)
    np.testing.assert_array_equal(kept.observation["pixels"], read)
    sent = pickle.loads(pickle.dumps(kept.observation))
    np.testing.assert_array_equal(sent["pixels"], read)
    world.close()


@pytest.mark.parametrize(
    ("frames", "cause"), [("black", "blank frame"), ("nearly black", "same frame.*camera"), ("frozen", "same frame.*camera")]
)
def test_bad_frames_are_an_error_that_names_the_cause(frames: str, cause: str) -> None:
    world = dot(frames=frames)
    frame = world.reset([0])
    with pytest.raises(ForethoughtError, match=cause):  # noqa: PT012
        for row in actions(world, 61):
            assert len(frame.observation["pixels"])
            frame = world.step(row)
    tolerant = registry.make(DOT, 1, arguments={"frames": frames}, check_frames=False)
    assert tolerant.reset([0]).observation["pixels"].shape == (1, 64, 64, 3)


def test_standing_still_is_not_a_frozen_renderer() -> None:
    world = dot()
    world.reset([0])
    for step in range(40):
        frame = world.step(np.full((1, 2), 1e-4 * step, np.float32))
        assert len(frame.observation["pixels"])


def test_nan_says_stream_copy_and_step() -> None:
    world = dot(2, nan_at=3)
    world.reset([0, 1])
    with pytest.raises(NonFiniteError, match=r"'proprioception' of copy 0 .* step 3 .*seed 0"):  # noqa: PT012
        for row in actions(world, 5):
            world.step(row)
    with pytest.raises(NonFiniteError, match="action for copy 1"):
        world.step(np.array([[0, 0], [0, np.inf]], np.float32))


def test_a_crash_costs_one_episode() -> None:
    world = dot(2, crash_at=4)
    world.reset([11, 12])
    with pytest.raises(WorldCrashed, match="the physics exploded") as caught:  # noqa: PT012
        for row in actions(world, 5):
            world.step(row)
    assert (caught.value.seed, caught.value.copy) == (11, 0)
    assert not world.reset([13, 14]).ended.any()


def test_a_crash_in_closing_costs_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    world = dot(1, crash_at=1)
    world.reset([11])
    monkeypatch.setattr(Dot, "close", raising(RuntimeError("closed already")))
    with pytest.raises(WorldCrashed, match="the physics exploded"):
        world.step(actions(world, 1)[0])
    assert not world.reset([13]).ended.any()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        (DOT, {"arguments": {"action": "words"}}),
        (DOT, {"state_scale": [1.0, 1.0, 1.0]}),
        (PIXEL_DOT, {"streams": ["proprioception"]}),
    ],
)
def test_what_is_refused_is_closed(name: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    alive: list[Dot] = []
    monkeypatch.setattr(Dot, "reset", raising(AssertionError("never begun")))
    made, closed = Dot.__init__, lambda self: alive.remove(self)
    monkeypatch.setattr(Dot, "__init__", lambda self, **given: (alive.append(self), made(self, **given))[1])
    monkeypatch.setattr(Dot, "close", closed)
    with pytest.raises(ForethoughtError):
        registry.make(name, 1, **options)
    assert not alive


def test_discrete_actions_are_one_hot() -> None:
    world = dot(1, action="discrete")
    assert (world.spec.action.kind, world.spec.action.size) == ("discrete", 3)
    before = world.reset([0]).truth["state"][0, 0]
    for choice, shift in ((0, -1), (1, 0), (2, 1)):
        after = world.step(np.eye(3, dtype=np.float32)[[choice]]).truth["state"][0, 0]
        assert after - before == pytest.approx(shift, abs=1e-4)
        before = after


@pytest.mark.parametrize("space", ["several", "unbounded", "fixed", "whole"])
def test_actions_of_every_kind_are_taken(space: str) -> None:
    world = dot(1, action=space)
    world.reset([0])
    for choice in range(4):
        size = world.spec.action.size
        world.step(np.eye(size, dtype=np.float32)[[choice % size]])


def test_actions_that_cannot_be_are_one_sentence() -> None:
    with pytest.raises(ForethoughtError, match="Dot-v0.* Text are not supported"):
        dot(action="words")


def test_unknown_names_and_options_get_help(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ForethoughtError, match="did you mean 'CartPole-v1'"):
        registry.make("CartPol-v1", 1)
    with pytest.raises(ForethoughtError, match="not installed.*pip install"):
        registry.make("no_such_package:Thing-v0", 1)
    missing = gymnasium.error.DependencyNotInstalled("Box2D is not installed, you can install it by: pip install box2d")
    gymnasium.register("forethought-tests/Needy-v0", entry_point=raising(missing))
    with pytest.raises(ForethoughtError, match="needs a package that is not installed: Box2D .* pip install box2d"):
        registry.make("forethought-tests/Needy-v0", 1)
    with pytest.raises(ForethoughtError, match="does not start"):
        registry.make(DOT, 1, arguments={"name": "x"})
    with pytest.raises(ForethoughtError, match="no option 'sise': did you mean 'size'?"):
        registry.make(DOT, 1, sise=32)
    with pytest.raises(ForethoughtError, match="option 'size'"):
        registry.make(DOT, 1, size=-3)
    monkeypatch.setitem(sys.modules, "gym_pusht", None)
    monkeypatch.setitem(sys.modules, "ogbench.locomaze", None)
    extra = r"needs the \[worlds\] extra: run `make worlds`"
    for name in ("gym_pusht/PushT-v0", "ogbench/pointmaze-medium-v0"):
        with pytest.raises(ForethoughtError, match=f"World '{name}' {extra}"):
            registry.make(name, 1)


def test_a_module_in_front_of_the_name_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"import gymnasium\ngymnasium.register('Mine-v0', entry_point='{__name__}:none')\n"
    text += "gymnasium.register('Mine-v1', entry_point=gymnasium.spec('CartPole-v1').entry_point)\n"
    (tmp_path / "my_own_worlds.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    world = registry.make("my_own_worlds:Mine-v1", 1, streams=["proprioception"])
    assert world.spec.action.kind == "discrete"
    assert world.reset([0]).observation["proprioception"].shape == (1, 4)


def test_cartpole_from_its_own_renderer() -> None:
    pytest.importorskip("pygame")
    world = registry.make("CartPole-v1", 2, size=48)
    policy = registry.policy("CartPole-v1", "random")
    policy.reset(world, [1, 2])
    frame = world.reset([1, 2])
    while not frame.ended.all():
        assert len(np.unique(frame.observation["pixels"])) > 3
        frame = world.step(policy.act(world, frame))
    world.close()
    world.close()


def test_policies_stay_in_bounds_and_depend_on_their_seed() -> None:
    world = dot(3)
    frame = world.reset([0, 1, 2])
    for name in registry.policies(DOT):
        drawn = []
        for seeds in ([4, 5, 4], [5, 6, 7]):
            policy = registry.policy(DOT, name)
            policy.reset(world, seeds)
            drawn.append(np.stack([policy.act(world, frame) for _ in range(50)]))
        assert np.abs(drawn[0]).max(axis=(0, 1)) == pytest.approx([2, 1], rel=0.1)
        assert (np.abs(drawn[0]).max(axis=(0, 1)) <= [2, 1]).all()
        np.testing.assert_array_equal(drawn[0][:, 0], drawn[0][:, 2])
        np.testing.assert_array_equal(drawn[0][:, 1], drawn[1][:, 0])
    with pytest.raises(ForethoughtError, match="no policy 'expert'"):
        registry.policy(DOT, "expert")


def test_resized_takes_the_mean_over_areas() -> None:
    image = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    exact = image.reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
    assert np.abs(resized(image, 64) - exact).max() <= 1


class Gambling(gymnasium.Env[Any, Any]):
    """Samples from NumPy's global generator."""

    observation_space, action_space = gymnasium.spaces.Box(-9, 9, (2,), np.float64), gymnasium.spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        return self._drawn(), {}

    def step(self, action: Any) -> Any:
        return self._drawn(), 0.0, False, False, {}

    def _drawn(self) -> Any:
        return np.array([np.random.normal(), np.random.uniform()])  # noqa: NPY002


GAMBLING = "forethought-tests/Gambling-v0"
gymnasium.register(GAMBLING, entry_point=Gambling)


@pytest.mark.parametrize("around", [False, True])
def test_the_global_generator_is_each_copys_own_also_within_one_span(around: bool) -> None:
    world = registry.make(GAMBLING, 2, streams=["proprioception"])
    assert isinstance(world, GymnasiumWorld)
    left = np.tile(np.eye(2, dtype=np.float32)[0], (2, 1))

    def play(seeds: list[int]) -> np.ndarray:
        frames = [world.reset(seeds), *(world.step(left) for _ in range(4))]
        return np.stack([frame.truth["state"] for frame in frames], 1)

    apart = np.stack([play([seed, 9])[0] for seed in (5, 6)])
    np.random.seed(1)  # noqa: NPY002
    expected = np.random.normal(size=3)  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    first = np.random.normal()  # noqa: NPY002
    with world.isolation if around else contextlib.nullcontext():
        np.testing.assert_array_equal(play([5, 6]), apart)
        np.testing.assert_array_equal(play([6, 5]), apart[::-1])
    # The second value of a pair of normal numbers was cached before, and is not lost.
    np.testing.assert_array_equal([first, *np.random.normal(size=2)], expected)  # noqa: NPY002
    world.close()


def test_lent_generators_go_on_where_they_were_and_start_anew_when_restarted() -> None:
    isolation, lent = GlobalRngIsolation(), [GlobalRngState(seed) for seed in (5, 6)]
    before = random.getstate()
    alone = [random.Random(seed).random() for seed in (5, 6, 7)]
    with isolation:
        isolation.lend(lent[0])
        first = random.random()
        with isolation:
            isolation.lend(lent[1])
            assert (first, random.random()) == (alone[0], alone[1])
        isolation.restart(lent[1], 7)  # it is the one installed
        isolation.restart(lent[0], 5)  # it is not
        isolation.lend(lent[1])
        assert random.random() == alone[2]
        isolation.lend(lent[0])
        assert (random.random(), np.random.uniform()) == (alone[0], np.random.RandomState(5).uniform())  # noqa: NPY002
    assert random.getstate() == before
