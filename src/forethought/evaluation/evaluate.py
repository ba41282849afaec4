"""Success rate on held-out frozen tasks, with its 95 % interval, a random floor and an expert ceiling."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import SupportsIndex

from forethought.agent import MODES, Agent
from forethought.atomic_io import make_folder, write_json
from forethought.config import DataSpec
from forethought.configurator.mode_selector import Mode
from forethought.data.store import EpisodeStore
from forethought.errors import ForethoughtError, require_whole
from forethought.evaluation.arena import Arena, make_arena
from forethought.evaluation.baselines import baseline_figures, return_figures
from forethought.evaluation.diagnosis import diagnose, in_words
from forethought.evaluation.episodes import AgentController
from forethought.evaluation.run_store import chosen_store
from forethought.evaluation.score import Score, baseline_scores, gives_rewards, score_controller, score_mode, with_return
from forethought.evaluation.task_choice import gives_goals
from forethought.execution import make_executor
from forethought.training.agent_files import load
from forethought.types import TaskSet, WorldSpec
from forethought.worlds import registry


@dataclass(frozen=True)
class EvaluationResult:
    """A score with all that it was measured with.

    Fields:
        agent: the agent. run: its folder; None for an agent in hand. arena: the environment with the tasks.
        store: the recording; None if there is none at hand. seed: of the planner's samples. score: the result.
    """

    agent: Agent
    run: Path | None
    arena: Arena
    store: EpisodeStore | None
    seed: int
    score: Score

    def diagnosis(self) -> list[str]:
        """The verdict and the broken gates as lines; empty for an agent above random actions."""
        if not self.score.verdict:
            return []
        return in_words(self.score, diagnose(self.agent, self.store, self.score, self.run, self.other_modes()))

    def other_modes(self) -> dict[str, Score]:
        """The modes beside that of `score` on the same tasks, without latency and baselines: mode -> score."""
        reference = self.score.random_floor, self.score.expert_ceiling
        modes: tuple[Mode, ...] = ("plan", "auto", "react")
        return {
            mode: score_controller(AgentController(self.agent, mode, seed=self.seed), self.arena, reference)
            for mode in modes
            if mode != self.score.mode
        }


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
    workers: SupportsIndex | None = None,
    cluster: str | None = None,
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
        workers, cluster: see `execution.make_executor`; the score does not depend on them.

    Raises:
        ForethoughtError: `tasks` is below 1, or the agent's observations or actions do not match the environment's; or see
            `choose_tasks`.
    """
    return evaluation(
        agent, world, tasks=tasks, mode=mode, cvar=cvar, seed=seed, out=out, store=store, workers=workers, cluster=cluster
    ).score


def evaluation(
    agent: Agent | Path | str,
    world: str | None = None,
    *,
    tasks: SupportsIndex | TaskSet = 100,
    mode: Mode = "plan",
    cvar: float | None = None,
    seed: SupportsIndex = 0,
    out: Path | str | None = None,
    store: EpisodeStore | Path | str | None = None,
    workers: SupportsIndex | None = None,
    cluster: str | None = None,
) -> EvaluationResult:
    """`evaluate`, with all that the score was measured with."""
    seed = require_whole(seed, "seed")
    tasks = tasks if isinstance(tasks, TaskSet) else require_whole(tasks, "tasks")
    if isinstance(tasks, int) and tasks < 1:
        raise ForethoughtError(f"evaluate: `tasks` is {tasks}; it needs at least one task.")
    if mode not in MODES:
        raise ForethoughtError(f"mode can't be {mode!r}: use one of {', '.join(MODES)}.")
    run = None if isinstance(agent, Agent) else Path(agent)
    trained = agent if isinstance(agent, Agent) else load(agent)
    trained = trained if cvar is None else trained.with_cvar(cvar)
    data = trained.configuration.data
    name = data.world if world is None else world
    at_home = name == data.world
    # An environment with goals of its own needs no store: the evaluation works even if the episodes are gone.
    recording = chosen_store(run, store, needed=at_home and not (isinstance(tasks, int) and gives_goals(data.world)))
    if not at_home:
        elsewhere = registry.make(name, 1)
        elsewhere.close()
        require_same_spaces(data, elsewhere.spec, "train an agent there")
    # Goals in another environment come from a store of that environment, and not from the one of the training.
    goals_from = recording if at_home or store is not None else None
    executor = make_executor(workers, cluster)
    arena = make_arena(name, data.options if at_home else {}, tasks, goals_from, executor)
    if out is not None:
        make_folder(Path(out))
    score = score_mode(trained, arena, mode, arena.reference(), seed=seed)
    rewarded = gives_rewards(arena, recording)
    baselines = baseline_scores(trained, arena, recording, rewarded, seed)
    score = with_return(replace(score, baselines=baselines), trained, arena, mode, rewarded, seed)
    if out is not None:
        left_out = ("touched", "episodes", "baselines")
        plain = {name: value for name, value in asdict(score).items() if name not in left_out}
        returns = return_figures(score.episodes) | baseline_figures(score.baselines)
        write_json(Path(out) / "metrics.json", plain | returns | {"seed": seed})
    return EvaluationResult(trained, run, arena, recording, seed, score)


def require_same_spaces(body: DataSpec, spec: WorldSpec, fix: str) -> None:
    """Check that a world has an agent's streams and actions, with their bounds. `fix`: how to mend it, in the message.

    Raises:
        ForethoughtError: it has others.
    """
    streams, here = ({stream.name: tuple(stream.shape) for stream in one.streams} for one in (body, spec))
    own, action = (body.action_kind, body.action_size, body.low, body.high), spec.action
    if streams != here or own != (action.kind, action.size, action.low, action.high):
        raise ForethoughtError(
            f"An agent of {body.world} can't act in {spec.name}: it observes {streams} and takes {own[0]} actions of size "
            f"{own[1]}{_bounds(*own[2:])}, and the world has {here} and {action.kind} actions of size {action.size}"
            f"{_bounds(action.low, action.high)}; {fix}."
        )


def _bounds(low: tuple[float, ...], high: tuple[float, ...]) -> str:
    return f" within {list(low)} and {list(high)}" if low else ""
