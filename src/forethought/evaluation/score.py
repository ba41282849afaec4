"""The score of an agent: success, latency, returns, and baselines on the same tasks."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from forethought.agent import Agent
from forethought.configurator.mode_selector import Mode
from forethought.data.store import EpisodeStore
from forethought.errors import ForethoughtError
from forethought.evaluation.arena import Arena
from forethought.evaluation.baselines import BaselineScore, EpisodeReturn
from forethought.evaluation.behaviour_cloning import CloneController, clone
from forethought.evaluation.episodes import AgentController, Recording, ScriptedController
from forethought.evaluation.evaluated_world import EvaluatedWorld
from forethought.evaluation.statistics import wilson
from forethought.types import Task
from forethought.worlds import registry
from forethought.worlds.contract import World, close_world
from forethought.worlds.env_adapter import WorldCrashed

log = logging.getLogger(__name__)
LATENCY_DECISIONS, WARM_UP, FLOP_DECISIONS = 30, 3, 10
SHOWN_REASONS = 3


@dataclass(frozen=True)
class Score:
    """Result of an evaluation.

    Fields:
        world, mode, tasks: environment, mode (`plan`, `react` or `auto`) and number of tasks.
        success_rate, success_low, success_high: share of tasks whose goal was reached within the budget, with Wilson's 95 %
            interval over tasks; one training seed.
        held_rate: share of tasks in which the goal was reached and the agent was at the goal at the end of the budget.
        random_floor: success rate of the random policy. expert_ceiling: of the scripted expert; None without one.
        model_calls_per_decision: mean predictor calls of level 1. calls_above: of each upper level.
        planned_share: share of Mode-2 decisions.
        ms_per_decision, ms_per_decision_p95: latency of a decision for one episode, median and 95th percentile, in ms.
        fallback_share: with a deadline (`planner.ms_per_decision`), share of decisions in which Mode-1 acted because there was
            no time to plan; None without one.
        gflops_per_decision: 10^9 floating-point operations of a decision for one episode (matrix products and convolutions).
        touched: success of each task, for paired tests.
        failed_tasks: number of tasks whose environment crashed, hung, or returned NaN or blank frames; they count as not
            reached. failures: the first reasons.
        steps_to_goal: mean number of steps to the goal over the successes; None without any success.
        episodes: return and length of whole episodes with these goals; None if the world gives no rewards or if unmeasured.
        baselines: random actions, the expert, and clones of the recording on the same tasks; empty if unmeasured.
    """

    world: str
    mode: str
    tasks: int
    success_rate: float
    success_low: float
    success_high: float
    held_rate: float
    random_floor: float
    expert_ceiling: float | None
    model_calls_per_decision: float
    planned_share: float
    ms_per_decision: float
    ms_per_decision_p95: float
    touched: tuple[bool, ...] = field(repr=False)
    calls_above: tuple[float, ...] = ()
    gflops_per_decision: float = 0.0
    steps_to_goal: float | None = None
    failed_tasks: int = 0
    failures: tuple[str, ...] = ()
    fallback_share: float | None = None
    episodes: EpisodeReturn | None = None
    baselines: tuple[BaselineScore, ...] = ()

    @property
    def random_interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the random policy."""
        return wilson(round(self.random_floor * self.tasks), self.tasks)

    @property
    def notes(self) -> list[str]:
        """What limits the score, a sentence each: tasks whose environment failed, and decisions without time to plan."""
        notes = []
        if self.failed_tasks:
            reasons = "; ".join(why.rstrip(".") for why in self.failures)
            notes.append(f"{self.failed_tasks} of {self.tasks} tasks failed and count as not reached: {reasons}.")
        if self.fallback_share is not None:
            notes.append(f"In {self.fallback_share:.0%} of the decisions Mode-1 acted, because there was no time to plan.")
        return notes

    @property
    def verdict(self) -> str:
        """One sentence if the agent is not above the interval of the random policy; else empty."""
        low, high = self.random_interval
        if self.success_rate > high:
            return ""
        return (
            f"The agent is {'below' if self.success_rate < low else 'not above'} random actions: it reaches "
            f"{self.success_rate:.0%} of {self.tasks} goals, random actions {self.random_floor:.0%} (95 % interval "
            f"{low:.0%} to {high:.0%})."
        )


def score_mode(
    agent: Agent,
    arena: Arena,
    mode: Mode,
    reference: tuple[float, float | None],
    recording: Recording | None = None,
    seed: int = 0,
) -> Score:
    """Score of one mode, with latency and operations; `reference`: the floor and the ceiling from `Arena.reference`."""
    score = score_controller(AgentController(agent, mode, recording, seed), arena, reference, recording)
    median, p95 = latency(agent, arena, mode)
    operations = gflops(agent, arena, mode)
    return replace(score, ms_per_decision=median, ms_per_decision_p95=p95, gflops_per_decision=operations)


def score_controller(
    controller: AgentController, arena: Arena, reference: tuple[float, float | None], recording: Recording | None = None
) -> Score:
    """Score of one controller; latency and operations are not measured and are 0."""
    outcomes = arena.run(controller, recording)
    count = len(outcomes.touched)
    low, high = wilson(int(outcomes.touched.sum()), count)
    return Score(
        world=arena.world, mode=controller.mode, tasks=count,
        success_rate=float(outcomes.touched.mean()), success_low=low, success_high=high,
        held_rate=float(outcomes.held.mean()), random_floor=reference[0], expert_ceiling=reference[1],
        model_calls_per_decision=outcomes.calls_per_decision[0], planned_share=outcomes.planned_share,
        ms_per_decision=0.0, ms_per_decision_p95=0.0, touched=tuple(outcomes.touched.tolist()),
        calls_above=outcomes.calls_per_decision[1:],
        failed_tasks=len(outcomes.failures), failures=tuple(list(outcomes.failures.values())[:SHOWN_REASONS]),
        steps_to_goal=float(outcomes.steps[outcomes.touched].mean()) if outcomes.touched.any() else None,
        fallback_share=outcomes.fell_back / outcomes.timed if outcomes.timed else None,
    )  # fmt: skip


def latency(agent: Agent, arena: Arena, mode: Mode, decisions: int = LATENCY_DECISIONS) -> tuple[float, float]:
    """Latency of a decision in ms, from the observation to the action, for one episode: median and 95th percentile.

    The tasks run one after the other, each until its goal is reached or its budget is spent. 0 where the environment fails in
    all of them.
    """
    times = _decision_times(agent, arena, mode, decisions + WARM_UP)
    warm: NDArray[np.float64] = np.array(times[WARM_UP:] or times or [0.0])
    return float(np.median(warm)), float(np.percentile(warm, 95))


def gflops(agent: Agent, arena: Arena, mode: Mode) -> float:
    """10^9 floating-point operations per decision for one episode: mean over the first decisions of the first task."""
    first = replace(arena, tasks=replace(arena.tasks, tasks=arena.tasks.tasks[:1]))
    with FlopCounterMode(display=False) as counter:
        times = _decision_times(agent, first, mode, FLOP_DECISIONS)
    return float(counter.get_total_flops()) / max(1, len(times)) / 1e9


def _decision_times(agent: Agent, arena: Arena, mode: Mode, limit: int) -> list[float]:
    """Milliseconds of each decision in the tasks, one after the other; at most `limit`."""
    times: list[float] = []
    world = registry.make(arena.world, 1, **arena.options)
    try:
        for index in range(len(arena.tasks.tasks)):
            with contextlib.suppress(WorldCrashed):
                for milliseconds in _timed_decisions(agent, arena, world, index, mode):
                    times.append(milliseconds)
                    if len(times) == limit:
                        return times
    finally:
        close_world(world)
    return times


def _timed_decisions(agent: Agent, arena: Arena, world: World, index: int, mode: Mode) -> Iterator[float]:
    """Milliseconds of each decision in one task. A copy that fails shows zeros from then on: a decision takes as long."""
    task, evaluated = arena.tasks.tasks[index], EvaluatedWorld(world)
    goals = {name: values[index : index + 1] for name, values in arena.goals.items()} if arena.goals else None
    frame, goal = evaluated.begin([task], goals)
    agent.reset(Task.reach(goal), seed=task.seed)
    for _ in range(0, task.budget, agent.configuration.data.block):
        started = time.perf_counter()
        decision = agent.decide(frame.observation, mode)
        yield 1000 * (time.perf_counter() - started)
        for action in decision.actions.transpose(1, 0, 2):
            frame = evaluated.step(action)
        if bool(evaluated.reached()[0]):
            break


def gives_rewards(arena: Arena, store: EpisodeStore | None) -> bool:
    """Whether the world gave any reward to the scripted policies, or in the recording."""
    tried = any(outcomes.returns.any() for outcomes in arena.scripted.values())
    return tried or (store is not None and store.gives_rewards())


def with_return(score: Score, agent: Agent, arena: Arena, mode: Mode, rewarded: bool, seed: int = 0) -> Score:
    """The score with the return of whole episodes, if the world gives rewards."""
    return replace(score, episodes=arena.measure_return(AgentController(agent, mode, seed=seed))) if rewarded else score


def baseline_scores(
    agent: Agent, arena: Arena, store: EpisodeStore | None, rewarded: bool, seed: int = 0
) -> tuple[BaselineScore, ...]:
    """Scores of the scripted policies, and of clones if a recording is at hand.

    The clone without a goal is scored only if the world gives rewards: where it gives none, the goal is the only task.
    """
    scores = []
    for name, outcomes in arena.scripted.items():
        episodes = None
        if rewarded:
            episodes = arena.measure_return(ScriptedController(registry.policy(arena.world, name), arena.action_shift))
        scores.append(BaselineScore.of(name, outcomes, episodes))
    if store is None:
        return tuple(scores)
    names = {"cloned": True, "cloned_without_goal": False} if rewarded else {"cloned": True}
    try:
        policies = {name: clone(agent, store, conditioned=goal, seed=seed) for name, goal in names.items()}
    except ForethoughtError as error:
        log.warning("no cloned baseline: %s", error)
        return tuple(scores)
    for name, policy in policies.items():
        episodes = arena.measure_return(CloneController(policy)) if rewarded else None
        scores.append(BaselineScore.of(name, arena.run(CloneController(policy)), episodes))
    return tuple(scores)
