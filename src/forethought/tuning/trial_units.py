"""The units of a tuning: one trial at one rung, or one setting of the planner; independent of one another, on any executor."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from forethought.agent import Agent
from forethought.config import Configuration
from forethought.data.store import EpisodeStore
from forethought.device import default_device
from forethought.errors import ForethoughtError
from forethought.evaluation.arena import Arena, make_arena
from forethought.execution import Emit
from forethought.parts import use
from forethought.training.agent_files import load
from forethought.training.progress import quiet
from forethought.tuning.halving import train_rung
from forethought.tuning.trial_score import TrialScore, score_trial
from forethought.tuning.validation import with_validation
from forethought.types import TaskSet
from forethought.worlds.any_gymnasium.registration import register_again


@dataclass(frozen=True)
class TrialSetting:
    """What all units of a tuning share.

    Fields:
        store: its folder. validation: episode numbers. tasks: of the validation; None where there is no world to act in.
        others: more of them, for the last choice of planner settings.
        registration: of the world's id. modules: those that register parts.
    """

    store: Path
    validation: tuple[int, ...]
    tasks: TaskSet | None
    others: TaskSet | None
    registration: str
    modules: tuple[str, ...]

    def prepare(self) -> None:
        """Make the world and the parts known in this process."""
        register_again(self.registration)
        use(self.modules)

    @cached_property
    def view(self) -> EpisodeStore:
        """The store with its validation episodes held out."""
        return with_validation(EpisodeStore.open(self.store), self.validation)

    def __getstate__(self) -> dict[str, Any]:
        """Without the open store."""
        return {name: value for name, value in self.__dict__.items() if name != "view"}

    def arena(self, count: int, others: bool = False) -> Arena | None:
        """The first `count` validation tasks, or others, in their world, in this process; None where there is no world."""
        tasks = self.others if others else self.tasks
        if tasks is None:
            return None
        some = replace(tasks, tasks=tasks.tasks[:count], goal_rows=tuple(tasks.goal_rows)[:count])
        return make_arena(tasks.world, tasks.options, some, self.view)


@dataclass(frozen=True)
class TrialResult:
    """The end of a unit.

    Fields:
        score: None where the trial could not be trained; failed: then why.
        seconds: of the unit. training: those of them that were training.
    """

    score: TrialScore | None
    failed: str
    seconds: float
    training: float = 0.0


@dataclass(frozen=True)
class TrainingUnit:
    """One trial at one rung: train, then score.

    Fields:
        number: of the trial. setting: shared by all. folder, before: runs at this rung and at the one below.
        tasks: how many of the validation tasks score it.
        configuration: with the steps of this rung. must: an error is raised; else the trial has failed.
    """

    number: int
    setting: TrialSetting
    folder: Path
    before: Path | None
    configuration: Configuration
    tasks: int
    must: bool = False

    @property
    def name(self) -> str:
        """For messages."""
        return f"trial {self.number} ({self.folder.name})"

    def run(self, emit: Emit) -> TrialResult:
        """Train and score."""
        started = time.monotonic()
        self.setting.prepare()
        try:
            with quiet("forethought.training"):
                train_rung(self.setting.view, self.folder, self.configuration, self.before)
            trained = time.monotonic() - started
            score = score_trial(load(self.folder), self.setting.arena(self.tasks), self.setting.view)
        except ForethoughtError as error:
            if self.must:
                raise
            return TrialResult(None, str(error), time.monotonic() - started)
        return TrialResult(score, "", time.monotonic() - started, trained)


@dataclass(frozen=True)
class PlanningUnit:
    """One setting of the planner of a trained agent: score.

    Fields:
        number, setting: as of `TrainingUnit`. run_folder: of the agent. changes: of its planner. skill: of its predictions.
        tasks: how many score it. others: of the other tasks.
    """

    number: int
    setting: TrialSetting
    run_folder: Path
    changes: Mapping[str, Any]
    skill: float
    tasks: int
    others: bool = False

    @property
    def name(self) -> str:
        """For messages."""
        return f"trial {self.number} (planner)"

    def run(self, emit: Emit) -> TrialResult:
        """Score the agent with these settings."""
        started = time.monotonic()
        self.setting.prepare()
        try:
            agent = with_planner(load(self.run_folder), self.changes)
            score = score_trial(agent, self.setting.arena(self.tasks, self.others), None, self.skill)
        except ForethoughtError as error:
            return TrialResult(None, str(error), time.monotonic() - started)
        return TrialResult(score, "", time.monotonic() - started)


def with_planner(agent: Agent, changes: Mapping[str, Any]) -> Agent:
    """The same weights with other settings of the planner."""
    return Agent(agent.configuration.changed(changes, "tried"), agent.modules, default_device())
