"""Types that the whole package shares. Of the package, this file imports only `errors`.

Axes, the same letters everywhere (names, docstrings, shape annotations):

    B  episodes (batch)         K  candidate plans      D  state (embedding) dimensions
    T  time, in rows            H  horizon, in blocks   A  action dimensions (of one block: steps * env dimensions)
    N  copies of a world        S  samples of z         Z  latent dimensions          L  levels

A state of tokens is one row of all their numbers (`states`): D counts them all.

A *step* is one step of the environment. A *block* is `block` steps, the unit in which level 1 acts and predicts. A *row*
is what the store keeps: an observation and the action block taken from it. The last block of an episode may be *partial*:
the episode ended after some of its steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from forethought.errors import ForethoughtError

Observation = Mapping[str, NDArray[Any]]
"""Streams by name: images, uint8 [..., height, width, channels]; vectors, float32 [..., P]; text, strings [...]."""

PIXELS = "pixels"
PROPRIOCEPTION = "proprioception"
MOTION = "motion"
"""Vector stream beside the position, such as velocities and other agents; goals that are positions do not show it."""


@dataclass(frozen=True)
class StreamSpec:
    """One stream of an observation.

    Fields:
        name: free; letters, digits, `_` and `-` (it names a file).
        shape: of one item; () for text.
        dtype: its name (`uint8`, `float32`; `str` for text).
        kind: `image` ([height, width, channels], uint8), `vector` (numbers) or `text` (a string a row). Empty: derived;
            dtype `str` is text, the name `pixels` or uint8 of three axes is an image, all else is a vector.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    kind: Literal["", "image", "vector", "text"] = ""

    def __post_init__(self) -> None:
        """Derive the kind if it is empty."""
        if not self.kind:
            image = self.name == PIXELS or (self.dtype == "uint8" and len(self.shape) == 3)
            object.__setattr__(self, "kind", "text" if self.dtype == "str" else "image" if image else "vector")


@dataclass(frozen=True)
class ActionSpace:
    """The action space of one environment step, in environment units.

    kind: `continuous` (a vector of `size` numbers within [low, high]) or `discrete` (one of `size` choices; actions are
    then one-hot vectors of length `size`, except in the call of the environment).
    """

    kind: Literal["continuous", "discrete"]
    size: int
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


OTHER_ENERGIES = ("effort", "reward", "future_cost", "future_drives")
"""Names of energies that every body may have, so no drive has them."""


def require_drive_names(names: Iterable[str]) -> None:
    """Check that no drive has the name of another energy.

    Raises:
        ForethoughtError: one has.
    """
    for name in names:
        if name in OTHER_ENERGIES:
            raise ForethoughtError(f"A drive can't have the name '{name}', which is another energy's: give it another.")


@dataclass(frozen=True)
class WorldSpec:
    """The interface of a world.

    Fields:
        name: registered name or Gymnasium id.
        options: of its construction (JSON values).
        streams: the observation's streams.
        action: the action space of one environment step.
        max_steps: episode length, in steps.
        block: suggested steps per action block.
        truth: ground truth for probes and evaluation, name -> number of values (not available to the agent).
        drives: names of the sensed intrinsic signals, such as `pain` and `hunger`, each >= 0, lower is better.
        goals: streams of a goal observation; empty: all of them.
    """

    name: str
    options: Mapping[str, Any]
    streams: tuple[StreamSpec, ...]
    action: ActionSpace
    max_steps: int
    block: int = 5
    truth: Mapping[str, int] = field(default_factory=dict)
    drives: tuple[str, ...] = ()
    goals: tuple[str, ...] = ()


def _no_floats() -> NDArray[np.float32]:
    return np.zeros(0, np.float32)


def _no_flags() -> NDArray[np.bool_]:
    return np.zeros(0, np.bool_)


def _no_counts() -> NDArray[np.int32]:
    return np.zeros(0, np.int32)


def _require_array(value: object, name: object, seed: object) -> None:
    if not isinstance(value, np.ndarray):
        raise ForethoughtError(f"episode with seed {seed}: {name} is a {type(value).__name__}; give a NumPy array.")


def _fill(owner: Frame | Episode, size: int, ended: NDArray[np.bool_]) -> None:
    """Set defaults [size] of empty rewards, terminated and truncated; `ended`: where the episode is over."""
    if not owner.rewards.size:
        object.__setattr__(owner, "rewards", np.zeros(size, np.float32))
    if not owner.terminated.size:
        object.__setattr__(owner, "terminated", np.zeros(size, np.bool_))
    if not owner.truncated.size:
        stopped = owner.terminated if owner.terminated.shape == ended.shape else np.zeros_like(ended)
        object.__setattr__(owner, "truncated", ended & ~stopped)


@dataclass(frozen=True)
class Frame:
    """The output of N copies of a world after a reset or a step.

    Fields:
        observation: stream -> [N, ...].
        truth: name -> float32 [N, values].
        drives: float32 [N, number of drives].
        ended: bool [N], the copy's episode is over (do not step it further; a world may ignore further steps).
        rewards: float32 [N], of the step that led here (after a reset: zeros). Left out: zeros.
        terminated: bool [N], the episode reached a terminal state. Left out: nowhere.
        truncated: bool [N], an external limit, such as time, ended it. Left out: where it ended and did not terminate.
    """

    observation: Observation
    truth: Mapping[str, NDArray[np.float32]]
    drives: NDArray[np.float32]
    ended: NDArray[np.bool_]
    rewards: NDArray[np.float32] = field(default_factory=_no_floats)
    terminated: NDArray[np.bool_] = field(default_factory=_no_flags)
    truncated: NDArray[np.bool_] = field(default_factory=_no_flags)

    def __post_init__(self) -> None:
        """Set the defaults of empty fields."""
        _fill(self, len(self.ended), self.ended)


@dataclass(frozen=True)
class Episode:
    """One recorded episode of T + 1 rows, T action blocks. Its last block may be partial; the last row is then its end.

    Fields:
        observation: stream -> [T + 1, ...].
        actions: float32 [T, A], A = block * action size, step-major (step 0's action first), one-hot if discrete; zeros in
            the steps of a partial block that were not executed.
        truth: name -> float32 [T + 1, values].
        drives: float32 [T + 1, number of drives]; row t holds the sum over the block that led to it (row 0: zeros).
        seed: of `World.reset`.
        rewards: float32 [T + 1], summed as drives are. Left out: zeros.
        terminated: bool [T + 1], true in the last row if the episode ended there by itself. Left out: false.
        truncated: bool [T + 1], true in the last row if a limit or the end of the recording cut it. Left out: true in the
            last row of an episode that did not terminate.
        steps: int32 [T], number of executed environment steps in each block; only the last block may have fewer than
            `block`. Left out (empty): all of them.
    """

    observation: Observation
    actions: NDArray[np.float32]
    truth: Mapping[str, NDArray[np.float32]]
    drives: NDArray[np.float32]
    seed: int
    rewards: NDArray[np.float32] = field(default_factory=_no_floats)
    terminated: NDArray[np.bool_] = field(default_factory=_no_flags)
    truncated: NDArray[np.bool_] = field(default_factory=_no_flags)
    steps: NDArray[np.int32] = field(default_factory=_no_counts)

    def __post_init__(self) -> None:
        """Check that the fields are arrays, and set the defaults of empty ones."""
        for name in ("actions", "drives", "rewards", "terminated", "truncated", "steps"):
            _require_array(getattr(self, name), name, self.seed)
        for field_name in ("observation", "truth"):
            given = getattr(self, field_name)
            if not isinstance(given, Mapping):
                raise ForethoughtError(
                    f"episode with seed {self.seed}: {field_name} is a {type(given).__name__}; give a dict of NumPy arrays."
                )
            for name, values in given.items():
                _require_array(values, name, self.seed)
        if self.actions.ndim == 0:
            raise ForethoughtError(f"episode with seed {self.seed}: actions are a single number; give an array [T, A].")
        rows = len(self.actions) + 1
        _fill(self, rows, np.arange(rows) == rows - 1)

    def __len__(self) -> int:
        """Number of action blocks T."""
        return len(self.actions)

    def whole_blocks(self, block: int) -> int:
        """Number of complete blocks of `block` steps: T, or T - 1."""
        return len(self) - int(len(self.steps) > 0 and self.steps[-1] < block)


@dataclass(frozen=True)
class Clips:
    """B windows of T + 1 rows cut from stored episodes, time after batch.

    Fields: as in `Episode` with a leading B, `steps` always given; `episode` int64 [B] and `offset` int64 [B] are the source
    of each window.
    """

    observation: Observation
    actions: NDArray[np.float32]
    truth: Mapping[str, NDArray[np.float32]]
    drives: NDArray[np.float32]
    rewards: NDArray[np.float32]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    steps: NDArray[np.int32]
    episode: NDArray[np.int64]
    offset: NDArray[np.int64]


@dataclass(frozen=True)
class WorldTask:
    """One frozen benchmark task: start, goal and step budget.

    Fields:
        seed: for `World.reset`; determines layout, doors and all later random events.
        start: ground-truth state to start from (None: as reset leaves it).
        goal: ground-truth state of the goal.
        optimal_steps: length of the shortest path in steps, where known.
        budget: steps allowed.
    """

    seed: int
    start: tuple[float, ...] | None
    goal: tuple[float, ...]
    optimal_steps: float | None
    budget: int


@dataclass(frozen=True)
class TaskSet:
    """A frozen list of tasks in one world, as committed in a manifest (seeds and states, never trajectories).

    Fields: world: name; options: its options; success: the definition in words; tasks; goal_rows: for worlds that
    cannot sample goals themselves, (episode, row) of each goal in the store.
    """

    world: str
    options: Mapping[str, Any]
    success: str
    tasks: tuple[WorldTask, ...]
    goal_rows: Sequence[tuple[int, int]] = ()


class Goal:
    """Base class of goals. A cost lists the kinds that it accepts (`Cost.accepts`); the agent rejects other goals."""

    @property
    def parts(self) -> tuple[Goal, ...]:
        """Its elementary goals: itself, unless it contains several."""
        return (self,)


@dataclass(frozen=True)
class ObservationGoal(Goal):
    """A goal given as an observation.

    Fields: observation: streams -> [B, ...] or one item; the streams in `WorldSpec.goals` of the agent's world.
    """

    observation: Observation


@dataclass(frozen=True)
class RewardGoal(Goal):
    """The world's own task: as much of its reward as possible.

    Fields: episodes: B; None for one episode, without an axis of episodes.
    """

    episodes: int | None = None


@dataclass(frozen=True)
class WeightedGoals(Goal):
    """Several goals at once: the objective is the weighted mean of their costs.

    If the goals conflict, the agent ends where that mean is least, which may be between them.

    Fields: goals: elementary ones. weights: > 0, one each; only their ratios matter.
    """

    goals: tuple[Goal, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check goals and weights."""
        if not self.goals or len(self.goals) != len(self.weights):
            raise ForethoughtError(
                f"{len(self.goals)} goals came with {len(self.weights)} weights: give one weight for each goal."
            )
        if not all(0 < weight < float("inf") for weight in self.weights):
            raise ForethoughtError(f"The goals' weights are {self.weights}: give numbers above 0.")
        if any(isinstance(goal, WeightedGoals) or not isinstance(goal, Goal) for goal in self.goals):
            names = ", ".join(type(goal).__name__ for goal in self.goals)
            raise ForethoughtError(f"WeightedGoals holds {names}: give elementary goals, such as ObservationGoal.")

    @property
    def parts(self) -> tuple[Goal, ...]:
        """Its goals."""
        return self.goals


@dataclass(frozen=True)
class Task:
    """The agent's task in B episodes or in one.

    Fields: goal: see the kinds of `Goal`.
    """

    goal: Goal

    def __post_init__(self) -> None:
        """Check the goal."""
        if not isinstance(self.goal, Goal):
            raise ForethoughtError(
                f"A task's goal can't be a {type(self.goal).__name__}: use Task.reach(observation), or a kind of Goal."
            )

    @staticmethod
    def reach(goal: Observation) -> Task:
        """A task with an observation as its goal: all streams, or those in `WorldSpec.goals`."""
        return Task(ObservationGoal(goal))

    @staticmethod
    def world(episodes: int | None = None) -> Task:
        """The world's own task: as much of its reward as possible, in one episode or in B of them."""
        return Task(RewardGoal(episodes))
