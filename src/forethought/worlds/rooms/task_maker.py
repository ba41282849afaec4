"""Benchmark tasks in Rooms: start, goal and optimal number of steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from forethought.errors import ForethoughtError
from forethought.types import TaskSet, WorldTask
from forethought.worlds.painting import SUCCESS_RADIUS, Bools, Floats
from forethought.worlds.random_streams import as_seeds, counter, uniform
from forethought.worlds.rooms.layout import FloorPlan, place
from forethought.worlds.rooms.world import NAME, SUCCESS, RoomsWorld

Kind = Literal["same-room", "cross-room", "far-room"]
KINDS: tuple[Kind, ...] = ("same-room", "cross-room", "far-room")

SEED_TASK = 30
_TRIES = 64
_LANES = 5
_BUDGET = 150
_BEFORE, _BEHIND, _LEVEL = (24.0, 30.0), (6.0, 10.0), 4.0
"""Corridor: range of the start's and of the goal's distance from the wall, and maximum offset from the gate's y, in pixels."""
_IN_TIME = 1.2
"""Corridor: ratio of the budget to the length of the path through the door that is always open."""


def allowed_rooms(plan: FloorPlan, kind: Kind) -> Bools:
    """Whether a goal room is allowed for a start room, [R start, R goal].

    `same-room`: the same room; `cross-room`: any other room; `far-room`: at least two doors away.
    """
    room = np.arange(plan.rooms)
    column, row = room % plan.columns, room // plan.columns
    doors = np.abs(column[:, None] - column) + np.abs(row[:, None] - row)
    return np.asarray({"same-room": doors == 0, "cross-room": doors >= 1, "far-room": doors >= 2}[kind])


def make_rooms_tasks(options: Mapping[str, Any], seeds: Sequence[int], kind: Kind) -> TaskSet:
    """One task per seed; task i is a function of `seeds[i]`, the options and the kind.

    Start and goal are away from walls, and the goal is never reached at the start. `optimal_steps` is the length of the
    shortest path by `paths` with 5 lanes (time with per-axis bounded speed, to the goal itself, not to the edge of its
    success radius). The budget is 150 steps (30 blocks of 5), in larger layouts at least three times the shortest path;
    with flickering doors it is doubled. In a corridor, start and goal are near the gate, and `optimal_steps` is the length of
    the path through the other door. The budget is 1.2 times that: too short after a detour to a shut gate.
    """
    world = RoomsWorld(len(seeds), **options)
    allowed = allowed_rooms(world.plan, kind)
    if not allowed.any():
        raise ForethoughtError(f"Two rooms have no task of kind '{kind}': use layout='four' or larger.")
    world.reset(seeds)
    corridor = len(world.plan.gates) > 0 and kind != "same-room"
    start, goal = _beside_gate(world, seeds) if corridor else _pairs(world, seeds, allowed)
    drafts = [
        WorldTask(int(seed), tuple(a), tuple(b), None, _BUDGET)
        for seed, a, b in zip(seeds, start.round(3).tolist(), goal.round(3).tolist(), strict=True)
    ]
    world.begin(drafts)
    optimal = world.route(world.goals, lanes=_LANES, unseen="shut" if corridor else "known").steps
    assert np.isfinite(optimal).all(), "a task that cannot be solved"
    tasks = tuple(
        WorldTask(task.seed, task.start, task.goal, round(float(steps), 2), _budget(world, float(steps)))
        for task, steps in zip(drafts, optimal, strict=True)
    )
    return TaskSet(world=NAME, options=world.spec.options, success=SUCCESS, tasks=tasks)


def _pairs(world: RoomsWorld, seeds: Sequence[int], allowed: Bools) -> tuple[Floats, Floats]:
    """Starts and goals [N, 2] in allowed rooms, further apart than the success radius."""
    u = uniform(as_seeds(seeds), counter(SEED_TASK), _TRIES, 6)
    starts = np.flatnonzero(allowed.any(1))
    start_room = starts[(u[..., 0] * len(starts)).astype(np.int64)]
    # The k-th allowed room, k uniform: order the rooms of each row with those not allowed last.
    ranked = np.argsort(~allowed, axis=1, kind="stable")
    rank = (u[..., 1] * allowed.sum(1)[start_room]).astype(np.int64)
    start = place(world.layout, start_room, u[..., 2:4])
    goal = place(world.layout, ranked[start_room, rank], u[..., 4:6])
    distant = np.hypot(*np.moveaxis(start - goal, -1, 0)) > 1.25 * SUCCESS_RADIUS
    first = distant.argmax(1)
    copies = np.arange(world.num)
    assert distant[copies, first].all(), "no room for a start and a goal"
    return start[copies, first], goal[copies, first]


def _beside_gate(world: RoomsWorld, seeds: Sequence[int]) -> tuple[Floats, Floats]:
    """Starts before the gate and goals just behind it, at about the gate's y: two arrays [N, 2]."""
    u = uniform(as_seeds(seeds), counter(SEED_TASK), 4)
    wall, gate = world.layout.offsets[:, 0], world.layout.centres[:, 0]
    level = gate[:, None] + _LEVEL * (2 * u[:, :2] - 1)
    before, behind = (low + (high - low) * u[:, 2 + i] for i, (low, high) in enumerate((_BEFORE, _BEHIND)))
    return np.stack([wall - before, level[:, 0]], 1), np.stack([wall + behind, level[:, 1]], 1)


def _budget(world: RoomsWorld, optimal: float) -> int:
    """Budget in steps, a multiple of 5."""
    if len(world.plan.gates):
        return 5 * math.ceil(_IN_TIME * optimal / 5)
    steps = _BUDGET if world.plan.doors == 1 else max(_BUDGET, 5 * math.ceil(3 * optimal / 5))
    return 2 * steps if world.options.flicker else steps
