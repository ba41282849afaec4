"""Risk: which of a plan's futures count, all alike or the worst (CVaR)."""

from __future__ import annotations

from forethought.config import Configuration
from forethought.errors import ForethoughtError


def with_cvar(configuration: Configuration, cvar_level: float) -> Configuration:
    """The configuration under which each plan is weighed by the mean of the worst share 1 - cvar_level of its futures (CVaR).

    Args:
        cvar_level: 0 (all futures count alike: the quick way) to 1 (the worst alone: the safe way).

    Raises:
        ForethoughtError: a level out of this range, or a model that foresees one future only.
    """
    if not 0 <= cvar_level <= 1:
        raise ForethoughtError(
            f"A CVaR level of {cvar_level:g} is not between 0 (all futures count alike) and 1 (the worst alone)."
        )
    if not configuration.model.stochastic:
        raise ForethoughtError(
            "This agent foresees one future of each plan, so none of them is its worst: train it with "
            "model.latent.kind = codes, say."
        )
    if configuration.planner.risk.num_scenarios == 1:
        raise ForethoughtError(
            "planner.risk.num_scenarios = 1: plans weighed in one future have no worst ones; set it to 8, say."
        )
    # The mean, not a CVaR of all: a risk-neutral agent takes the prior as it is, too (`planner.risk.prior_exponent`).
    chosen = {"measure": "cvar" if cvar_level else "mean", "cvar_level": cvar_level}
    return configuration.changed({"planner": {"risk": chosen}}, f"you asked for a CVaR level of {cvar_level:g}")
