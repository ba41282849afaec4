"""Planners by name: `actor.planner` and `hierarchy.planner` in the settings."""

from __future__ import annotations

from forethought.actor.categorical import CategoricalCEM
from forethought.actor.cem import CEM, ICEM
from forethought.actor.contract import Planner
from forethought.actor.gradient import GradientPlanner, Polished
from forethought.actor.mppi import MPPI
from forethought.errors import ForethoughtError
from forethought.parts import KINDS, find, register
from forethought.settings import ActorSettings


@register("planner", "cem")
def _cem(s: ActorSettings) -> Planner:
    return CEM(s.horizon, s.num_samples, s.num_iterations, s.num_elites, s.init_std, s.noise_autocorrelation)


@register("planner", "icem")
def _icem(s: ActorSettings) -> Planner:
    return ICEM(s.horizon, s.num_samples, s.num_iterations, s.num_elites, s.init_std, s.noise_autocorrelation)


@register("planner", "mppi")
def _mppi(s: ActorSettings) -> Planner:
    return MPPI(s.horizon, s.num_samples, s.num_iterations, s.temperature, s.init_std, s.noise_autocorrelation)


@register("planner", "gradient")
def _gradient(s: ActorSettings) -> Planner:
    return GradientPlanner(s.horizon, s.num_samples, s.num_iterations, s.learning_rate, s.init_std, s.noise_autocorrelation)


@register("planner", "categorical")
def _categorical(s: ActorSettings) -> Planner:
    return CategoricalCEM(s.horizon, s.num_samples, s.num_iterations, s.num_elites, s.noise_autocorrelation)


PLANNERS = KINDS["planner"].built_in
"""The names of Forethought's own."""


def make_planner(settings: ActorSettings) -> Planner:
    """The planner that the settings name, with their effort, and polish where they ask for it.

    Raises:
        ForethoughtError: no planner has that name, or what its factory makes is no `Planner` of this horizon; it has more
            elites than candidates, or discrete actions can't be polished.
    """
    planner = find("planner", settings.planner, "actor.planner")(settings)
    if not isinstance(planner, Planner):
        raise ForethoughtError(f"The planner '{settings.planner}' is a {type(planner).__name__}: derive it from Planner.")
    if planner.horizon != settings.horizon:
        raise ForethoughtError(
            f"The planner '{settings.planner}' looks {planner.horizon} blocks ahead, and the settings say {settings.horizon}: "
            "take settings.horizon in its factory."
        )
    if settings.gradient_steps == 0:
        return planner
    if settings.planner == "categorical":
        raise ForethoughtError(
            "actor.gradient_steps: discrete actions have no slope to go down; set actor.gradient_steps to 0."
        )
    return Polished(settings.horizon, planner, settings.gradient_steps, settings.learning_rate)
