"""forethought/Rooms-v0, the built-in world: rooms, walls and doors seen from above, many copies at once in NumPy.

In the paper's figure this is the world outside the agent, with the body's sensors (the picture, pain, hunger) and its
motors.
"""

from forethought.worlds.rooms.options import RoomsOptions
from forethought.worlds.rooms.policies import POLICIES
from forethought.worlds.rooms.world import NAME, SUCCESS, RoomsWorld

__all__ = ["NAME", "POLICIES", "SUCCESS", "RoomsOptions", "RoomsWorld"]
