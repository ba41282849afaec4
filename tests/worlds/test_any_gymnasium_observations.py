"""What a Gymnasium environment observes reaches the agent or is named, and what comes is what was declared."""

from __future__ import annotations

import logging
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Text, Tuple
from showing_env import Showing, picture, showing

from forethought.errors import ForethoughtError, NonFiniteError
from forethought.worlds import notices, registry
from forethought.worlds.adapter import GymnasiumWorld

NUMBERS = ("proprioception",)
TWO = Box(-2, 2, (2,), np.float32)
PICTURE = Box(0, 255, (64, 64, 3), np.uint8)


@pytest.fixture(autouse=True)
def warnings_anew(caplog: pytest.LogCaptureFixture) -> None:
    notices.forget_notices()
    caplog.set_level(logging.WARNING)


def seen(world: GymnasiumWorld, stream: str = "proprioception") -> np.ndarray:
    return world.reset([0]).observation[stream][0]


MIXED = Dict(
    {
        "clock": Box(0, 1, (), np.float64),
        "robot": Dict({"place": TWO, "holds": Discrete(3, start=1)}),
        "rest": Tuple([MultiDiscrete([2, 3]), MultiBinary(2), Box(0, 9, (2, 2), np.int32)]),
    }
)


def mixed(place: np.ndarray, step: int) -> Any:
    rest = (np.array([1, 2]), np.array([0, 1], np.int8), np.array([[1, 2], [3, 4]], np.int32))
    return {"clock": 0.5, "robot": {"place": place.astype(np.float32), "holds": 3}, "rest": rest}


def test_numbers_of_every_kind_are_joined_in_the_spaces_order() -> None:
    world = showing(MIXED, mixed, NUMBERS)
    place = world.reset([0]).observation["proprioception"][0]
    # A Dict's order is Gymnasium's: keys as given, or sorted.
    parts = {"clock": [0.5], "rest": [0, 1, 0, 0, 1, 0, 1, 1, 2, 3, 4], "robot": None}
    assert world.spec.streams[0].shape == (1 + 11 + 5,)
    flat = place.tolist()
    assert parts["clock"][0] in flat
    assert any(flat[i : i + 11] == parts["rest"] for i in range(len(flat)))
    assert any(flat[i : i + 3] == [0, 0, 1] for i in range(len(flat)))
    assert not world.maker.left_out


def test_paths_name_single_entries_and_those_below() -> None:
    world = showing(MIXED, mixed, ("robot.place", "robot", "rest.2"))
    shapes = {stream.name: stream.shape for stream in world.spec.streams}
    assert shapes == {"robot_place": (2,), "robot": (5,), "rest_2": (4,)}
    assert seen(world, "rest_2").tolist() == [1, 2, 3, 4]
    again = showing(MIXED, mixed, tuple(shapes))
    assert [stream.name for stream in again.spec.streams] == list(shapes)
    assert len(world.maker.left_out) == 3
    with pytest.raises(ForethoughtError, match=r"observes no 'robot.plase': did you mean 'robot.place'"):
        showing(MIXED, mixed, ("robot.plase",))
    with pytest.raises(ForethoughtError, match="two of its streams are called 'robot_place'"):
        showing(MIXED, mixed, ("robot.place", "robot_place"))


CAMERAS = Dict({"front": PICTURE, "wrist": PICTURE, "state": TWO, "says": Text(20)})


def cameras(place: np.ndarray, step: int) -> Any:
    return {"front": picture(place), "wrist": picture(-place), "state": place.astype(np.float32), "says": f"step {step}"}


def test_all_cameras_and_texts_can_be_taken(caplog: pytest.LogCaptureFixture) -> None:
    world = showing(CAMERAS, cameras, ("front", "wrist", "says", "proprioception"))
    assert [(stream.name, stream.kind) for stream in world.spec.streams] == [
        ("proprioception", "vector"),
        ("front", "image"),
        ("wrist", "image"),
        ("says", "text"),
    ]
    frame = world.step(np.ones((1, 2), np.float32)) if len(seen(world)) else None
    assert frame is not None
    place = frame.observation["proprioception"][0]
    np.testing.assert_array_equal(frame.observation["front"][0], picture(place))
    np.testing.assert_array_equal(frame.observation["wrist"][0], picture(-place))
    assert frame.observation["says"].tolist() == ["step 1"]
    assert not caplog.messages


def test_what_is_left_out_is_said_once_with_how_to_choose_it(caplog: pytest.LogCaptureFixture) -> None:
    world = showing(CAMERAS, cameras)
    np.testing.assert_array_equal(
        seen(world, "pixels"), picture(seen(showing(TWO, lambda p, t: p.astype(np.float32), NUMBERS)))
    )
    told = " ".join(caplog.messages)
    assert "'wrist' (image [64, 64, 3], uint8) (choose it with streams=['pixels', 'wrist'])" in told
    assert "'state' (2 numbers) (choose it with streams=['pixels', 'proprioception'])" in told
    assert "'says' (text)" in told
    assert "'front'" not in told
    before = len(caplog.messages)
    registry.make(world.spec.name, 1)
    assert len(caplog.messages) == before


def test_each_of_stacked_frames_can_be_seen(caplog: pytest.LogCaptureFixture) -> None:
    space = Box(0, 255, (4, 64, 64, 3), np.uint8)

    def stacked(place: np.ndarray, step: int) -> Any:
        return np.stack([picture(place - 0.2 * age) for age in (3, 2, 1, 0)])

    world = showing(space, stacked, ("pixels", "observation.0", "observation.2"))
    frame = world.reset([0])
    shown = [frame.observation[name][0] for name in ("observation_0", "observation_2", "pixels")]
    np.testing.assert_array_equal(np.stack(shown), stacked(world.copies[0]._environment.unwrapped.place, 0)[[0, 2, 3]])  # type: ignore[attr-defined]
    assert "1 older of the 4 frames" in " ".join(caplog.messages)
    assert "observation.1" in " ".join(caplog.messages)


def test_all_numbers_are_shown_not_the_first_known_name() -> None:
    space = Dict({"observation": TWO, "velocity": TWO})
    world = showing(space, lambda place, step: {"observation": np.float32([1, 1]), "velocity": np.float32([2, 2])}, NUMBERS)
    assert sorted(seen(world).tolist()) == [1, 1, 2, 2]


@pytest.mark.parametrize(
    ("space", "value", "says"),
    [
        (TWO, np.zeros(1, np.float32), r"'observation' is declared as float32 \[2\] .* float32 \[1\] came"),
        (TWO, np.zeros((1, 2), np.float32), r"float32 \[1, 2\] came"),
        (TWO, [[1.0], [2.0, 3.0]], r"list .* came"),
        (TWO, np.array(["a", "b"]), "<U1"),
        (PICTURE, picture(np.zeros(2)) / 255, r"uint8 \[64, 64, 3\] .* float64"),
        (PICTURE, picture(np.zeros(2))[..., 0], r"uint8 \[64, 64\] came"),
        (PICTURE, picture(np.zeros(2)).astype(np.int64) * 2, r"within 0 to 255 .* values 40 to 500 came"),
        (Box(0, 1, (64, 64, 3), np.float32), picture(np.zeros(2)), "within 0 to 1 .* values 20 to 250 came"),
        (Discrete(3), 3, r"Discrete\(3\).*the value 3 came"),
        (Discrete(3), -1, "the value -1 came"),
        (Discrete(3), 1.0, "float64"),
        (MultiDiscrete([2, 2]), np.array([0, 2]), r"\[0, 2\] came"),
        (MultiBinary(2), np.array([0, 2]), r"\[0, 2\] came"),
        (Dict({"a": TWO, "b": TWO}), {"a": np.zeros(2, np.float32)}, "has no 'b', which its observation_space declares"),
        (Dict({"a": TWO}), np.zeros(2, np.float32), "declared as a Dict, but ndarray came"),
        (Dict({"a": Dict({"b": TWO})}), {"a": {}}, "its observation 'a' has no 'b'"),
        (Tuple([TWO, TWO]), (np.zeros(2, np.float32),), "a Tuple of 2, but 1 came"),
        (
            Dict({"a": TWO, "says": Text(9)}),
            {"a": np.zeros(2, np.float32), "says": 3},
            "'says' is declared as text .* int came",
        ),
    ],
)
def test_what_is_not_as_declared_is_one_sentence(space: spaces.Space[Any], value: Any, says: str) -> None:
    streams = ("pixels",) if isinstance(space, Box) and len(space.shape) == 3 else NUMBERS
    world = showing(space, lambda place, step: value, streams)
    with pytest.raises(ForethoughtError, match=says):
        world.reset([0])


def test_a_change_of_shape_is_noticed_at_the_step() -> None:
    world = showing(TWO, lambda place, step: np.zeros(2 if step < 3 else 3, np.float32), NUMBERS)
    world.reset([0])
    with pytest.raises(ForethoughtError, match=r"float32 \[3\] came"):  # noqa: PT012
        for _ in range(3):
            world.step(np.ones((1, 2), np.float32))


def test_what_is_harmless_is_taken_and_said(caplog: pytest.LogCaptureFixture) -> None:
    space = Dict({"place": Box(-1, 1, (2,), np.float16), "image": Box(0, 255, (40, 50, 3), np.uint8)})

    def show(place: np.ndarray, step: int) -> Any:
        return {"place": np.array([3, 4]), "image": picture(place), "debug": None}

    world = showing(space, show, ("pixels", "proprioception"))
    assert seen(world).tolist() == [3, 4]
    world.step(np.ones((1, 2), np.float32))
    told = " ".join(caplog.messages)
    assert len(caplog.messages) == 3
    assert "holds debug, which its observation_space does not declare" in told
    assert "'place' leaves the bounds" in told
    assert "'image' is declared as [40, 50, 3], but other sizes come" in told


def test_infinity_names_the_stream() -> None:
    world = showing(Box(0, np.inf, (2,), np.float32), lambda place, step: np.float32([1, np.inf]), NUMBERS)
    with pytest.raises(NonFiniteError, match="stream 'proprioception' .* infinity"):
        world.reset([0])


class OldReset(Showing):
    def reset(self, **given: Any) -> Any:
        return super().reset(**given)[0]


class OldStep(Showing):
    def step(self, action: Any) -> Any:
        return super().step(action)[:4]


def test_returns_of_the_old_gym_are_one_sentence() -> None:
    def show(place: np.ndarray, step: int) -> Any:
        return place.astype(np.float32)

    with pytest.raises(ForethoughtError, match=r"reset returned one ndarray instead of \(observation, info\)"):
        showing(TWO, show, NUMBERS, OldReset).reset([0])
    world = showing(TWO, show, NUMBERS, OldStep)
    world.reset([0])
    with pytest.raises(ForethoughtError, match="step returned 4 values .* instead of .*truncated"):
        world.step(np.ones((1, 2), np.float32))


class Drawing(Showing):
    frame: Any = None

    def render(self) -> Any:
        return self.frame


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (None, r"render\(\) returned NoneType .* streams=\['proprioception'\]"),
        (picture(np.zeros(2)) / 255, r"float64 \[64, 64, 3\], 0.078\S* to 0.98"),
        (np.zeros(5, np.uint8), r"uint8 \[5\]"),
        ("ansi", "returned str"),
    ],
)
def test_a_rendering_that_is_no_image_is_named(frame: Any, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Drawing, "frame", frame)
    with pytest.raises(ForethoughtError, match=says):
        showing(TWO, lambda place, step: place.astype(np.float32), kind=Drawing).reset([0])


def test_a_rendering_with_channels_first_is_turned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Drawing, "frame", picture(np.ones(2)).transpose(2, 0, 1))
    world = showing(TWO, lambda place, step: place.astype(np.float32), kind=Drawing)
    np.testing.assert_array_equal(seen(world, "pixels"), picture(np.ones(2)))


class Undrawn(Showing):
    def __init__(self, space: Any, show: Any) -> None:
        super().__init__(space, show)


def test_a_world_that_cannot_draw_says_which_streams_it_has() -> None:
    with pytest.raises(ForethoughtError, match=r"observes no image, .*render_mode.*: use streams=\['proprioception'\]"):
        showing(TWO, lambda place, step: place.astype(np.float32), kind=Undrawn)


def test_numbers_asked_of_a_world_of_images_are_refused_with_what_it_has() -> None:
    with pytest.raises(ForethoughtError, match=r"observes no numbers .* 'observation' \(image \[64, 64, 3\], uint8\)"):
        showing(PICTURE, lambda place, step: picture(place), NUMBERS)


def test_what_has_no_fixed_size_is_named(caplog: pytest.LogCaptureFixture) -> None:
    space = Dict({"place": TWO, "seen": spaces.Sequence(TWO)})

    def show(place: np.ndarray, step: int) -> Any:
        return {"place": place.astype(np.float32), "seen": ()}

    assert len(seen(showing(space, show, NUMBERS))) == 2
    assert "does not observe 'seen' (Sequence, of no fixed size)" in caplog.text
    with pytest.raises(ForethoughtError, match="cannot be observed as numbers"):
        showing(space, show, ("seen",))


def test_a_buffer_that_is_written_again_is_copied() -> None:
    kept = {"image": np.zeros((64, 64, 3), np.uint8), "state": np.zeros(2, np.float32)}

    def show(place: np.ndarray, step: int) -> Any:
        kept["image"][...], kept["state"][...] = picture(place), place
        return kept

    world = showing(Dict({"image": PICTURE, "state": TWO}), show, ("pixels", "proprioception"))
    first = world.reset([0])
    world.step(np.ones((1, 2), np.float32))
    np.testing.assert_array_equal(first.observation["pixels"][0], picture(first.observation["proprioception"][0]))


def test_discrete_places_are_told_apart_whatever_their_number() -> None:
    world = showing(Discrete(64), lambda place, step: step, NUMBERS)
    start, later = world.reset([0]), world.step(np.ones((1, 2), np.float32))
    now, goal = (world.copies[0].sight_of(frame.truth["state"][0]) for frame in (start, later))
    assert world.copies[0].near(now, now)
    assert not world.copies[0].near(now, goal)
    scaled = showing(Discrete(64), lambda place, step: step, NUMBERS, state_scale=[2.0] * 64)
    assert scaled.copies[0].near(now, goal)


def test_a_still_camera_does_not_hide_a_frozen_one() -> None:
    def show(place: np.ndarray, step: int) -> Any:
        return {"front": picture(place), "wrist": picture(np.zeros(2))}

    world = showing(Dict({"front": PICTURE, "wrist": PICTURE}), show, ("front", "wrist"))
    frame = world.reset([0])
    with pytest.raises(ForethoughtError, match="stream 'wrist', showed the same frame"):  # noqa: PT012
        for step in range(world.spec.max_steps + 1):
            assert all(len(values) for values in frame.observation.values())
            frame = world.step(np.array([[(-1) ** step, 0.3]], np.float32))


def test_blackjack_and_frozen_lake_as_they_come() -> None:
    for name, size in (("Blackjack-v1", 45), ("FrozenLake-v1", 16), ("CliffWalking-v1", 48), ("Taxi-v3", 500)):
        if name in gymnasium.registry:
            world = registry.make(name, 1, streams=NUMBERS)
            assert world.reset([0]).observation["proprioception"].shape == (1, size)
            world.close()


def symbols(place: np.ndarray, step: int) -> Any:
    grid = np.zeros((19, 19, 3), np.uint8)
    grid[tuple(((place + 2) / 4 * 18).astype(int))] = (10, 5, 1)
    return grid


def test_symbols_in_the_shape_of_an_image_can_be_read_as_numbers() -> None:
    space = Box(0, 255, (19, 19, 3), np.uint8)
    empty = showing(space, lambda place, step: np.zeros((19, 19, 3), np.uint8))
    with pytest.raises(ForethoughtError, match="blank frame .*: the image that it observes .* option `symbolic`"):
        empty.reset([0]).observation["pixels"]
    world = showing(space, symbols, NUMBERS, symbolic=["observation"])
    assert seen(world).shape == (19 * 19 * 3,)
    drawn = showing(space, symbols, symbolic=["observation"])
    assert seen(drawn, "pixels").max() == 250
    with pytest.raises(ForethoughtError, match=r"no entry 'image' \(option symbolic\)"):
        showing(space, symbols, symbolic=["image"])
