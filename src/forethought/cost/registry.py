"""Costs of the user's own, by name: `planner.cost.extra` in the settings."""

from __future__ import annotations

from forethought.config import CostConfig
from forethought.cost.contract import Cost
from forethought.errors import ForethoughtError
from forethought.parts import find


def make_extra_costs(state_dim: int, settings: CostConfig) -> list[Cost]:
    """The costs that `planner.cost.extra` weighs: their factories are called with (state_dim, settings).

    Raises:
        ForethoughtError: no cost has one of the names, or what it makes is no `Cost`.
    """
    costs = []
    for name in settings.extra:
        cost = find("cost", name, "planner.cost.extra")(state_dim, settings)
        if not isinstance(cost, Cost):
            raise ForethoughtError(f"The cost '{name}' is a {type(cost).__name__}: derive it from Cost.")
        # Its weight is found by its name.
        cost.name = name
        costs.append(cost)
    return costs
