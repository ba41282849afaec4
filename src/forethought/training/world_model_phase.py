"""Phase 1: the world model learns from clips (the paper, section 4.5)."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from forethought.action_codec import ActionCodec
from forethought.agent_networks import AgentNetworks
from forethought.config import Configuration
from forethought.data.sampler import ClipSampler
from forethought.data.store import EpisodeStore
from forethought.perception import to_tensors
from forethought.readout.probes import fit_linear_probe
from forethought.training.phases import ParameterGroup, Phase, Terms, parameters_of, step_generator
from forethought.world_model.extra_terms import LossInputs
from forethought.world_model.losses import TrainingBatch, TrainingHeads, one_block_ahead, world_model_loss
from forethought.world_model.monitors import CollapseMonitor

FAR = 20
MONITOR_CLIPS = 256


class ClipPhase(Phase):
    """How a level 1 learns from clips of `training.sequence_length` blocks and one far row each; and its monitors."""

    def __init__(self, modules: AgentNetworks, store: EpisodeStore, configuration: Configuration, body: ActionCodec) -> None:
        """`modules.world_model` is what learns."""
        training = configuration.training
        self.level, self.store, self.body, self.learning = modules.world_model, store, body, training
        self.steps, self.learning_rate, self.weight_decay = (
            training.world_model_steps, training.learning_rate, training.weight_decay,
        )  # fmt: skip

    def start(self) -> None:
        """Find the places where a clip fits."""
        self.sampler = ClipSampler(self.store, "train", self.learning.sequence_length)

    def batch(self, count: int, generator: torch.Generator) -> TrainingBatch:
        """`count` clips, each with a far row of its episode, as tensors on the body's device."""
        length = self.learning.sequence_length
        episode, offset = self.sampler.draw(count, generator)
        gap = self.sampler.gaps(episode, offset, FAR, generator)
        steps = np.concatenate([np.broadcast_to(np.arange(length + 1), (count, length + 1)), gap[:, None]], axis=1)
        rows = (self.store.starts[episode] + offset)[:, None] + steps
        observation = {stream.name: self.store.rows(stream.name, rows) for stream in self.level.perception.streams}
        device = self.body.low.device
        actions = torch.from_numpy(self.store.rows("actions", rows[:, :length])).to(device)
        return TrainingBatch(
            to_tensors(observation, self.level.perception.streams, device),
            self.body.to_model(actions),
            torch.from_numpy(gap).float().to(device),
        )

    def heldout_terms(self, states: Tensor, actions: Tensor) -> dict[str, float]:
        """Further figures of held-out clips, [B, T + 1, D] and [B, T, A]; none by default."""
        return {}

    @torch.no_grad()
    def monitor(self) -> dict[str, float | list[str]]:
        """Collapse figures and truth probes, on the same clips each time: fitted on training clips, tested on held-out ones."""
        generator, length = torch.Generator().manual_seed(0), self.learning.sequence_length
        if not (self.store.whole_lengths[self.store.heldout] >= length).any():
            return {}
        halves = [ClipSampler(self.store, split, length).draw(MONITOR_CLIPS, generator) for split in ("train", "heldout")]
        episodes, offsets = (np.concatenate(part) for part in zip(*halves, strict=True))
        clips = self.store.clips(episodes, offsets, length)
        whole = self.level.encode(to_tensors(clips.observation, self.level.perception.streams, self.body.low.device))
        actions = self.body.to_model(torch.from_numpy(clips.actions).to(whole.device))
        states = self.level.metric.pool(whole)
        seen = CollapseMonitor.measure(states, actions)
        figures: dict[str, float | list[str]] = {
            "batch_std": seen.batch_std,
            "within_episode_std": seen.within_episode_std,
            "rankme": seen.rankme,
            "inverse_dynamics_r2": seen.inverse_dynamics_r2,
            "alarms": list(seen.alarms),
            **self.heldout_terms(whole[MONITOR_CLIPS:], actions[MONITOR_CLIPS:]),
        }
        flat = states[:, 0].cpu().numpy()
        for name, truth in clips.truth.items():
            values = truth[:, 0]
            probe = fit_linear_probe(flat[:MONITOR_CLIPS], values[:MONITOR_CLIPS])
            for index, r2 in enumerate(probe.r2(flat[MONITOR_CLIPS:], values[MONITOR_CLIPS:]).tolist()):
                # A truth that never varies (fixed doors) has no R2, and NaN is no JSON.
                if not math.isnan(r2):
                    figures[f"probe_{name}_{index}_r2"] = float(r2)
        return figures


class WorldModelPhase(ClipPhase):
    """The JEPA: predicts embeddings, and regularises them."""

    name = "world model"

    def __init__(self, modules: AgentNetworks, store: EpisodeStore, configuration: Configuration, body: ActionCodec) -> None:
        """See `ClipPhase`."""
        super().__init__(modules, store, configuration, body)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(step_generator(self.learning.seed, "training heads", 0).initial_seed())
            self.heads = TrainingHeads(self.level, configuration.data, configuration.training.loss)
        self.extras: nn.Module = self.heads

    def parameters(self) -> list[nn.Parameter]:
        """Perception, predictor, filler and the training heads."""
        return parameters_of(self.level, self.heads)

    def groups(self) -> list[ParameterGroup]:
        """The encoder apart, where it has a learning rate of its own."""
        if (rate := self.learning.encoder_rate) == 1:
            return super().groups()
        encoder = parameters_of(self.level.perception)
        known = set(map(id, encoder))
        return [ParameterGroup(encoder, rate), ParameterGroup([one for one in self.parameters() if id(one) not in known])]

    def heldout_terms(self, states: Tensor, actions: Tensor) -> dict[str, float]:
        """Your own terms, on clips that nothing was learned from."""
        following = one_block_ahead(self.level, states, actions)
        inputs = LossInputs(states, following, states[:, 1 : following.shape[1] + 1], actions)
        return {f"heldout_{name}": float(value) for name, value in self.heads.own_terms(inputs).items()}

    def step(self, step: int, generator: torch.Generator) -> tuple[Tensor, Terms]:
        """One batch of clips."""
        batch = self.batch(self.learning.batch, generator)
        return world_model_loss(self.level, self.heads, batch, step / max(self.steps, 1), generator)

    def after_step(self) -> None:
        """The EMA teacher follows, where there is one."""
        self.heads.follow(self.level)
