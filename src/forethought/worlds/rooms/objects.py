"""Objects in the rooms: balls, food, hazards and keys. Positions [N, M, 2] in pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forethought.worlds.painting import Bools, Floats
from forethought.worlds.random_streams import Seeds, counter, normal, uniform
from forethought.worlds.rooms.layout import Ints, Layout, connected, opposite_room, place, room_of
from forethought.worlds.rooms.physics import move

SEED_PLACE, SEED_BALL, SEED_KEY, SEED_LOCK, SEED_FOOD, SEED_HAZARD, SEED_CARRIED = 10, 11, 12, 13, 14, 15, 16

TELEPORT_STEPS = 35
"""Mean number of steps between two jumps of a ball (the distractor of H-JEPA)."""
BALL_SPEED = 0.8
"""Standard deviation of a ball's velocity per axis, pixels per step."""
TOUCH = 3.5
"""Distance to the agent's centre at which food is eaten and keys are taken, in pixels."""
HAZARD_RADIUS = 4.0
HUNGER_STEPS = 100
"""Number of steps in which hunger grows from 0 to 1."""


def anywhere(layout: Layout, seeds: Seeds, count: int, number: int) -> Floats:
    """Sample positions [N, number, 2] inside rooms, away from walls; all rooms are equally likely."""
    u = uniform(seeds, count, number, 3)
    room = (u[..., 0] * layout.plan.rooms).astype(np.int64)
    return place(layout, room, u[..., 1:])


@dataclass(frozen=True)
class Balls:
    """Distractor balls: position and velocity [N, M, 2]."""

    position: Floats
    velocity: Floats


def draw_balls(layout: Layout, seeds: Seeds, number: int, step: int) -> Balls:
    """Sample balls with random positions and velocities."""
    return Balls(
        anywhere(layout, seeds, counter(SEED_PLACE, step), number),
        BALL_SPEED * normal(seeds, counter(SEED_BALL, step), number, 2),
    )


def roll(balls: Balls, layout: Layout, passable: Bools, seeds: Seeds, step: int) -> Balls:
    """Balls one step later: they bounce off walls, and jump to a random position at rate 1 / `TELEPORT_STEPS`."""
    position = move(layout, passable, balls.position, balls.velocity)
    bounced = np.abs(position - balls.position - balls.velocity) > 1e-9
    velocity = np.where(bounced, -balls.velocity, balls.velocity)
    number = balls.position.shape[1]
    jump = uniform(seeds, counter(SEED_BALL + 100, step), number, 1) < 1 / TELEPORT_STEPS
    fresh = draw_balls(layout, seeds, number, step)
    return Balls(np.where(jump, fresh.position, position), np.where(jump, fresh.velocity, velocity))


@dataclass(frozen=True)
class Keys:
    """Keys and the doors they open: position [N, M, 2], door [N, M], held bool [N, M]."""

    position: Floats
    door: Ints
    held: Bools

    def taken(self, more: Bools) -> Keys:
        """The keys with those of `more` [N, M] held, too."""
        return Keys(self.position, self.door, self.held | more)

    def locked(self, doors: int) -> Bools:
        """Whether each door is locked, [N, doors]."""
        locked = np.zeros((len(self.door), doors), dtype=np.bool_)
        np.put_along_axis(locked, self.door, ~self.held, axis=1)
        return locked

    def colour(self, doors: int) -> Ints:
        """Colour of each door's lock, [N, doors]; -1 without a lock."""
        colour = np.full((len(self.door), doors), -1, dtype=np.int64)
        order = np.broadcast_to(np.arange(self.door.shape[1]), self.door.shape)
        np.put_along_axis(colour, self.door, order, axis=1)
        return colour


def draw_keys(layout: Layout, seeds: Seeds, number: int, start: Floats, random: bool) -> Keys:
    """Lock doors that are not shut, and sample positions of their keys that are reachable from `start` [N, 2] without a key.

    Between buildings, a key is reachable without the keys of farther doors; it is in the middle of a room if not `random`.
    """
    plan = layout.plan
    if len(plan.bridges):
        return _keys_of_buildings(layout, seeds, plan.bridges[:number], start, random)
    order = uniform(seeds, counter(SEED_LOCK), plan.doors) + layout.shut
    door = np.argsort(order, axis=1, kind="stable")[:, :number]
    keys = Keys(np.empty((len(seeds), number, 2)), door, np.zeros((len(seeds), number), dtype=np.bool_))
    label = connected(plan, ~(layout.shut | keys.locked(plan.doors)))
    home = np.take_along_axis(label, room_of(layout, start)[:, None], 1)
    u = uniform(seeds, counter(SEED_KEY), number, 3)
    # The k-th reachable room, k uniform: order the rooms with the unreachable rooms last.
    within = label == home
    rooms = np.argsort(~within, axis=1, kind="stable")
    pick = (u[..., 0] * within.sum(1, keepdims=True)).astype(np.int64)
    position = place(layout, np.take_along_axis(rooms, pick, 1), u[..., 1:])
    return Keys(position, door, keys.held)


def _keys_of_buildings(layout: Layout, seeds: Seeds, doors: Ints, start: Floats, random: bool) -> Keys:
    """Keys of `doors` [M], each in the room opposite its door, in the building on the side of `start` [N, 2]."""
    plan, num = layout.plan, len(seeds)
    home, before = room_of(layout, start), np.empty((num, len(doors)), dtype=np.int64)
    for m, door in enumerate(doors):
        label = connected(plan, ~layout.shut & (np.arange(plan.doors) != door))
        sides = plan.door_rooms[door]
        reachable = label[:, sides] == label[np.arange(num), home][:, None]
        before[:, m] = sides[reachable.argmax(1)]
    u = uniform(seeds, counter(SEED_KEY), len(doors), 2) if random else np.full((num, len(doors), 2), 0.5)
    held = np.zeros((num, len(doors)), dtype=np.bool_)
    return Keys(place(layout, opposite_room(before), u), np.broadcast_to(doors, held.shape).copy(), held)


def near(bodies: Floats, position: Floats, radius: float) -> Bools:
    """Whether bodies [N, M, 2] are within `radius` of positions [N, 2], [N, M]."""
    return np.asarray(np.hypot(*np.moveaxis(bodies - position[:, None], -1, 0)) <= radius)
