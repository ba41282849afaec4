"""The closed registry of planners: a name in the settings, a planner out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from forethought.actor.categorical import CategoricalCEM
from forethought.actor.cem import CEM, ICEM
from forethought.actor.contract import Planner
from forethought.actor.gradient import GradientPlanner, Polished
from forethought.actor.mppi import MPPI
from forethought.errors import ForethoughtError, did_you_mean
from forethought.settings import ActorSettings


def _cem(s: ActorSettings) -> Planner:
    return CEM(s.horizon, s.num_samples, s.num_iterations, s.num_elites, s.init_std, s.noise_autocorrelation)


def _icem(s: ActorSettings) -> Planner:
    return ICEM(s.horizon, s.num_samples, s.num_iterations, s.num_elites, s.init_std, s.noise_autocorrelation)


def _mppi(s: ActorSettings) -> Planner:
    return MPPI(s.horizon, s.num_samples, s.num_iterations, s.temperature, s.init_std, s.noise_autocorrelation)


def _gradient(s: ActorSettings) -> Planner:
    return GradientPlanner(s.horizon, s.num_samples, s.num_iterations, s.learning_rate, s.init_std, s.noise_autocorrelation)


def _categorical(s: ActorSettings) -> Planner:
    return CategoricalCEM(s.horizon, s.num_samples, s.num_iterations, s.num_elites, s.noise_autocorrelation)


PLANNERS: Mapping[str, Callable[[ActorSettings], Planner]] = MappingProxyType(
    {"cem": _cem, "icem": _icem, "mppi": _mppi, "gradient": _gradient, "categorical": _categorical}
)
"""Every planner by name."""


def make_planner(settings: ActorSettings) -> Planner:
    """The planner that the settings name, with their effort, and polish where they ask for it.

    Raises:
        ForethoughtError: no planner has that name, it has more elites than candidates, or discrete actions can't be polished.
    """
    if settings.planner not in PLANNERS:
        hint = did_you_mean(settings.planner, PLANNERS)
        raise ForethoughtError(f"actor.planner: there is no planner '{settings.planner}'; {hint}")
    planner = PLANNERS[settings.planner](settings)
    if settings.gradient_steps == 0:
        return planner
    if settings.planner == "categorical":
        raise ForethoughtError(
            "actor.gradient_steps: discrete actions have no slope to go down; set actor.gradient_steps to 0."
        )
    return Polished(settings.horizon, planner, settings.gradient_steps, settings.learning_rate)
