"""Success rate on held-out frozen tasks, with its 95 % interval, a random floor and an expert ceiling."""

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

from forethought.agent import MODES, Agent
from forethought.atomic_io import make_folder, write_json
from forethought.config import DataSpec
from forethought.configurator.mode_selector import Mode
from forethought.data.store import EpisodeStore
from forethought.errors import ForethoughtError, require_whole
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
    """Result of an evaluation.

    Fields:
        world, mode, tasks: environment, mode (`plan`, `react` or `auto`) and number of tasks.
        success_rate, success_low, success_high: share of tasks whose goal was reached within the budget, with Wilson's 95 %
            interval.
        held_rate: share of tasks in which the goal was reached and the agent was at the goal at the end of the budget.
        random_floor: success rate of the random policy. expert_ceiling: of the scripted expert; None without one.
        model_calls_per_decision: mean predictor calls of level 1. calls_above: of each upper level.
        planned_share: share of Mode-2 decisions.
        ms_per_decision, ms_per_decision_p95: latency of a decision for one episode, median and 95th percentile, in ms.
        gflops_per_decision: 10^9 floating-point operations of a decision for one episode (matrix products and convolutions).
        touched: success of each task, for paired tests.
        steps_to_goal: mean number of steps to the goal over the successes; None without any success.
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
    """An environment with its tasks and goals, on which several controllers can be evaluated.

    Fields:
        world: name of the environment. options: its options. tasks: the tasks.
        goals: goal observations, for environments that cannot render a goal; None otherwise.
    """

    world: str
    options: Mapping[str, Any]
    tasks: TaskSet
    goals: Observation | None

    def run(self, controller: AgentController | ScriptedController, recording: Recording | None = None) -> Outcomes:
        """Run one controller on all tasks, in a new environment."""
        world = registry.make(self.world, len(self.tasks.tasks), **self.options)
        try:
            return run_tasks(world, controller, self.tasks, self.goals, recording)
        finally:
            world.close()

    def reference(self) -> tuple[float, float | None]:
        """Success rates of the random policy and of the scripted expert (None without one); computed once."""
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
    """An environment with held-out tasks.

    Args:
        world, options: name and options of the environment. tasks: number of tasks, or the tasks. store: see `choose_tasks`.

    Raises:
        ForethoughtError: the tasks need a store and none is given.
    """
    chosen = tasks if isinstance(tasks, TaskSet) else choose_tasks(world, options, tasks, store)
    goals = None
    if chosen.goal_rows:
        if store is None:
            raise ForethoughtError(
                "These tasks take their goals from a store: pass `store`, the store that they were made from."
            )
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
    """Success rate of an agent on held-out tasks.

    Args:
        agent: an agent, or the folder of a run.
        world: name of the environment; None for the environment of the training, with the same options.
        tasks: number of the environment's evaluation tasks, or your own task set.
        mode: `plan`, `react` or `auto`.
        cvar: risk aversion of a stochastic model's plans (see `Agent.with_cvar`); None keeps the agent's setting.
        seed: shifts the planner's random generators.
        out: folder for `metrics.json`; None writes nothing.
        store: a store or its folder, for environments without goals of their own; None for the store that the run names.

    Raises:
        ForethoughtError: `tasks` is below 1, or the agent's observations or actions do not match the environment's; or see
            `choose_tasks`.
    """
    if not isinstance(tasks, TaskSet) and require_whole(tasks, "tasks") < 1:
        raise ForethoughtError(f"evaluate: `tasks` is {tasks}; it needs at least one task.")
    if mode not in MODES:
        raise ForethoughtError(f"mode can't be {mode!r}: use one of {', '.join(MODES)}.")
    require_whole(seed, "seed")
    trained = agent if isinstance(agent, Agent) else load(agent)
    trained = trained if cvar is None else trained.with_cvar(cvar)
    body = trained.configuration.data
    dataset = EpisodeStore.open(store) if isinstance(store, (str, Path)) else store
    if world in (None, body.world):
        # An environment with goals of its own needs no store: the evaluation works even if the episodes are gone.
        needed = not (isinstance(tasks, int) and gives_goals(body.world))
        if dataset is None and not isinstance(agent, Agent):
            dataset = _store_of(agent, needed)
        arena = make_arena(body.world, body.options, tasks, dataset)
    else:
        _require_same_spaces(world, body)
        arena = make_arena(world, {}, tasks, dataset)
    if out is not None:
        make_folder(Path(out))
    score = score_mode(trained, arena, mode, arena.reference(), seed=seed)
    if out is not None:
        write_json(Path(out) / "metrics.json", {k: v for k, v in asdict(score).items() if k != "touched"} | {"seed": seed})
    return score


def _require_same_spaces(world: str, body: DataSpec) -> None:
    """Raise unless the environment has the agent's observation and action space."""
    env = registry.make(world, 1)
    try:
        spec = env.spec
    finally:
        env.close()
    agent_streams, env_streams = ({stream.name: tuple(stream.shape) for stream in one.streams} for one in (body, spec))
    agent_action, action = (body.action_kind, body.action_size, body.low, body.high), spec.action
    if agent_streams != env_streams or agent_action != (action.kind, action.size, action.low, action.high):
        raise ForethoughtError(
            f"An agent of {body.world} can't act in {world}: the agent has the streams {agent_streams} and {agent_action[0]} "
            f"actions of size {agent_action[1]}, but the environment has {env_streams} and {action.kind} actions of size "
            f"{action.size}; train an agent there."
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
        model_calls_per_decision=outcomes.calls[0], planned_share=outcomes.planned,
        ms_per_decision=0.0, ms_per_decision_p95=0.0, touched=tuple(outcomes.touched.tolist()), calls_above=outcomes.calls[1:],
        steps_to_goal=float(outcomes.steps[outcomes.touched].mean()) if outcomes.touched.any() else None,
    )  # fmt: skip


def latency(agent: Agent, arena: Arena, mode: Mode, decisions: int = LATENCY_DECISIONS) -> tuple[float, float]:
    """Latency of a decision in ms, from the observation to the action, for one episode: median and 95th percentile.

    The tasks run one after the other, each until its goal is reached or its budget is spent.
    """
    times: list[float] = []
    world = registry.make(arena.world, 1, **arena.options)
    try:
        for index in range(len(arena.tasks.tasks)):
            times += _decision_times(agent, arena, world, index, mode, decisions + WARM_UP - len(times))
            if len(times) == decisions + WARM_UP:
                break
    finally:
        world.close()
    warm: NDArray[np.float64] = np.array(times[WARM_UP:] or times)
    return float(np.median(warm)), float(np.percentile(warm, 95))


def gflops(agent: Agent, arena: Arena, mode: Mode) -> float:
    """10^9 floating-point operations per decision for one episode: mean over the first decisions of the first task."""
    world = registry.make(arena.world, 1, **arena.options)
    try:
        with FlopCounterMode(display=False) as counter:
            times = _decision_times(agent, arena, world, 0, mode, FLOP_DECISIONS)
    finally:
        world.close()
    return float(counter.get_total_flops()) / len(times) / 1e9


def _decision_times(agent: Agent, arena: Arena, world: World, index: int, mode: Mode, limit: int) -> list[float]:
    """Milliseconds of each decision in one task; at least one decision and at most `limit`."""
    task = arena.tasks.tasks[index]
    frame = world.begin([task])
    goal = (
        {name: values[index : index + 1] for name, values in arena.goals.items()} if arena.goals else world.goal_observation()
    )
    agent.reset(Task.reach(goal), seed=task.seed)
    times: list[float] = []
    for _ in range(0, task.budget, agent.configuration.data.block):
        started = time.perf_counter()
        decision = agent.decide(frame.observation, mode)
        times.append(1000 * (time.perf_counter() - started))
        for action in decision.actions.transpose(1, 0, 2):
            frame = world.step(action)
        if len(times) == limit or bool(world.reached()[0]):
            break
    return times


def _store_of(run: Path | str, needed: bool) -> EpisodeStore | None:
    """The store that a run was trained on; None if it is not needed or no longer exists."""
    path = Path(training_record(run)["store"])
    return EpisodeStore.open(path) if needed and path.is_dir() else None
