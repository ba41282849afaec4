"""Whether the ego would be hit on its way, told from what the other cars will do.

Axes: K ways that the ego may drive, T steps.
"""

from __future__ import annotations

import numpy as np

from forethought.worlds.highway.scenes import Floats, Scene, accelerations, roll

LENGTH, WIDTH = 5.0, 2.0
"""Of every car, m: highway-env's."""
MARGIN = 1.0
"""A way is safe if it keeps this far from everybody, m."""


def clearance(scene: Scene, progress: Floats, cars: Floats) -> Floats:
    """Distance to the nearest car, per way and step, m; below 0 where they touch. Turned cars count as their bounding boxes.

    Args:
        progress: of the ego, [K, T]. cars: their states, [T, cars, 4].

    Returns:
        [K, T].
    """
    place = scene.progress_across(cars[..., :2])
    turned = cars[..., 2] - scene.heading
    cosine, sine = np.abs(np.cos(turned)), np.abs(np.sin(turned))
    half_along, half_across = (LENGTH * cosine + WIDTH * sine) / 2, (LENGTH * sine + WIDTH * cosine) / 2
    beside = np.abs(place[..., 1]) - half_across - WIDTH / 2
    behind = np.abs(progress[..., None] - place[..., 0]) - half_along - LENGTH / 2
    return np.asarray(np.maximum(behind, beside).min(-1))


def drive(scene: Scene, progress: Floats, speed: Floats, actions: Floats) -> Floats:
    """The ego's progress now and after each step, [K, T + 1].

    Args:
        progress, speed: [K]. actions: [K, T] or [T].
    """
    path = [progress]
    for step in range(actions.shape[-1]):
        progress, speed = roll(progress, speed, accelerations(actions[..., step]), scene.top)
        path.append(progress)
    return np.stack(path, -1)


def nearest_ahead(scene: Scene, progress: Floats, speed: Floats, cars: Floats) -> Floats:
    """How near one comes to anybody who goes on at full speed from here, until nothing comes any more, m: [K].

    Args:
        progress, speed: of the ego, [K]. cars: their states from now on, [T, cars, 4].
    """
    path = drive(scene, progress, speed, np.ones(len(cars) - 1))
    return np.asarray(np.where(path < scene.clear, clearance(scene, path, cars), np.inf).min(-1))
