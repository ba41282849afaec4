"""forethought/Crossing-v0, the paper's own example (section 4.3): a driver may or may not stop at a yellow light.

There are two outcomes, and nothing in the picture says which will occur. A model that predicts their mean is wrong in
both; the latent variable is there for this.
"""

from forethought.worlds.crossing.options import CrossingOptions
from forethought.worlds.crossing.policies import POLICIES
from forethought.worlds.crossing.world import NAME, SUCCESS, CrossingWorld

__all__ = ["NAME", "POLICIES", "SUCCESS", "CrossingOptions", "CrossingWorld"]
