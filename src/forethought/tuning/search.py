"""The two stages of the search: brackets of trainings by successive halving, then settings of the planner on the best agent."""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from forethought.config import Configuration
from forethought.data.store import EpisodeStore
from forethought.execution import Executor, InProcess, run_units
from forethought.parts import own_modules
from forethought.tuning.halving import BRACKET, RUNGS, folder_of, rung_changes, survivors, tasks_at
from forethought.tuning.record import TRIALS, TrialRecord, TuningRecord, write_tuning
from forethought.tuning.sampler import first_options, next_options
from forethought.tuning.search_space import SearchAxis, changes_of, fixed_settings, search_space
from forethought.tuning.time_budget import FINALS_UNTIL, PLANNING_UNTIL, SEARCH_UNTIL, TimeBudget, fit_to_budget
from forethought.tuning.trial_units import PlanningUnit, TrainingUnit, TrialResult, TrialSetting
from forethought.tuning.validation import validation_tasks, with_validation
from forethought.worlds import registry
from forethought.worlds.any_gymnasium.registration import OnlyHereError

log = logging.getLogger(__name__)
BEHIND = "not in the best third"
NO_TIME = "no time was left"
FINALISTS, FIRST_TASKS = 2, 0.5
"""Best settings of the planner that are scored on other tasks, too, beside those that the agent was trained with; share of the
validation tasks for the first scores."""


class TuningSearch:
    """A tuning in progress: its record, and what is derived from it.

    Attributes: out: the folder. record: as it is written. executor: where trials run.
    """

    def __init__(self, out: Path, store: EpisodeStore | None, record: TuningRecord, executor: Executor) -> None:
        """Go on from a record; what is read off it alone needs no store."""
        self.out, self.record, self.executor = out, record, executor
        self._store = store
        self.time = TimeBudget(record.request.seconds, record.elapsed)
        if store is not None and not executor.here and not record.no_world:
            try:
                registry.registration(store.spec.name)
            except OnlyHereError as error:
                log.warning("%s; trials run in this process now", error)
                self.executor = InProcess()

    # --- what follows from the record ------------------------------------------------------------------------------

    @cached_property
    def rules(self) -> Configuration:
        """The configurator's own configuration, as a training without a tuning has it."""
        return Configuration.model_validate(self.record.own)

    @property
    def own(self) -> Configuration:
        """The same with the steps of a whole trial: fewer where the budget is small."""
        if self.record.scale == 1.0:
            return self.rules
        changes = {name: value for name, value in rung_changes(self.rules, self.record.scale).items() if name not in self.fixed}
        return self.rules.changed(changes, f"so that enough trials fit into {self.record.request.seconds:g} s")

    @cached_property
    def fixed(self) -> frozenset[str]:
        """The settings that the user chose."""
        return fixed_settings(self.record.request.config)

    def axes(self, stage: str) -> tuple[SearchAxis, ...]:
        """The axes of a stage; those of the planner are centred on the best trained agent's settings."""
        centre = self.rules if stage == "training" else self.trained
        return tuple(axis for axis in search_space(centre, self.fixed) if axis.stage == stage)

    def configuration(self, trial: TrialRecord, rung: int = -1) -> Configuration:
        """The configuration of a training trial at a rung."""
        changed = self.own.changed(changes_of(self.axes("training"), trial.options), "tried by `forethought tune`")
        return changed.changed(rung_changes(changed, RUNGS[rung]), f"{RUNGS[rung]:.2g} of a whole training")

    @property
    def depth(self) -> int:
        """Rungs that the configurator's own has been scored at; others are compared with it at the last of them."""
        return len(self.record.trials[0].scores)

    @property
    def best(self) -> TrialRecord:
        """The best training trial at that rung; of equals the earlier one, so the configurator's own wins a draw."""
        reached = [trial for trial in self.record.of_stage("training") if len(trial.scores) >= self.depth]
        return max(reached, key=lambda trial: (trial.scores[self.depth - 1].value, -trial.number))

    @property
    def trained(self) -> Configuration:
        """The configuration of the best trained agent."""
        return self.own.changed(changes_of(self.axes("training"), self.best.options), "tried by `forethought tune`")

    @property
    def best_planning(self) -> TrialRecord | None:
        """The best settings of the planner over both samples of tasks; None where none were tried."""
        finalists = [trial for trial in self.record.of_stage("planning") if len(trial.scores) > 1]
        if not finalists:
            return None
        return max(finalists, key=lambda trial: (pooled(trial), -trial.number))

    @property
    def planner_changes(self) -> dict[str, Any]:
        """Changes of the best agent's planner."""
        found = self.best_planning
        return {} if found is None else changes_of(self.axes("planning"), found.options)

    def folder(self, trial: TrialRecord, rung: int) -> Path:
        """The run's folder of a trial at a rung."""
        return folder_of(self.out / TRIALS, trial.number, rung)

    @cached_property
    def setting(self) -> TrialSetting:
        """What the units share."""
        assert self._store is not None, "units need the store"
        registration = "" if self.executor.here or self.record.no_world else registry.registration(self._store.spec.name)
        modules = () if self.executor.here else own_modules()
        tasks = others = None
        if not self.record.no_world:
            view, options = with_validation(self._store, self.record.validation), self.rules.data.options
            tasks = validation_tasks(view, options, self.record.request.tasks)
            others = validation_tasks(view, options, self.record.request.tasks, others=True)
        path = Path(self.record.request.store)
        path = path if path.exists() else self._store.path  # moved since, with the same content
        return TrialSetting(path, self.record.validation, tasks, others, registration, modules)

    # --- the stages ------------------------------------------------------------------------------------------------

    def write(self) -> None:
        """Write the record."""
        self.record = replace(self.record, elapsed=self.time.elapsed)
        write_tuning(self.out, self.record)

    def run(self) -> None:
        """Both stages, as far as they are not done."""
        if self.record.stage == "training":
            if not self.record.trials:
                found = self.setting.tasks
                self.record = replace(self.record, tasks=0 if found is None else len(found.tasks))
                self._fit_to_budget()
            while self._begin_bracket():
                self._halve(self.record.trials[-1].bracket)
            if self.depth < len(RUNGS):
                self.record = self.record.noted(
                    f"The clock left no time for whole trainings: the agents had {RUNGS[self.depth - 1]:.0%} of one, so "
                    "train the chosen settings anew (`train --config`), or tune with more seconds."
                )
            self._enter("planning")
        if self.record.stage == "planning":
            if not self.record.no_world:
                self._plan()
            self._enter("comparison")

    def _enter(self, stage: str) -> None:
        self.record = replace(self.record, stage=stage)
        self.write()

    def _fit_to_budget(self) -> None:
        """Measure a short training, and shorten whole ones so that a bracket fits into the budget."""
        if self.record.request.seconds is None:
            return
        fit = fit_to_budget(self.out / TRIALS, self.own, self.setting, self.executor, self.time)
        self.record = replace(self.record, scale=fit.scale, tasks=fit.tasks)
        if fit.scale < 1 or fit.tasks < self.record.request.tasks:
            sentence = (
                f"A whole training has {fit.scale:.0%} of the steps that the configurator takes without a budget, and is "
                f"scored on {fit.tasks} tasks, so that {BRACKET} trials fit into {self.record.request.seconds:g} s."
            )
            log.info("%s", sentence)
            self.record = self.record.noted(sentence)

    def _begin_bracket(self) -> bool:
        """Choose the trials of the next bracket, unless one is unfinished; False: there is none."""
        trials = self.record.of_stage("training")
        latest = [trial for trial in trials if trials and trial.bracket == trials[-1].bracket]
        if any(not trial.stopped and len(trial.scores) < len(RUNGS) for trial in latest):
            return True
        count = min(BRACKET, self.record.request.trials - len(trials))
        if count < 1 or (
            trials and not self.time.fits_another(sum(sum(trial.seconds) for trial in latest), self._side_by_side)
        ):
            return False
        axes, seed = self.axes("training"), self.record.request.seed
        options = next_options(axes, trials, count, seed) if trials else [{}, *first_options(axes, count - 1, seed)]
        for number, chosen in enumerate(options, len(self.record.trials)):
            bracket = trials[-1].bracket + 1 if trials else 0
            self.record = self.record.with_trial(TrialRecord(number, "training", bracket, chosen))
        self.write()
        return bool(options)

    @property
    def _side_by_side(self) -> int:
        return min(self.executor.workers, BRACKET)

    def _halve(self, bracket: int) -> None:
        """Take a bracket through its rungs."""
        for rung in range(len(RUNGS)):
            members = [trial for trial in self.record.of_stage("training") if trial.bracket == bracket]
            due = [trial for trial in members if not trial.stopped and len(trial.scores) == rung]
            units = [self._training_unit(trial, rung) for trial in due]
            self._score(units, SEARCH_UNTIL, f"bracket {bracket + 1}, rung {rung + 1} of {len(RUNGS)}")
            members = [self.record.trials[trial.number] for trial in members]
            last = rung == len(RUNGS) - 1
            going_on = {trial.number for trial in survivors(members, rung)}
            for trial in members:
                scored = len(trial.scores) > rung
                if not trial.stopped and not (scored if last else trial.number in going_on):
                    self.record = self.record.with_trial(replace(trial, stopped=BEHIND if scored else NO_TIME))
                    if scored:
                        shutil.rmtree(self.folder(trial, rung), ignore_errors=True)
                if rung and scored:
                    shutil.rmtree(self.folder(trial, rung - 1), ignore_errors=True)
            self.write()

    def _training_unit(self, trial: TrialRecord, rung: int) -> TrainingUnit:
        before = self.folder(trial, rung - 1) if rung else None
        tasks = tasks_at(rung, self.record.tasks)
        folder, configuration = self.folder(trial, rung), self.configuration(trial, rung)
        return TrainingUnit(trial.number, self.setting, folder, before, configuration, tasks, trial.number == 0)

    def _plan(self) -> None:
        """Search settings of the planner on the best agent; the best few are scored on other tasks, too."""
        axes, seed = self.axes("planning"), self.record.request.seed
        if not self.record.of_stage("planning"):
            self._add([TrialRecord(len(self.record.trials), "planning", 0, {})])
        while True:
            trials = self.record.of_stage("planning")
            self._score_planning([trial for trial in trials if not trial.scores and not trial.stopped], axes, False)
            trials = self.record.of_stage("planning")
            count = min(BRACKET, self.record.request.trials - len(trials))
            if count < 1 or not axes or self.time.past(PLANNING_UNTIL) or any(len(trial.scores) > 1 for trial in trials):
                break
            first = len(trials) == 1
            options = first_options(axes, count, seed) if first else next_options(axes, trials, count, seed)
            if not options:
                break
            number = len(self.record.trials)
            self._add([TrialRecord(number + at, "planning", 1, chosen) for at, chosen in enumerate(options)])
        trials = self.record.of_stage("planning")
        ranked = sorted((trial for trial in trials if trial.scores), key=lambda trial: (-trial.scores[0].value, trial.number))
        chosen = {trials[0].number, *(trial.number for trial in ranked[:FINALISTS])}
        if len(ranked) < 2:
            return
        self._score_planning([trial for trial in trials if trial.number in chosen and len(trial.scores) == 1], axes, True)

    def _add(self, trials: Sequence[TrialRecord]) -> None:
        for trial in trials:
            self.record = self.record.with_trial(trial)
        self.write()

    def _score_planning(self, trials: Sequence[TrialRecord], axes: Sequence[SearchAxis], others: bool) -> None:
        best = self.best
        folder, skill = self.folder(best, self.depth - 1), best.scores[self.depth - 1].skill
        tasks = self.record.tasks if others else math.ceil(FIRST_TASKS * self.record.tasks)
        units = [
            PlanningUnit(trial.number, self.setting, folder, changes_of(axes, trial.options), skill, tasks, others)
            for trial in trials
        ]
        self._score(
            units, FINALS_UNTIL if others else PLANNING_UNTIL, "the planner on other tasks" if others else "the planner"
        )
        for trial in trials:
            if not others and not self.record.trials[trial.number].scores:
                self.record = self.record.with_trial(replace(self.record.trials[trial.number], stopped=NO_TIME))
        self.write()

    def _score(self, units: Sequence[TrainingUnit | PlanningUnit], until: float, what: str) -> None:
        """Run units and write each score as it comes, until a share of the budget is spent."""
        if not units or (self.time.past(until) and self.record.trials[0].scores):
            return
        log.info("%s: %d %s", what, len(units), "trial" if len(units) == 1 else "trials")
        with closing(run_units(self.executor, units)) as results:
            for done, (unit, result) in enumerate(results, 1):
                self._take(unit.number, result)
                if done < len(units) and self.time.past(until):
                    self.record = self.record.noted(
                        "The clock cut the search: with the same seed, another machine may try fewer or more."
                    )
                    break

    def _take(self, number: int, result: TrialResult) -> None:
        trial = self.record.trials[number]
        if result.score is None:
            trial = replace(trial, stopped=f"failed: {result.failed}")
        else:
            trial = replace(trial, scores=(*trial.scores, result.score), seconds=(*trial.seconds, round(result.seconds, 2)))
            log.info("  trial %d: %s (%.0f s)", number, in_words(result), result.seconds)
        self.record = self.record.with_trial(trial)
        self.write()


def pooled(trial: TrialRecord) -> float:
    """The value over all tasks that a trial was scored on."""
    return sum(score.value * score.tasks for score in trial.scores) / sum(score.tasks for score in trial.scores)


def in_words(result: TrialResult) -> str:
    """The score of a trial, for the log."""
    score = result.score
    assert score is not None
    if not score.tasks:
        return f"predictions explain {score.skill:.1%}"
    return f"{score.successes} of {score.tasks} tasks, predictions explain {score.skill:.1%}"
