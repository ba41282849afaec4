"""TwoRoom and Wall: the field's two rooms with one wall and one door, seen from above."""

from forethought.worlds.two_room.policies import NoisyWays, ShortestWay, TurningWalks
from forethought.worlds.two_room.world import GEOMETRIES, TWO_ROOM_NAME, WALL_NAME, TwoRoomMaker

__all__ = ["GEOMETRIES", "TWO_ROOM_NAME", "WALL_NAME", "NoisyWays", "ShortestWay", "TurningWalks", "TwoRoomMaker"]
