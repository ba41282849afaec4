"""Conformance test for custom encoders; a failure says what is wrong, where, and how to fix it."""

from __future__ import annotations

from inspect import signature

import torch
from torch import Tensor, nn

from forethought.config import StreamSettings
from forethought.errors import ConformanceError

B, T, CLOSE = 3, 2, 1e-4


def check_perception(perception: nn.Module, streams: tuple[StreamSettings, ...], state_dim: int, tokens: int = 0) -> None:
    """Test an encoder against the contract of `Encoder`.

    - It has the attributes `streams`, the settings of its inputs, and `state_dim`, D.
    - It takes an observation, and optionally `visible`: stream -> bool, False is hidden; see `Perception.forward`.
    - It may implement `start_at_unit_scale(states)`, and it may be frozen.

    Args:
        perception: the custom encoder: streams [..., *shape] to states [..., D], or to tokens [..., N, D].
        streams: its inputs. state_dim: D. tokens: N, as `model.encoder.tokens`; 0 for states that are vectors.

    Raises:
        ConformanceError: the first violation: what, where, and the fix.

    >>> from forethought.perception import Perception, check_perception
    >>> from forethought.config import EncoderConfig, StreamSettings
    >>> touch = (StreamSettings(name="proprioception", shape=(3,), mean=(0.0,) * 3, std=(1.0,) * 3),)
    >>> check_perception(Perception(touch, EncoderConfig(state_dim=8)), touch, state_dim=8)
    """
    generator = torch.Generator().manual_seed(0)
    observation = {stream.name: _example(stream, generator) for stream in streams}
    perception.eval()
    for name, expected in (("streams", streams), ("state_dim", state_dim)):
        if getattr(perception, name, None) != expected:
            _fail(f"has no `{name}` that is {expected}", f"set self.{name} in __init__")
    try:
        signature(perception.forward).bind(observation, observation)
    except TypeError:
        _fail("does not take (observation, visible)", "add visible=None, which masked prediction passes")
    states, shape = perception(observation), (B, T, tokens, state_dim) if tokens else (B, T, state_dim)
    if tuple(states.shape) != shape:
        _fail(f"gives shape {tuple(states.shape)} for [B, T, ...], not {shape}", "keep all leading axes")
    if not bool(torch.isfinite(states).all()):
        _fail("gives NaN or infinity for finite input", "look for a division by a standard deviation of zero")
    visible = {stream.name: torch.ones(B, T, *_masked(stream)).bool() for stream in streams}
    if tuple(perception(observation, visible).shape) != shape:
        _fail("gives another shape with `visible`", "keep all leading axes there too")
    alone = perception({name: values[1:2, :1] for name, values in observation.items()})
    if not torch.allclose(alone[0, 0], states[1, 0], atol=CLOSE):
        _fail("gives another state for an item alone than in a batch", "don't normalise over the batch in eval mode")
    if torch.allclose(states[0, 0], states[1, 0], atol=CLOSE):
        _fail("gives the same state for different observations", "look for a dead layer")


def _masked(stream: StreamSettings) -> tuple[int, ...]:
    """Shape of a stream's visibility mask: the pixels of an image, the values of a vector."""
    return stream.shape[:2] if stream.kind == "image" else stream.shape


def _example(stream: StreamSettings, generator: torch.Generator) -> Tensor:
    shape = (B, T, *stream.shape)
    if stream.kind == "image":
        return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    return torch.randn(shape, generator=generator)


def _fail(what: str, fix: str) -> None:
    raise ConformanceError(f"check_perception: the encoder {what}; {fix}.")
