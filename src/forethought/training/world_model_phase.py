"""Phase 1: the world model trains on clips of the store (the paper, section 4.5)."""

from __future__ import annotations

import logging
import math
from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor, nn

from forethought.acceleration import CompiledModules, autocast
from forethought.action_codec import ActionCodec
from forethought.agent_networks import AgentNetworks
from forethought.config import Configuration
from forethought.configurator.recovery import NoRecoveryError, StateAlarm, recovered
from forethought.data.sampler import ClipSampler
from forethought.data.store import EpisodeStore
from forethought.data_parallel import local_rows
from forethought.device import sent
from forethought.errors import NonFiniteError
from forethought.perception import to_tensors
from forethought.readout.probes import fit_linear_probe
from forethought.training.phases import ParameterGroup, Phase, Terms, parameters_of, step_generator
from forethought.training.read_ahead import ReadAhead
from forethought.training.state_floor import floor_alarms, measure_state_floor
from forethought.training.state_health import (
    COMPARED,
    GAP,
    check_steps,
    constant_sentence,
    uninformative_sentence,
    untrained_std,
)
from forethought.types import Clips
from forethought.world_model.extra_terms import LossInputs
from forethought.world_model.losses import TrainingBatch, TrainingHeads, one_block_ahead, world_model_loss
from forethought.world_model.monitors import LEAST_R2, CollapseMonitor, asked_of

log = logging.getLogger(__name__)
FAR = 20
MONITOR_CLIPS = 256


class ClipPhase(Phase):
    """Trains level 1 on clips of `training.sequence_length` blocks and one far row each; computes its monitors."""

    def __init__(self, modules: AgentNetworks, store: EpisodeStore, configuration: Configuration, body: ActionCodec) -> None:
        """`modules.world_model` is trained."""
        self.configuration, training = configuration, configuration.training
        self.level, self.store, self.body, self.learning = modules.world_model, store, body, training
        self.steps, self.learning_rate, self.weight_decay = (
            training.world_model_steps, training.learning_rate, training.weight_decay,
        )  # fmt: skip

    def start(self) -> None:
        """Index the clips of the training episodes."""
        self.sampler = ClipSampler(self.store, "train", self.learning.sequence_length)

    def batch(self, count: int, generator: torch.Generator) -> TrainingBatch:
        """`count` clips, each with a far row of its episode, as tensors on the agent's device; of these, this process's."""
        length = self.learning.sequence_length
        episode, offset = self.sampler.draw(count, generator)
        gap = self.sampler.gaps(episode, offset, FAR, generator)
        episode, offset, gap = local_rows(torch.from_numpy(np.stack([episode, offset, gap])), dim=1).numpy()
        count = len(gap)
        steps = np.concatenate([np.broadcast_to(np.arange(length + 1), (count, length + 1)), gap[:, None]], axis=1)
        rows = (self.store.starts[episode] + offset)[:, None] + steps
        observation = {stream.name: self.store.rows(stream.name, rows) for stream in self.level.perception.streams}
        device = self.body.low.device
        tensors = to_tensors(observation, self.level.perception.streams)
        actions = torch.from_numpy(self.store.rows("actions", rows[:, :length]))
        return TrainingBatch(
            {name: sent(values, device) for name, values in tensors.items()},
            self.body.to_model(sent(actions, device)),
            sent(torch.from_numpy(gap).float(), device),
        )

    def heldout_terms(self, states: Tensor, actions: Tensor) -> dict[str, float]:
        """Additional metrics of held-out clips, states [B, T + 1, D] and actions [B, T, A]; none by default."""
        return {}

    def monitored_clips(self) -> Clips | None:
        """Fixed clips, `MONITOR_CLIPS` of training episodes and as many of held-out ones; None if these are too short."""
        generator, length = torch.Generator().manual_seed(0), self.learning.sequence_length
        if not (self.store.lengths[self.store.heldout] >= length).any():
            return None
        samples = [ClipSampler(self.store, split, length).draw(MONITOR_CLIPS, generator) for split in ("train", "heldout")]
        episodes, offsets = (np.concatenate(part) for part in zip(*samples, strict=True))
        return self.store.clips(episodes, offsets, length)

    def encoded(self, clips: Clips) -> tuple[Tensor, Tensor]:
        """States [B, T + 1, D] of clips, and their actions [B, T, A] in model units."""
        states = self.level.encode(to_tensors(clips.observation, self.level.perception.streams, self.body.low.device))
        return states, self.body.to_model(torch.from_numpy(clips.actions).to(states.device))

    @torch.no_grad()
    def monitor(self) -> dict[str, float | list[str]]:
        """Collapse metrics and linear probes of the truth, on fixed clips: fitted on training, tested on held-out ones."""
        clips = self.monitored_clips()
        if clips is None:
            return {}
        whole, actions = self.encoded(clips)
        states = self.level.metric.pool(whole)
        metrics = CollapseMonitor.measure(states, actions, **asked_of(self.configuration))
        figures: dict[str, float | list[str]] = {
            "batch_std": metrics.batch_std,
            "within_episode_std": metrics.within_episode_std,
            "rankme": metrics.rankme,
            "inverse_dynamics_r2": metrics.inverse_dynamics_r2,
            "alarms": list(metrics.alarms),
            **self.heldout_terms(whole[MONITOR_CLIPS:], actions[MONITOR_CLIPS:]),
        }
        flat = states[:, 0].cpu().numpy()
        for name, truth in clips.truth.items():
            values = truth[:, 0]
            probe = fit_linear_probe(flat[:MONITOR_CLIPS], values[:MONITOR_CLIPS])
            for index, r2 in enumerate(probe.r2(flat[MONITOR_CLIPS:], values[MONITOR_CLIPS:]).tolist()):
                # A constant truth (fixed doors) has no R2; JSON has no NaN.
                if not math.isnan(r2):
                    figures[f"probe_{name}_{index}_r2"] = float(r2)
        return figures


class WorldModelPhase(ClipPhase):
    """Trains the JEPA: prediction loss in latent space plus regularisers. It is given up where the state is found dead."""

    name = "world model"

    def __init__(
        self, modules: AgentNetworks, store: EpisodeStore, configuration: Configuration, body: ActionCodec, watched: bool = True
    ) -> None:
        """See `ClipPhase`. `watched`: False trains to the end whatever the state tells, to study what collapses."""
        super().__init__(modules, store, configuration, body)
        self.watched = watched and bool(parameters_of(self.level.perception))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(step_generator(self.learning.seed, "training heads", 0).initial_seed())
            self.heads = TrainingHeads(self.level, configuration.data, configuration.training.loss)
        self.extras: nn.Module = self.heads
        self.finished = False
        self.ahead: ReadAhead[TrainingBatch] | None = None
        assert "measured" not in (self.learning.precision, self.learning.compile), (
            "`measured` is decided before a phase is made"
        )
        encoder_and_predictor = (self.level.perception, *self.level.dynamics())
        self.compiled = CompiledModules(encoder_and_predictor) if self.learning.compile else None

    def parameters(self) -> list[nn.Parameter]:
        """The parameters of encoder, predictor, masked predictor and training heads."""
        return parameters_of(self.level, self.heads)

    def start(self) -> None:
        """See `ClipPhase`; on a GPU batches are read ahead."""
        super().start()
        if self.body.low.device.type == "cuda":
            self.read_ahead()

    def read_ahead(self) -> None:
        """From now on, read each batch while the step before is computed."""
        seed, name = self.learning.seed, self.name
        self.ahead = ReadAhead(
            lambda generator: self.batch(self.learning.batch, generator), lambda step: step_generator(seed, name, step)
        )

    def groups(self) -> list[ParameterGroup]:
        """One group, or two if the encoder has its own learning rate."""
        if (rate := self.learning.encoder_rate) == 1:
            return super().groups()
        encoder = parameters_of(self.level.perception)
        encoder_ids = set(map(id, encoder))
        others = [parameter for parameter in self.parameters() if id(parameter) not in encoder_ids]
        return [ParameterGroup(encoder, rate), ParameterGroup(others)]

    def heldout_terms(self, states: Tensor, actions: Tensor) -> dict[str, float]:
        """The custom loss terms on held-out clips."""
        if not self.heads.own_terms.terms:
            return {}
        following = one_block_ahead(self.level, states, actions)
        inputs = LossInputs(states, following, states[:, 1 : following.shape[1] + 1], actions)
        return {f"heldout_{name}": float(value) for name, value in self.heads.own_terms(inputs).items()}

    def step(self, step: int, generator: torch.Generator) -> tuple[Tensor, Terms]:
        """The world-model loss of one batch of clips."""
        batch = self.batch(self.learning.batch, generator) if self.ahead is None else self.ahead(step, generator)
        compiled = nullcontext() if self.compiled is None else self.compiled.active()
        with autocast(self.learning.precision, self.body.low.device), compiled:
            return world_model_loss(self.level, self.heads, batch, step / max(self.steps, 1), generator)

    def after_step(self) -> None:
        """Update the EMA teacher, if there is one."""
        self.heads.follow(self.level)

    def checked_at(self, done: int) -> bool:
        """See `Phase`; never where the encoder is frozen."""
        return self.watched and done in check_steps(self.steps)

    @torch.no_grad()
    def examine(self, done: int, seconds: float) -> Configuration | None:
        """Gives up states that are almost constant and stay so, and states that tell less than random features do."""
        clips = self.monitored_clips()
        if clips is None:
            return None
        states, actions = self.encoded(clips)
        collapse = CollapseMonitor.measure(self.level.metric.pool(states), actions, **asked_of(self.configuration))
        before, last = self.notes.get("std"), int(self.notes.get("step", 0))
        if before is None:
            before = untrained_std(self.level, clips, self.configuration)
        sentence = ""
        if done - last >= GAP:
            sentence = constant_sentence(collapse.batch_std, before)
            self.notes = {**self.notes, "std": collapse.batch_std, "step": done}
        if sentence:
            return self._recovered(StateAlarm("constant", self.name, done, seconds, sentence), collapse)
        if done == self.steps or (done >= COMPARED * self.steps and "compared" not in self.notes):
            self.notes = {**self.notes, "compared": done}
            if sentence := uninformative_sentence(collapse, self.level, self.store, self.configuration):
                return self._recovered(StateAlarm("uninformative", self.name, done, seconds, sentence), collapse)
        return None

    def _recovered(self, alarm: StateAlarm, collapse: CollapseMonitor) -> Configuration | None:
        """The next configuration; None where no rule is left, and the state tells the action in spite of its scale."""
        try:
            return recovered(self.configuration, alarm)
        except NoRecoveryError as refusal:
            if alarm.kind == "uninformative" or refusal.asked or collapse.inverse_dynamics_r2 < LEAST_R2:
                raise
            log.warning(
                "%s, step %d: %s No rule is left; the state tells the action, so training goes on.",
                self.name,
                alarm.step,
                alarm.sentence,
            )
            return None

    def diverged(self, step: int, seconds: float, error: NonFiniteError) -> Configuration:
        """See `Phase`."""
        if not self.watched:
            raise error
        try:
            return recovered(self.configuration, StateAlarm("diverged", self.name, step, seconds, "the loss was not finite."))
        except NoRecoveryError:
            raise error from None

    def finish(self) -> None:
        """The next monitor compares the state with its floor, too; nothing is read ahead any more."""
        self.abandon()
        self.finished = True

    def abandon(self) -> None:
        """Nothing is read ahead any more."""
        if self.ahead is not None:
            self.ahead.close()

    def monitor(self) -> dict[str, float | list[str]]:
        """See `ClipPhase`; after the last step also what the state misses, and an alarm if untrained features miss less."""
        figures = super().monitor()
        learned = self.finished and parameters_of(self.level.perception)
        found = measure_state_floor(self.level, self.store, self.configuration) if learned else None
        if found is None:
            return figures
        for stream in found.streams:
            trained, untrained = stream.shares()
            figures |= {f"missed_{stream.name}": trained, f"missed_{stream.name}_untrained": untrained}
        collapse = figures.get("alarms", [])
        alarms = floor_alarms(found, self.level.perception.streams, self.learning.loss)
        figures["alarms"] = [*(collapse if isinstance(collapse, list) else []), *alarms]
        return figures
