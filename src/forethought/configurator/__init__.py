"""The configurator: executive control (the paper, section 3.1.3 and pp. 38-39).

Before training it derives all settings from the data, the task and the budget, with a reason for each. At run time it sets the
cost weights and chooses between Mode-1 and Mode-2 for the task.
"""

from forethought.configurator.budget import Budget
from forethought.configurator.configure import configure, configure_online
from forethought.configurator.mode_selector import ControlSignal, ModeSelector

__all__ = ["Budget", "ControlSignal", "ModeSelector", "configure", "configure_online"]
