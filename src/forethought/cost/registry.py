"""Costs of the user's own, by name: `cost.extra` in the settings."""

from __future__ import annotations

from forethought.cost.contract import Cost
from forethought.errors import ForethoughtError
from forethought.parts import find
from forethought.settings import CostSettings


def make_extra_costs(state_dim: int, settings: CostSettings) -> list[Cost]:
    """The costs that `cost.extra` weighs: their factories are called with (state_dim, settings).

    Raises:
        ForethoughtError: no cost has one of the names, or what it makes is no `Cost`.
    """
    costs = []
    for name in settings.extra:
        cost = find("cost", name, "cost.extra")(state_dim, settings)
        if not isinstance(cost, Cost):
            raise ForethoughtError(f"The cost '{name}' is a {type(cost).__name__}: derive it from Cost.")
        # Its weight is found by its name.
        cost.name = name
        costs.append(cost)
    return costs
