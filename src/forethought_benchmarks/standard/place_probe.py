"""The gate of two rooms and of Reacher: how well a state tells where the dot is, or how the arm is bent."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from forethought.agent import Agent
from forethought.data.store import EpisodeStore
from forethought.evaluation.probes import encoded_truth
from forethought.worlds.two_room import GEOMETRIES
from forethought_benchmarks.standard.pose_probe import PoseProbe

FIT_EPISODES, TEST_EPISODES = 500, 100


def place_errors(agent: Agent, store: EpisodeStore) -> dict[str, float]:
    """Median distance of the dot's position, as a two-layer probe reads it from held-out states, in the geometry's pixels."""
    side = GEOMETRIES[store.spec.name].side
    found, wanted = _read(agent, store, lambda states: torch.from_numpy(states[:, :2] / side))
    return {"position_error_px": side * float((found - wanted).norm(dim=1).median())}


def joint_errors(agent: Agent, store: EpisodeStore) -> dict[str, float]:
    """Median errors of a two-layer probe on held-out states: both angles (radians), both velocities (radians a second)."""

    def numbers(states: NDArray[np.float32]) -> Tensor:
        angles = torch.from_numpy(states[:, :2])
        return torch.cat([angles.cos(), angles.sin(), torch.from_numpy(states[:, 2:]) / 5], 1)

    found, wanted = _read(agent, store, numbers)
    turned = torch.atan2(found[:, 2:4], found[:, :2]) - torch.atan2(wanted[:, 2:4], wanted[:, :2])
    angles = ((turned + torch.pi).remainder(2 * torch.pi) - torch.pi).abs().median(0).values
    speeds = 5 * (found - wanted)[:, 4:].abs().median(0).values
    names = ("shoulder_error", "wrist_error", "shoulder_speed_error", "wrist_speed_error")
    return dict(zip(names, [*angles.tolist(), *speeds.tolist()], strict=True))


def _read(agent: Agent, store: EpisodeStore, numbers: Callable[[NDArray[np.float32]], Tensor]) -> tuple[Tensor, Tensor]:
    """What a probe, fitted on training episodes, reads from held-out states, and the truth: two tensors [N, P]."""
    fit_states, fit_truth = encoded_truth(agent, store, store.train[:FIT_EPISODES])
    states, truth = encoded_truth(agent, store, store.heldout[:TEST_EPISODES])
    probe = PoseProbe(torch.from_numpy(fit_states), numbers(fit_truth["state"]))
    return probe(torch.from_numpy(states)), numbers(truth["state"])
