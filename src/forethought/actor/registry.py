"""The closed registry of planners: a name in the settings, a planner out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from forethought.actor.categorical import CategoricalCEM
from forethought.actor.cem import CEM, ICEM
from forethought.actor.contract import Planner
from forethought.actor.gradient import GradientPlanner, Polished
from forethought.actor.mppi import MPPI
from forethought.config import CategoricalConfig, CEMConfig, GradientConfig, ICEMConfig, MPPIConfig, SearchConfig


def _cem(s: SearchConfig, horizon: int) -> Planner:
    assert isinstance(s, CEMConfig)
    return CEM(horizon, s.num_samples, s.num_iterations, s.num_elites, s.init_std, s.noise_autocorrelation)


def _icem(s: SearchConfig, horizon: int) -> Planner:
    assert isinstance(s, ICEMConfig)
    return ICEM(horizon, s.num_samples, s.num_iterations, s.num_elites, s.init_std, s.noise_autocorrelation)


def _mppi(s: SearchConfig, horizon: int) -> Planner:
    assert isinstance(s, MPPIConfig)
    return MPPI(horizon, s.num_samples, s.num_iterations, s.temperature, s.init_std, s.noise_autocorrelation)


def _gradient(s: SearchConfig, horizon: int) -> Planner:
    assert isinstance(s, GradientConfig)
    return GradientPlanner(horizon, s.num_samples, s.num_iterations, s.learning_rate, s.init_std, s.noise_autocorrelation)


def _categorical(s: SearchConfig, horizon: int) -> Planner:
    assert isinstance(s, CategoricalConfig)
    return CategoricalCEM(horizon, s.num_samples, s.num_iterations, s.num_elites, s.noise_autocorrelation)


PLANNERS: Mapping[str, Callable[[SearchConfig, int], Planner]] = MappingProxyType(
    {"cem": _cem, "icem": _icem, "mppi": _mppi, "gradient": _gradient, "categorical": _categorical}
)
"""Every planner by the kind of its settings."""


def make_planner(search: SearchConfig, horizon: int) -> Planner:
    """The planner that the settings name, with their effort, and gradient steps at its end where they ask for them.

    Args:
        search: kind and effort. horizon: blocks of a plan.
    """
    planner = PLANNERS[search.kind](search, horizon)
    if isinstance(search, CategoricalConfig) or search.gradient_steps == 0:
        return planner
    return Polished(horizon, planner, search.gradient_steps, search.learning_rate)
