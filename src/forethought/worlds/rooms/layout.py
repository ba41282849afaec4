"""Walls and doors. Distances in pixels; x to the right, y down, the picture spans [0, 64] x [0, 64].

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
"""Bounds of the agent's centre on both axes."""
BODY = 0.7
"""Collision radius of the agent."""

BRIDGES = ((1, 2), (6, 10), (13, 14))
"""Layout `trip`: pairs of rooms joined by the doors between buildings, clockwise from the top left building."""

SEED_WALLS, SEED_DOORS, SEED_TREE, SEED_SHUT, SEED_GATE, SEED_SIDE = 1, 2, 3, 4, 5, 6

WALL, GATE, OPEN_END = 39.0, 12.0, 52.0
"""Layout `corridor`: x of the wall, y of the gate and y of the door; gate and door may be swapped."""


@dataclass(frozen=True)
class FloorPlan:
    """The fixed part of a layout: number of rooms, thickness of walls, and the pairs of rooms that doors join.

    Fields:
        rows, columns: rows and columns of rooms.
        thick: half the thickness of a wall. door: half the width of a door. jitter: maximum distance of a random wall from its
        position in an even division. speed: pixels per step and axis at full action.
        wall_axis [W], door_axis, door_wall [E], door_rooms [E, 2]: see the legend.
        bridges: doors between buildings, in the order of the path; empty without buildings.
        gates: doors that may be shut, which is visible only from nearby; empty except in a corridor.
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
        """Whether each door is a gate, [E]."""
        return np.isin(np.arange(self.doors), self.gates)

    @property
    def reach(self) -> float:
        """Half the width of the slab around a wall's centre line that the agent's centre cannot enter."""
        return self.thick + BODY

    @property
    def gap(self) -> float:
        """Half the width of a door's opening for the agent's centre."""
        return self.door - BODY

    @property
    def clear(self) -> float:
        """Minimum distance of starts and goals from a wall's centre line: no goal can be reached through a wall."""
        return max(self.reach + 0.8, SUCCESS_RADIUS - self.reach + 0.1)


def make_plan(layout: LayoutName, speed: float = SPEED) -> FloorPlan:
    """The plan of a layout. Walls and doors shrink with the rooms; the agent fits through every door."""
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
    """Row and column of the building (2 x 2 rooms) of a room in layout `trip`."""
    return room // 8, room % 4 // 2


def opposite_room(room: Ints) -> Ints:
    """The diagonally opposite room of the same building, in layout `trip`."""
    return room ^ 0b0101


@dataclass(frozen=True)
class Layout:
    """Walls and doors of N episodes.

    Fields: offsets [N, W] of the walls' centre lines; centres [N, E] of the doors; shut bool [N, E], constant over an episode.
    """

    plan: FloorPlan
    offsets: Floats
    centres: Floats
    shut: Bools

    def of(self, rows: Ints) -> Layout:
        """Layout of the copies with the indices `rows`."""
        return Layout(self.plan, self.offsets[rows], self.centres[rows], self.shut[rows])


def draw_layout(plan: FloorPlan, seeds: Seeds, random: bool, shut: float, blocked: float = 0.0) -> Layout:
    """Sample walls, doors and shut doors of N episodes; row i depends on `seeds[i]` alone.

    Args:
        plan: the layout.
        seeds: uint64 [N].
        random: sample walls and doors; else walls are evenly spaced, doors in the middle of their segment (two rooms: y = 20).
        shut: probability that a door outside the open spanning tree is shut. blocked: probability that a gate is shut.
    """
    num = len(seeds)
    even = [LOW + (HIGH - LOW) * (j + 1) / plan.columns for j in range(plan.columns - 1)]
    even = [WALL] if len(plan.gates) else even
    even += [LOW + (HIGH - LOW) * (i + 1) / plan.rows for i in range(plan.rows - 1)]
    shift = (2 * uniform(seeds, counter(SEED_WALLS), len(even)) - 1) * plan.jitter
    offsets = np.broadcast_to(np.array(even), (num, len(even))) + (shift if random else 0.0)
    low, high = room_bounds(plan, offsets, plan.reach)
    across = 1 - plan.door_axis
    doors = np.arange(plan.doors)
    # The whole opening of a door lies inside the wall segment that its two rooms share; two rooms: 12 to 52.
    margin = 6.0 if plan.rows == 1 else plan.gap + 1.0
    low, high = low[:, plan.door_rooms[:, 0]][:, doors, across], high[:, plan.door_rooms[:, 0]][:, doors, across]
    middle = 20.0 if plan.rows == 1 else (low + high) / 2
    sampled = low + margin + uniform(seeds, counter(SEED_DOORS), plan.doors) * (high - low - 2 * margin)
    centres = sampled if random else np.broadcast_to(middle, (num, plan.doors)).copy()
    if len(plan.gates):
        upper = (uniform(seeds, counter(SEED_SIDE)) < 0.5) | (not random)
        centres = np.where(upper[:, None], [GATE, OPEN_END], [OPEN_END, GATE])
    open_tree = spanning_tree(plan, uniform(seeds, counter(SEED_TREE), plan.doors))
    closed = (uniform(seeds, counter(SEED_SHUT), plan.doors) < shut) & ~open_tree
    closed[:, plan.gates] = uniform(seeds, counter(SEED_GATE), len(plan.gates)) < blocked
    return Layout(plan, offsets, centres, closed)


def room_bounds(plan: FloorPlan, offsets: Floats, clear: float) -> tuple[Floats, Floats]:
    """Lower and upper corner of each room, at distance `clear` from the walls' centre lines: two arrays [N, R, 2]."""
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
    """Room of each position [N, 2], by its side of each wall's centre line, [N]."""
    plan = layout.plan
    column = (position[:, :1] >= layout.offsets[:, : plan.columns - 1]).sum(1)
    row = (position[:, 1:] >= layout.offsets[:, plan.columns - 1 :]).sum(1)
    return np.asarray(row * plan.columns + column)


def place(layout: Layout, room: Ints, u: Floats) -> Floats:
    """Positions [N, M, 2] inside given rooms [N, M], away from walls, from uniform samples u [N, M, 2] in [0, 1]."""
    low, high = room_bounds(layout.plan, layout.offsets, layout.plan.clear)
    low, high = np.maximum(low, LOW + 1), np.minimum(high, HIGH - 1)
    copy = np.arange(len(room))[:, None]
    return low[copy, room] + u * (high[copy, room] - low[copy, room])


def connected(plan: FloorPlan, passable: Bools) -> Ints:
    """Connected components: a label per room [N, R]; rooms joined by passable doors [N, E] have the same label."""
    label = np.broadcast_to(np.arange(plan.rooms), (len(passable), plan.rooms)).copy()
    for _ in range(plan.rooms):
        for e, (before, after) in enumerate(plan.door_rooms):
            least = np.where(passable[:, e], np.minimum(label[:, before], label[:, after]), plan.rooms)
            label[:, before] = np.minimum(label[:, before], least)
            label[:, after] = np.minimum(label[:, after], least)
    return label


def spanning_tree(plan: FloorPlan, order: Floats) -> Bools:
    """Kruskal's algorithm in all copies at once: bool [N, E], doors of the minimum spanning tree for weights `order` [N, E]."""
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
