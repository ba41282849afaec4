"""Risk-averse configurations: CVaR of the scenarios' costs in place of the mean."""

from __future__ import annotations

from forethought.config import Configuration
from forethought.errors import ForethoughtError, require_number


def with_cvar(configuration: Configuration, cvar_level: float) -> Configuration:
    """The configuration with CVaR as risk measure: the mean cost of the worst share 1 - cvar_level of each plan's scenarios.

    Args:
        cvar_level: 0 (the mean of all scenarios: risk-neutral) to 1 (the worst scenario only).

    Raises:
        ForethoughtError: the level is out of this range, or the model is deterministic.
    """
    cvar_level = require_number(cvar_level, "A CVaR level")
    if not 0 <= cvar_level <= 1:
        raise ForethoughtError(
            f"A CVaR level of {cvar_level:g} is out of range: set it between 0 (mean of all scenarios) and 1 (worst scenario)."
        )
    if not configuration.model.stochastic:
        raise ForethoughtError(
            "This agent's model is deterministic, so CVaR has no effect: train it with a latent variable, such as "
            "model.latent.kind = codes."
        )
    if configuration.planner.risk.num_scenarios == 1:
        raise ForethoughtError("planner.risk.num_scenarios = 1: CVaR needs several scenarios; set it to 8, for example.")
    # Level 0 sets the mean and not CVaR of all: a risk-neutral agent also uses the prior unflattened (`prior_exponent`).
    settings = {"measure": "cvar" if cvar_level else "mean", "cvar_level": cvar_level}
    return configuration.changed({"planner": {"risk": settings}}, f"you asked for a CVaR level of {cvar_level:g}")
