"""forethought/Crossing-v0: N copies of a pedestrian crossing, stepped and rendered as a batch in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forethought.errors import ForethoughtError
from forethought.types import PIXELS, PROPRIOCEPTION, ActionSpace, Frame, Observation, StreamSpec, WorldSpec, WorldTask
from forethought.worlds.box_actions import checked
from forethought.worlds.contract import World
from forethought.worlds.crossing.ground import HIGH, LOW, SPEED, settle, walk
from forethought.worlds.crossing.options import CrossingOptions, parse_options
from forethought.worlds.crossing.render import CAR_X, HALF_LENGTH, draw
from forethought.worlds.crossing.traffic import ENTRY, EXIT, CrossTraffic, advance, new_traffic
from forethought.worlds.frames import lazy_frame
from forethought.worlds.painting import SIZE, SUCCESS_RADIUS, Bools, Floats, felt
from forethought.worlds.random_streams import Seeds, as_seeds, counter, uniform

NAME = "forethought/Crossing-v0"
SUCCESS = f"the agent's centre comes within {SUCCESS_RADIUS:.2f} px (16/224 of the picture's width) of the goal, not run over"
TRUTH = {"position": 2, "car": 1, "speed": 1, "lamp": 1, "braking": 1, "late": 1, "down": 1}

LONGEST_START = 100
"""Maximum number of steps that the traffic runs before an episode starts."""
TOUCH = 1.5
"""Distance of the agent's centre to a car at which the agent is hit, in pixels."""
SEED_START = 71


class CrossingWorld(World):
    """N copies of the crossing; `CrossingOptions` lists the options.

    Observations are pixels and proprioception (x and y, from -1 to 1). A goal is a position only: the traffic on arrival is
    not part of it. One step moves the agent by 1 px per unit of action on each axis. An agent that is hit stays down for the
    rest of the episode and feels the drive `pain` (1 per step).

    True values for probes: `position` 2; `car`: y of its centre; `speed`; `lamp`: remaining share of yellow and red, 0 when
    green; `braking`: its brake lights; `late`: whether its driver runs the light (hidden); `down`.

    A task starts at (x, y, number of steps that the traffic has run).
    """

    def __init__(self, num: int, **options: Any) -> None:
        """N copies; options as in `CrossingOptions`.

        Raises:
            ForethoughtError: an option that is unknown or out of range; `num` below 1.
        """
        if num < 1:
            raise ForethoughtError(f"A world needs at least one copy, not {num}.")
        self.options = parse_options(options)
        self.num = num
        self.spec = _spec(self.options)
        self._goals: Floats | None = None
        self._started = False
        self.traffic: CrossTraffic
        self.position: Floats = np.empty((num, 2))
        self.down: Bools = np.zeros(num, dtype=np.bool_)

    # -- the five verbs ------------------------------------------------------------------------------------------------

    def reset(self, seeds: Sequence[int]) -> Frame:
        """Start a new episode in every copy, at a random position and time of the traffic; seeds: N integers."""
        self._begin(seeds)
        u = uniform(self._seeds, counter(SEED_START), 3)
        self._goals, self._limit = None, np.full(self.num, self.options.max_steps)
        self._play((u[:, 2] * LONGEST_START).astype(np.int64))
        self.position = settle(LOW + (HIGH - LOW) * u[:, :2])
        return self._frame()

    def begin(self, tasks: Sequence[WorldTask]) -> Frame:
        """Start task i in copy i; the episode then ends at the task's budget.

        Raises:
            ForethoughtError: a start that is not (x, y, steps), or a goal that is not a position (x, y) in the picture.
        """
        self._begin([task.seed for task in tasks])
        for i, task in enumerate(tasks):
            if task.start is None or len(task.start) != 3 or len(task.goal) != 2:
                raise ForethoughtError(
                    f"Task {i} goes from {task.start} to {task.goal}, but Crossing needs a start (x, y, steps into the "
                    "traffic) and a goal (x, y)."
                )
            places, steps = (*task.start[:2], *task.goal), task.start[2]
            if not all(0 <= place <= SIZE for place in places) or not 0 <= steps < np.inf:
                raise ForethoughtError(
                    f"Task {i} goes from {task.start} to {task.goal}, which is not in the picture (0 to {SIZE}), or its number "
                    "of steps is not finite and at least 0."
                )
        starts = np.array([task.start for task in tasks], dtype=np.float64)
        self._goals = settle(np.array([task.goal for task in tasks], dtype=np.float64))
        self._limit = np.array([task.budget for task in tasks])
        self._play(starts[:, 2].astype(np.int64))
        self.position = settle(starts[:, :2])
        return self._frame()

    def step(self, actions: NDArray[np.float32]) -> Frame:
        """Advance one step; actions [N, 2], clipped to [-1, 1]. Copies whose episode has ended move, too.

        Raises:
            ForethoughtError: actions of the wrong shape, or a step before the first reset.
            NonFiniteError: NaN or infinity in an action; the message names the copy.
        """
        if not self._started:
            raise ForethoughtError("Crossing was stepped before it was reset: call reset(seeds) or begin(tasks) first.")
        clipped = checked("Crossing", actions, self.num)
        self.steps += 1
        by = SPEED * clipped
        self.position = np.where(self.down[:, None], self.position, walk(self.position, by))
        self.traffic = self._advanced(self.traffic)
        self.down = self.down | hit(self.traffic, self.position)
        return self._frame()

    def goal_observation(self) -> Observation:
        """Proprioception at the goals, [N, 2]."""
        return {PROPRIOCEPTION: felt(self.goals)}

    def reached(self) -> Bools:
        """Whether the agent is within 4.57 px of its goal and not down, [N]."""
        return np.asarray((np.hypot(*(self.position - self.goals).T) < SUCCESS_RADIUS) & ~self.down)

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
            raise ForethoughtError("Crossing has no task in progress: call begin(tasks) first.")
        return self._goals

    @property
    def has_task(self) -> bool:
        """Whether `begin` started this episode."""
        return self._goals is not None

    def foretell(self, steps: int, late: Bools | None = None) -> list[CrossTraffic]:
        """The true traffic of the next steps; `late` [N] replaces the kinds of the current drivers (counterfactual)."""
        drivers = self.traffic.late if late is None else late
        following = [CrossTraffic(**(vars(self.traffic) | {"late": drivers}))]
        for _ in range(steps):
            following.append(self._advanced(following[-1]))
        return following[1:]

    # -- private -------------------------------------------------------------------------------------------------------

    def _begin(self, seeds: Sequence[int]) -> None:
        if len(seeds) != self.num:
            raise ForethoughtError(f"Crossing has {self.num} copies and needs as many seeds or tasks, not {len(seeds)}.")
        self._seeds: Seeds = as_seeds(seeds)
        self._started = True
        self.steps = 0
        self.down = np.zeros(self.num, dtype=np.bool_)
        self.traffic = new_traffic(self._seeds, self.options.late, self.options.cue)

    def _play(self, steps: NDArray[np.int64]) -> None:
        """Run the traffic for `steps` [N] before the episode starts."""
        for step in range(int(steps.max(initial=0))):
            later = self._advanced(self.traffic)
            runs = steps > step
            self.traffic = CrossTraffic(
                **{name: np.where(runs, value, getattr(self.traffic, name)) for name, value in vars(later).items()}
            )

    def _advanced(self, traffic: CrossTraffic) -> CrossTraffic:
        return advance(traffic, self._seeds, self.options.late, self.options.cue)

    def _frame(self) -> Frame:
        """Observation, true state and drives of all copies."""
        traffic = self.traffic
        truth = {
            "position": self.position,
            "car": np.clip(traffic.y, ENTRY, EXIT),
            "speed": np.where((traffic.y > ENTRY) & (traffic.y < EXIT), traffic.speed, 0.0),
            "lamp": traffic.stopped_for,
            "braking": traffic.braking,
            "late": traffic.late,
            "down": self.down,
        }
        return lazy_frame(
            (PIXELS, PROPRIOCEPTION),
            partial(_seen, traffic, self.position, self.down),
            truth={name: truth[name].reshape(self.num, -1).astype(np.float32) for name in TRUTH},
            drives=self.down[:, None].astype(np.float32),
            ended=self.steps >= self._limit,
        )


def _seen(traffic: CrossTraffic, position: Floats, down: Bools, stream: str) -> NDArray[Any]:
    """One stream of a step, rendered lazily; later steps make new arrays and do not change these."""
    return draw(traffic, position, down) if stream == PIXELS else felt(position)


def hit(traffic: CrossTraffic, position: Floats) -> Bools:
    """Whether the car hits the agent with centre `position` [N, 2], [N]."""
    left, right = CAR_X
    beside = (position[:, 0] <= left - TOUCH) | (position[:, 0] >= right + TOUCH)
    return np.asarray(~beside & (np.abs(position[:, 1] - traffic.y) < HALF_LENGTH + TOUCH))


def _spec(options: CrossingOptions) -> WorldSpec:
    """Streams, actions, true values and drives for these options."""
    return WorldSpec(
        name=NAME,
        options=options.model_dump(mode="json"),
        streams=(StreamSpec(PIXELS, (SIZE, SIZE, 3), "uint8"), StreamSpec(PROPRIOCEPTION, (2,), "float32")),
        action=ActionSpace("continuous", 2, (-1.0, -1.0), (1.0, 1.0)),
        max_steps=options.max_steps,
        truth=TRUTH,
        drives=("pain",),
        goals=(PROPRIOCEPTION,),
    )
