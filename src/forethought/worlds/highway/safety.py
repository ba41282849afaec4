"""Collision check of the ego's trajectories against the known future of the other cars.

Axes: K trajectories of the ego, T steps.
"""

from __future__ import annotations

import numpy as np

from forethought.worlds.highway.scenes import Floats, Scene, accelerations, roll

LENGTH, WIDTH = 5.0, 2.0
"""Length and width of every car in highway-env, m."""
MARGIN = 1.0
"""Minimum distance to all other cars on a safe trajectory, m."""


def clearance(scene: Scene, progress: Floats, cars: Floats) -> Floats:
    """Distance to the nearest car per trajectory and step, m; negative in a collision. Turned cars count as bounding boxes.

    Args:
        progress: progress of the ego, [K, T]. cars: states of the cars, [T, cars, 4].

    Returns:
        [K, T].
    """
    position = scene.progress_across(cars[..., :2])
    turned = cars[..., 2] - scene.heading
    cosine, sine = np.abs(np.cos(turned)), np.abs(np.sin(turned))
    half_along, half_across = (LENGTH * cosine + WIDTH * sine) / 2, (LENGTH * sine + WIDTH * cosine) / 2
    lateral = np.abs(position[..., 1]) - half_across - WIDTH / 2
    longitudinal = np.abs(progress[..., None] - position[..., 0]) - half_along - LENGTH / 2
    return np.asarray(np.maximum(longitudinal, lateral).min(-1))


def drive(scene: Scene, progress: Floats, speed: Floats, actions: Floats) -> Floats:
    """Progress of the ego at the start and after each step, [K, T + 1].

    Args:
        progress, speed: [K]. actions: [K, T] or [T].
    """
    path = [progress]
    for step in range(actions.shape[-1]):
        progress, speed = roll(progress, speed, accelerations(actions[..., step]), scene.top)
        path.append(progress)
    return np.stack(path, -1)


def nearest_ahead(scene: Scene, progress: Floats, speed: Floats, cars: Floats) -> Floats:
    """Minimum distance to the other cars if the ego drives at full speed until it is clear of them, m: [K].

    Args:
        progress, speed: of the ego, [K]. cars: states of the cars from now on, [T, cars, 4].
    """
    path = drive(scene, progress, speed, np.ones(len(cars) - 1))
    return np.asarray(np.where(path < scene.clear, clearance(scene, path, cars), np.inf).min(-1))
