"""Evaluation by the protocol: held-out frozen tasks, an interval, and a floor and a ceiling beside it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from forethought.agent import Agent
from forethought.atomic_io import make_folder, write_json
from forethought.config import DataSpec
from forethought.configurator.mode_selector import Mode
from forethought.data.store import EpisodeStore
from forethought.errors import ForethoughtError
from forethought.evaluation.episodes import AgentController, Outcomes, Recording, ScriptedController, run_tasks
from forethought.evaluation.statistics import wilson
from forethought.evaluation.task_choice import choose_tasks, gives_goals
from forethought.training.agent_files import load
from forethought.training.train import training_record
from forethought.types import Observation, Task, TaskSet
from forethought.worlds import registry
from forethought.worlds.contract import World
from forethought.worlds.goals import goal_observations

LATENCY_DECISIONS, WARM_UP, FLOP_DECISIONS = 30, 3, 10
ORACLE = "expert"


@dataclass(frozen=True)
class Score:
    """What an evaluation says.

    Fields:
        world, mode, tasks: what was run.
        success_rate, success_low, success_high: share of tasks touched within the budget, with Wilson's 95 % interval.
        held_rate: share that was still at the goal at the budget's end.
        random_floor: the random policy's success rate. expert_ceiling: the scripted expert's; None without one.
        model_calls_per_decision: mean predictor calls of level 1; calls_above: of each level above it.
        planned_share: share of Mode-2 decisions.
        ms_per_decision, ms_per_decision_p95: latency of one episode's decision, median and 95th percentile.
        gflops_per_decision: billions of floating-point operations of one episode's decision, matrix products and convolutions.
        touched: each task's outcome, for paired tests.
        steps_to_goal: mean steps of the successes until the goal was touched; None without any.
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


@dataclass(frozen=True)
class Arena:
    """A world with its tasks and their goals, ready to be run by several controllers.

    Fields: world: its name. options. tasks. goals: for worlds that can't draw them, else None.
    """

    world: str
    options: Mapping[str, Any]
    tasks: TaskSet
    goals: Observation | None

    def run(self, controller: AgentController | ScriptedController, recording: Recording | None = None) -> Outcomes:
        """All tasks by one controller, in a fresh world."""
        world = registry.make(self.world, len(self.tasks.tasks), **self.options)
        try:
            return run_tasks(world, controller, self.tasks, self.goals, recording)
        finally:
            world.close()

    def reference(self) -> tuple[float, float | None]:
        """Success of the random policy, and of the scripted expert where there is one; run once."""
        return self._reference

    @cached_property
    def _reference(self) -> tuple[float, float | None]:
        floor, *ceiling = (
            float(self.run(ScriptedController(registry.policy(self.world, name))).touched.mean())
            for name in ("random", ORACLE)
            if name in registry.policies(self.world)
        )
        return floor, ceiling[0] if ceiling else None


def make_arena(world: str, options: Mapping[str, Any], tasks: int | TaskSet, store: EpisodeStore | None = None) -> Arena:
    """A world with held-out tasks; see `choose_tasks`."""
    chosen = tasks if isinstance(tasks, TaskSet) else choose_tasks(world, options, tasks, store)
    goals = None
    if chosen.goal_rows:
        if store is None:
            raise ForethoughtError("These tasks take their goals from a store: give the one that they were made from.")
        goals = goal_observations(store, chosen)
    return Arena(world, dict(options), chosen, goals)


def evaluate(
    agent: Agent | Path | str,
    world: str | None = None,
    *,
    tasks: int | TaskSet = 100,
    mode: Mode = "plan",
    cvar: float | None = None,
    seed: int = 0,
    out: Path | str | None = None,
    store: EpisodeStore | Path | str | None = None,
) -> Score:
    """Success on held-out tasks.

    Args:
        agent: an agent, or a run's folder.
        world: where; None for the world that it was trained in, with the same options.
        tasks: how many of the world's evaluation tasks, or a set of one's own.
        mode: `plan`, `react` or `auto`.
        cvar: how careful to be, where plans have several futures (see `Agent.with_cvar`); None for as it was trained.
        seed: shifts the planner's random streams.
        out: a folder for `metrics.json`; None writes nothing.
        store: a store or its folder, where the world gives no goals; None for the one that the run's folder names.

    Raises:
        ForethoughtError: no task is asked for, or the agent's senses or actions are not those of that world; or see
            `choose_tasks`.
    """
    if isinstance(tasks, int) and tasks < 1:
        raise ForethoughtError(f"An evaluation needs at least one task, not {tasks}.")
    trained = agent if isinstance(agent, Agent) else load(agent)
    trained = trained if cvar is None else trained.with_cvar(cvar)
    body = trained.configuration.data
    given = EpisodeStore.open(store) if isinstance(store, (str, Path)) else store
    if world in (None, body.world):
        # Where goals come from the world, an evaluation does not hang on the episodes' still being there.
        needed = not (isinstance(tasks, int) and gives_goals(body.world))
        if given is None and not isinstance(agent, Agent):
            given = _store_of(agent, needed)
        arena = make_arena(body.world, body.options, tasks, given)
    else:
        _require_body_for(world, body)
        arena = make_arena(world, {}, tasks, given)
    if out is not None:
        make_folder(Path(out))
    score = score_mode(trained, arena, mode, arena.reference(), seed=seed)
    if out is not None:
        write_json(Path(out) / "metrics.json", {k: v for k, v in asdict(score).items() if k != "touched"} | {"seed": seed})
    return score


def _require_body_for(world: str, body: DataSpec) -> None:
    there = registry.make(world, 1)
    try:
        spec = there.spec
    finally:
        there.close()
    senses, theirs = ({stream.name: tuple(stream.shape) for stream in one.streams} for one in (body, spec))
    acts, allowed = (body.action_kind, body.action_size, body.low, body.high), spec.action
    if senses != theirs or acts != (allowed.kind, allowed.size, allowed.low, allowed.high):
        raise ForethoughtError(
            f"An agent of {body.world} can't act in {world}: it knows the streams {senses} and {acts[0]} actions of size "
            f"{acts[1]}, and there are {theirs} and {allowed.kind} actions of size {allowed.size}."
        )


def score_mode(
    agent: Agent,
    arena: Arena,
    mode: Mode,
    reference: tuple[float, float | None],
    recording: Recording | None = None,
    seed: int = 0,
) -> Score:
    """One mode's score in an arena whose floor and ceiling are known."""
    score = score_controller(AgentController(agent, mode, recording, seed), arena, reference, recording)
    median, p95 = latency(agent, arena, mode)
    spent = gflops(agent, arena, mode)
    return replace(score, ms_per_decision=median, ms_per_decision_p95=p95, gflops_per_decision=spent)


def score_controller(
    controller: AgentController, arena: Arena, reference: tuple[float, float | None], recording: Recording | None = None
) -> Score:
    """The outcomes of one way to act; its time and its operations are not taken (0)."""
    outcomes = arena.run(controller, recording)
    count = len(outcomes.touched)
    low, high = wilson(int(outcomes.touched.sum()), count)
    return Score(
        world=arena.world, mode=controller.mode, tasks=count,
        success_rate=float(outcomes.touched.mean()), success_low=low, success_high=high,
        held_rate=float(outcomes.held.mean()), random_floor=reference[0], expert_ceiling=reference[1],
        model_calls_per_decision=outcomes.calls[0], planned_share=outcomes.planned,
        ms_per_decision=0.0, ms_per_decision_p95=0.0, touched=tuple(outcomes.touched.tolist()), calls_above=outcomes.calls[1:],
        steps_to_goal=float(outcomes.steps[outcomes.touched].mean()) if outcomes.touched.any() else None,
    )  # fmt: skip


def latency(agent: Agent, arena: Arena, mode: Mode, decisions: int = LATENCY_DECISIONS) -> tuple[float, float]:
    """Milliseconds of one episode's decision while it acts, from the observation to the action: median and 95th percentile.

    The tasks are done one after the other, each until its goal is reached or its budget spent.
    """
    taken: list[float] = []
    world = registry.make(arena.world, 1, **arena.options)
    try:
        for index in range(len(arena.tasks.tasks)):
            taken += _decision_times(agent, arena, world, index, mode, decisions + WARM_UP - len(taken))
            if len(taken) == decisions + WARM_UP:
                break
    finally:
        world.close()
    warm: NDArray[np.float64] = np.array(taken[WARM_UP:] or taken)
    return float(np.median(warm)), float(np.percentile(warm, 95))


def gflops(agent: Agent, arena: Arena, mode: Mode) -> float:
    """Billions of floating-point operations of one episode's decision: the mean over the first of the first task."""
    world = registry.make(arena.world, 1, **arena.options)
    try:
        with FlopCounterMode(display=False) as counter:
            taken = _decision_times(agent, arena, world, 0, mode, FLOP_DECISIONS)
    finally:
        world.close()
    return float(counter.get_total_flops()) / len(taken) / 1e9


def _decision_times(agent: Agent, arena: Arena, world: World, index: int, mode: Mode, most: int) -> list[float]:
    """Milliseconds of each decision in one task, at most `most` of them; at least one."""
    task = arena.tasks.tasks[index]
    frame = world.begin([task])
    goal = (
        {name: values[index : index + 1] for name, values in arena.goals.items()} if arena.goals else world.goal_observation()
    )
    agent.reset(Task.reach(goal), seed=task.seed)
    taken: list[float] = []
    for _ in range(0, task.budget, agent.configuration.data.block):
        started = time.perf_counter()
        decision = agent.decide(frame.observation, mode)
        taken.append(1000 * (time.perf_counter() - started))
        for action in decision.actions.transpose(1, 0, 2):
            frame = world.step(action)
        if len(taken) == most or bool(world.reached()[0]):
            break
    return taken


def _store_of(run: Path | str, needed: bool) -> EpisodeStore | None:
    path = Path(training_record(run)["store"])
    return EpisodeStore.open(path) if needed and path.is_dir() else None
