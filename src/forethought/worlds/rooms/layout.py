"""Where walls and doors are. Distances in pixels; x to the right, y down, the picture spans [0, 64] x [0, 64].

Legend: N copies, W walls (vertical ones first), E doors, R rooms (row-major). A vertical wall is crossed along axis 0
(x), a horizontal one along axis 1 (y). Door e lies in wall `door_wall[e]`, joins `door_rooms[e]` (before, after) and is
crossed along `door_axis[e]`; its centre is a coordinate on the other axis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forethought.worlds.painting import SUCCESS_RADIUS, Bools, Floats
from forethought.worlds.random_streams import Seeds, counter, uniform
from forethought.worlds.rooms.options import SPEED, LayoutName

Ints = NDArray[np.int64]

BORDER = 4.0
LOW, HIGH = 6.0, 58.0
"""The agent's centre stays within these bounds, on both axes."""
BODY = 0.7
"""Collision radius of the agent."""

BRIDGES = ((1, 2), (6, 10), (13, 14))
"""In a trip: the rooms that the doors between buildings join. The way leads clockwise from the top left building."""

SEED_WALLS, SEED_DOORS, SEED_TREE, SEED_SHUT, SEED_GATE, SEED_SIDE = 1, 2, 3, 4, 5, 6

WALL, GATE, OPEN_END = 39.0, 12.0, 52.0
"""In a corridor: where the wall stands, where on it the gate is and where the door (or the other way round)."""


@dataclass(frozen=True)
class FloorPlan:
    """The unchanging part of a layout: how many rooms, how thick the walls, which door joins which rooms.

    Fields:
        rows, columns: rooms.
        thick: half the thickness of a wall. door: half the width of a door. jitter: how far a random wall may stand
        from its place in an even division. speed: pixels per step and axis at full action.
        wall_axis [W], door_axis, door_wall [E], door_rooms [E, 2]: see the legend.
        bridges: doors between buildings, in the order of the way; empty where rooms do not make up buildings.
        gates: doors that may be shut, which shows only from nearby; empty but in a corridor.
    """

    rows: int
    columns: int
    thick: float
    door: float
    jitter: float
    speed: float
    wall_axis: Ints
    door_axis: Ints
    door_wall: Ints
    door_rooms: Ints
    bridges: Ints
    gates: Ints

    @property
    def rooms(self) -> int:
        """R."""
        return self.rows * self.columns

    @property
    def doors(self) -> int:
        """E."""
        return len(self.door_axis)

    @property
    def is_gate(self) -> Bools:
        """Which doors are gates, [E]."""
        return np.isin(np.arange(self.doors), self.gates)

    @property
    def reach(self) -> float:
        """Half the width of the slab around a wall's centre line that the agent's centre cannot enter."""
        return self.thick + BODY

    @property
    def gap(self) -> float:
        """Half the width that a door leaves to the agent's centre."""
        return self.door - BODY

    @property
    def clear(self) -> float:
        """How far from a wall's centre line starts and goals lie: no goal counts as reached through a wall."""
        return max(self.reach + 0.8, SUCCESS_RADIUS - self.reach + 0.1)


def make_plan(layout: LayoutName, speed: float = SPEED) -> FloorPlan:
    """The plan of a layout. Walls and doors shrink with the rooms, but the agent always fits through."""
    rows, columns, thick, door, jitter = {
        "two": (1, 2, 1.5, 4.5, 10.0),
        "four": (2, 2, 1.5, 4.0, 5.0),
        "nine": (3, 3, 1.25, 3.2, 1.5),
        "sixteen": (4, 4, 1.0, 2.6, 0.8),
        "trip": (4, 4, 1.0, 2.6, 0.8),
        "corridor": (1, 2, 1.5, 4.5, 0.0),
    }[layout]
    axes = [0] * (columns - 1) + [1] * (rows - 1)
    doors = [(0, j, r * columns + j, r * columns + j + 1) for j in range(columns - 1) for r in range(rows)]
    doors += [(1, columns - 1 + i, i * columns + c, (i + 1) * columns + c) for i in range(rows - 1) for c in range(columns)]
    if layout == "corridor":
        doors = 2 * doors
    bridges = BRIDGES if layout == "trip" else ()
    if bridges:
        doors = [door for door in doors if door[2:] in bridges or _building(door[2]) == _building(door[3])]
    between = np.array([[door[2:] for door in doors].index(rooms) for rooms in bridges], dtype=np.int64)
    table = np.array(doors, dtype=np.int64)
    gates = np.arange(1 if layout == "corridor" else 0)
    return FloorPlan(
        rows, columns, thick, door, jitter, speed, np.array(axes), table[:, 0], table[:, 1], table[:, 2:], between, gates
    )


def _building(room: int) -> tuple[int, int]:
    """Which 2 x 2 of a trip's sixteen rooms a room is in: line and column of the building."""
    return room // 8, room % 4 // 2


def opposite_room(room: Ints) -> Ints:
    """Of a trip's rooms, the one across the building: not a neighbour, but its neighbours' other neighbour."""
    return room ^ 0b0101


@dataclass(frozen=True)
class Layout:
    """One episode's walls and doors.

    Fields: offsets [N, W] of the walls' centre lines; centres [N, E] of the doors; shut bool [N, E], for the whole
    episode.
    """

    plan: FloorPlan
    offsets: Floats
    centres: Floats
    shut: Bools

    def of(self, rows: Ints) -> Layout:
        """That of some copies, by their numbers."""
        return Layout(self.plan, self.offsets[rows], self.centres[rows], self.shut[rows])


def draw_layout(plan: FloorPlan, seeds: Seeds, random: bool, shut: float, blocked: float = 0.0) -> Layout:
    """Walls, doors and shut doors of N episodes; row i depends on `seeds[i]` alone.

    Args:
        plan: which layout.
        seeds: uint64 [N].
        random: draw walls and doors; else walls stand evenly, doors in the middle of their stretch (two rooms: y = 20).
        shut: probability that a door outside the open spanning tree is shut. blocked: that a gate is.
    """
    num = len(seeds)
    even = [LOW + (HIGH - LOW) * (j + 1) / plan.columns for j in range(plan.columns - 1)]
    even = [WALL] if len(plan.gates) else even
    even += [LOW + (HIGH - LOW) * (i + 1) / plan.rows for i in range(plan.rows - 1)]
    shift = (2 * uniform(seeds, counter(SEED_WALLS), len(even)) - 1) * plan.jitter
    offsets = np.broadcast_to(np.array(even), (num, len(even))) + (shift if random else 0.0)
    low, high = room_bounds(plan, offsets, plan.reach)
    across = 1 - plan.door_axis
    every = np.arange(plan.doors)
    # A door keeps its whole opening inside both rooms it joins, which share this stretch of wall; two rooms: 12 to 52.
    margin = 6.0 if plan.rows == 1 else plan.gap + 1.0
    low, high = low[:, plan.door_rooms[:, 0]][:, every, across], high[:, plan.door_rooms[:, 0]][:, every, across]
    middle = 20.0 if plan.rows == 1 else (low + high) / 2
    place = low + margin + uniform(seeds, counter(SEED_DOORS), plan.doors) * (high - low - 2 * margin)
    centres = place if random else np.broadcast_to(middle, (num, plan.doors)).copy()
    if len(plan.gates):
        upper = (uniform(seeds, counter(SEED_SIDE)) < 0.5) | (not random)
        centres = np.where(upper[:, None], [GATE, OPEN_END], [OPEN_END, GATE])
    open_tree = spanning_tree(plan, uniform(seeds, counter(SEED_TREE), plan.doors))
    closed = (uniform(seeds, counter(SEED_SHUT), plan.doors) < shut) & ~open_tree
    closed[:, plan.gates] = uniform(seeds, counter(SEED_GATE), len(plan.gates)) < blocked
    return Layout(plan, offsets, centres, closed)


def room_bounds(plan: FloorPlan, offsets: Floats, clear: float) -> tuple[Floats, Floats]:
    """Lower and upper corner of every room, `clear` away from the centre lines of walls: two [N, R, 2]."""
    num = len(offsets)
    edge = np.full((num, 1), np.inf)
    columns, rows = offsets[:, : plan.columns - 1], offsets[:, plan.columns - 1 :]
    low_x, high_x = np.hstack([-edge, columns + clear]), np.hstack([columns - clear, edge])
    low_y, high_y = np.hstack([-edge, rows + clear]), np.hstack([rows - clear, edge])
    room = np.arange(plan.rooms)
    column, row = room % plan.columns, room // plan.columns
    low = np.stack([low_x[:, column], low_y[:, row]], -1)
    high = np.stack([high_x[:, column], high_y[:, row]], -1)
    return np.maximum(low, LOW), np.minimum(high, HIGH)


def room_of(layout: Layout, position: Floats) -> Ints:
    """Which room each of N positions [N, 2] is in (its side of every wall's centre line), [N]."""
    plan = layout.plan
    column = (position[:, :1] >= layout.offsets[:, : plan.columns - 1]).sum(1)
    row = (position[:, 1:] >= layout.offsets[:, plan.columns - 1 :]).sum(1)
    return np.asarray(row * plan.columns + column)


def place(layout: Layout, room: Ints, u: Floats) -> Floats:
    """Positions [N, M, 2] well inside given rooms [N, M], from uniform numbers u [N, M, 2]."""
    low, high = room_bounds(layout.plan, layout.offsets, layout.plan.clear)
    low, high = np.maximum(low, LOW + 1), np.minimum(high, HIGH - 1)
    copy = np.arange(len(room))[:, None]
    return low[copy, room] + u * (high[copy, room] - low[copy, room])


def connected(plan: FloorPlan, passable: Bools) -> Ints:
    """A label per room [N, R]; two rooms have the same label where passable doors [N, E] join them."""
    label = np.broadcast_to(np.arange(plan.rooms), (len(passable), plan.rooms)).copy()
    for _ in range(plan.rooms):
        for e, (before, after) in enumerate(plan.door_rooms):
            least = np.where(passable[:, e], np.minimum(label[:, before], label[:, after]), plan.rooms)
            label[:, before] = np.minimum(label[:, before], least)
            label[:, after] = np.minimum(label[:, after], least)
    return label


def spanning_tree(plan: FloorPlan, order: Floats) -> Bools:
    """Kruskal's algorithm in all copies at once: doors [N, E] of the tree that takes them by rising `order` [N, E]."""
    num = len(order)
    copies = np.arange(num)
    label = np.broadcast_to(np.arange(plan.rooms), (num, plan.rooms)).copy()
    tree = np.zeros((num, plan.doors), dtype=np.bool_)
    for door in np.argsort(order, axis=1, kind="stable").T:
        first = label[copies, plan.door_rooms[door, 0]]
        second = label[copies, plan.door_rooms[door, 1]]
        tree[copies, door] = first != second
        label = np.where(label == second[:, None], first[:, None], label)
    return tree
