"""User-defined costs by name: `planner.cost.extra` in the settings."""

from __future__ import annotations

from forethought.config import CostConfig
from forethought.cost.contract import Cost
from forethought.errors import ForethoughtError
from forethought.parts import find


def make_extra_costs(state_dim: int, settings: CostConfig) -> list[Cost]:
    """The costs named in `planner.cost.extra`; their factories are called with (state_dim, settings).

    Raises:
        ForethoughtError: a name is not registered, or its factory does not return a `Cost`.
    """
    costs = []
    for name in settings.extra:
        cost = find("cost", name, "planner.cost.extra")(state_dim, settings)
        if not isinstance(cost, Cost):
            raise ForethoughtError(f"The cost '{name}' is a {type(cost).__name__}: derive it from Cost.")
        # The weight is looked up by this name.
        cost.name = name
        costs.append(cost)
    return costs
