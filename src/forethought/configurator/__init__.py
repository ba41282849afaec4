"""The configurator: executive control (the paper, section 3.1.3 and pp. 38-39).

Before learning it derives the settings of every other module from the data, the task and the budget, and says why.
While acting it sets the weights of the costs and whether to plan, for the task at hand.
"""

from forethought.configurator.budget import Budget
from forethought.configurator.configure import configure
from forethought.configurator.mode_selector import ControlSignal, ModeSelector

__all__ = ["Budget", "ControlSignal", "ModeSelector", "configure"]
