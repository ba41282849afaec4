"""The world outside the agent (in the paper's figure, what percepts come from and actions go to), behind one contract.

Built-in `forethought/Rooms-v0` and `forethought/Crossing-v0`, and any Gymnasium environment through the adapter; scripted
policies for collection and for benchmark floors and ceilings; frozen tasks. Importing this folder registers the built-in
worlds with Gymnasium. It needs the extra `train`.
"""

from forethought.extras import require_extra

require_extra("train")

from forethought.worlds.built_in_env import register
from forethought.worlds.check import check_world
from forethought.worlds.contract import ScriptedPolicy, World
from forethought.worlds.env_family import EnvFamily
from forethought.worlds.registry import describe, make, names, policies, policy
from forethought.worlds.tasks import load_tasks, make_tasks, save_tasks

__all__ = [
    "EnvFamily",
    "ScriptedPolicy",
    "World",
    "check_world",
    "describe",
    "load_tasks",
    "make",
    "make_tasks",
    "names",
    "policies",
    "policy",
    "save_tasks",
]

register()
