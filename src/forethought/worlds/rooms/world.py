"""forethought/Rooms-v0: N copies of a top-down environment of rooms, stepped and rendered as a batch in NumPy."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from forethought.errors import ForethoughtError
from forethought.types import PIXELS, PROPRIOCEPTION, ActionSpace, Frame, Observation, StreamSpec, WorldSpec, WorldTask
from forethought.worlds.box_actions import checked
from forethought.worlds.contract import World
from forethought.worlds.painting import AGENT, AGENT_DISC, SIZE, SUCCESS_RADIUS, Bools, Floats, Pixels, felt, stamp, to_pixels
from forethought.worlds.random_streams import Seeds, as_seeds, counter, uniform
from forethought.worlds.rooms import objects, render
from forethought.worlds.rooms.layout import Layout, draw_layout, make_plan, room_of
from forethought.worlds.rooms.options import RoomsOptions, parse_options
from forethought.worlds.rooms.paths import DoorRoute, Roadmap, find_route, make_roadmap
from forethought.worlds.rooms.physics import in_doorway, move, near_door, settle

NAME = "forethought/Rooms-v0"
SUCCESS = f"the agent's centre comes within {SUCCESS_RADIUS:.2f} px (16/224 of the picture's width) of the goal"

SEED_START, SEED_FLICKER, SEED_AJAR = 20, 21, 22
SIGHT = 1.0
"""Distance to a gate's opening at which it becomes visible whether the gate is shut, in pixels."""
REACTION = 5
"""Reaction delay in steps: scripted policies repeat their action after a gate becomes visible. An agent with blocks of this
length models whole blocks: an action that reacts within the block would contain information about the gate's state."""
_NEVER = 1 << 40
_GOAL_STEP = (1 << 32) - 1

Unseen = Literal["known", "open", "shut", "ignored"]
"""Assumption of a path about unseen gates: `known` uses their true state, `open` and `shut` assume one state for all.
`ignored` assumes that all gates are open, including those seen to be shut."""
Legs = dict[tuple[frozenset[int], tuple[int, ...], tuple[int, ...]], DoorRoute]
"""Path segments by (keys held, key of the start or empty, key of the end or empty for the target)."""


class RoomsWorld(World):
    """N copies of the rooms; `RoomsOptions` lists the options.

    Positions are (x, y) in pixels, x to the right, y down, within [6, 58]. One step moves the agent by `speed`
    pixels per unit of action on each axis. True values for probes: `position` 2; `room` 1; `doors`: offsets of the
    walls, then centres of the doors (two rooms: wall x, door y). Depending on the options also `open` (1 per
    door), `balls`, `hazards`, `food` (x, y each), `keys` (x, y, held each), `energy` (1 - hunger).
    """

    def __init__(self, num: int, **options: Any) -> None:
        """N copies; options as in `RoomsOptions`.

        Raises:
            ForethoughtError: an option that is unknown, out of range or at odds with another; `num` below 1.
        """
        if num < 1:
            raise ForethoughtError(f"A world needs at least one copy, not {num}.")
        self.options = parse_options(options)
        self.plan = make_plan(self.options.layout, self.options.speed)
        self.num = num
        self.spec = _spec(self.options, self.plan.doors, len(self.plan.wall_axis))
        self._fog = render.Fog(self.options.fog) if self.options.fog else None
        self._noise = render.FrameNoise(self.options.noise) if self.options.noise else None
        self._goals: Floats | None = None
        self._started = False
        self.position: Floats = np.empty((num, 2))
        self.balls = objects.Balls(np.empty((num, 0, 2)), np.empty((num, 0, 2)))

    # -- the five verbs ------------------------------------------------------------------------------------------------

    def reset(self, seeds: Sequence[int]) -> Frame:
        """Start a new episode in every copy, the agent at a random position; seeds: N integers."""
        self._build(seeds)
        self._goals = None
        self._limit = np.full(self.num, self.options.steps)
        carried = uniform(self._seeds, counter(objects.SEED_CARRIED), self.options.keys) < self.options.carried
        self._place_agent(objects.anywhere(self.layout, self._seeds, counter(SEED_START), 1)[:, 0], carried)
        return self._frame()

    def begin(self, tasks: Sequence[WorldTask]) -> Frame:
        """Start task i in copy i; the episode then ends at the task's budget.

        Raises:
            ForethoughtError: a start or goal that is not a position (x, y) in the picture.
        """
        self._build([task.seed for task in tasks])
        sampled = objects.anywhere(self.layout, self._seeds, counter(SEED_START), 1)[:, 0].tolist()
        starts = _positions([sampled[i] if task.start is None else task.start for i, task in enumerate(tasks)], "start")
        self._goals = settle(self.layout, self.passable, _positions([task.goal for task in tasks], "goal"))
        self._limit = np.array([task.budget for task in tasks])
        self._place_agent(settle(self.layout, self.passable, starts), np.zeros((self.num, self.options.keys), dtype=np.bool_))
        return self._frame()

    def step(self, actions: NDArray[np.float32]) -> Frame:
        """Advance one step; actions [N, 2], clipped to [-1, 1]. Copies whose episode has ended move, too.

        Raises:
            ForethoughtError: actions of the wrong shape, or a step before the first reset.
            NonFiniteError: NaN or infinity in an action; the message names the copy.
        """
        if not self._started:
            raise ForethoughtError("Rooms was stepped before it was reset: call reset(seeds) or begin(tasks) first.")
        clipped = checked("Rooms", actions, self.num)
        self.steps += 1
        if self.options.flicker:
            self._flicker()
        by = self.plan.speed * clipped
        self.position = move(self.layout, self.passable, self.position[:, None], by[:, None])[:, 0]
        if self.options.balls:
            self.balls = objects.roll(self.balls, self.layout, self.passable, self._seeds, self.steps)
        self._touch()
        return self._frame()

    def goal_observation(self) -> Observation:
        """The current state rendered with the agent at its goal: pixels uint8 [N, 64, 64, 3].

        The agent holds the keys of the shortest path: a goal behind a locked door is never observed with the door locked. In a
        layout with gates, a goal is a position, proprioception [N, 2]: the gate's appearance on arrival is unknown.
        """
        if len(self.plan.gates):
            return {PROPRIOCEPTION: felt(self.goals)}
        background, keys = self._state_on_arrival() if self.options.keys else (self._background, self.keys)
        return {PIXELS: self._draw(background, keys, self.goals, _GOAL_STEP)}

    def reached(self) -> Bools:
        """Whether the agent is within 4.57 px of its goal, [N]."""
        return np.asarray(np.hypot(*(self.position - self.goals).T) < SUCCESS_RADIUS)

    def close(self) -> None:
        """Nothing to release."""

    # -- true state, for scripted policies and task makers -------------------------------------------------------------

    @property
    def goals(self) -> Floats:
        """Goals of the tasks in progress, [N, 2].

        Raises:
            ForethoughtError: there is no task; an episode from `reset` has none.
        """
        if self._goals is None:
            raise ForethoughtError("Rooms has no task in progress: call begin(tasks) first.")
        return self._goals

    @property
    def has_task(self) -> bool:
        """Whether `begin` started this episode."""
        return self._goals is not None

    @property
    def startled(self) -> Bools:
        """Whether the agent is in the reaction delay: a gate became visible in the last `REACTION` steps, [N]."""
        return np.asarray(((self.shown <= self.steps) & (self.steps < self.shown + REACTION)).any(1))

    def seen_from(self, places: Floats) -> Observation:
        """All streams of the current state with the agent moved to positions [N, 2]."""
        return self._seen(places)

    def moved(self, rows: NDArray[np.intp], places: Floats, by: Floats) -> Floats:
        """Bodies at `places` [M, K, 2] in the copies `rows` [M] after displacements `by` [M, K, 2], in pixels."""
        return move(self.layout.of(rows), self.passable[rows], places, by)

    def route(self, targets: Floats, lanes: int = 1, unseen: Unseen = "known") -> DoorRoute:
        """The shortest path to targets [N, 2], through the keys of locked doors if needed; see `paths`.

        A flickering door that is shut costs its expected waiting time.
        """
        return self._shortest_path(targets, lanes, unseen)[0]

    # -- private -------------------------------------------------------------------------------------------------------

    def _build(self, seeds: Sequence[int]) -> None:
        """Sample new episodes, except for the agent's position."""
        if len(seeds) != self.num:
            raise ForethoughtError(f"Rooms has {self.num} copies and needs as many seeds or tasks, not {len(seeds)}.")
        options = self.options
        self.steps = 0
        self._started = True
        self._seeds: Seeds = as_seeds(seeds)
        self.layout: Layout = draw_layout(self.plan, self._seeds, options.doors == "random", options.shut, options.blocked)
        self.shown = np.where(self.plan.is_gate, _NEVER, -REACTION) + np.zeros((self.num, 1), int)
        self.ajar = uniform(self._seeds, counter(SEED_AJAR), self.plan.doors) < (0.5 if options.flicker else 0.0)
        nothing = np.empty((self.num, 0))
        none_held = np.empty((self.num, 0), dtype=np.bool_)
        self.keys = objects.Keys(nothing[..., None].repeat(2, -1), nothing.astype(np.int64), none_held)
        self.balls = objects.draw_balls(self.layout, self._seeds, options.balls, 0)
        self.food = objects.anywhere(self.layout, self._seeds, counter(objects.SEED_FOOD), options.food)
        self.hazards = objects.anywhere(self.layout, self._seeds, counter(objects.SEED_HAZARD), options.hazards)
        self.hunger = np.zeros(self.num)
        self._pattern = render.episode_pattern(self._seeds, options.episode_noise) if options.episode_noise else None
        self._background: Pixels = np.empty((self.num, SIZE, SIZE, 3), dtype=np.uint8)

    def _place_agent(self, position: Floats, carried: Bools) -> None:
        """Set the agent's position, and sample the keys, whose positions depend on it; `carried`: keys already held, [N, M]."""
        self.position = position
        random = self.options.doors == "random"
        self.keys = objects.draw_keys(self.layout, self._seeds, self.options.keys, position, random).taken(carried)
        self._doors_changed(np.arange(self.num))
        self._reveal_gates()

    @property
    def passable(self) -> Bools:
        """Whether each door is open, [N, E]."""
        return self._open_with(self.keys)

    def _open_with(self, keys: objects.Keys) -> Bools:
        """Whether each door is open with these keys, [N, E]."""
        return np.asarray(~(self.layout.shut | self.ajar | keys.locked(self.plan.doors)))

    def _doors_changed(self, rows: NDArray[np.intp]) -> None:
        """Render the backgrounds of the copies `rows` again, and clear the cached distances."""
        self._roadmaps: dict[tuple[tuple[int, ...], int, Unseen], Roadmap] = {}
        self._background[rows] = self._paint(rows, self.keys)

    def _paint(self, rows: NDArray[np.intp], keys: objects.Keys) -> Pixels:
        """Static background of the copies `rows` [M] with these keys, [M, 64, 64, 3]."""
        layout = self.layout.of(rows)
        unseen = self.shown[rows] > self.steps
        colour = np.where(unseen, render.UNSEEN, keys.colour(self.plan.doors)[rows])
        picture = render.draw_background(layout, ~self._open_with(keys)[rows] | unseen, colour)
        for k in range(self.options.hazards):
            radius = objects.HAZARD_RADIUS
            stamp(picture, self.hazards[rows, k], (radius - 0.5, radius + 0.5), render.HAZARD)
        if self._pattern is not None:
            picture = to_pixels(picture + self._pattern[rows])
        return picture

    def _flicker(self) -> None:
        """Open or close random doors; a door with the agent inside does not close."""
        toggle = uniform(self._seeds, counter(SEED_FLICKER, self.steps), self.plan.doors) < self.options.flicker
        toggle &= ~(in_doorway(self.layout, self.position) & ~self.ajar)
        self.ajar = self.ajar ^ toggle
        changed = np.flatnonzero((toggle & ~self.layout.shut).any(1))
        if len(changed):
            self._doors_changed(changed)

    def _reveal_gates(self) -> None:
        """Make gates near the agent visible."""
        revealed = (self.shown == _NEVER) & near_door(self.layout, self.position, SIGHT)
        self.shown[revealed] = self.steps
        if revealed.any():
            self._doors_changed(np.flatnonzero(revealed.any(1)))

    def _touch(self) -> None:
        """Apply the effects of the agent's position: visible gates, keys, food and hunger."""
        if len(self.plan.gates):
            self._reveal_gates()
        if self.options.keys:
            touched = objects.near(self.keys.position, self.position, objects.TOUCH)
            taken = np.flatnonzero((touched & ~self.keys.held).any(1))
            self.keys = self.keys.taken(touched)
            if len(taken):
                self._doors_changed(taken)
        if self.options.food:
            eaten = objects.near(self.food, self.position, objects.TOUCH)
            count = counter(objects.SEED_FOOD, self.steps)
            new_food = objects.anywhere(self.layout, self._seeds, count, self.options.food)
            self.food = np.where(eaten[..., None], new_food, self.food)
            self.hunger = np.where(eaten.any(1), 0.0, np.minimum(self.hunger + 1 / objects.HUNGER_STEPS, 1.0))

    def _state_on_arrival(self) -> tuple[Pixels, objects.Keys]:
        """Static background and keys at the time when the agent reaches its goal on the shortest path."""
        taken = self._shortest_path(self.goals, 1, "known")[1] | objects.near(self.keys.position, self.goals, objects.TOUCH)
        keys = self.keys.taken(taken)
        return self._paint(np.arange(self.num), keys), keys

    def _draw(self, background: Pixels, keys: objects.Keys, position: Floats, step: int) -> Pixels:
        """Render pictures with the agent at given positions."""
        picture = background.copy()
        for k in range(self.options.food):
            stamp(picture, self.food[:, k], render.ITEM_DISC, render.FOOD)
        for k in range(self.options.keys):
            stamp(picture, keys.position[:, k], render.ITEM_DISC, render.KEYS[k], ~keys.held[:, k])
        for k in range(self.options.balls):
            stamp(picture, self.balls.position[:, k], render.BALL_DISC, render.BALL)
        stamp(picture, position, AGENT_DISC, AGENT)
        if self._fog is not None:
            picture = self._fog.cover(picture, position)
        if self._noise is not None:
            picture = self._noise.add(picture, self._seeds, step)
        return picture

    def _seen(self, position: Floats) -> Observation:
        """All streams, with the agent at given positions [N, 2]."""
        pixels = self._draw(self._background, self.keys, position, self.steps)
        return {PIXELS: pixels, PROPRIOCEPTION: felt(position)} if len(self.plan.gates) else {PIXELS: pixels}

    def _truth(self) -> dict[str, NDArray[np.float32]]:
        """Ground truth by name, float32 [N, values], as `spec.truth` says."""
        values: dict[str, NDArray[Any]] = {
            "position": self.position,
            "room": room_of(self.layout, self.position)[:, None],
            "doors": np.hstack([self.layout.offsets, self.layout.centres]),
            "open": self.passable,
            "balls": self.balls.position,
            "hazards": self.hazards,
            "food": self.food,
            "keys": np.concatenate([self.keys.position, self.keys.held[..., None]], -1),
            "energy": 1.0 - self.hunger[:, None],
        }
        return {name: values[name].reshape(self.num, -1).astype(np.float32) for name in self.spec.truth}

    def _frame(self) -> Frame:
        """Observation, true state and drives of all copies."""
        pain = objects.near(self.hazards, self.position, objects.HAZARD_RADIUS).any(1)
        costs = {"pain": pain, "hunger": self.hunger}
        drives = np.stack([costs[name] for name in self.spec.drives], 1) if self.spec.drives else np.empty((self.num, 0))
        return Frame(
            observation=self._seen(self.position),
            truth=self._truth(),
            drives=drives.astype(np.float32),
            ended=self.steps >= self._limit,
        )

    def _roadmap(self, opened: tuple[int, ...], lanes: int, unseen: Unseen) -> Roadmap:
        """Distances between doors with the keys `opened` held; cached until a door changes."""
        if (opened, lanes, unseen) not in self._roadmaps:
            held = self.keys.held.copy()
            held[:, list(opened)] = True
            locked = objects.Keys(self.keys.position, self.keys.door, held).locked(self.plan.doors)
            wait = self.plan.speed / self.options.flicker if self.options.flicker else 0.0
            # Only gates can be unseen.
            assumed = self.plan.is_gate if unseen == "ignored" else (self.shown == _NEVER) & (unseen != "known")
            shut = np.where(assumed, unseen == "shut", self.layout.shut)
            toll = np.where(shut | locked, np.inf, np.where(self.ajar, wait, 0.0))
            self._roadmaps[opened, lanes, unseen] = make_roadmap(self.layout, toll, lanes)
        return self._roadmaps[opened, lanes, unseen]

    def _shortest_path(self, targets: Floats, lanes: int, unseen: Unseen) -> tuple[DoorRoute, Bools]:
        """The shortest path to targets [N, 2], and the keys on it, bool [N, M]."""
        count = self.options.keys
        orders = itertools.chain.from_iterable(itertools.permutations(range(count), r) for r in range(count + 1))
        legs: Legs = {}
        best, taken = self._route_by(next(orders), targets, lanes, unseen, legs), np.zeros((self.num, count), dtype=np.bool_)
        for order in orders:
            route = self._route_by(order, targets, lanes, unseen, legs)
            shorter = route.steps < best.steps
            best = DoorRoute(np.minimum(route.steps, best.steps), np.where(shorter[:, None], route.waypoint, best.waypoint))
            taken = np.where(shorter[:, None], np.isin(np.arange(count), order), taken)
        return best, taken

    def _route_by(self, order: tuple[int, ...], targets: Floats, lanes: int, unseen: Unseen, legs: Legs) -> DoorRoute:
        """The shortest path that visits the keys in the given order, then the targets; `legs` caches path segments."""
        stops = [*(self.keys.position[:, k] for k in order), targets]
        steps, start, waypoint = np.zeros(self.num), self.position, None
        for i, stop in enumerate(stops):
            # Different orders share segments with the same keys held.
            segment = frozenset(order[:i]), order[:i][-1:], order[i : i + 1]
            if segment not in legs:
                legs[segment] = find_route(self._roadmap(tuple(sorted(order[:i])), lanes, unseen), start, stop)
            leg = legs[segment]
            steps, start = steps + leg.steps, stop
            waypoint = leg.waypoint if waypoint is None else waypoint
        assert waypoint is not None
        return DoorRoute(steps, waypoint)


def _positions(points: Sequence[Sequence[float]], what: str) -> Floats:
    """Task states as positions [N, 2]; raises ForethoughtError for a point outside the picture."""
    for i, point in enumerate(points):
        if np.shape(point) != (2,) or not (np.isfinite(point).all() and np.min(point) >= 0 and np.max(point) <= SIZE):
            raise ForethoughtError(f"The {what} of task {i} is {tuple(point)}, but Rooms needs (x, y) within 0 to {SIZE}.")
    return np.array(points, dtype=np.float64)


def _spec(options: RoomsOptions, doors: int, walls: int) -> WorldSpec:
    """Streams, actions, true values and drives for these options."""
    truth = {"position": 2, "room": 1, "doors": walls + doors}
    if options.shut or options.flicker or options.keys or options.layout == "corridor":
        truth["open"] = doors
    counts = {"balls": 2 * options.balls, "hazards": 2 * options.hazards, "food": 2 * options.food}
    truth |= {name: size for name, size in {**counts, "keys": 3 * options.keys}.items() if size}
    if options.food:
        truth["energy"] = 1
    streams: tuple[StreamSpec, ...] = (StreamSpec(PIXELS, (SIZE, SIZE, 3), "uint8"),)
    if options.layout == "corridor":
        streams += (StreamSpec(PROPRIOCEPTION, (2,), "float32"),)
    return WorldSpec(
        name=NAME,
        options=options.recorded,
        streams=streams,
        action=ActionSpace("continuous", 2, (-1.0, -1.0), (1.0, 1.0)),
        max_steps=options.steps,
        truth=truth,
        drives=(("pain",) if options.hazards else ()) + (("hunger",) if options.food else ()),
        goals=(PROPRIOCEPTION,) if options.layout == "corridor" else (),
    )
