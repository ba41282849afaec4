"""TwoRoom and Wall: sizes as the peers have them, steps that end at walls, and the statistics of the data recipes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from forethought.errors import ForethoughtError
from forethought.worlds import registry
from forethought.worlds.check import check_world
from forethought.worlds.two_room import TWO_ROOM_NAME, WALL_NAME
from forethought.worlds.two_room.geometry import TWO_ROOM, WALL, TwoRoomGeometry
from forethought.worlds.two_room.policies import waypoint

BOTH = {TWO_ROOM_NAME: TWO_ROOM, WALL_NAME: WALL}


def moved(geometry: TwoRoomGeometry, start: tuple[float, float], by: tuple[float, float]) -> list[float]:
    return geometry.moved(np.array(start), np.array(by)).tolist()


def walk(name: str, policy: str, steps: int, copies: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """Positions [steps + 1, N, 2] and actions [steps, N, 2]."""
    world = registry.make(name, copies)
    chosen = registry.policy(name, policy)
    frame = world.reset(range(copies))
    chosen.reset(world, range(copies))
    positions, actions = [frame.truth["state"]], []
    for _ in range(steps):
        actions.append(chosen.act(world, frame))
        frame = world.step(actions[-1])
        positions.append(frame.truth["state"])
    world.close()
    return np.stack(positions), np.stack(actions)


@pytest.mark.parametrize("name", BOTH)
def test_they_are_worlds(name: str) -> None:
    check_world(lambda num: registry.make(name, num))


def test_a_body_slides_along_the_wall_and_passes_the_door() -> None:
    assert moved(TWO_ROOM, (98.0, 150.0), (5.0, 3.0)) == [99.5, 153.0]
    assert moved(TWO_ROOM, (126.0, 150.0), (-5.0, 3.0)) == [124.5, 153.0]
    assert moved(TWO_ROOM, (98.0, 60.0), (5.0, 3.0)) == [103.0, 63.0], "within 15.75 px of the door's middle"
    assert moved(TWO_ROOM, (98.0, 64.0), (5.0, 3.0)) == [99.5, 67.0], "the end of the step counts"
    assert moved(TWO_ROOM, (22.0, 202.0), (-5.0, 5.0)) == [21.0, 203.0]


def test_a_point_stops_half_a_pixel_before_what_its_path_meets() -> None:
    assert moved(WALL, (28.0, 40.0), (2.0, 2.0)) == [28.5, 41.0]
    assert moved(WALL, (28.0, 10.0), (2.0, 1.0)) == [30.0, 11.0]
    assert moved(WALL, (32.0, 13.0), (1.0, 2.0)) == [32.5, 13.5], "the door's post"
    assert moved(WALL, (27.0, 12.0), (4.0, 4.0)) == [28.5, 14.0], "at the corner"
    assert moved(WALL, (50.0, 58.5), (0.0, 3.0)) == [50.0, 59.5]


@pytest.mark.parametrize("geometry", BOTH.values())
def test_no_step_crosses_the_wall_outside_the_door(geometry: TwoRoomGeometry) -> None:
    generator = np.random.default_rng(0)
    left, right = geometry.faces
    position, crossings = np.array([left - 2, geometry.door + geometry.gap + 6]), 0
    for _ in range(4000):
        after = geometry.moved(position, geometry.speed * generator.uniform(-1, 1, 2))
        in_slab = left < after[0] < right
        assert not in_slab or abs(after[1] - geometry.door) <= geometry.gap
        crossings += geometry.crosses(position, after)
        assert geometry.low <= after.min()
        assert after.max() <= geometry.high
        position = after
    assert crossings > 0


def test_ways_lead_through_the_door() -> None:
    goal = np.array([180.0, 150.0])
    assert waypoint(TWO_ROOM, np.array([150.0, 30.0]), goal).tolist() == goal.tolist()
    before = waypoint(TWO_ROOM, np.array([60.0, 150.0]), goal)
    assert before[0] < TWO_ROOM.faces[0]
    assert before[1] == TWO_ROOM.door
    assert waypoint(TWO_ROOM, np.array([99.0, 50.0]), goal)[0] > TWO_ROOM.faces[1]


@pytest.mark.parametrize("name", BOTH)
def test_the_expert_reaches_goals_behind_the_wall(name: str) -> None:
    positions, _ = walk(name, "expert", 3 * BOTH[name].max_steps)
    crossed = positions[:, :, 0] > BOTH[name].wall
    assert (crossed[1:] != crossed[:-1]).any(0).all(), "it walks from one random place to the next"


def test_noisy_ways_have_the_peers_actions() -> None:
    positions, actions = walk(TWO_ROOM_NAME, "demonstrator", 100)
    assert actions.std() == pytest.approx(0.87, abs=0.03), "noise of 2, clipped at 1"
    repeated = (actions[1:] == actions[:-1]).all(2).mean()
    assert repeated == pytest.approx(0.09, abs=0.02), "5 % by choice; the rest repeat a corner of the bounds"
    way = np.linalg.norm(positions[25] - positions[0], axis=1)
    assert 30 < np.median(way) < 60


def test_turning_walks_have_the_peers_lengths_and_cross_in_half_of_the_episodes() -> None:
    positions, actions = walk(WALL_NAME, "demonstrator", 50)
    lengths = 1.8 * np.linalg.norm(actions, axis=2)
    assert lengths.mean() == pytest.approx(1.0, abs=0.03)
    assert lengths.std() == pytest.approx(0.36, abs=0.03)
    assert lengths.min() > 0.2
    assert lengths.max() < 1.81
    crossed = ((positions[:, :, 0] < WALL.wall) != (positions[:1, :, 0] < WALL.wall)).any(0)
    assert 0.35 < crossed.mean() < 0.7


@pytest.mark.parametrize(("success", "distances"), [("near", (15.9, 16.1)), ("closer", (7.9, 8.1))])
def test_thresholds(success: str, distances: tuple[float, float]) -> None:
    world: Any = registry.make(TWO_ROOM_NAME, 1, success=success)
    goal = world.maker.sight(np.array([50.0, 100.0]))
    near = [world.copies[0].near(world.maker.sight(np.array([50.0 + apart, 100.0])), goal) for apart in distances]
    assert near == [True, False]


def test_the_picture_shows_wall_door_and_dot() -> None:
    world: Any = registry.make(TWO_ROOM_NAME, 1)
    picture = world.maker.draw(np.array([60.0, 150.0])).astype(int)
    scale = 64 / 224
    assert picture[int(150 * scale), int(112 * scale)].max() < 20, "the wall is black"
    assert picture[int(49 * scale), int(112 * scale)].min() > 250, "the door is open"
    y, x = np.unravel_index((picture[..., 0] - picture[..., 1]).argmax(), (64, 64))
    assert (x, y) == (17, 42)
    other = world.maker.draw(np.array([61.0, 150.0])).astype(int)
    assert np.abs(other - picture).max() > 10, "motions below a pixel are visible"


def test_an_unknown_success_is_refused() -> None:
    with pytest.raises(ForethoughtError, match="success"):
        registry.make(TWO_ROOM_NAME, 1, success="block")
