"""A world in an evaluation: a crash, a hang or NaN costs one task, which counts as not reached, and does not end the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forethought.errors import ForethoughtError
from forethought.types import Frame, Observation, WorldTask
from forethought.worlds.adapter import GymnasiumWorld
from forethought.worlds.contract import World
from forethought.worlds.env_adapter import WorldCrashed
from forethought.worlds.frames import lazy_frame
from forethought.worlds.time_limit import TimedOut, time_limit

PATIENCE = 120.0
"""Seconds after which a call of an environment counts as hung."""


class EvaluatedWorld:
    """The calls of one batch of tasks to a world.

    A `GymnasiumWorld` goes on without the copies that fail, and names them in `lost`. Of any other world a fault of one copy
    is a fault of all: it raises `WorldCrashed`, and the tasks can be run again one by one.
    """

    def __init__(self, world: World) -> None:
        """`world`: opened, with one copy for each task."""
        self.world = world
        self._adapted = world if isinstance(world, GymnasiumWorld) else None
        if self._adapted is not None:
            self._adapted.goes_on, self._adapted.patience = True, PATIENCE
        self._seed = 0

    @property
    def lost(self) -> Mapping[int, str]:
        """Copy -> the reason, for the copies that failed since `begin`."""
        return {} if self._adapted is None else dict(sorted(self._adapted.lost.items()))

    def begin(self, tasks: Sequence[WorldTask], goals: Observation | None) -> tuple[Frame, Observation]:
        """Start the tasks: the first frame, and the goal observations.

        Args:
            tasks: one for each copy. goals: their goal observations, for environments that cannot render a goal; or None.
        """
        self._seed = tasks[0].seed
        with self._guarded("begin"):
            frame = self.world.begin(tasks)
            if goals is not None:
                goal_setter: Any = self.world
                goal_setter.set_goal_observation(goals)
            goal = self.world.goal_observation()
        return self._checked(frame), goal

    def step(self, actions: NDArray[np.float32]) -> Frame:
        """One step of all copies."""
        with self._guarded("step"):
            frame = self.world.step(actions)
        return self._checked(frame)

    def reached(self) -> NDArray[np.bool_]:
        """Success test of the tasks, bool [N]."""
        with self._guarded("its success test"):
            return self.world.reached()

    @contextmanager
    def _guarded(self, doing: str) -> Iterator[None]:
        if self._adapted is not None:
            yield
            return
        try:
            with time_limit(PATIENCE):
                yield
        except ForethoughtError:
            raise
        except TimedOut as error:
            raise self._fault(f"hung in {doing}: no sign of life for {PATIENCE:g} s") from error
        except Exception as error:
            raise self._fault(f"crashed in {doing}: {type(error).__name__}: {error}") from error

    def _checked(self, frame: Frame) -> Frame:
        """The same frame; reading a stream of it is guarded, and finds NaN."""
        if self._adapted is not None:
            return frame

        def draw(name: str) -> NDArray[Any]:
            with self._guarded("being drawn"):
                values = frame.observation[name]
            self._require_finite(values, f"its stream {name!r}")
            return values

        self._require_finite(frame.rewards, "a reward")
        self._require_finite(frame.drives, "a drive")
        outcome = {"rewards": frame.rewards, "terminated": frame.terminated, "truncated": frame.truncated}
        return lazy_frame(list(frame.observation), draw, frame.truth, frame.drives, frame.ended, **outcome)

    def _require_finite(self, values: NDArray[Any], what: str) -> None:
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise self._fault(f"gave NaN or infinity: {what}")

    def _fault(self, what: str) -> WorldCrashed:
        return WorldCrashed(f"World {self.world.spec.name!r} {what}; this episode is lost (seed {self._seed}).", self._seed, 0)
