"""Which options the next trials take: few changes of the configurator's own first, then Optuna's TPE."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from forethought.extras import require_extra
from forethought.tuning.record import TrialRecord
from forethought.tuning.search_space import SearchAxis

CHANGED = 2
"""Axes that a trial of the first bracket changes: with more, the effect of each would hide behind the others'."""
ATTEMPTS = 20
"""Suggestions for each wanted one; those that were tried already are passed over."""
FAILED = -2.0
"""Value of a trial that could not be trained, for the sampler: less than any score."""


def optuna() -> ModuleType:
    """The package, quiet.

    Raises:
        MissingExtraError: it is not installed.
    """
    require_extra("tune")
    import optuna as package

    package.logging.set_verbosity(package.logging.ERROR)
    return package


def first_options(axes: Sequence[SearchAxis], count: int, seed: int) -> list[dict[str, int]]:
    """Options of the first `count` trials after the configurator's own: each changes `CHANGED` axes, all axes in turn."""
    random, chosen, queue = np.random.default_rng(seed), list[dict[str, int]](), list[SearchAxis]()
    for _ in range(count * ATTEMPTS):
        if len(chosen) == count or not axes:
            break
        changed: dict[str, int] = {}
        while len(changed) < min(CHANGED, len(axes)):
            if not queue:
                queue = [axes[index] for index in random.permutation(len(axes))]
            axis = queue.pop()
            others = [index for index in range(len(axis.options)) if index != axis.own]
            changed[axis.name] = int(random.choice(others))
        if changed not in chosen:
            chosen.append(changed)
    return chosen


def next_options(axes: Sequence[SearchAxis], trials: Sequence[TrialRecord], count: int, seed: int) -> list[dict[str, int]]:
    """Options of the next `count` trials by TPE (Bergstra et al. 2011), from all trials so far; fewer if the space is small.

    A function of its arguments: a resumed tuning asks for the same. Trials that went further count more.
    """
    package = optuna()
    tried = [complete(axes, trial.options) for trial in trials]
    chosen, random = list[dict[str, int]](), np.random.default_rng((seed, len(trials)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # multivariate TPE counts as experimental
        sampler = package.samplers.TPESampler(
            seed=seed + len(trials), multivariate=True, constant_liar=True, n_startup_trials=len(trials)
        )
        study = study_of(axes, trials, sampler)
        spaces = distributions(axes)
        for _ in range(count * ATTEMPTS):
            if len(chosen) == count:
                break
            asked = study.ask(spaces)
            options = {name: int(value) for name, value in asked.params.items()}
            if options in tried:
                # What was tried already tells nothing new: its neighbour in one axis may.
                axis = axes[int(random.integers(len(axes)))]
                options[axis.name] = int(random.integers(len(axis.options)))
            if options in tried:
                study.tell(asked, state=package.trial.TrialState.FAIL)
                continue
            tried.append(options)
            chosen.append(changed_only(axes, options))
    return chosen


def study_of(axes: Sequence[SearchAxis], trials: Sequence[TrialRecord], sampler: Any = None, rung: int | None = None) -> Any:
    """An Optuna study of trials. `rung`: with their score there, as complete; None: with the last, pruned if stopped."""
    package = optuna()
    study = package.create_study(direction="maximize", sampler=sampler)
    state, spaces = package.trial.TrialState, distributions(axes)
    for trial in trials:
        params = complete(axes, trial.options)
        if rung is None:
            values = {step: score.value for step, score in enumerate(trial.scores)} or {0: FAILED}
            last = values[max(values)]
            kind = state.PRUNED if trial.stopped else state.COMPLETE
            study.add_trial(
                package.create_trial(
                    state=kind, params=params, distributions=spaces, intermediate_values=values,
                    value=last if kind == state.COMPLETE else None,
                )
            )  # fmt: skip
        elif len(trial.scores) > rung:
            study.add_trial(package.create_trial(params=params, distributions=spaces, value=trial.scores[rung].value))
    return study


def importances(axes: Sequence[SearchAxis], trials: Sequence[TrialRecord]) -> dict[str, float]:
    """Share of each axis in what made the first rung's scores differ (PED-ANOVA, Watanabe et al. 2023); empty if too few."""
    scored = [trial for trial in trials if trial.scores]
    # An axis of which one option alone was tried would get a share all the same.
    axes = [axis for axis in axes if len({complete([axis], trial.options)[axis.name] for trial in scored}) > 1]
    if len(scored) < 2 or len({trial.scores[0].value for trial in scored}) < 2 or len(axes) < 2:
        return {}
    package = optuna()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        evaluator = package.importance.PedAnovaImportanceEvaluator()
        found = package.importance.get_param_importances(study_of(axes, scored, rung=0), evaluator=evaluator)
    return {name: float(share) for name, share in found.items()}


def distributions(axes: Sequence[SearchAxis]) -> dict[str, Any]:
    """Optuna's distributions over the options' indices."""
    kinds = optuna().distributions
    return {
        axis.name: kinds.IntDistribution(0, len(axis.options) - 1)
        if axis.ordered
        else kinds.CategoricalDistribution(tuple(range(len(axis.options))))
        for axis in axes
    }


def complete(axes: Sequence[SearchAxis], options: Mapping[str, int]) -> dict[str, int]:
    """The index of every axis, also of those that keep the configurator's own."""
    return {axis.name: options.get(axis.name, axis.own) for axis in axes}


def changed_only(axes: Sequence[SearchAxis], options: Mapping[str, int]) -> dict[str, int]:
    """The axes that differ from the configurator's own."""
    return {axis.name: options[axis.name] for axis in axes if options[axis.name] != axis.own}
