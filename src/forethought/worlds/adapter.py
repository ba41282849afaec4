"""`GymnasiumWorld`: N copies of a third-party Gymnasium environment as one world; `families.py` lists the environments."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from forethought.errors import ForethoughtError, NonFiniteError
from forethought.types import PROPRIOCEPTION, Episode, Frame, Observation, WorldSpec, WorldTask
from forethought.worlds.contract import World, row_of
from forethought.worlds.env_adapter import EnvAdapter, EnvFactory, GlobalRngIsolation, GlobalRngState, Sight, WorldCrashed
from forethought.worlds.frames import FrameWatch, lazy_frame
from forethought.worlds.random_streams import world_seed
from forethought.worlds.time_limit import TimedOut, time_limit

log = logging.getLogger(__name__)
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class _Moment:
    """What drawing a frame later needs of the time when it was seen; arrays are of all N copies."""

    snapshots: tuple[Sight, ...]
    states: NDArray[np.float32]
    steps: NDArray[np.int64]
    vary: NDArray[np.bool_]
    ended: NDArray[np.bool_]


class GymnasiumWorld(World):
    """N copies of a Gymnasium environment, stepped in a loop in this process.

    Copies are independent: each has its own seed and its own state of the global random generators. A copy whose episode has
    ended ignores further steps. Observations are rendered when they are first read (see `LazyObservation`).

    Attributes:
        maker: factory of the copies; its `success` describes the test of `reached` in words.
        copies: the environments.
        tasks: the tasks in progress; () after `reset`.
        patience: seconds after which a call of an environment counts as hung (see `time_limit`); None: for ever.
        goes_on: whether a fault of one copy (a crash, a hang, NaN, blank frames) ends its episode and is noted in `lost`,
            instead of an exception; until the next reset the copy shows zeros.
        lost: copy -> the reason, for the copies whose episode was lost since the last reset.
        isolation: gives each copy its own global random generators; `with world.isolation:` around a loop saves time.
    """

    def __init__(self, maker: EnvFactory, num: int) -> None:
        """`num` copies from `maker`; `close` closes `maker`, too."""
        self.maker = maker
        self.spec: WorldSpec = maker.spec
        self.num = num
        self.copies: list[EnvAdapter] = []
        self.patience: float | None = None
        self.goes_on = False
        self.lost: dict[int, str] = {}
        try:
            if num < 1:
                raise ForethoughtError(f"World {maker.spec.name!r}: the number of copies is {num}; use one or more.")
            for _ in range(num):
                self.copies.append(maker.make())
        except BaseException:
            # Nobody else has the copies that did start.
            self.close()
            raise
        self.tasks: tuple[WorldTask, ...] = ()
        self._goals: list[Sight] = []
        self._snapshots: list[Sight] = []
        self._seeds = [0] * num
        self._rng_states, self.isolation = [GlobalRngState(0) for _ in range(num)], GlobalRngIsolation()
        self._crashed = [False] * num
        images = [stream.name for stream in self.spec.streams if stream.kind == "image"]
        self._watch = [
            {name: FrameWatch(self.spec.name, index, name, name in maker.observed_images) for name in images}
            for index in range(num)
        ]
        self._ended = np.ones(num, bool)
        self._rewards = np.zeros(num, np.float32)
        self._terminated, self._truncated = np.zeros(num, bool), np.zeros(num, bool)
        self._steps = np.zeros(num, np.int64)
        self._limits = np.full(num, self.spec.max_steps)
        self._first_actions = np.zeros((num, self.spec.action.size), np.float32)
        self._actions_vary = np.zeros(num, bool)
        bounds = (self.spec.action.low, self.spec.action.high)
        self._low, self._high = (np.array(bound, np.float32) for bound in bounds)

    def reset(self, seeds: Sequence[int]) -> Frame:
        """Start a new episode in every copy; copy i is a function of `seeds[i]` alone.

        Raises:
            WorldCrashed: an environment raised in `reset`.
            NonFiniteError: an observation holds NaN or infinity.
        """
        self.tasks, self._goals = (), []
        self._limits[:] = self.spec.max_steps
        with self.isolation:
            self._restart(seeds, [None] * self.num)
        return self._frame()

    def step(self, actions: NDArray[np.float32]) -> Frame:
        """One step of every copy that has not ended; actions [N, size], clipped to the bounds.

        Raises:
            WorldCrashed: an environment raised in `step`; copies before it have moved, later ones have not.
            NonFiniteError: an action or an observation holds NaN or infinity.
            ForethoughtError: wrong shape, or `reset` was never called.
        """
        if not self._snapshots:
            raise ForethoughtError(f"World {self.spec.name!r}: call reset or begin before step.")
        if actions.shape != (self.num, self.spec.action.size):
            shape = (self.num, self.spec.action.size)
            raise ForethoughtError(f"World {self.spec.name!r}: actions of shape {actions.shape} where {shape} is needed.")
        if not np.isfinite(actions).all():
            copy = int(np.argmin(np.isfinite(actions).all(axis=1)))
            raise NonFiniteError(f"World {self.spec.name!r}: the action for copy {copy} holds NaN or infinity.")
        if self.spec.action.kind == "continuous":
            actions = np.clip(actions, self._low, self._high)
        self._rewards[:] = 0
        with self.isolation:
            for index in np.flatnonzero(~self._ended).tolist():
                self._or_lose(index, self._step_one, index, actions[index])
        return self._frame()

    def begin(self, tasks: Sequence[WorldTask]) -> Frame:
        """Start task i in copy i; the task's budget is the length of the episode.

        Raises:
            ForethoughtError: the environment cannot be put into a task's start, or the number of tasks is not N.
            WorldCrashed: an environment raised.
        """
        if len(tasks) != self.num:
            raise ForethoughtError(f"World {self.spec.name!r}: {len(tasks)} tasks for {self.num} copies; give one each.")
        self.tasks = tuple(tasks)
        self._limits[:] = [task.budget for task in tasks]
        with self.isolation:
            self._restart([task.seed for task in tasks], [task.start for task in tasks])
            self._goals = [self._nothing()] * self.num
            for index, task in enumerate(tasks):
                if index not in self.lost:
                    self._or_lose(index, self._set_goal, index, task.goal)
        return self._frame()

    def goal_observation(self) -> Observation:
        """Goal observations, streams -> [N, ...]; only the streams in `spec.goals`, if that is not empty.

        Raises:
            ForethoughtError: no task is in progress, or the environment cannot render a state and `set_goal_observation` was
                not called.
        """
        self._need_tasks()
        names = self.spec.goals or [stream.name for stream in self.spec.streams]
        return {name: np.stack([goal.stream(name) for goal in self._goals]) for name in names}

    def set_goal_observation(self, observation: Observation) -> None:
        """Set the goal observations, streams -> [N, ...], for environments that cannot render a goal.

        Raises:
            ForethoughtError: a stream is missing or has another shape; no task is in progress.
        """
        self._need_tasks()
        for stream in self.spec.streams:
            needed = (self.num, *stream.shape)
            shape = observation[stream.name].shape if stream.name in observation else "nothing"
            if shape != needed:
                raise ForethoughtError(
                    f"World {self.spec.name!r}: the goal's {stream.name} has shape {shape} where {needed} is needed."
                )
        self._goals = [
            Sight(goal.state, {name: values[index] for name, values in observation.items()}.__getitem__)
            for index, goal in enumerate(self._goals)
        ]

    def reached(self) -> NDArray[np.bool_]:
        """Success test of the tasks in progress, bool [N]; `maker.success` describes it in words."""
        self._need_tasks()
        reached = np.zeros(self.num, np.bool_)
        for index in range(self.num):
            if index not in self.lost:
                self._or_lose(index, self._test_one, index, reached)
        return reached

    def goal_distance(self, copy: int) -> float:
        """Distance of one copy to the goal of its task, as its success test measures it (`EnvAdapter.distance`)."""
        self._need_tasks()
        return self.copies[copy].distance(self._snapshots[copy], self._goals[copy])

    def looks_reached(self, episode: Episode, row: int, goal_row: int) -> bool:
        """Whether one row of a recorded episode passes the success test with another row as the goal."""
        states = episode.truth.get("state", np.zeros((len(episode) + 1, 0), np.float32))
        now, goal = (Sight(states[r], row_of(episode.observation, r).__getitem__) for r in (row, goal_row))
        return self.copies[0].near(now, goal)

    def fulfils(self, achieved: NDArray[np.float32], desired: NDArray[np.float32]) -> bool:
        """Whether an achieved goal counts as a desired one of the environment's own; only where `maker.own_goals`."""
        return self.copies[0].fulfils(achieved, desired)

    def close(self) -> None:
        """Close every environment and the shared renderer."""
        closings: list[Callable[[], None]] = [*(copy.close for copy in self.copies), self.maker.close]
        for close in closings:
            try:
                close()
            except Exception as error:
                # The others must be closed all the same.
                log.warning("World '%s': a copy failed to close: %s: %s", self.spec.name, type(error).__name__, error)

    def _need_tasks(self) -> None:
        if not self.tasks:
            raise ForethoughtError(f"World {self.spec.name!r}: no task is in progress; call begin first.")

    def _restart(self, seeds: Sequence[int], starts: Sequence[tuple[float, ...] | None]) -> None:
        if len(seeds) != self.num:
            raise ForethoughtError(f"World {self.spec.name!r}: {len(seeds)} seeds for {self.num} copies; give one each.")
        self._seeds = [world_seed(seed) for seed in seeds]
        self._steps[:], self._ended[:], self._actions_vary[:] = 0, False, False
        self._rewards[:], self._terminated[:], self._truncated[:] = 0, False, False
        self.lost = {}
        self._snapshots = [self._nothing()] * self.num
        for index in range(self.num):
            self._or_lose(index, self._restart_one, index, starts[index])

    def _restart_one(self, index: int, start: tuple[float, ...] | None) -> None:
        self.isolation.restart(self._rng_states[index], self._seeds[index])
        for watch in self._watch[index].values():
            watch.restart()
        if self._crashed[index]:
            self._guarded(index, "being built anew", self._rebuild, index)
        self._guarded(index, "reset", self.copies[index].reset, self._seeds[index])
        if start is not None:
            self._guarded(index, "being put to its start", self.copies[index].place, np.array(start, np.float32))
        self._snapshots[index] = self._snapshot(index)

    def _rebuild(self, index: int) -> None:
        # A crashed environment may raise in close(), too; the new copy must be made anyway.
        with contextlib.suppress(Exception):
            self.copies[index].close()
        self.copies[index] = self.maker.make()
        self._crashed[index] = False

    def _step_one(self, index: int, action: NDArray[np.float32]) -> None:
        if self._steps[index] == 0:
            self._first_actions[index] = action
        self._actions_vary[index] |= not np.array_equal(action, self._first_actions[index])
        result = self._guarded(index, "step", self.copies[index].step, action)
        self._steps[index] += 1
        if not np.isfinite(result.reward):
            raise NonFiniteError(
                f"World {self.spec.name!r}: the reward of copy {index} is NaN or infinite at step {self._steps[index]} "
                f"(seed {self._seeds[index]}); the environment's own step is at fault."
            )
        out_of_steps = not result.terminated and self._steps[index] >= self._limits[index]
        self._rewards[index], self._terminated[index] = result.reward, result.terminated
        self._truncated[index] = result.truncated or out_of_steps
        self._ended[index] = result.terminated or self._truncated[index]
        self._snapshots[index] = self._snapshot(index)

    def _snapshot(self, index: int) -> Sight:
        snapshot = self._guarded(index, "being looked at", self.copies[index].sight)
        if not np.isfinite(snapshot.state).all():
            has_stream = PROPRIOCEPTION in [stream.name for stream in self.spec.streams]
            raise self._non_finite(PROPRIOCEPTION if has_stream else "state", index, int(self._steps[index]))
        return snapshot

    def _set_goal(self, index: int, goal: tuple[float, ...]) -> None:
        state = np.array(goal, np.float32)
        self._goals[index] = self._guarded(index, "drawing its goal", self.copies[index].sight_of, state)

    def _test_one(self, index: int, reached: NDArray[np.bool_]) -> None:
        now, goal = self._snapshots[index], self._goals[index]
        reached[index] = self._guarded(index, "its success test", self.copies[index].near, now, goal)

    def _or_lose(self, index: int, call: Callable[..., None], *arguments: Any) -> None:
        """Call; a fault of the copy is raised, or, where the world goes on, noted as the end of its episode."""
        try:
            call(*arguments)
        except ForethoughtError as error:
            if not self.goes_on:
                raise
            self.lost[index] = str(error)
            self._ended[index] = self._crashed[index] = True
            self._snapshots[index] = self._nothing()

    def _nothing(self) -> Sight:
        """What a lost copy shows: zeros."""
        streams = {
            stream.name: np.full(stream.shape, "") if stream.kind == "text" else np.zeros(stream.shape, stream.dtype)
            for stream in self.spec.streams
        }
        state = np.zeros(self.spec.truth.get("state", 0), np.float32)
        return Sight(state, streams.__getitem__, np.zeros(len(self.spec.drives), np.float32))

    def _guarded(self, index: int, doing: str, call: Callable[..., _Value], *arguments: Any) -> _Value:
        """Call an environment with the copy's own global generators; an exception becomes `WorldCrashed`: one lost episode."""
        try:
            with self.isolation, time_limit(self.patience):
                self.isolation.lend(self._rng_states[index])
                return call(*arguments)
        except ForethoughtError:
            raise
        except (Exception, TimedOut) as error:
            self._crashed[index] = True
            seed = self._seeds[index]
            hung = isinstance(error, TimedOut)
            cause = f"no sign of life for {self.patience:g} s" if hung else _told(error)
            raise WorldCrashed(
                f"World {self.spec.name!r}, copy {index}, {'hung' if hung else 'crashed'} in {doing} after "
                f"{self._steps[index]} steps (seed {seed}): {cause}; this episode is lost, reset goes on with the next.",
                seed,
                index,
            ) from error

    def _frame(self) -> Frame:
        snapshots = tuple(self._snapshots)
        states = np.stack([snapshot.state for snapshot in snapshots]).astype(np.float32)
        moment = _Moment(snapshots, states, self._steps.copy(), self._actions_vary.copy(), self._ended.copy())
        parts = {"state": slice(None), **self.maker.parts}
        truth = {name: states[:, parts[name]] for name in self.spec.truth}
        drives = np.stack([snapshot.drives for snapshot in snapshots]).astype(np.float32)
        ending = {"terminated": self._terminated.copy(), "truncated": self._truncated.copy()}
        names = [stream.name for stream in self.spec.streams]
        render = partial(self._render, moment)
        return lazy_frame(names, render, truth, drives, self._ended.copy(), rewards=self._rewards.copy(), **ending)

    def _render(self, moment: _Moment, name: str) -> NDArray[Any]:
        """A stream of all copies as they were at a moment."""
        values = [self._nothing().stream(name)] * self.num
        kind = next(stream.kind for stream in self.spec.streams if stream.name == name)
        with self.isolation:
            for index in range(self.num):
                if index not in self.lost:
                    self._or_lose(index, self._draw, moment, name, kind, index, values)
        return np.stack(values)

    def _draw(self, moment: _Moment, name: str, kind: str, index: int, values: list[NDArray[Any]]) -> None:
        value = self._guarded(index, "being drawn", moment.snapshots[index].stream, name)
        step, ended = int(moment.steps[index]), bool(moment.ended[index])
        if kind == "image" and self.maker.check_frames:
            self._watch[index][name].see(value, moment.states[index], bool(moment.vary[index]), step, ended)
        elif kind == "vector" and not np.isfinite(value).all():
            raise self._non_finite(name, index, step)
        values[index] = value

    def _non_finite(self, stream: str, copy: int, step: int) -> NonFiniteError:
        return NonFiniteError(
            f"World {self.spec.name!r}: stream {stream!r} of copy {copy} holds NaN or infinity at step {step} "
            f"(seed {self._seeds[copy]}); the environment's own observation is at fault."
        )


def _told(error: BaseException) -> str:
    """An environment's exception in words, with what is likely behind it, where that is known (its notes)."""
    hints = list(getattr(error, "__notes__", []))
    if isinstance(error, EOFError):
        hints.append("it waits for input from a keyboard, which a collecting process does not have")
    return "; ".join([f"{type(error).__name__}: {error}", *hints])
