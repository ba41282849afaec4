"""Benchmark tasks in Rooms: where from, where to, how far it is."""

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
"""Beside a gate: how far from the wall starts and goals lie, and how far at most from the gate's height, in pixels."""
_IN_TIME = 1.2
"""In a corridor, the budget over the length of the way that is never blocked."""


def allowed_rooms(plan: FloorPlan, kind: Kind) -> Bools:
    """Which goal rooms go with which start rooms, [R, R].

    `same-room`: the same; `cross-room`: any other; `far-room`: at least two doors away.
    """
    room = np.arange(plan.rooms)
    column, row = room % plan.columns, room // plan.columns
    doors = np.abs(column[:, None] - column) + np.abs(row[:, None] - row)
    return np.asarray({"same-room": doors == 0, "cross-room": doors >= 1, "far-room": doors >= 2}[kind])


def make_rooms_tasks(options: Mapping[str, Any], seeds: Sequence[int], kind: Kind) -> TaskSet:
    """One task per seed; task i is a function of `seeds[i]`, the options and the kind.

    Start and goal keep clear of walls, and the goal is never reached at the start. `optimal_steps` is the length of the
    shortest path by `paths` with 5 lanes (time with per-axis bounded speed, to the goal itself, not to the edge of its
    success radius). The budget is 150 steps (30 blocks of 5), in larger layouts at least three times the shortest path;
    twice as much when doors flicker. In a corridor, start and goal are beside the gate and the length is that of the other way;
    the budget is a little more, which is too little for one who finds the gate shut.
    """
    world = RoomsWorld(len(seeds), **options)
    allowed = allowed_rooms(world.plan, kind)
    if not allowed.any():
        raise ForethoughtError(f"Two rooms have no task of kind '{kind}': use layout='four' or larger.")
    world.reset(seeds)
    corridor = len(world.plan.gates) > 0 and kind != "same-room"
    start, goal = _beside_gate(world, seeds) if corridor else _pairs(world, seeds, allowed)
    bare = [
        WorldTask(int(seed), tuple(a), tuple(b), None, _BUDGET)
        for seed, a, b in zip(seeds, start.round(3).tolist(), goal.round(3).tolist(), strict=True)
    ]
    world.begin(bare)
    optimal = world.route(world.goals, lanes=_LANES, unseen="shut" if corridor else "known").steps
    assert np.isfinite(optimal).all(), "a task that cannot be solved"
    tasks = tuple(
        WorldTask(task.seed, task.start, task.goal, round(float(steps), 2), _budget(world, float(steps)))
        for task, steps in zip(bare, optimal, strict=True)
    )
    return TaskSet(world=NAME, options=world.spec.options, success=SUCCESS, tasks=tasks)


def _pairs(world: RoomsWorld, seeds: Sequence[int], allowed: Bools) -> tuple[Floats, Floats]:
    """Starts and goals [N, 2] in allowed rooms, further apart than the success radius."""
    u = uniform(as_seeds(seeds), counter(SEED_TASK), _TRIES, 6)
    starts = np.flatnonzero(allowed.any(1))
    start_room = starts[(u[..., 0] * len(starts)).astype(np.int64)]
    # The k-th allowed room, k uniform: rank the rooms of each row, those not allowed last.
    ranked = np.argsort(~allowed, axis=1, kind="stable")
    rank = (u[..., 1] * allowed.sum(1)[start_room]).astype(np.int64)
    start = place(world.layout, start_room, u[..., 2:4])
    goal = place(world.layout, ranked[start_room, rank], u[..., 4:6])
    apart = np.hypot(*np.moveaxis(start - goal, -1, 0)) > 1.25 * SUCCESS_RADIUS
    first = apart.argmax(1)
    copies = np.arange(world.num)
    assert apart[copies, first].all(), "no room for a start and a goal"
    return start[copies, first], goal[copies, first]


def _beside_gate(world: RoomsWorld, seeds: Sequence[int]) -> tuple[Floats, Floats]:
    """Starts and goals [N, 2] level with the gate, a way before it and just behind it."""
    u = uniform(as_seeds(seeds), counter(SEED_TASK), 4)
    wall, gate = world.layout.offsets[:, 0], world.layout.centres[:, 0]
    level = gate[:, None] + _LEVEL * (2 * u[:, :2] - 1)
    before, behind = (low + (high - low) * u[:, 2 + i] for i, (low, high) in enumerate((_BEFORE, _BEHIND)))
    return np.stack([wall - before, level[:, 0]], 1), np.stack([wall + behind, level[:, 1]], 1)


def _budget(world: RoomsWorld, optimal: float) -> int:
    """Steps allowed, a multiple of 5."""
    if len(world.plan.gates):
        return 5 * math.ceil(_IN_TIME * optimal / 5)
    steps = _BUDGET if world.plan.doors == 1 else max(_BUDGET, 5 * math.ceil(3 * optimal / 5))
    return 2 * steps if world.options.flicker else steps
