"""The world outside the agent (in the paper's figure, what percepts come from and actions go to), behind one contract.

Built-in `forethought/Rooms-v0`, and any Gymnasium environment through the adapter; scripted policies for collection and for
benchmark floors and ceilings; frozen tasks.
"""

from forethought.worlds.contract import ScriptedPolicy, World
from forethought.worlds.registry import describe, make, names, policy

__all__ = ["ScriptedPolicy", "World", "describe", "make", "names", "policy"]
