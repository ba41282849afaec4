"""How careful an agent is: which of a plan's futures count."""

from __future__ import annotations

from forethought.errors import ForethoughtError
from forethought.settings import Configuration


def with_cvar(configuration: Configuration, caution: float) -> Configuration:
    """The configuration under which each plan is weighed by the mean of the worst share 1 - caution of its futures (CVaR).

    Args:
        caution: 0 (all futures count alike: the quick way) to 1 (the worst alone: the safe way).

    Raises:
        ForethoughtError: a caution out of this range, or a model that foresees one future only.
    """
    if not 0 <= caution <= 1:
        raise ForethoughtError(f"A caution of {caution:g} is not between 0 (all futures count alike) and 1 (the worst alone).")
    if not configuration.world_model.uncertain:
        raise ForethoughtError(
            "This agent foresees one future of each plan, so it can be neither careful nor careless: train it with "
            "world_model.codes = 4, say."
        )
    if configuration.actor.samples == 1:
        raise ForethoughtError("actor.samples = 1: plans weighed in one future have no worst ones; set it to 8, say.")
    # By the mean and not by a CVaR of them all: who fears no bad luck takes the odds at their word, too (`actor.trust`).
    chosen = {"risk": "cvar" if caution else "mean", "caution": caution}
    return configuration.changed({"actor": chosen}, f"you asked for a caution of {caution:g}")
