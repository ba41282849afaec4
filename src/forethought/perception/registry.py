"""Encoders by name: `model.encoder.kind` in the settings."""

from __future__ import annotations

from forethought.config import EncoderConfig, StreamSettings
from forethought.errors import ForethoughtError
from forethought.parts import find, register
from forethought.perception.contract import Encoder
from forethought.perception.perception import Perception

register("encoder", "fused")(Perception)


def make_encoder(streams: tuple[StreamSettings, ...], settings: EncoderConfig) -> Encoder:
    """Build the encoder that the settings name; its factory is called with (streams, settings).

    Raises:
        ForethoughtError: no encoder has that name, or the factory returns no `Encoder` with these `streams` and `state_dim`.
    """
    encoder = find("encoder", settings.kind, "model.encoder.kind")(streams, settings)
    if not isinstance(encoder, Encoder):
        raise ForethoughtError(f"The encoder '{settings.kind}' is a {type(encoder).__name__}: derive it from Encoder.")
    if getattr(encoder, "state_dim", None) != settings.state_dim or getattr(encoder, "streams", None) != streams:
        raise ForethoughtError(
            f"The encoder '{settings.kind}' lacks the given streams or a state_dim of {settings.state_dim}: set self.streams "
            "and self.state_dim in __init__."
        )
    return encoder
