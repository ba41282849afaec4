"""forethought/Crossing-v0, the paper's own example (section 4.3): a driver nears a light that turns yellow; will he stop?

The world has two ways to go on, and nothing in the picture says which. A model that predicts the mean of both is wrong in
both; the latent variable is there for this.
"""

from forethought.worlds.crossing.options import CrossingOptions
from forethought.worlds.crossing.policies import POLICIES
from forethought.worlds.crossing.world import NAME, SUCCESS, CrossingWorld

__all__ = ["NAME", "POLICIES", "SUCCESS", "CrossingOptions", "CrossingWorld"]
