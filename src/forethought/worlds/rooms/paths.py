"""Shortest paths through doors, for all copies at once: the expert, and the length of a benchmark task.

Time, not Euclidean length: each axis moves at up to `Plan.speed` a step by itself, so the time between two points of a room
(a convex rectangle) is the larger of the two distances along the axes (Chebyshev's) over it. A doorway is crossed
straight, at one of `lanes` places across its width, from face to face. Nodes of the graph are (door, lane) pairs; Floyd
and Warshall's algorithm joins them. What is found is the length of a way that exists, hence an upper bound of the true
shortest; more lanes come closer. With 1 lane (the middle) it is at most `2 * gap` per door too long.

Legend: N copies, E doors, J = E * lanes nodes. All lengths in pixels until `DoorRoute` divides by the speed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forethought.worlds.painting import Floats
from forethought.worlds.rooms.layout import Ints, Layout, room_of


@dataclass(frozen=True)
class Roadmap:
    """Distances between doors in one state of the doors.

    Fields: layout; toll [N, E], what crossing a door costs beyond its length (infinite: shut); lanes; faces
    [N, J, 2, 2]: node, side (before, after), xy; between [N, J, J] from doorway centre to doorway centre.
    """

    layout: Layout
    toll: Floats
    lanes: int
    faces: Floats
    between: Floats


@dataclass(frozen=True)
class DoorRoute:
    """The way from N positions to N targets: steps [N] (infinite: there is none), waypoint [N, 2] to head for now."""

    steps: Floats
    waypoint: Floats


def chebyshev(a: Floats, b: Floats) -> Floats:
    """Largest coordinate difference of points [..., 2]."""
    apart = np.abs(a - b)
    # Ten times as quick as `max` over an axis of two.
    return np.maximum(apart[..., 0], apart[..., 1])


def make_roadmap(layout: Layout, toll: Floats, lanes: int) -> Roadmap:
    """All distances between doorways.

    Args:
        layout: walls and doors.
        toll: [N, E] extra pixels for crossing each door; infinite where it is shut.
        lanes: places across a door's width, odd.
    """
    plan = layout.plan
    nodes = plan.doors * lanes
    lateral = np.linspace(-plan.gap, plan.gap, lanes) if lanes > 1 else np.zeros(1)
    across = (layout.centres[:, :, None] + lateral).reshape(-1, nodes)
    along = np.repeat(layout.offsets[:, plan.door_wall], lanes, axis=1)
    vertical = np.repeat(plan.door_axis == 0, lanes)
    faces = np.empty((len(along), nodes, 2, 2))
    for side, sign in enumerate((-1.0, 1.0)):
        face = along + sign * plan.reach
        faces[:, :, side, 0] = np.where(vertical, face, across)
        faces[:, :, side, 1] = np.where(vertical, across, face)
    rooms = np.repeat(plan.door_rooms, lanes, axis=0)
    half_toll = np.repeat(toll, lanes, axis=1) / 2
    between = np.full((len(along), nodes, nodes), np.inf)
    for first in (0, 1):
        for second in (0, 1):
            shared = rooms[:, None, first] == rooms[None, :, second]
            length = chebyshev(faces[:, :, None, first], faces[:, None, :, second]) + 2 * plan.reach
            between = np.where(shared, np.minimum(between, length), between)
    between += half_toll[:, :, None] + half_toll[:, None, :]
    between[:, np.arange(nodes), np.arange(nodes)] = 0.0
    for k in range(nodes):
        between = np.minimum(between, between[:, :, k, None] + between[:, None, k, :])
    return Roadmap(layout, toll, lanes, faces, between)


def _to_doors(roadmap: Roadmap, position: Floats, room: Ints) -> Floats:
    """From positions [N, 2] in rooms [N] to the middle of each doorway of that room, [N, J]; infinite for others."""
    plan, lanes = roadmap.layout.plan, roadmap.lanes
    rooms = np.repeat(plan.door_rooms, lanes, axis=0)
    length = chebyshev(position[:, None, None], roadmap.faces) + plan.reach
    length = np.where(rooms == room[:, None, None], length, np.inf).min(-1)
    return np.asarray(length + np.repeat(roadmap.toll, lanes, axis=1) / 2)


def find_route(roadmap: Roadmap, position: Floats, target: Floats) -> DoorRoute:
    """The quickest way from positions [N, 2] to targets [N, 2]."""
    layout, plan = roadmap.layout, roadmap.layout.plan
    room, goal_room = room_of(layout, position), room_of(layout, target)
    copies = np.arange(len(position))
    onward = (roadmap.between + _to_doors(roadmap, target, goal_room)[:, None, :]).min(-1)
    through = _to_doors(roadmap, position, room) + onward
    node = through.argmin(1)
    length = through[copies, node]
    same = room == goal_room
    straight = chebyshev(position, target)
    door = node // roadmap.lanes
    axis = plan.door_axis[door]
    near = (plan.door_rooms[door, 1] == room).astype(np.int64)
    face_near, face_far = roadmap.faces[copies, node, near], roadmap.faces[copies, node, 1 - near]
    aligned = np.abs(position[copies, 1 - axis] - layout.centres[copies, door]) <= plan.gap
    waypoint = np.where(aligned[:, None], face_far, face_near)
    waypoint = np.where(same[:, None], target, waypoint)
    lost = ~same & ~np.isfinite(length)
    waypoint = np.where(lost[:, None], position, waypoint)
    return DoorRoute(np.where(same, straight, length) / plan.speed, waypoint)
