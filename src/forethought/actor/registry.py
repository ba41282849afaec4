"""Planners by name: `planner.search.kind` and `planner.upper.search.kind` in the settings."""

from __future__ import annotations

from forethought.actor.categorical import CategoricalCEM
from forethought.actor.cem import CEM, ICEM
from forethought.actor.contract import Planner
from forethought.actor.gradient import GradientPlanner, Polished
from forethought.actor.mppi import MPPI
from forethought.config import (
    CategoricalConfig,
    CEMConfig,
    GradientConfig,
    ICEMConfig,
    MPPIConfig,
    OwnPlannerConfig,
    PlannerConfig,
    SearchConfig,
)
from forethought.errors import ForethoughtError
from forethought.parts import KINDS, find, register


@register("planner", "cem")
def _cem(s: CEMConfig | OwnPlannerConfig, horizon: int) -> Planner:
    return CEM(horizon, s.num_samples, s.num_iterations, s.num_elites, s.init_std, s.noise_autocorrelation)


@register("planner", "icem")
def _icem(s: ICEMConfig | OwnPlannerConfig, horizon: int) -> Planner:
    return ICEM(horizon, s.num_samples, s.num_iterations, s.num_elites, s.init_std, s.noise_autocorrelation)


@register("planner", "mppi")
def _mppi(s: MPPIConfig, horizon: int) -> Planner:
    return MPPI(horizon, s.num_samples, s.num_iterations, s.temperature, s.init_std, s.noise_autocorrelation)


@register("planner", "gradient")
def _gradient(s: GradientConfig | OwnPlannerConfig, horizon: int) -> Planner:
    return GradientPlanner(horizon, s.num_samples, s.num_iterations, s.learning_rate, s.init_std, s.noise_autocorrelation)


@register("planner", "categorical")
def _categorical(s: CategoricalConfig, horizon: int) -> Planner:
    return CategoricalCEM(horizon, s.num_samples, s.num_iterations, s.num_elites, s.noise_autocorrelation)


PLANNERS = KINDS["planner"].built_in
"""Names of the built-in planners."""


def make_planner(search: SearchConfig, horizon: int) -> Planner:
    """The planner of these settings, followed by gradient steps where `gradient_steps` is above 0.

    Args:
        search: kind and size of it; the factory of that kind is called with (search, horizon). horizon: blocks of a plan.

    Raises:
        ForethoughtError: the name is not registered, or its factory does not return a `Planner` of this horizon.
    """
    planner = find("planner", search.kind, "planner.search.kind")(search, horizon)
    if not isinstance(planner, Planner):
        raise ForethoughtError(f"The planner '{search.kind}' is a {type(planner).__name__}: derive it from Planner.")
    if planner.horizon != horizon:
        raise ForethoughtError(
            f"The planner '{search.kind}' looks {planner.horizon} blocks ahead, but the settings say {horizon}: use the "
            "horizon that its factory receives."
        )
    if isinstance(search, CategoricalConfig) or search.gradient_steps == 0:
        return planner
    return Polished(horizon, planner, search.gradient_steps, search.learning_rate)


def planner_of(settings: PlannerConfig, given: Planner | None) -> Planner:
    """The planner of level 1: `given`, or the one of the settings if that is None.

    Raises:
        ForethoughtError: its horizon differs from the settings.
    """
    planner = given or make_planner(settings.search, settings.horizon)
    if planner.horizon != settings.horizon:
        raise ForethoughtError(
            f"The planner looks {planner.horizon} blocks ahead, but planner.horizon is {settings.horizon}: make them equal."
        )
    return planner
