"""Balls, keys, and being near."""

import numpy as np
import pytest

from forethought.types import WorldTask
from forethought.worlds.random_streams import as_seeds
from forethought.worlds.rooms.layout import connected, draw_layout, make_plan, room_of
from forethought.worlds.rooms.objects import Balls, Keys, anywhere, draw_keys, near, roll
from forethought.worlds.rooms.world import RoomsWorld


def test_anywhere_treats_rooms_alike() -> None:
    seeds = as_seeds(range(400))
    layout = draw_layout(make_plan("four"), seeds, True, 0.0)
    rooms = np.concatenate([room_of(layout, point) for point in np.moveaxis(anywhere(layout, seeds, 5, 4), 1, 0)])
    assert np.bincount(rooms, minlength=4) == pytest.approx(np.full(4, 400), rel=0.15)


def test_a_ball_bounces_off_a_wall() -> None:
    layout = draw_layout(make_plan("two"), as_seeds([0]), False, 0.0)
    balls = Balls(np.array([[[29.0, 50.0]]]), np.array([[[1.5, 0.5]]]))
    rolled = roll(balls, layout, np.ones((1, 1), dtype=np.bool_), as_seeds([0]), 1)
    assert rolled.position[0, 0].tolist() == pytest.approx([29.8, 50.5])
    assert rolled.velocity[0, 0].tolist() == [-1.5, 0.5]


def test_keys_lock_open_doors_and_lie_within_reach_of_the_start() -> None:
    seeds = as_seeds(range(300))
    layout = draw_layout(make_plan("nine"), seeds, True, 0.6)
    start = anywhere(layout, seeds, 3, 1)[:, 0]
    keys = draw_keys(layout, seeds, 3, start, True)
    locked = keys.locked(12)
    assert (locked.sum(1) == 3).all()
    assert not (locked & layout.shut).any()
    label = connected(layout.plan, ~(locked | layout.shut))
    home = np.take_along_axis(label, room_of(layout, start)[:, None], 1)[:, 0]
    away = 0.0
    for k in range(3):
        room = room_of(layout, keys.position[:, k])
        assert np.array_equal(np.take_along_axis(label, room[:, None], 1)[:, 0], home)
        away += (room != room_of(layout, start)).mean()
    assert away > 0.5


@pytest.mark.parametrize("random", [False, True])
def test_the_key_of_a_building_lies_on_the_side_of_the_start_across_from_its_door(random: bool) -> None:
    seeds = as_seeds(range(100))
    layout = draw_layout(make_plan("trip"), seeds, random, 0.5)
    start = anywhere(layout, seeds, 3, 1)[:, 0]
    keys = draw_keys(layout, seeds, 3, start, random)
    order = {0: 0, 1: 0, 4: 0, 5: 0, 2: 1, 3: 1, 6: 1, 7: 1, 10: 2, 11: 2, 14: 2, 15: 2, 8: 3, 9: 3, 12: 3, 13: 3}
    home = np.array([order[room] for room in room_of(layout, start).tolist()])
    for k in range(3):
        building = np.array([order[room] for room in room_of(layout, keys.position[:, k]).tolist()])
        assert np.array_equal(building, np.where(home <= k, k, k + 1))
    assert np.array_equal(keys.door, np.broadcast_to(layout.plan.bridges, keys.door.shape))
    assert len(np.unique(keys.position[home == 0, 0], axis=0)) == ((home == 0).sum() if random else 1)


def test_a_held_key_unlocks_its_own_door() -> None:
    keys = Keys(np.zeros((1, 2, 2)), np.array([[3, 1]]), np.array([[False, True]]))
    assert keys.locked(4).tolist() == [[False, False, False, True]]
    assert keys.colour(4).tolist() == [[-1, 1, -1, 0]]


def test_some_episodes_begin_with_keys_in_hand_and_no_task_does() -> None:
    options = {"layout": "trip", "doors": "fixed", "keys": 3}
    world = RoomsWorld(300, **options, carried=0.5)
    frame = world.reset(range(300))
    held = frame.truth["keys"].reshape(300, 3, 3)[..., 2] > 0
    assert held.mean(0) == pytest.approx(np.full(3, 0.5), abs=0.1)
    assert abs(np.corrcoef(held[:, 0], held[:, 1])[0, 1]) < 0.15, "each by itself"
    locked = world.keys.locked(world.plan.doors)[:, world.plan.bridges]
    assert np.array_equal(locked, ~held), "what is in hand is open"
    plain = RoomsWorld(300, **options)
    shown = plain.reset(range(300)).observation["pixels"]
    same = ~held.any(1)
    assert np.array_equal(shown[same], frame.observation["pixels"][same])
    assert (shown[~same] != frame.observation["pixels"][~same]).any((1, 2, 3)).all(), "and it shows"
    world.begin([WorldTask(seed, (8.0, 8.0), (50.0, 50.0), None, 9) for seed in range(300)])
    assert not world.keys.held.any()
    assert "carried" not in plain.spec.options
    assert world.spec.options["carried"] == 0.5


def test_near_is_a_disc() -> None:
    bodies = np.array([[[0.0, 0.0], [3.0, 4.0], [3.1, 4.0]]])
    assert near(bodies, np.zeros((1, 2)), 5.0).tolist() == [[True, True, False]]
