"""Checks of the world model's state while it trains: a dead state is found early, not after the whole budget.

A check costs an encoding of the monitor's clips. Where the action can't be read from the state, it is compared with random
features, too, which takes about 5 s: once on the way, and once at the end. A check reads observations and actions alone,
changes nothing, and repeats itself.
"""

from __future__ import annotations

import math

import torch

from forethought.config import Configuration
from forethought.data.store import EpisodeStore
from forethought.perception import to_tensors
from forethought.training.state_floor import FEWEST_STEPS, STEPS, measure_state_floor, untrained_encoder
from forethought.types import Clips
from forethought.world_model import FirstLevel
from forethought.world_model.monitors import LEAST_R2, LEAST_STD, CollapseMonitor

SHARES, FIRST = (0.1, 0.2, 0.3, 0.5, 0.75), 50
"""Shares of the planned steps after which a training is checked, besides its end, and the least number of steps before that."""
COMPARED = 0.3
"""Share of the steps before which no state is compared with random features: it still is much like them."""
GROWN, GAP = 2.0, 25
"""States of small scale are on their way if their standard deviation is this multiple of that so many steps before."""


def check_steps(steps: int) -> frozenset[int]:
    """The numbers of done steps at which a training of so many steps is checked; none where it is very short."""
    if steps < FEWEST_STEPS:
        return frozenset()
    return frozenset({max(FIRST, math.ceil(share * steps)) for share in SHARES} | {steps})


def constant_sentence(std: float, before: float) -> str:
    """The measurement of states that are almost equal; empty for others, and for those that are being pulled apart.

    Args:
        std: standard deviation of the states. before: that of the check before, or of the untrained states.
    """
    if std >= LEAST_STD or std >= GROWN * before:
        return ""
    return f"the states are almost constant (std {std:.2g}, before {before:.2g}, healthy from {LEAST_STD:g})."


def uninformative_sentence(
    monitor: CollapseMonitor, level: FirstLevel, store: EpisodeStore, configuration: Configuration
) -> str:
    """The measurement of a state that tells less than random features do; empty for others.

    Both must hold: the action can't be read from two successive states, and a readout of the state misses more of what changes
    in an episode than one of the same encoder's untrained state. A state may drop distractors on purpose, and keep the agent.
    """
    if monitor.inverse_dynamics_r2 >= LEAST_R2:
        return ""
    floor = measure_state_floor(level, store, configuration, STEPS)
    if floor is None or not floor.tells_less():
        return ""
    trained, untrained = floor.told()
    return (
        f"the state tells less than random features do ({trained:.0%} of what changes in an episode, untrained features "
        f"{untrained:.0%}; R2 of the action {monitor.inverse_dynamics_r2:.2f})."
    )


@torch.no_grad()
def untrained_std(level: FirstLevel, clips: Clips, configuration: Configuration) -> float:
    """Standard deviation of the untrained states of clips: 1 where training begins at unit scale."""
    if configuration.training.loss.lsuv_init:
        return 1.0
    encoder, streams = untrained_encoder(level, configuration), level.perception.streams
    observation = to_tensors(clips.observation, streams, next(level.parameters()).device)
    states = level.metric.pool(level.metric.spec.flat(encoder(observation)))
    return float(states.flatten(0, 1).std(0).mean())
