"""The gate of Push-T: how well a state tells where disc and block are, and how the block is turned."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from forethought.agent import Agent
from forethought.agent_networks import AgentNetworks
from forethought.data.store import EpisodeStore
from forethought.evaluation.probes import encoded_truth
from forethought.readout.probes import fit_linear_probe
from forethought.training.train import start_at_unit_scale

FIT_EPISODES, TEST_EPISODES = 2500, 120
HIDDEN, EPOCHS, FEWEST_STEPS, BATCH, RATE = 256, 25, 1500, 512, 3e-3
"""Of 65,000 rows: a probe of 12,000 rows and 1,500 steps reads twice the errors from the same states."""
SCALE = 100.0
"""Pixels of the board in one unit of a position that the probe fits."""


def pose_errors(agent: Agent, store: EpisodeStore) -> dict[str, float]:
    """`probe_errors` of an agent's states, fitted on training episodes and tested on held-out ones."""
    fit_states, fit_truth = encoded_truth(agent, store, store.train[:FIT_EPISODES])
    states, truth = encoded_truth(agent, store, store.heldout[:TEST_EPISODES])
    return probe_errors(fit_states, fit_truth["state"], states, truth["state"])


def probe_errors(
    fit_states: NDArray[np.float32], fit_truth: NDArray[np.float32], states: NDArray[np.float32], truth: NDArray[np.float32]
) -> dict[str, float]:
    """Median errors of a two-layer and of a linear probe: disc and block in pixels of the board, the block's angle in degrees.

    Args: fit_states, states: [N, D]. fit_truth, truth: [N, 5], Push-T's states: disc, block (pixels) and angle (radians).
    """
    given, asked = torch.from_numpy(fit_states), torch.from_numpy(states)
    poses, wanted = pose_numbers(fit_truth), pose_numbers(truth)
    linear = _medians(_linear(given, poses, asked), wanted)
    return _medians(PoseProbe(given, poses)(asked), wanted) | {f"linear_{name}": error for name, error in linear.items()}


def _medians(found: Float[Tensor, "N 6"], wanted: Float[Tensor, "N 6"]) -> dict[str, float]:
    turned = torch.atan2(found[:, 5], found[:, 4]) - torch.atan2(wanted[:, 5], wanted[:, 4])
    circular = torch.rad2deg((turned + torch.pi).remainder(2 * torch.pi) - torch.pi).abs()
    distance = SCALE * (found - wanted)[:, :4].unflatten(1, (2, 2)).norm(dim=2)
    disc, block = distance.median(0).values.tolist()
    return {"disc_error_px": disc, "block_error_px": block, "angle_error_degrees": float(circular.median())}


def untrained(agent: Agent, store: EpisodeStore) -> Agent:
    """The same agent with its first random weights, at unit scale: what a trained state must surpass."""
    networks = AgentNetworks(agent.configuration)
    start_at_unit_scale(networks.world_model, store)
    return Agent(agent.configuration, networks, torch.device("cpu"))


def pose_numbers(states: NDArray[np.float32]) -> Float[Tensor, "N 6"]:
    """Push-T's states [N, 5] as numbers without a jump: disc, block (in `SCALE` pixels), cosine and sine of the angle."""
    values = torch.from_numpy(np.asarray(states, np.float32))
    return torch.cat([values[:, :4] / SCALE, values[:, 4:].cos(), values[:, 4:].sin()], 1)


def _linear(fit_states: Tensor, poses: Tensor, states: Tensor) -> Tensor:
    """Poses [N, 6] of states by least squares."""
    probe = fit_linear_probe(fit_states.numpy(), poses.numpy())
    return torch.from_numpy(np.asarray(probe.predict(states.numpy()), np.float32))


class PoseProbe(nn.Module):
    """Reads the pose, or other numbers, from states by a network with two hidden layers."""

    def __init__(self, states: Float[Tensor, "N D"], poses: Float[Tensor, "N P"]) -> None:
        """Fit it. Args: states: of an agent. poses: such as of `pose_numbers`."""
        super().__init__()
        self.mean, self.std = states.mean(0), states.std(0) + 1e-6
        self.centre, self.spread = poses.mean(0), poses.std(0)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.net = nn.Sequential(
                nn.Linear(states.shape[1], HIDDEN),
                nn.SiLU(),
                nn.Linear(HIDDEN, HIDDEN),
                nn.SiLU(),
                nn.Linear(HIDDEN, poses.shape[1]),
            )
        self._fit((states - self.mean) / self.std, (poses - self.centre) / self.spread)
        self.requires_grad_(False)

    def forward(self, states: Float[Tensor, "*B D"]) -> Float[Tensor, "*B P"]:
        """Poses of states."""
        found: Tensor = self.net((states - self.mean) / self.std) * self.spread + self.centre
        return found

    @torch.enable_grad()
    def _fit(self, inputs: Tensor, targets: Tensor) -> None:
        steps = max(FEWEST_STEPS, EPOCHS * len(inputs) // BATCH)
        generator = torch.Generator().manual_seed(0)
        optimizer = torch.optim.AdamW(self.net.parameters(), RATE, weight_decay=1e-3)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
        for _ in range(steps):
            rows = torch.randint(len(inputs), (BATCH,), generator=generator)
            optimizer.zero_grad()
            torch.autograd.backward(functional.mse_loss(self.net(inputs[rows]), targets[rows]))
            optimizer.step()
            schedule.step()
