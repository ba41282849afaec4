"""Success rate on held-out frozen tasks, with its 95 % interval, a random floor and an expert ceiling."""

from __future__ import annotations

import logging
from dataclasses import asdict, replace
from pathlib import Path
from typing import SupportsIndex

from forethought.agent import MODES, Agent
from forethought.atomic_io import make_folder, sha256_of, write_json
from forethought.config import DataSpec
from forethought.configurator.mode_selector import Mode
from forethought.data.store import EpisodeStore
from forethought.data.store_format import MANIFEST
from forethought.errors import ForethoughtError, require_whole
from forethought.evaluation.arena import make_arena
from forethought.evaluation.baselines import (
    baseline_figures,
    return_figures,
)
from forethought.evaluation.episodes import AgentController
from forethought.evaluation.score import (
    Score,
    baseline_scores,
    gives_rewards,
    score_controller,
    score_mode,
    with_return,
)
from forethought.evaluation.task_choice import gives_goals
from forethought.training.agent_files import load
from forethought.training.record import training_record
from forethought.types import TaskSet
from forethought.worlds import registry

log = logging.getLogger(__name__)


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


def score_other_modes(agent: Agent, score: Score, store: EpisodeStore | None, seed: int = 0) -> dict[str, Score]:
    """The modes beside that of `score` on the same tasks, without latency and baselines: mode -> score.

    Args:
        agent: the agent. score: its evaluation. store: as in `evaluate`. seed: of the planner's samples.
    """
    body = agent.configuration.data
    options = body.options if score.world == body.world else {}
    arena = make_arena(score.world, options, score.tasks, store)
    reference = score.random_floor, score.expert_ceiling
    modes: tuple[Mode, ...] = ("plan", "auto", "react")
    return {
        mode: score_controller(AgentController(agent, mode, seed=seed), arena, reference)
        for mode in modes
        if mode != score.mode
    }


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


def store_at_hand(run: Path | str) -> EpisodeStore | None:
    """The store that a run was trained on; None if it is gone or cannot be read.

    Raises:
        CorruptFileError: the run's training record is damaged.
    """
    training_record(run)
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
