"""Shortest paths through doors, for all copies at once: for the expert and for the optimal steps of a task.

A path minimises time, not Euclidean length. Each axis moves independently at up to `FloorPlan.speed` a step, so the time
between two points of a room (a convex rectangle) is their Chebyshev distance divided by the speed. A path crosses a doorway
straight from face to face, in one of `lanes` lanes across its width. The nodes of the graph are (door, lane) pairs; the
Floyd-Warshall algorithm computes all distances. The result is the length of a feasible path, an upper bound of the optimum;
more lanes give a tighter bound. With 1 lane (the middle) the excess is at most `2 * gap` per door.

Legend: N copies, E doors, J = E * lanes nodes. All lengths are in pixels until `DoorRoute` divides by the speed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forethought.worlds.painting import Floats
from forethought.worlds.rooms.layout import Ints, Layout, room_of


@dataclass(frozen=True)
class Roadmap:
    """Distances between doorways for one state of the doors.

    Fields: layout. toll: [N, E], extra cost of crossing a door (infinite: shut). lanes: number of lanes. faces: [N, J, 2, 2],
    node, side (before, after), xy. between: [N, J, J], distance from doorway centre to doorway centre.
    """

    layout: Layout
    toll: Floats
    lanes: int
    faces: Floats
    between: Floats


@dataclass(frozen=True)
class DoorRoute:
    """Shortest paths from N positions to N targets: steps [N] (infinite without a path), next waypoint [N, 2]."""

    steps: Floats
    waypoint: Floats


def chebyshev(a: Floats, b: Floats) -> Floats:
    """Chebyshev distance of points [..., 2]: the largest coordinate difference."""
    difference = np.abs(a - b)
    # Ten times faster than `max` over an axis of length two.
    return np.maximum(difference[..., 0], difference[..., 1])


def make_roadmap(layout: Layout, toll: Floats, lanes: int) -> Roadmap:
    """All distances between doorways.

    Args:
        layout: walls and doors.
        toll: [N, E] extra cost of crossing each door in pixels; infinite for a shut door.
        lanes: number of lanes across a door's width, odd.
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
    """Distance from positions [N, 2] in rooms [N] to the middle of each doorway of that room, [N, J]; infinite for others."""
    plan, lanes = roadmap.layout.plan, roadmap.lanes
    rooms = np.repeat(plan.door_rooms, lanes, axis=0)
    length = chebyshev(position[:, None, None], roadmap.faces) + plan.reach
    length = np.where(rooms == room[:, None, None], length, np.inf).min(-1)
    return np.asarray(length + np.repeat(roadmap.toll, lanes, axis=1) / 2)


def find_route(roadmap: Roadmap, position: Floats, target: Floats) -> DoorRoute:
    """Shortest paths from positions [N, 2] to targets [N, 2]."""
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
    no_path = ~same & ~np.isfinite(length)
    waypoint = np.where(no_path[:, None], position, waypoint)
    return DoorRoute(np.where(same, straight, length) / plan.speed, waypoint)
