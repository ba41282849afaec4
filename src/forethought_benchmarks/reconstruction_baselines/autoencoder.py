"""A baseline that reconstructs its predictions: a convolutional autoencoder with latent dynamics (as Ha and Schmidhuber 2018,
1803.10122, and Dreamer's decoder, 1912.01603, but deterministic).

Encoder and predictor are the JEPA's. The loss differs: it reconstructs the current frame from the state, and the next frame
from the predicted state. No term on the variance of states is needed, because a collapsed state reconstructs nothing.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from forethought.action_codec import ActionCodec
from forethought.agent_networks import AgentNetworks
from forethought.config import Configuration, StreamSettings
from forethought.data.store import EpisodeStore
from forethought.perception import Perception
from forethought.readout.decoder import DEVIATION_WEIGHT
from forethought.training.phases import Terms, parameters_of, step_generator
from forethought.training.world_model_phase import ClipPhase
from forethought.types import PIXELS
from forethought_benchmarks.reconstruction_baselines.latent_gating import Gates

AVERAGED = 1024
"""Number of training images in the average image."""
RATE = 3e-3
"""Learning rate of the reconstruction phase: three times the JEPA's, chosen on other episodes than the benchmark's."""


class ConvDecoder(nn.Module):
    """Decodes a state to normalised pixels, channels first; mirrors `ConvEncoder`. Its output is added to the average image.

    Attributes:
        average: [C, height, width], the average training image.
        contrast: mean over images of the largest deviation from the average image.
    """

    average: Tensor
    contrast: Tensor

    def __init__(self, state_dim: int, stream: StreamSettings, base: int, features: int) -> None:
        """`stream`: height and width in pixels (multiples of 16) and channels. `base`, `features`: as the encoder's."""
        super().__init__()
        height, width, channels = stream.shape
        self.grid = (2 * base, height // 16, width // 16)
        size = 2 * base * (height // 16) * (width // 16)
        self.head = nn.Sequential(nn.Linear(state_dim, features), nn.SiLU(), nn.Linear(features, size), nn.SiLU())
        self.draw = nn.Sequential(
            nn.ConvTranspose2d(2 * base, 2 * base, 4, stride=2, padding=1),
            nn.SiLU(),
            nn.ConvTranspose2d(2 * base, base, 4, stride=2, padding=1),
            nn.SiLU(),
            nn.ConvTranspose2d(base, channels, 8, stride=4, padding=2),
        ).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.register_buffer("average", torch.zeros(channels, height, width))
        self.register_buffer("contrast", torch.ones(()))

    @torch.no_grad()
    def fit(self, pictures: Float[Tensor, "B C height width"]) -> None:
        """Compute the average and the contrast of normalised training images."""
        self.average.copy_(pictures.mean(0))
        self.contrast.copy_((pictures - self.average).abs().amax((1, 2, 3)).mean())

    def error(self, states: Float[Tensor, "*B D"], pictures: Float[Tensor, "*B C height width"]) -> Tensor:
        """Weighted squared reconstruction error: a pixel weighs more the farther it is from the average image.

        A small agent is a hundredth of an image's variance. Without weights it is reconstructed only late in training.
        """
        weight = 1 + DEVIATION_WEIGHT * (pictures - self.average).abs().amax(-3, keepdim=True) / self.contrast
        drawn: Tensor = self(states)
        return ((drawn - pictures).square() * weight).mean()

    def forward(self, states: Float[Tensor, "*B D"]) -> Float[Tensor, "*B C height width"]:
        """[..., D] to [..., C, height, width], in standard deviations."""
        cells = self.head(states).reshape(-1, *self.grid)
        pictures: Tensor = self.draw(cells) + self.average
        return pictures.view(*states.shape[:-1], *pictures.shape[1:])


class AutoencoderPhase(ClipPhase):
    """Phase 1 of the baseline: reconstruct each row from its state, and the next row from the predicted state.

    With `gates`, the decoder sees states through them (see `Gates`).
    """

    def __init__(
        self,
        modules: AgentNetworks,
        store: EpisodeStore,
        configuration: Configuration,
        body: ActionCodec,
        gates: Gates | None = None,
    ) -> None:
        """See `ClipPhase`."""
        super().__init__(modules, store, configuration, body)
        perceives = self.level.perception
        assert isinstance(perceives, Perception)
        self.fused = perceives
        self.name = "gated autoencoder" if gates else "autoencoder"
        self.learning_rate = RATE
        self.gates, perception = gates, configuration.model.encoder
        stream = next(stream for stream in configuration.data.streams if stream.name == PIXELS)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(step_generator(self.learning.seed, self.name, 0).initial_seed())
            self.decoder = ConvDecoder(self.level.state_dim, stream, perception.width, perception.hidden)
        self.extras: nn.Module = nn.ModuleList([self.decoder, *([gates] if gates else [])])

    def parameters(self) -> list[nn.Parameter]:
        """Parameters of perception, predictor, decoder, and of the gates if there are any."""
        return parameters_of(self.level.perception, self.level.predictor, self.extras)

    def start(self) -> None:
        """Compute the average of the training images."""
        super().start()
        rows = self.store.rows_of(self.store.train)
        self.decoder.fit(self.normal(torch.from_numpy(self.store.rows(PIXELS, rows[:: max(1, len(rows) // AVERAGED)]))))

    def normal(self, pixels: Tensor) -> Tensor:
        """Pixels [B, height, width, C] as the encoder sees them, [B, C, height, width]."""
        seen: Tensor = self.fused.normalise[PIXELS](pixels.to(self.body.low.device))
        return seen

    def step(self, step: int, generator: torch.Generator) -> tuple[Tensor, Terms]:
        """Reconstruction error of the current and of the next image; with gates, also the cost of open gates."""
        batch = self.batch(self.learning.batch, generator)
        pixels = batch.observation[PIXELS][:, :-1]
        pictures = self.normal(pixels.flatten(0, 1)).unflatten(0, pixels.shape[:2])
        states = self.level.encode({PIXELS: pixels if self.gates else pixels[:, :-1]})
        now = states[:, : batch.actions.shape[1]]
        following = self._predict(now, batch.actions)
        terms: dict[str, Tensor] = {}
        seen = (now, following)
        if self.gates is not None:
            # The gate cost does not train the encoder: components that are easy to predict are not all useful.
            predicted = self._predict(now.detach(), batch.actions)
            terms["gate_cost"] = self.gates.cost(predicted, states[:, 1:].detach())
            seen = (self.gates(now, generator), self.gates(following, generator))
        terms["present"] = self.decoder.error(seen[0], pictures[:, :-1])
        terms["next"] = self.decoder.error(seen[1], pictures[:, 1:])
        return torch.stack(list(terms.values())).sum(), terms

    def _predict(self, states: Tensor, actions: Tensor) -> Tensor:
        """Each row's next state: [B, T, D] and [B, T, A] to [B, T, D]."""
        return self.level.predict(states[:, :, None], actions[:, :, None])[:, :, 0]

    def finish(self) -> None:
        """Make the gates part of the encoder: a component behind a closed gate is not part of the state."""
        if self.gates is not None:
            self.gates.close(self.fused.fuse)
