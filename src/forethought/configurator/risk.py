"""Risk: which of a plan's futures count, all alike or the worst (CVaR)."""

from __future__ import annotations

from forethought.errors import ForethoughtError
from forethought.settings import Configuration


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
    if not configuration.world_model.uncertain:
        raise ForethoughtError(
            "This agent foresees one future of each plan, so none of them is its worst: train it with "
            "world_model.num_codes = 4, say."
        )
    if configuration.actor.num_scenarios == 1:
        raise ForethoughtError("actor.num_scenarios = 1: plans weighed in one future have no worst ones; set it to 8, say.")
    # The mean, not a CVaR of all: a risk-neutral agent takes the prior as it is, too (`actor.prior_exponent`).
    chosen = {"risk": "cvar" if cvar_level else "mean", "cvar_level": cvar_level}
    return configuration.changed({"actor": chosen}, f"you asked for a CVaR level of {cvar_level:g}")
