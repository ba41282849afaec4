"""Any Gymnasium environment as a world: streams, actions, seeds, and the ways in which environments disappoint."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from forethought.errors import ForethoughtError, NonFiniteError
from forethought.types import Episode, WorldTask
from forethought.worlds import registry
from forethought.worlds.adapter import GymnasiumWorld, adapt, adapted_policies, make_adapted_tasks
from forethought.worlds.copies import WorldCrashed
from forethought.worlds.frames import resized
from forethought.worlds.goals import goal_observations, tasks_from_episodes

ACTIONS: dict[str, spaces.Space[Any]] = {
    "box": spaces.Box(np.array([-2.0, -1.0]), np.array([2.0, 1.0]), dtype=np.float64),
    "discrete": spaces.Discrete(3, start=5),
    "several": spaces.MultiDiscrete([2, 2]),
    "unbounded": spaces.Box(-np.inf, np.inf, (2,)),
    "whole": spaces.Box(0, 5, (2,), np.int64),
}


class Dot(gymnasium.Env[Any, Any]):
    """A bright square on grey that moves by its action; every trouble is switched on by an argument."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"]}

    def __init__(
        self,
        render_mode: str | None = None,
        frames: str = "good",
        nan_at: int = -1,
        crash_at: int = -1,
        image: bool = False,
        action: str = "box",
        global_chance: bool = False,
    ) -> None:
        self.render_mode, self.frames, self.nan_at, self.crash_at = render_mode, frames, nan_at, crash_at
        self.image, self.global_chance = image, global_chance
        vector = spaces.Box(-np.inf, np.inf, (2,))
        picture = spaces.Box(0, 255, (96, 96, 3), np.uint8)
        goals = {"desired_goal": vector, "achieved_goal": vector}
        self.observation_space = spaces.Dict({"image": picture, "state": vector, **goals}) if image else vector
        self.action_space = ACTIONS[action]

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        noise = np.random.uniform(0, 5, 2) if self.global_chance else self.np_random.uniform(0, 5, 2)  # noqa: NPY002
        self.at, self.steps = 40 + noise, 0
        return self.observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action), action
        self.steps += 1
        if self.steps == self.crash_at:
            raise RuntimeError("the physics exploded")
        move = np.zeros(2) if isinstance(self.action_space, spaces.Discrete) else action
        if isinstance(self.action_space, spaces.Discrete):
            move = np.array([int(action) - 6.0, 0.0])
        self.at = np.clip(self.at + move, 0, 88)
        return self.observe(), 0.0, bool(self.at[0] >= 88), False, {}

    def observe(self) -> Any:
        state = self.at.astype(np.float32)
        if self.steps == self.nan_at:
            state = state * np.float32("nan")
        goals = {"desired_goal": state, "achieved_goal": state}
        return {"image": self.draw(), "state": state, **goals} if self.image else state

    def render(self) -> Any:
        return self.draw()

    def draw(self) -> Any:
        picture = np.full((96, 96, 3), 100 if self.frames in ("good", "frozen") else 0, np.uint8)
        if self.frames == "nearly black":
            picture[:3, :3] = 200
        elif self.frames != "black":
            x, y = (40, 40) if self.frames == "frozen" else self.at.astype(int)
            picture[y : y + 8, x : x + 8] = 250
        return picture


class PixelDot(Dot):
    """Shows an image and nothing else."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.observation_space = spaces.Box(0, 255, (96, 96, 3), np.uint8)

    def observe(self) -> Any:
        return self.draw()


gymnasium.register("forethought-tests/Dot-v0", entry_point=Dot, max_episode_steps=60)
gymnasium.register("forethought-tests/PixelDot-v0", entry_point=PixelDot, max_episode_steps=60)
DOT, PIXEL_DOT = "forethought-tests/Dot-v0", "forethought-tests/PixelDot-v0"
BOTH = ("pixels", "proprioception")


def raising(error: Exception) -> Callable[..., Any]:
    def call(*given: Any, **named: Any) -> Any:
        raise error

    return call


def dot(num: int = 1, streams: tuple[str, ...] = BOTH, name: str = DOT, **arguments: Any) -> GymnasiumWorld:
    return adapt(name, num, streams=streams, arguments=arguments)


def actions(world: GymnasiumWorld, steps: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    shape = (steps, world.num, world.spec.action.size)
    return generator.uniform(world.spec.action.low, world.spec.action.high, shape).astype(np.float32)


def test_spec_says_what_the_environment_is() -> None:
    world = dot()
    assert [(s.name, s.shape, s.dtype) for s in world.spec.streams] == [
        ("pixels", (64, 64, 3), "uint8"),
        ("proprioception", (2,), "float32"),
    ]
    assert world.spec.action.low == (-2.0, -1.0)
    assert (world.spec.max_steps, world.spec.block, dict(world.spec.truth)) == (60, 5, {"state": 2})
    again = adapt(world.spec.name, 1, **world.spec.options)
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
    world = adapt("gym_pusht/PushT-v0", 1)
    kept, read = world.reset([1]), world.reset([1]).observation["pixels"]
    for row in actions(world, 10):
        world.step(row)
    np.testing.assert_array_equal(kept.observation["pixels"], read)
    sent = pickle.loads(pickle.dumps(kept.observation))
    np.testing.assert_array_equal(sent["pixels"], read)
    world.close()


@pytest.mark.parametrize(
    ("frames", "cause"), [("black", "blank frame"), ("nearly black", "blank frame"), ("frozen", "same frame.*camera")]
)
def test_bad_frames_are_an_error_that_names_the_cause(frames: str, cause: str) -> None:
    world = dot(frames=frames)
    frame = world.reset([0])
    with pytest.raises(ForethoughtError, match=cause):  # noqa: PT012
        for row in actions(world, 30):
            assert len(frame.observation["pixels"])
            frame = world.step(row)
    tolerant = adapt(DOT, 1, arguments={"frames": frames}, check_frames=False)
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
        (DOT, {"arguments": {"action": "several"}}),
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
        adapt(name, 1, **options)
    assert not alive


def test_discrete_actions_are_one_hot() -> None:
    world = dot(1, action="discrete")
    assert (world.spec.action.kind, world.spec.action.size) == ("discrete", 3)
    before = world.reset([0]).truth["state"][0, 0]
    for choice, shift in ((0, -1), (1, 0), (2, 1)):
        after = world.step(np.eye(3, dtype=np.float32)[[choice]]).truth["state"][0, 0]
        assert after - before == pytest.approx(shift, abs=1e-4)
        before = after


@pytest.mark.parametrize("space", ["several", "unbounded", "whole"])
def test_unsupported_actions_are_one_sentence(space: str) -> None:
    with pytest.raises(ForethoughtError, match="Dot-v0.* actions"):
        dot(action=space)


def test_unknown_names_and_options_get_help(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ForethoughtError, match="did you mean 'CartPole-v1'"):
        adapt("CartPol-v1", 1)
    with pytest.raises(ForethoughtError, match="not installed.*pip install"):
        adapt("no_such_package:Thing-v0", 1)
    missing = gymnasium.error.DependencyNotInstalled("Box2D is not installed, you can install it by: pip install box2d")
    gymnasium.register("forethought-tests/Needy-v0", entry_point=raising(missing))
    with pytest.raises(ForethoughtError, match="needs a package that is not installed: Box2D .* pip install box2d"):
        adapt("forethought-tests/Needy-v0", 1)
    with pytest.raises(ForethoughtError, match="does not start"):
        adapt(DOT, 1, arguments={"name": "x"})
    with pytest.raises(ForethoughtError, match="no option 'sise': did you mean 'size'?"):
        adapt(DOT, 1, sise=32)
    with pytest.raises(ForethoughtError, match="option 'size'"):
        adapt(DOT, 1, size=-3)
    monkeypatch.setitem(sys.modules, "gym_pusht", None)
    monkeypatch.setitem(sys.modules, "ogbench.locomaze", None)
    extra = r"needs the \[worlds\] extra: run `make worlds`"
    for name in ("gym_pusht/PushT-v0", "ogbench/pointmaze-medium-v0"):
        with pytest.raises(ForethoughtError, match=f"World '{name}' {extra}"):
            adapt(name, 1)


def test_a_module_in_front_of_the_name_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"import gymnasium\ngymnasium.register('Mine-v0', entry_point='{__name__}:none')\n"
    text += "gymnasium.register('Mine-v1', entry_point=gymnasium.spec('CartPole-v1').entry_point)\n"
    (tmp_path / "my_own_worlds.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    world = adapt("my_own_worlds:Mine-v1", 1, streams=["proprioception"])
    assert world.spec.action.kind == "discrete"
    assert world.reset([0]).observation["proprioception"].shape == (1, 4)


def test_cartpole_from_its_own_renderer() -> None:
    pytest.importorskip("pygame")
    world = adapt("CartPole-v1", 2, size=48)
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
    for name in adapted_policies(DOT):
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


class Store:
    """Episodes in memory, of blocks of 2 steps."""

    block = 2

    def __init__(self, world: GymnasiumWorld, seeds: list[int], blocks: int) -> None:
        self.spec, self.heldout = world.spec, np.arange(len(seeds))
        self.episodes = [self.record(world, seed, blocks) for seed in seeds]

    def read(self, episode: int) -> Episode:
        return self.episodes[episode]

    def record(self, world: GymnasiumWorld, seed: int, blocks: int) -> Episode:
        frames, plan = [world.reset([seed])], actions(world, blocks * self.block, seed)
        for block in plan.reshape(blocks, self.block, 1, -1):
            frames.append([world.step(action) for action in block][-1])
        observation = {s.name: np.concatenate([f.observation[s.name] for f in frames]) for s in world.spec.streams}
        truth = {name: np.concatenate([f.truth[name] for f in frames]) for name in world.spec.truth}
        return Episode(observation, plan.reshape(blocks, -1), truth, np.zeros((blocks + 1, 0), np.float32), seed)


@pytest.mark.parametrize(("name", "streams"), [(DOT, BOTH), (PIXEL_DOT, ("pixels",))])
def test_goals_from_held_out_episodes(name: str, streams: tuple[str, ...]) -> None:
    world = adapt(name, 1, streams=streams, success_pixels=0.2)
    store = Store(world, [1, 2, 3], blocks=8)
    store.heldout = np.array([0, 2])
    tasks = tasks_from_episodes(store, 5, seed=0, gap_rows=4)
    assert len(tasks.tasks) == len(set(tasks.goal_rows)) == 2, "two episodes, each from its beginning: no more differ"
    assert tasks == tasks_from_episodes(store, 5, seed=0, gap_rows=4)
    assert {episode for episode, _ in tasks.goal_rows} == {0, 2}
    goals = goal_observations(store, tasks)
    for index, task in enumerate(tasks.tasks):
        assert (task.start, task.budget) == (None, 16)
        frame = world.begin([task])
        with pytest.raises(ForethoughtError, match="set_goal_observation"):
            world.goal_observation()
        world.set_goal_observation({stream: goals[stream][[index]] for stream in streams})
        np.testing.assert_array_equal(world.goal_observation()["pixels"][0], goals["pixels"][index])
        assert not world.reached()[0]
        # Taking the recorded actions again from the same seed must end at the goal, and succeed.
        for action in store.read(tasks.goal_rows[index][0]).actions[:4].reshape(-1, 1, 2):
            frame = world.step(action)
        np.testing.assert_array_equal(frame.observation["pixels"][0], goals["pixels"][index])
        assert world.reached()[0]


def test_goal_errors() -> None:
    world = dot()
    with pytest.raises(ForethoughtError, match="before step"):
        world.step(np.zeros((1, 2), np.float32))
    world.reset([0])
    with pytest.raises(ForethoughtError, match="call begin first"):
        world.reached()
    world.begin([WorldTask(0, None, (1.0, 2.0), None, 10)])
    with pytest.raises(ForethoughtError, match=r"goal's pixels has shape \(1, 32, 32, 3\) where \(1, 64, 64, 3\)"):
        world.set_goal_observation({"pixels": np.zeros((1, 32, 32, 3), np.uint8)})
    with pytest.raises(ForethoughtError, match="cannot be put into a given state"):
        world.begin([WorldTask(0, (1.0, 2.0), (1.0, 2.0), None, 10)])
    with pytest.raises(ForethoughtError, match="tasks_from_episodes"):
        make_adapted_tasks(DOT, {}, 3, 0)
    still = Store(world, [1], blocks=8)
    with pytest.raises(ForethoughtError, match="No held-out episode"):
        tasks_from_episodes(still, 2, 0, gap_rows=20)
