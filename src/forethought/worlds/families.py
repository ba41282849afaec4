"""The families of environments that ship with Forethought, one object each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from forethought.errors import ForethoughtError, did_you_mean
from forethought.types import TaskSet
from forethought.worlds import crossing, highway, pointmaze, pointmaze_policies, pusht, reacher, rooms, two_room
from forethought.worlds.adapter import GymnasiumWorld
from forethought.worlds.adapter_policies import CorrelatedPolicy, UniformPolicy
from forethought.worlds.any_gymnasium.adapter import AnyGymnasiumMaker
from forethought.worlds.crossing.task_maker import make_crossing_tasks
from forethought.worlds.env_family import EnvFamily, Policies
from forethought.worlds.pusht_demonstrator import PushTDemonstrator
from forethought.worlds.random_streams import task_seed
from forethought.worlds.rooms.task_maker import KINDS, make_rooms_tasks

ANY_POLICIES: Policies = {"random": UniformPolicy, "exploring": CorrelatedPolicy}
"""They know nothing of a world but its action space."""


def _rooms_tasks(name: str, options: Mapping[str, Any], number: int, seed: int, kind: str) -> TaskSet:
    for known in KINDS:
        if kind == known:
            return make_rooms_tasks(options, _seeds(number, seed), known)
    raise ForethoughtError(f"There is no kind of task '{kind}': {did_you_mean(kind, KINDS)}")


def _seeds(number: int, seed: int) -> list[int]:
    return [task_seed(seed, index) for index in range(number)]


ROOMS = EnvFamily(
    name="rooms",
    worlds={rooms.NAME: "Rooms, walls and doors seen from above, 64x64 pixels, continuous 2-d action; built in, many options."},
    matches=lambda name: name == rooms.NAME,
    make=lambda name, num, options: rooms.RoomsWorld(num, **options),
    policies=lambda name: rooms.POLICIES,
    make_tasks=_rooms_tasks,
    tasks_at=lambda name, options, seeds: make_rooms_tasks(options, seeds, "cross-room"),
    vectorized=True,
    position_in_pixels=True,
)

CROSSING = EnvFamily(
    name="crossing",
    worlds={
        crossing.NAME: "Crossing, a road and drivers who may or may not stop, 64x64 pixels and the body's place; built in."
    },
    matches=lambda name: name == crossing.NAME,
    make=lambda name, num, options: crossing.CrossingWorld(num, **options),
    policies=lambda name: crossing.POLICIES,
    make_tasks=lambda name, options, number, seed, kind: make_crossing_tasks(options, _seeds(number, seed)),
    tasks_at=lambda name, options, seeds: make_crossing_tasks(options, seeds),
    vectorized=True,
    position_in_pixels=True,
)

TWO_ROOM = EnvFamily(
    name="two_room",
    worlds={
        two_room.TWO_ROOM_NAME: "stable-worldmodel's TwoRoom: a dot, a wall and a door; goals from recordings; built in.",
        two_room.WALL_NAME: "DINO-WM's Wall: a dot, a thick wall and a narrow door; goals from recordings; built in.",
    },
    matches=lambda name: name in two_room.GEOMETRIES,
    make=lambda name, num, options: GymnasiumWorld(two_room.TwoRoomMaker(name, options), num),
    policies=lambda name: {
        **ANY_POLICIES,
        "demonstrator": two_room.NoisyWays if name == two_room.TWO_ROOM_NAME else two_room.TurningWalks,
        "expert": two_room.ShortestWay,
    },
    can_be_set=True,
)

PUSHT = EnvFamily(
    name="pusht",
    worlds={pusht.NAME: "Push a T-shaped block into place, from pixels and/or state; needs the [worlds] extra."},
    matches=pusht.is_name,
    make=lambda name, num, options: GymnasiumWorld(pusht.PushTMaker(options), num),
    policies=lambda name: {**ANY_POLICIES, "exploring": pusht.PushingPolicy, "demonstrator": PushTDemonstrator},
    can_be_set=True,
)

REACHER = EnvFamily(
    name="reacher",
    worlds={
        reacher.NAME: "dm_control's Reacher: bring an arm into a configuration, pixels or state; needs the [worlds] extra."
    },
    matches=lambda name: name == reacher.NAME,
    make=lambda name, num, options: GymnasiumWorld(reacher.ReacherMaker(options), num),
    policies=lambda name: ANY_POLICIES,
    can_be_set=True,
)

POINTMAZE = EnvFamily(
    name="pointmaze",
    worlds={
        "pointmaze-medium-v0": "OGBench: steer a point through a medium maze, pixels or state; needs the [worlds] extra.",
        "pointmaze-teleport-v0": "OGBench: a maze with teleports to one of three places, by chance; needs the [worlds] extra.",
        "pointmaze-large-v0": "OGBench: steer a point through a large maze, pixels or state; needs the [worlds] extra.",
        "pointmaze-giant-v0": "OGBench: steer a point through a giant maze, pixels or state; needs the [worlds] extra.",
    },
    matches=pointmaze.is_name,
    make=lambda name, num, options: GymnasiumWorld(pointmaze.PointMazeMaker(name, options), num),
    policies=lambda name: {
        **ANY_POLICIES,
        "exploring": pointmaze_policies.WanderingPolicy,
        "hasty": pointmaze_policies.HastyPolicy,
        "expert": pointmaze_policies.ShortestPathPolicy,
        "mixed": pointmaze_policies.MixedPolicy,
    },
    make_tasks=lambda name, options, number, seed, kind: pointmaze.far_tasks(name, options, number, seed),
    can_be_set=True,
)

HIGHWAY = EnvFamily(
    name="highway",
    worlds={
        "highway-merge-v0": "highway-env: a car comes down the ramp and gives way, or does not; needs the [worlds] extra.",
        "highway-intersection-v0": "highway-env: a car nears and turns off, or crosses your way; needs the [worlds] extra.",
    },
    matches=highway.is_name,
    make=lambda name, num, options: GymnasiumWorld(highway.HighwayMaker(name, options), num),
    policies=lambda name: {**ANY_POLICIES, **highway.POLICIES},
    make_tasks=lambda name, options, number, seed, kind: highway.make_highway_tasks(name, options, _seeds(number, seed)),
)

GYMNASIUM = EnvFamily(
    name="gymnasium",
    worlds={},
    matches=lambda name: True,
    make=lambda name, num, options: GymnasiumWorld(AnyGymnasiumMaker(name, options), num),
    policies=lambda name: ANY_POLICIES,
)
"""Any other id; asked last."""

BUILT_IN = (ROOMS, CROSSING)
FAMILIES = (*BUILT_IN, TWO_ROOM, PUSHT, REACHER, POINTMAZE, HIGHWAY)
