"""Evaluation episodes: one controller acts in N tasks in parallel; the environment's own test decides on success."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from forethought.actor import Plan
from forethought.agent import Agent
from forethought.configurator.mode_selector import Mode
from forethought.decision import Decision
from forethought.evaluation.evaluated_world import EvaluatedWorld
from forethought.types import PIXELS, Frame, Observation, Task, TaskSet
from forethought.worlds.contract import ScriptedPolicy, World


@dataclass(frozen=True)
class Outcomes:
    """Results of N evaluation episodes.

    Fields:
        touched: bool [N], the goal was reached within the task's budget (this counts as success).
        held: bool [N], the goal was reached and the agent was at the goal at the end of the budget.
        steps: int64 [N], steps until the goal was first reached; -1 if never.
        calls: predictor calls of all decisions within the budgets, at level 1 and at each upper level.
        planned: number of these decisions that used Mode-2.
        seconds: wall-clock time of the whole batch.
        returns: float64 [N], sum of the world's rewards until the episode ended or the budget was spent.
        lengths: int64 [N], number of these steps.
        decisions: number of decisions within the budgets.
        timed, fell_back: with a deadline, number of decisions, and of those in which Mode-1 acted for want of time.
        failures: task -> the reason, for the tasks whose environment crashed, hung or returned NaN; they count as not reached.
    """

    touched: NDArray[np.bool_]
    held: NDArray[np.bool_]
    steps: NDArray[np.int64]
    calls: tuple[int, ...]
    planned: int
    seconds: float
    returns: NDArray[np.float64]
    lengths: NDArray[np.int64]
    decisions: int = 0
    failures: Mapping[int, str] = field(default_factory=dict)
    timed: int = 0
    fell_back: int = 0

    @property
    def calls_per_decision(self) -> tuple[float, ...]:
        """Mean predictor calls of a decision at each level."""
        return tuple(calls / max(1, self.decisions) for calls in self.calls)

    @property
    def planned_share(self) -> float:
        """Share of decisions that used Mode-2."""
        return self.planned / max(1, self.decisions)


def lost_task(reason: str) -> Outcomes:
    """The result of a task whose environment failed."""
    nothing = np.zeros(1, np.bool_)
    steps, returns, lengths = np.full(1, -1), np.zeros(1), np.zeros(1, np.int64)
    return Outcomes(nothing, nothing, steps, (0,), 0, 0.0, returns, lengths, 0, {0: reason})


def joined(parts: Sequence[Outcomes]) -> Outcomes:
    """The results of several batches of tasks, in order, as those of one: from sums, whoever had which."""
    firsts = np.cumsum([0, *(len(part.touched) for part in parts)]).tolist()
    return Outcomes(
        touched=np.concatenate([part.touched for part in parts]),
        held=np.concatenate([part.held for part in parts]),
        steps=np.concatenate([part.steps for part in parts]),
        calls=tuple(sum(level) for level in zip_longest(*(part.calls for part in parts), fillvalue=0)),
        planned=sum(part.planned for part in parts),
        seconds=sum(part.seconds for part in parts),
        returns=np.concatenate([part.returns for part in parts]),
        lengths=np.concatenate([part.lengths for part in parts]),
        decisions=sum(part.decisions for part in parts),
        failures={first + task: why for first, part in zip(firsts, parts, strict=False) for task, why in part.failures.items()},
        timed=sum(part.timed for part in parts),
        fell_back=sum(part.fell_back for part in parts),
    )


@dataclass
class Recording:
    """Record of the first `count` tasks for the report: frames, true positions, and the plan of each decision.

    Fields:
        count: number of recorded tasks.
        frames: [T + 1] of uint8 [count, h, w, 3]. positions: [T + 1] of float32 [count, 2].
        decisions: step of each decision. imagined: per decision, [count, H, D] predicted states on the CPU; H is 0 in Mode-1.
        ways: per decision, waypoints [count, P, D] of each upper level, level 2 first; empty tuples for one level.
        distances: per decision, [count], the critic's distance to the goal in blocks, NaN in Mode-1.
        goals: uint8 [count, h, w, 3].
    """

    count: int
    frames: list[NDArray[np.uint8]] = field(default_factory=list)
    positions: list[NDArray[np.float32]] = field(default_factory=list)
    decisions: list[int] = field(default_factory=list)
    imagined: list[torch.Tensor] = field(default_factory=list)
    ways: list[tuple[torch.Tensor, ...]] = field(default_factory=list)
    distances: list[torch.Tensor] = field(default_factory=list)
    goals: NDArray[np.uint8] | None = None

    def discard(self) -> None:
        """Forget the tasks: their world failed."""
        for values in (self.frames, self.positions, self.decisions, self.imagined, self.ways, self.distances):
            values.clear()

    def see(self, frame: Frame) -> None:
        """Append one frame."""
        if PIXELS in frame.observation:
            self.frames.append(frame.observation[PIXELS][: self.count].copy())
        if "position" in frame.truth:
            self.positions.append(frame.truth["position"][: self.count].copy())

    def decide(self, step: int, decision: Decision, ways: tuple[torch.Tensor, ...]) -> None:
        """Append one decision. Mode-1 predicts no states and no distance; the upper levels have waypoints in both modes."""
        distance = torch.full_like(decision.plan.energy, torch.nan) if decision.distance is None else decision.distance
        self.decisions.append(step)
        self.imagined.append(decision.plan.states[: self.count].cpu())
        self.distances.append(distance[: self.count].cpu())
        self.ways.append(tuple(waypoints[: self.count].cpu() for waypoints in ways))


class Controller(Protocol):
    """Acts in N parallel environments; only scripted policies may use `world` itself."""

    def begin(self, world: World, goal: Observation, seeds: Sequence[int]) -> None:
        """Start N episodes with these goals and seeds."""

    def act(self, world: World, frame: Frame, step: int) -> NDArray[np.float32]:
        """Actions [N, size] of step `step`, in environment units."""


class ScriptedController:
    """A scripted policy: the random floor or the expert ceiling."""

    def __init__(self, policy: ScriptedPolicy, seed_shift: int = 0) -> None:
        """Wraps `policy`; `seed_shift` is added to the seeds of its random choices."""
        self.policy, self.seed_shift = policy, seed_shift

    def begin(self, world: World, goal: Observation, seeds: Sequence[int]) -> None:
        """See `Controller`."""
        self.policy.reset(world, [seed + self.seed_shift for seed in seeds])

    def act(self, world: World, frame: Frame, step: int) -> NDArray[np.float32]:
        """See `Controller`."""
        return self.policy.act(world, frame)


class AgentController:
    """The agent; it reads observations, goals and its drives, and never the true state.

    With a deadline (`planner.ms_per_decision`) each episode has an agent of its own, because a decision for many episodes at
    once takes longer than one. All other agents decide for all episodes together.
    """

    def __init__(self, agent: Agent, mode: Mode, recording: Recording | None = None, seed: int = 0) -> None:
        """`recording`, if given, is filled during the episodes; `seed` shifts the planner's random generators."""
        self.agent, self.mode, self.recording, self.seed = agent, mode, recording, seed
        self.calls: list[NDArray[np.int64]] = []
        self.planned: list[NDArray[np.bool_]] = []
        self.fell_back: list[bool] = []

    def begin(self, world: World, goal: Observation, seeds: Sequence[int]) -> None:
        """See `Controller`."""
        self.calls, self.planned, self.fell_back = [], [], []
        # A generator uses the low 32 bits of its seed, and the tasks of a set differ in the low 16 bits only.
        shifted = [(seed + (self.seed << 16)) % 2**32 for seed in seeds]
        self.agents, self.rows = [self.agent], [slice(None)]
        if self.agent.configuration.planner.ms_per_decision is not None:
            self.agents = [self.agent.copied() for _ in shifted]
            self.rows = [slice(row, row + 1) for row in range(len(shifted))]
        for agent, rows in zip(self.agents, self.rows, strict=True):
            agent.reset(Task.reach({name: goal[name][rows] for name in goal}), seeds=shifted[rows])
        self.block = self.agent.configuration.data.block
        self.felt = np.zeros((world.num, len(world.spec.drives)), np.float32)

    def act(self, world: World, frame: Frame, step: int) -> NDArray[np.float32]:
        """See `Controller`; the agent decides at the start of each block."""
        self.felt = self.felt + frame.drives if step else self.felt
        if step % self.block == 0:
            decision, calls, waypoints = self._decide(frame.observation)
            self.felt = np.zeros_like(self.felt)
            self.actions = decision.actions
            self.calls.append(calls)
            self.planned.append(decision.planned.cpu().numpy())
            if self.recording is not None:
                self.recording.decide(step, decision, waypoints)
        return self.actions[:, step % self.block]

    def _decide(self, observation: Observation) -> tuple[Decision, NDArray[np.int64], tuple[torch.Tensor, ...]]:
        """The decision of all N episodes, its predictor calls at each level [N, L], and the waypoints."""
        made = [
            agent.decide({name: values[rows] for name, values in observation.items()}, self.mode, self.felt[rows])
            for agent, rows in zip(self.agents, self.rows, strict=True)
        ]
        self.fell_back += [decision.timing.fell_back for decision in made if decision.timing is not None]
        calls = np.concatenate([calls_of(decision, 1 + len(self.agent.subgoals.level_planners())) for decision in made])
        waypoints = [agent.subgoals.waypoints() for agent in self.agents]
        if len(made) == 1:
            return made[0], calls, waypoints[0]
        return together(made), calls, tuple(torch.cat(level) for level in zip(*waypoints, strict=False))


def calls_of(decision: Decision, levels: int) -> NDArray[np.int64]:
    """Predictor calls of B episodes at each level, [B, L]; 0 at levels that did not plan."""
    own = decision.calls.cpu().numpy()[:, None]
    if decision.above is not None:
        return np.concatenate([own, decision.above.calls.cpu().numpy()], axis=1)
    return np.pad(own, ((0, 0), (0, levels - 1)))


def together(decisions: Sequence[Decision]) -> Decision:
    """The decisions of single episodes as one; predicted states only as far as all have them."""
    horizon = min(decision.plan.states.shape[-2] for decision in decisions)
    blocks = min(decision.plan.actions.shape[1] for decision in decisions)
    plan = Plan(
        torch.cat([decision.plan.actions[:, :blocks] for decision in decisions]),
        torch.cat([decision.plan.states[..., :horizon, :] for decision in decisions]),
        torch.cat([decision.plan.energy for decision in decisions]),
        max(decision.plan.calls for decision in decisions),
    )
    distances = [
        torch.full_like(decision.plan.energy, torch.nan) if decision.distance is None else decision.distance
        for decision in decisions
    ]
    return replace(
        decisions[0],
        actions=np.concatenate([decision.actions for decision in decisions]),
        plan=plan,
        planned=torch.cat([decision.planned for decision in decisions]),
        distance=torch.cat(distances),
        calls=torch.cat([decision.calls for decision in decisions]),
        target=torch.cat([decision.target for decision in decisions]),
        route=None,
        above=None,
        timing=None,
    )


def run_tasks(
    world: World,
    controller: Controller,
    tasks: TaskSet,
    goals: Observation | None = None,
    recording: Recording | None = None,
    alive: Callable[[], None] = lambda: None,
) -> Outcomes:
    """Run all tasks in parallel, each up to its own budget.

    Args:
        world: environment with one copy per task. controller: acts in all copies. tasks: the tasks.
        goals: goal observations, for environments that cannot render a goal; None otherwise.
        recording: filled during the episodes, if given. alive: called at each step.

    In a `GymnasiumWorld` a copy that crashes, hangs or returns NaN costs its own task, which counts as not reached.

    Raises:
        WorldCrashed: another world failed, in any of its copies.
    """
    started, evaluated = time.monotonic(), EvaluatedWorld(world)
    frame, goal = evaluated.begin(tasks.tasks, goals)
    controller.begin(world, goal, [task.seed for task in tasks.tasks])
    budgets = np.array([task.budget for task in tasks.tasks])
    reached = evaluated.reached()
    steps = np.where(reached, 0, -1)
    held = reached.copy()
    returns, lengths, running = np.zeros(world.num), np.zeros(world.num, np.int64), ~frame.ended
    if recording is not None:
        recording.see(frame)
        recording.goals = goal[PIXELS][: recording.count].copy() if PIXELS in goal else None
    for step in range(int(budgets.max())):
        alive()
        frame = evaluated.step(controller.act(world, frame, step))
        reached = evaluated.reached()
        within = step < budgets
        running = running & within
        returns, lengths = returns + np.where(running, frame.rewards, 0), lengths + running
        running = running & ~frame.ended
        steps = np.where((steps < 0) & reached & within, step + 1, steps)
        held = np.where(within, reached, held)
        if recording is not None:
            recording.see(frame)
    steps[list(evaluated.lost)] = -1
    calls: tuple[int, ...] = (0,)
    planned, decisions, fell_back = 0, 0, list[bool]()
    if isinstance(controller, AgentController):
        within = np.arange(len(controller.calls))[:, None] * controller.block < budgets
        calls = tuple(np.stack(controller.calls)[within].sum(0).tolist())
        planned, decisions = int(np.stack(controller.planned)[within].sum()), int(within.sum())
        fell_back = controller.fell_back
    seconds = time.monotonic() - started
    reached = steps >= 0
    return Outcomes(
        reached, held & reached, steps, calls, planned, seconds, returns, lengths, decisions, evaluated.lost,
        len(fell_back), sum(fell_back),
    )  # fmt: skip
