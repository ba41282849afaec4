"""The default encoder: normalise each stream, encode it, fuse the streams into one state."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from forethought.config import EncoderConfig, StreamSettings
from forethought.errors import ForethoughtError, NonFiniteError
from forethought.layers import lsuv_init_
from forethought.perception.contract import Encoder
from forethought.perception.conv import ConvEncoder
from forethought.perception.spatial_softmax import SpatialSoftmaxEncoder
from forethought.perception.vit import VisionTransformer
from forethought.states import StateSpec
from forethought.types import Observation


class StreamNormaliser(nn.Module):
    """(x - mean) / std with statistics of the training data, stored as buffers. Images become channels first.

    Numbers lose no digit to a large mean: the nearest float32 of the mean is subtracted first, which is exact where the
    value is near it, and then the rest of the mean. No device needs float64 for it.
    """

    mean: Tensor
    std: Tensor
    rest: Tensor

    def __init__(self, stream: StreamSettings) -> None:
        """`stream.mean` and `stream.std`: one per channel (image) or per value (vector)."""
        super().__init__()
        self.is_image = stream.kind == "image"
        self.register_buffer("mean", torch.tensor(stream.mean, dtype=torch.float32))
        self.register_buffer("std", torch.tensor(stream.std, dtype=torch.float32))
        rest = np.array(stream.mean) - np.array(stream.mean, np.float32).astype(np.float64)
        # Not in the checkpoint: the configuration holds all digits of the mean.
        self.register_buffer("rest", torch.from_numpy(rest).float(), persistent=False)

    def forward(self, values: Tensor) -> Tensor:
        """[B, height, width, C] uint8 to [B, C, height, width] float32, or [B, P] to [B, P] float32."""
        if not self.is_image:
            return ((values.float() - self.mean) - self.rest) / self.std
        return torch.addcmul(-self.mean / self.std, values.float(), 1 / self.std).permute(0, 3, 1, 2)


def module_name(stream: str) -> str:
    """The key of a stream in a `ModuleDict`; it avoids the names of its attributes (`keys`, `values`, `type`)."""
    return f"{stream}:stream" if hasattr(nn.ModuleDict, stream) else stream


def _encoder(stream: StreamSettings, settings: EncoderConfig) -> nn.Module:
    if stream.kind == "image":
        height, width, channels = stream.shape
        if settings.image == "vit":
            token = settings.width * settings.heads
            return VisionTransformer(
                height, width, channels, settings.patch, settings.depth, settings.heads, token, settings.hidden
            )
        convolution = SpatialSoftmaxEncoder if settings.image == "spatial-softmax" else ConvEncoder
        return convolution(height, width, channels, settings.width, settings.hidden)
    size = int(np.prod(stream.shape))
    hidden = settings.hidden
    return nn.Sequential(
        nn.Flatten(), nn.Linear(size, hidden), nn.LayerNorm(hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU()
    )


class Perception(Encoder):
    """Observation to state [..., D] or tokens [..., N, D]: one encoder per stream, concatenated features, a linear map."""

    def __init__(self, streams: tuple[StreamSettings, ...], settings: EncoderConfig) -> None:
        """Build one encoder for each stream."""
        super().__init__()
        self.streams = streams
        self.state_dim, self.layout = settings.state_dim, StateSpec.of(settings)
        self.normalise = nn.ModuleDict({module_name(stream.name): StreamNormaliser(stream) for stream in streams})
        self.encode = nn.ModuleDict({module_name(stream.name): _encoder(stream, settings) for stream in streams})
        self.fuse = nn.Linear(settings.hidden * len(streams), self.layout.size)

    def forward(self, observation: Mapping[str, Tensor], visible: Mapping[str, Tensor] | None = None) -> Tensor:
        """Encode an observation with any leading axes.

        Args:
            observation: stream -> [..., *shape]; a missing stream is hidden completely.
            visible: optional, stream -> bool broadcastable to the stream's values; hidden values are replaced by the stream's
                mean (0 after normalisation).

        Returns:
            [..., D], or tokens [..., N, D] if `model.encoder.tokens` is set.
        """
        features = []
        first = next(stream for stream in self.streams if stream.name in observation)
        values = observation[first.name]
        lead = tuple(values.shape[: values.ndim - len(first.shape)])
        for stream in self.streams:
            normalise, encode = self.normalise[module_name(stream.name)], self.encode[module_name(stream.name)]
            if stream.name not in observation:
                # A missing stream is replaced by its mean, which is 0 after normalisation, encoded once for all items.
                shape = (stream.shape[2], *stream.shape[:2]) if stream.kind == "image" else stream.shape
                features.append(encode(self.fuse.weight.new_zeros(1, *shape)).expand(math.prod(lead), -1))
                continue
            normal = normalise(observation[stream.name].reshape(-1, *stream.shape))
            if visible is not None and stream.name in visible:
                mask = visible[stream.name].reshape(normal.shape[0], 1, *visible[stream.name].shape[len(lead) :])
                normal = normal * (mask if stream.kind == "image" else mask.squeeze(1))
            features.append(encode(normal))
        state: Tensor = self.fuse(torch.cat(features, -1))
        state = state.unflatten(-1, self.layout.shape) if self.layout.tokens else state
        return state.unflatten(0, lead) if lead else state.squeeze(0)

    @torch.no_grad()
    def start_at_unit_scale(self, states: Tensor) -> None:
        """Rescale the last layer, given the untrained encoder's `states` [N, D], to zero mean and unit variance (LSUV)."""
        lsuv_init_(self.fuse, states)


def require_finite(values: NDArray[Any], what_holds: str) -> None:
    """Require finite values.

    Raises:
        NonFiniteError: "`what_holds` a NaN or infinity", with the index of the first one.
    """
    if not np.isfinite(values).all():
        raise NonFiniteError(f"{what_holds} a NaN or infinity at index {np.argwhere(~np.isfinite(values))[0].tolist()}.")


def array_of(value: Any, what: str) -> NDArray[Any]:
    """An array of numbers.

    Raises:
        ForethoughtError: it cannot be one; `what` is its name in the message.
    """
    try:
        values = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ForethoughtError(f"{what} is no array of numbers ({error}): give a NumPy array.") from error
    if values.dtype.kind not in "biuf":
        raise ForethoughtError(f"{what} has dtype {values.dtype}: give an array of numbers.")
    return values


def _named(streams: tuple[StreamSettings, ...]) -> str:
    return ", ".join(stream.name for stream in streams)


def to_tensors(
    observation: Observation, streams: tuple[StreamSettings, ...], device: torch.device | str = "cpu"
) -> dict[str, Tensor]:
    """Validate an observation against the agent's streams, and convert it to tensors (pixels stay uint8).

    Raises:
        ForethoughtError: a stream is missing, or has another shape or dtype than the agent was trained on.
        NonFiniteError: a number is NaN or infinite.
    """
    if not isinstance(observation, Mapping):
        raise ForethoughtError(
            f"An observation can't be a {type(observation).__name__}: give a dict of streams ({_named(streams)})."
        )
    tensors: dict[str, Tensor] = {}
    for stream in streams:
        if stream.name not in observation:
            raise ForethoughtError(
                f"The observation has no '{stream.name}' stream (it has: {', '.join(map(str, observation)) or 'nothing'}); "
                f"the agent was trained on it, so give {list(stream.shape)}."
            )
        values = array_of(observation[stream.name], f"The '{stream.name}' stream")
        shape = values.shape[values.ndim - len(stream.shape) :]
        if shape != stream.shape:
            raise ForethoughtError(
                f"The '{stream.name}' stream has shape {list(values.shape)}, but the agent was trained on "
                f"{list(stream.shape)}: resize it, or train on data of this shape."
            )
        if stream.kind == "image" and values.dtype != np.uint8:
            raise ForethoughtError(f"Pixels must be uint8 in 0..255, not {values.dtype}, in '{stream.name}': convert it first.")
        if stream.kind != "image":
            with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused
                values = values.astype(np.float32)
            require_finite(values, f"The '{stream.name}' stream holds")
        tensors[stream.name] = torch.from_numpy(np.require(values, requirements=("C", "W"))).to(device)
    leads = {
        name: list(values.shape[: values.ndim - len(stream.shape)])
        for (name, values), stream in zip(tensors.items(), streams, strict=True)
    }
    if any(lead != next(iter(leads.values())) for lead in leads.values()):
        raise ForethoughtError(f"The streams of one observation have different leading axes, {leads}: give them equal ones.")
    return tensors
