"""The score of a trial: success on validation tasks, with a tie-breaker that is finer than a task."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forethought.agent import Agent
from forethought.data.store import EpisodeStore
from forethought.evaluation.arena import Arena
from forethought.evaluation.episodes import AgentController
from forethought.evaluation.statistics import wilson
from forethought.tuning.prediction_skill import prediction_skill


@dataclass(frozen=True)
class TrialScore:
    """What one trial did at one rung; the same settings, weights and seed give the same score.

    Fields:
        tasks, successes: of the validation tasks; 0 tasks where there is no world to act in.
        speed: mean over tasks of the share of the budget that was left at the goal, 0..1; 0 for a goal that was not reached.
        skill: of predictions on validation episodes (`PredictionSkill.mean`), -1..1.
        model_calls: predictor calls of level 1 in a decision, mean.
    """

    tasks: int
    successes: int
    speed: float
    skill: float
    model_calls: float

    @property
    def value(self) -> float:
        """What is maximised: successes, and less than one success for speed and skill; without tasks, the skill.

        >>> TrialScore(9, 5, 0.5, 0.5, 0.0).value
        0.55
        """
        if not self.tasks:
            return self.skill
        return (self.successes + (self.speed + max(0.0, self.skill)) / 2) / (self.tasks + 1)

    @property
    def success_rate(self) -> float:
        """Share of the tasks; 0 without tasks."""
        return self.successes / max(1, self.tasks)

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the success rate."""
        return wilson(self.successes, self.tasks)


def score_trial(agent: Agent, arena: Arena | None, view: EpisodeStore | None, skill: float | None = None) -> TrialScore:
    """The score of an agent that plans.

    Args:
        agent: trained. arena: the validation tasks; None where there is no world to act in. view: the store with its validation
            episodes held out, for the skill. skill: the skill where it is known; then `view` may be None.
    """
    if skill is None:
        assert view is not None
        found = prediction_skill(agent, view)
        skill = 0.0 if found is None else found.mean
    if arena is None:
        return TrialScore(0, 0, 0.0, skill, 0.0)
    outcomes = arena.run(AgentController(agent, "plan"))
    budgets = np.array([task.budget for task in arena.tasks.tasks])
    speed = np.where(outcomes.touched, 1 - outcomes.steps / budgets, 0.0)
    return TrialScore(
        len(budgets), int(outcomes.touched.sum()), float(speed.mean()), float(skill), outcomes.calls_per_decision[0]
    )
