"""Success rate on held-out frozen tasks, with its 95 % interval, a random floor and an expert ceiling."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from forethought.agent import MODES, Agent
from forethought.atomic_io import make_folder, sha256_of, write_json
from forethought.config import DataSpec
from forethought.configurator.mode_selector import Mode
from forethought.data.store import EpisodeStore
from forethought.data.store_format import MANIFEST
from forethought.errors import ForethoughtError, require_whole
from forethought.evaluation.baselines import (
    RETURN_STEPS,
    RETURN_TASKS,
    BaselineScore,
    EpisodeReturn,
    baseline_figures,
    return_figures,
)
from forethought.evaluation.behaviour_cloning import CloneController, clone
from forethought.evaluation.episodes import (
    PATIENCE,
    AgentController,
    Outcomes,
    Recording,
    ScriptedController,
    joined,
    run_tasks,
)
from forethought.evaluation.statistics import wilson
from forethought.evaluation.task_choice import choose_tasks, gives_goals
from forethought.training.agent_files import load
from forethought.training.record import training_record
from forethought.types import Observation, Task, TaskSet
from forethought.worlds import registry
from forethought.worlds.adapter import GymnasiumWorld
from forethought.worlds.contract import World
from forethought.worlds.goals import goal_observations
from forethought.worlds.success import ACTION_SHIFT, SUCCESS_OPTIONS

log = logging.getLogger(__name__)
LATENCY_DECISIONS, WARM_UP, FLOP_DECISIONS = 30, 3, 10
ORACLE = "expert"
AnyController = AgentController | ScriptedController | CloneController
COPIES = 16
"""Copies of an adapted environment that are open at once; built-in worlds step all their copies together."""
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

    def run(self, controller: AnyController, recording: Recording | None = None) -> Outcomes:
        """Run one controller on all tasks, in new environments.

        Of an adapted environment at most `COPIES` are open at once, or as many as start; the results do not depend on it.
        `recording` sees the first of them alone.

        Raises:
            ForethoughtError: no copy of the environment starts, or every task failed.
        """
        tasks = self.tasks.tasks
        copies = len(tasks) if registry.family_of(self.world).vectorized else min(COPIES, len(tasks))
        parts, world = [], None
        try:
            first = 0
            while first < len(tasks):
                if world is None or world.num > len(tasks) - first:
                    if world is not None:
                        world.close()
                    world = open_copies(self.world, min(copies, len(tasks) - first), self.options)
                    copies = min(copies, world.num)
                last = first + world.num
                batch = replace(self.tasks, tasks=tasks[first:last], goal_rows=tuple(self.tasks.goal_rows)[first:last])
                goals = {name: values[first:last] for name, values in self.goals.items()} if self.goals else None
                if recording is not None and first == 0:
                    recording.count = min(recording.count, world.num)
                elif isinstance(controller, AgentController):
                    controller.recording = None if first else controller.recording
                parts.append(run_tasks(world, controller, batch, goals, None if first else recording))
                first = last
        finally:
            if world is not None:
                world.close()
        outcomes = joined(parts)
        _say_failures(self.world, outcomes)
        return outcomes

    def reference(self) -> tuple[float, float | None]:
        """Success rates of the random policy and of the scripted expert (None without one); computed once."""
        return self._reference

    @cached_property
    def _reference(self) -> tuple[float, float | None]:
        floor, *ceiling = (float(outcomes.touched.mean()) for outcomes in self.scripted.values())
        return floor, ceiling[0] if ceiling else None

    @cached_property
    def scripted(self) -> Mapping[str, Outcomes]:
        """Outcomes of the random policy and of the scripted expert, if there is one, by name."""
        names = [name for name in ("random", ORACLE) if name in registry.policies(self.world)]
        return {name: self.run(ScriptedController(registry.policy(self.world, name), self.action_shift)) for name in names}

    @property
    def action_shift(self) -> int:
        """Added to a scripted policy's seeds: it must not repeat the actions of the episodes whose seeds the tasks have."""
        return ACTION_SHIFT if self.tasks.goal_rows else 0

    @cached_property
    def whole_episodes(self) -> Arena:
        """The first tasks without their budgets: each episode lasts as long as the world lets it, up to `RETURN_STEPS`."""
        world = registry.make(self.world, 1, **self.options)
        world.close()
        limit = min(world.spec.max_steps, RETURN_STEPS)
        tasks = tuple(replace(task, budget=limit) for task in self.tasks.tasks[:RETURN_TASKS])
        goals = None if self.goals is None else {name: values[:RETURN_TASKS] for name, values in self.goals.items()}
        chosen = replace(self.tasks, tasks=tasks, goal_rows=tuple(self.tasks.goal_rows)[:RETURN_TASKS])
        return Arena(self.world, self.options, chosen, goals)

    def measure_return(self, controller: AnyController) -> EpisodeReturn:
        """Return and length of whole episodes."""
        return EpisodeReturn.of(self.whole_episodes.run(controller))


def open_copies(world: str, copies: int, options: Mapping[str, Any]) -> World:
    """`copies` copies of an environment, or fewer where so many do not start, such as for want of licences or memory.

    Raises:
        ForethoughtError: not even one starts.
    """
    for fewer in range(copies, 0, -1):
        try:
            opened = registry.make(world, fewer, **options)
        except ForethoughtError as error:
            if fewer == 1:
                raise
            reason = error
            continue
        if fewer < copies:
            log.warning("%d copies of %s run at once, for %d do not start: %s", fewer, world, fewer + 1, reason)
        return opened
    raise ForethoughtError(f"World {world!r}: the number of copies is {copies}; use one or more.")


def _say_failures(world: str, outcomes: Outcomes) -> None:
    """Log the tasks whose environment failed; a `ForethoughtError` if all did."""
    if not outcomes.failures:
        return
    failed, tasks = len(outcomes.failures), len(outcomes.touched)
    reasons = "; ".join(f"task {task}: {why.rstrip('.')}" for task, why in list(outcomes.failures.items())[:SHOWN_REASONS])
    if failed == tasks:
        raise ForethoughtError(f"all {tasks} tasks in {world} failed; {reasons}; fix the world first.")
    log.warning("%d of %d tasks in %s failed and count as not reached; %s", failed, tasks, world, reasons)


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
    # The success test belongs to the tasks: a threshold that was derived from episodes stands in their options.
    test = {name: chosen.options[name] for name in SUCCESS_OPTIONS if chosen.options.get(name) is not None}
    return Arena(world, {**options, **test}, chosen, goals)


def evaluate(
    agent: Agent | Path | str,
    world: str | None = None,
    *,
    tasks: SupportsIndex | TaskSet = 100,
    mode: Mode = "plan",
    cvar: float | None = None,
    seed: SupportsIndex = 0,
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
    seed = require_whole(seed, "seed")
    tasks = tasks if isinstance(tasks, TaskSet) else require_whole(tasks, "tasks")
    if isinstance(tasks, int) and tasks < 1:
        raise ForethoughtError(f"evaluate: `tasks` is {tasks}; it needs at least one task.")
    if mode not in MODES:
        raise ForethoughtError(f"mode can't be {mode!r}: use one of {', '.join(MODES)}.")
    trained = agent if isinstance(agent, Agent) else load(agent)
    trained = trained if cvar is None else trained.with_cvar(cvar)
    body = trained.configuration.data
    dataset = EpisodeStore.open(store) if isinstance(store, (str, Path)) else store
    if world in (None, body.world):
        # An environment with goals of its own needs no store: the evaluation works even if the episodes are gone.
        needed = not (isinstance(tasks, int) and gives_goals(body.world))
        if dataset is None and needed and not isinstance(agent, Agent):
            dataset = store_of(agent)
        arena = make_arena(body.world, body.options, tasks, dataset)
    else:
        _require_same_spaces(world, body)
        arena = make_arena(world, {}, tasks, dataset)
    if out is not None:
        make_folder(Path(out))
    score = score_mode(trained, arena, mode, arena.reference(), seed=seed)
    recording = dataset or (None if isinstance(agent, Agent) else store_at_hand(agent))
    rewarded = gives_rewards(arena, recording)
    baselines = baseline_scores(trained, arena, recording, rewarded, seed)
    score = with_return(replace(score, baselines=baselines), trained, arena, mode, rewarded, seed)
    if out is not None:
        left_out = ("touched", "episodes", "baselines")
        plain = {name: value for name, value in asdict(score).items() if name not in left_out}
        returns = return_figures(score.episodes) | baseline_figures(score.baselines)
        write_json(Path(out) / "metrics.json", plain | returns | {"seed": seed})
    return score


def gives_rewards(arena: Arena, store: EpisodeStore | None) -> bool:
    """Whether the world gave any reward to the scripted policies, or in the recording."""
    tried = any(outcomes.returns.any() for outcomes in arena.scripted.values())
    return tried or (store is not None and bool(store.rows("rewards", np.arange(store.num_rows)).any()))


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
        failed_tasks=len(outcomes.failures), failures=tuple(list(outcomes.failures.values())[:SHOWN_REASONS]),
        steps_to_goal=float(outcomes.steps[outcomes.touched].mean()) if outcomes.touched.any() else None,
        fallback_share=float(np.mean(controller.fell_back)) if controller.fell_back else None,
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
    if isinstance(world, GymnasiumWorld):
        # A copy that fails shows zeros from then on: a decision takes as long.
        world.goes_on, world.patience = True, PATIENCE
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


def store_at_hand(run: Path | str) -> EpisodeStore | None:
    """The store that a run was trained on; None if it is gone or cannot be read."""
    try:
        return store_of(run)
    except ForethoughtError as error:
        log.warning("no cloned baseline: %s", error)
        return None


def store_of(run: Path | str) -> EpisodeStore:
    """The store that a run was trained on.

    A store that was renamed or moved together with the run is found by its fingerprint, beside its old place or the run.

    Raises:
        ForethoughtError: it is not where it was.
    """
    record = training_record(run)
    path = Path(record["store"])
    if (path / MANIFEST).exists():
        store = EpisodeStore.open(path)
        if store.fingerprint != record["fingerprint"]:
            log.warning(
                "The store at %s has changed since %s was trained on it; its held-out episodes give the tasks.", path, run
            )
        return store
    for folder in (path.parent, Path(run).resolve().parent):
        for manifest in sorted(folder.glob(f"*/{MANIFEST}")):
            if sha256_of(manifest) == record["fingerprint"]:
                log.warning("The store of %s was moved from %s to %s.", run, path, manifest.parent)
                return EpisodeStore.open(manifest.parent)
    raise ForethoughtError(
        f"The store that {run} was trained on is not at {path} any more, and its held-out episodes hold the goals: if it was "
        "moved or renamed, name its new place with --store, or evaluate(..., store=)."
    )
