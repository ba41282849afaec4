"""Training of the token baseline: codes from training patches, then the next codes from the current ones and the action."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from forethought.action_codec import ActionCodec
from forethought.agent_networks import AgentNetworks
from forethought.config import Configuration
from forethought.data.store import EpisodeStore
from forethought.training.critic_phase import CriticPhase, EncodeOnce
from forethought.training.phases import Phase, Terms, parameters_of, step_generator
from forethought.types import PIXELS
from forethought_benchmarks.reconstruction_baselines.token_model import TokenModel
from forethought_benchmarks.reconstruction_baselines.tokenizer import Tokenizer

PICTURES = 512
"""Number of training images for the codes."""
CHANGED = 5.0
"""Weight of a patch that changes: 3 of 64 do, and a model that predicts no change is right for the rest."""
TOKEN_PARTS = {"model.encoder.kind": "tokens", "model.kind": "tokens"}
"""Settings that choose the parts of the baseline."""
RATE = 3e-3
"""Learning rate of the token model."""


class TokenPhase(Phase):
    """Weighted cross-entropy of the next codes with teacher forcing; codes that change weigh more."""

    name = "tokens"

    def __init__(self, modules: AgentNetworks, store: EpisodeStore, configuration: Configuration, encode: EncodeOnce) -> None:
        """`encode` gives the training episodes' states, once there are codes to encode with."""
        tokenizer, model = modules.world_model.perception, modules.world_model.predictor
        assert isinstance(tokenizer, Tokenizer)
        assert isinstance(model, TokenModel)
        self.tokenizer, self.model, self.store, self.encode = tokenizer, model, store, encode
        self.learning = training = configuration.training
        self.steps, self.learning_rate, self.weight_decay = training.world_model_steps, RATE, training.weight_decay
        self.extras: nn.Module = nn.Module()

    def parameters(self) -> list[nn.Parameter]:
        """The token model's."""
        return parameters_of(self.model)

    def start(self) -> None:
        """Fit the codes, unless a checkpoint has them, and encode all training images."""
        if not self.tokenizer.fitted:
            generator = step_generator(self.learning.seed, "codes", 0)
            rows = self.store.rows_of(self.store.train)
            picked = rows[torch.randperm(len(rows), generator=generator)[:PICTURES].numpy()]
            pixels = torch.from_numpy(self.store.rows(PIXELS, picked))
            self.tokenizer.fit(self.tokenizer.patches(pixels).flatten(0, 1), generator)
        self.data = self.encode()

    def step(self, step: int, generator: torch.Generator) -> tuple[Tensor, Terms]:
        """One batch of transitions."""
        states, actions = self.data.windows(self.learning.batch, 1, generator)
        tokens = self.tokenizer.read(states)
        logits = self.model.logits(tokens[:, 0], actions[:, 0], tokens[:, 1])
        errors = functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1].flatten(), reduction="none")
        weight = 1 + CHANGED * (tokens[:, 0] != tokens[:, 1]).flatten()
        return (errors * weight).sum() / weight.sum(), {"cross_entropy": errors.mean()}


def token_phases(
    modules: AgentNetworks, store: EpisodeStore, configuration: Configuration, body: ActionCodec, encode: EncodeOnce
) -> list[Phase]:
    """Token model and critic, both from states that are encoded once. No Mode-1: codes pass no gradient to it."""
    return [TokenPhase(modules, store, configuration, encode), CriticPhase(modules, configuration, encode)]
