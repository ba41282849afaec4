"""The picture of a Crossing: sidewalks left and right, the road with its fences and zebra, the car, the lamp, the agent."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from forethought.worlds.crossing.ground import FENCES, ZEBRA
from forethought.worlds.crossing.traffic import YELLOW, CrossTraffic
from forethought.worlds.painting import AGENT, AGENT_DISC, FLOOR, SIZE, WALL, Bools, Floats, Pixels, fill, stamp

ROAD = (150, 154, 162)
STRIPE = (226, 228, 232)
BLUE, ORANGE = (46, 110, 224), (240, 140, 30)
BRAKE, TAIL = (255, 30, 20), (96, 20, 24)
LAMPS = np.array([(40, 170, 84), (240, 200, 0), (210, 40, 30)], np.float32)
LAMP_OFF = (70, 74, 84)
FALLEN = (90, 30, 110)

CAR_X = (28, 36)
HALF_LENGTH, TAIL_LENGTH = 6.0, 3.0
LAMP_X, LAMP_Y = (45, 49), (8.0, 28.0)


def draw(traffic: CrossTraffic, position: Floats, down: Bools) -> Pixels:
    """Pictures [N, SIZE, SIZE, 3]: traffic, the agent's place [N, 2], whether it was run over [N]."""
    picture = np.repeat(_background()[None], len(position), axis=0)
    y = traffic.y
    paint = np.where(traffic.orange[:, None], np.array(ORANGE), np.array(BLUE)).astype(np.float32)
    rear = np.where(traffic.braking[:, None], np.array(BRAKE), np.array(TAIL)).astype(np.float32)
    fill(picture, CAR_X, y - HALF_LENGTH, y + HALF_LENGTH, paint)
    fill(picture, CAR_X, y - HALF_LENGTH, y - HALF_LENGTH + TAIL_LENGTH, rear)
    _light(picture, traffic)
    stamp(picture, position, AGENT_DISC, FALLEN, down)
    stamp(picture, position, AGENT_DISC, AGENT, ~down)
    return picture


def _light(picture: Pixels, traffic: CrossTraffic) -> None:
    """A lamp that counts down: all green, or yellow and then red as high as the time that is left."""
    low, high = LAMP_Y
    colour = LAMPS[np.where(traffic.since < 0, 0, np.where(traffic.since < YELLOW, 1, 2))]
    left = np.where(traffic.since < 0, 1.0, traffic.stopped_for)
    fill(picture, LAMP_X, high - (high - low) * left, np.full(len(left), high), colour)


@functools.cache
def _background() -> NDArray[np.uint8]:
    """What never changes, [SIZE, SIZE, 3]."""
    picture = np.empty((SIZE, SIZE, 3), dtype=np.uint8)
    picture[:] = FLOOR
    left, right = FENCES
    picture[:, left:right] = ROAD
    top, bottom = ZEBRA
    for x in range(left + 1, right - 1, 4):
        picture[top:bottom, x : x + 2] = STRIPE
    for fence in (left - 1, right):
        picture[:top, fence] = picture[bottom:, fence] = WALL
    picture[int(LAMP_Y[0]) : int(LAMP_Y[1]), LAMP_X[0] : LAMP_X[1]] = LAMP_OFF
    edge = np.arange(SIZE)
    outside = (edge < 4) | (edge >= SIZE - 4)
    picture[outside[:, None] | outside[None, :]] = WALL
    picture[:, left:right][outside] = ROAD
    picture.flags.writeable = False
    return picture
