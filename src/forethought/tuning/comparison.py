"""The end of a tuning: tuned against the configurator's own on fresh tasks, and the run of the best agent."""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from forethought.agent import Agent
from forethought.atomic_io import make_folder, write_json, writing
from forethought.config import CONFIGURATION, Configuration, Reason, shown
from forethought.config.configuration import lookup
from forethought.data.store import EpisodeStore
from forethought.evaluation.arena import Arena, make_arena
from forethought.evaluation.episodes import AgentController
from forethought.evaluation.statistics import Z95, rate_interval, wilson
from forethought.evaluation.task_units import TASKS_IN_UNIT
from forethought.training.agent_files import load, save_agent
from forethought.training.record import TRAINING, training_record
from forethought.tuning.prediction_skill import prediction_skill
from forethought.tuning.record import BEST, OVERRIDES, Compared, TrialRecord, TuningRecord
from forethought.tuning.search import TuningSearch
from forethought.tuning.search_space import SearchAxis, changes_of
from forethought.tuning.trial_units import with_planner
from forethought.tuning.validation import with_validation

log = logging.getLogger(__name__)
FRESH_TASKS, FEWEST_TASKS = 100, 20
"""Tasks of the comparison, the first of `forethought evaluate`: so many, or as few as the budget leaves time for."""
AGENTS = 3
"""That act in them: random actions cost less than the two agents."""
OWN, TUNED = "configurator", "tuned"


def compare(search: TuningSearch, store: EpisodeStore) -> TuningRecord:
    """Act with both agents in tasks that no trial has seen, and measure their predictions on held-out episodes."""
    record = search.record
    arena = None
    if not record.no_world:
        options = search.rules.data.options
        arena = make_arena(store.spec.name, options, fresh_tasks(search), store, search.executor)
        record = replace(record, random_floor=arena.reference()[0])
    heldout = store.resplit(with_validation(store, record.validation).train, store.heldout)
    own = load(search.folder(record.trials[0], search.depth - 1))
    agents = {OWN: own}
    if search.best.number or search.planner_changes:
        trained = load(search.folder(search.best, search.depth - 1))
        agents[TUNED] = with_planner(trained, search.planner_changes)
    compared = tuple(_measured(name, agent, arena, heldout) for name, agent in agents.items())
    return replace(record, compared=compared, stage="publication")


def fresh_tasks(search: TuningSearch) -> int:
    """How many fresh tasks both agents can try in the time that is left; all of them without a limit."""
    budget, scored = search.time.seconds, [trial for trial in search.record.trials if trial.scores]
    if budget is None:
        return FRESH_TASKS
    # Without a score of the planner alone, trainings count, too.
    acted = [trial for trial in scored if trial.stage == "planning"] or scored
    one = max(trial.seconds[-1] / trial.scores[-1].tasks for trial in acted)
    side_by_side = min(search.executor.workers, math.ceil(FRESH_TASKS / TASKS_IN_UNIT))
    possible = int((budget - search.time.elapsed) * side_by_side / (AGENTS * one))
    return max(FEWEST_TASKS, min(FRESH_TASKS, possible))


def _measured(name: str, agent: Agent, arena: Arena | None, heldout: EpisodeStore) -> Compared:
    found = prediction_skill(agent, heldout)
    skill = None if found is None else (found.mean, found.low, found.high)
    if arena is None:
        return Compared(name, (), skill, 0.0)
    outcomes = arena.run(AgentController(agent, "plan"))
    return Compared(name, tuple(outcomes.touched.tolist()), skill, outcomes.calls_per_decision[0])


def difference(record: TuningRecord) -> tuple[float, float, float] | None:
    """Success of the tuned agent minus that of the configurator's own on the same fresh tasks, with the paired 95 % interval.

    None without tasks, or where the configurator's own was kept.
    """
    if len(record.compared) < 2 or not record.compared[0].touched:
        return None
    own, tuned = (np.array(one.touched, np.float64) for one in record.compared)
    paired = tuned - own
    half = Z95 * float(paired.std(ddof=1)) / math.sqrt(len(paired))
    mean = float(paired.mean())
    return mean, mean - half, mean + half


def verdict(record: TuningRecord) -> list[str]:
    """What came out, in sentences for a console and the page's head."""
    own, *others = record.compared
    if not others:
        return [f"No trial did better than the configurator's own choice, which is kept{_figures(own)}."]
    tuned, apart = others[0], difference(record)
    if apart is None:
        return [f"Tuned{_figures(tuned)}; the configurator's own{_figures(own)}."]
    mean, low, high = apart
    told = "better than" if low > 0 else "worse than" if high < 0 else "not significantly different from"
    points = f"{100 * mean:+.0f} points [{100 * low:+.0f}, {100 * high:+.0f}]"
    return [
        f"Tuned{_figures(tuned)}; the configurator's own{_figures(own)}; on the same fresh tasks the tuned agent is {told} the "
        f"configurator's: {points}."
    ]


def _figures(one: Compared) -> str:
    """A colon and the figures of an agent, with their intervals."""
    if one.touched:
        count = len(one.touched)
        low, high = wilson(sum(one.touched), count)
        return f": {sum(one.touched) / count:.0%} of {count} tasks [{low:.0%}, {high:.0%}]"
    if one.skill is None:
        return ""
    return ": predictions explain {:.1%} [{:.1%}, {:.1%}] of held-out variance".format(*one.skill)


def publish(search: TuningSearch, store: EpisodeStore) -> None:
    """Write `out/best`, the run of the best agent, and `out/config.json`, its settings for `train --config`."""
    folder = search.folder(search.best, search.depth - 1)
    agent, best = load(folder), search.out / BEST
    changes = changes_of(search.axes("training"), search.best.options) | search.planner_changes
    configuration = with_evidence(search, agent.configuration, changes)
    make_folder(best)
    write_json(best / CONFIGURATION, configuration.model_dump(mode="json"))
    write_json(best / TRAINING, training_record(folder) | {"store": str(store.path.resolve())})
    with writing(best):
        if (folder / "log.jsonl").exists():
            shutil.copyfile(folder / "log.jsonl", best / "log.jsonl")
    save_agent(best, configuration, agent.modules)
    write_json(search.out / OVERRIDES, {**search.record.request.config, **changes})
    search.record = replace(search.record, stage="finished")
    search.write()
    log.info("the best agent: %s", best)


def with_evidence(search: TuningSearch, found: Configuration, changes: dict[str, Any]) -> Configuration:
    """The configuration whose tuned settings have their evidence as the reason; all others keep the configurator's."""
    changed = found.changed(changes, "tuned")
    reasons = {
        reason.setting: reason.model_copy(update={"overridden": reason.setting in search.fixed})
        for reason in search.own.reasons
    }
    for stage in ("training", "planning"):
        trials, axes = search.record.of_stage(stage), search.axes(stage)
        chosen = search.best if stage == "training" else search.best_planning
        if chosen is None:
            continue
        for axis in axes:
            for name in axis.options[chosen.options.get(axis.name, axis.own)].changes:
                why = f"tuned: the rules say {shown(lookup(search.rules, name))}; {evidence_of(axis, trials, chosen)}"
                reasons[name] = Reason(setting=name, value=shown(lookup(changed, name)), because=why)
    return changed.model_copy(update={"reasons": tuple(reasons[name] for name in sorted(reasons))})


def evidence_of(axis: SearchAxis, trials: Sequence[TrialRecord], chosen: TrialRecord) -> str:
    """What the trials say about the chosen option of an axis, in words."""
    index = chosen.options.get(axis.name, axis.own)
    with_it, without = (option_evidence(axis, trials, one) for one in (index, axis.own))
    first = "in the first scores " if axis.stage == "planning" else "at the first rung "
    return f"{first}{_in_words(with_it)} with it, {_in_words(without)} without"


def option_evidence(axis: SearchAxis, trials: Sequence[TrialRecord], index: int) -> tuple[int, float, float, float]:
    """Trials with an option, and the mean of their first scores with its 95 % interval: success, or the skill without tasks."""
    scores = [trial.scores[0] for trial in trials if trial.scores and trial.options.get(axis.name, axis.own) == index]
    if not scores:
        return 0, 0.0, 0.0, 1.0
    if scores[0].tasks:
        low, high = rate_interval([score.successes for score in scores], scores[0].tasks)
        return len(scores), float(np.mean([score.success_rate for score in scores])), low, high
    values = np.array([score.skill for score in scores])
    half = Z95 * float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return len(values), float(values.mean()), float(values.mean()) - half, float(values.mean()) + half


def _in_words(evidence: tuple[int, float, float, float]) -> str:
    count, mean, low, high = evidence
    if not count:
        return "no trial"
    return f"{mean:.0%} [{low:.0%}, {high:.0%}] in {count} {'trial' if count == 1 else 'trials'}"
