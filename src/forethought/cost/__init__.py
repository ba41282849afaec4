"""The cost module (the paper, figure 2 and pp. 13-15): immutable drives, a critic, and task costs.

Every term is an energy; lower is better. `Composition` computes their weighted sum and each term's contribution. The
configurator sets the weights u and v.
"""

from forethought.cost.check import check_cost
from forethought.cost.composition import Composition, Energies, RadiusSwitchedCost, Weights, path_cost
from forethought.cost.contract import Cost, Imagined, IntrinsicCost, Term
from forethought.cost.goal import GoalDistance, GoalEnergy
from forethought.cost.intrinsic import DRIVES, DrivePredictor, Effort, Hunger, Pain, drive_loss, intrinsic_costs
from forethought.cost.registry import make_extra_costs

__all__ = [
    "DRIVES",
    "Composition",
    "Cost",
    "DrivePredictor",
    "Effort",
    "Energies",
    "GoalDistance",
    "GoalEnergy",
    "Hunger",
    "Imagined",
    "IntrinsicCost",
    "Pain",
    "RadiusSwitchedCost",
    "Term",
    "Weights",
    "check_cost",
    "drive_loss",
    "intrinsic_costs",
    "make_extra_costs",
    "path_cost",
]
