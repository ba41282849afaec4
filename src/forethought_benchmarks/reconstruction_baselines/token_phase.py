"""How the token baseline learns: codes from training patches, then the next picture's codes from this one's and the action."""

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
"""Training pictures that the codes are found in."""
CHANGED = 5.0
"""How much more a patch counts that changes: 3 of 64 do, and a model that says nothing moves is right about the rest."""
TOKEN_PARTS = {"model.encoder.kind": "tokens", "model.kind": "tokens"}
"""Settings that name the baseline's parts."""
RATE = 3e-3
"""Learning rate of the token model."""


class TokenPhase(Phase):
    """Cross-entropy of the next picture's codes, given the true ones before each; those that change count more."""

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
        """Find the codes, where a checkpoint has not brought them, and put all training pictures in words."""
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
    """Token model and critic, both from states that are encoded once. No Mode-1: no gradient would reach it through words."""
    return [TokenPhase(modules, store, configuration, encode), CriticPhase(modules, configuration, encode)]
