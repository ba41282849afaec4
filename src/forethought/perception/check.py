"""Conformance kit for perception: run it on your own encoder and learn what is wrong, where, and how to mend it."""

from __future__ import annotations

from inspect import signature

import torch
from torch import Tensor, nn

from forethought.config import StreamSettings
from forethought.errors import ConformanceError

B, T, CLOSE = 3, 2, 1e-4


def check_perception(perception: nn.Module, streams: tuple[StreamSettings, ...], state_dim: int, tokens: int = 0) -> None:
    """Hold an encoder to what the agent and its training need: see `Perception`.

    - `streams`, the settings of what it is given, and `state_dim`, D.
    - A call with an observation, and with `visible` beside it: stream -> bool, False is hidden; see `Perception.forward`.
    - `start_at_unit_scale(states)`, if it likes: without it, states start at the scale that they have. It may be frozen.

    Args:
        perception: yours: a mapping of streams [..., *shape] to states [..., D], or to tokens [..., N, D].
        streams: what it is given. state_dim: D. tokens: N, as `model.encoder.tokens`; 0 for states that are vectors.

    Raises:
        ConformanceError: the first promise that is broken: what, where, and the fix.

    >>> from forethought.perception import Perception, check_perception
    >>> from forethought.config import EncoderConfig, StreamSettings
    >>> touch = (StreamSettings(name="proprioception", shape=(3,), mean=(0.0,) * 3, std=(1.0,) * 3),)
    >>> check_perception(Perception(touch, EncoderConfig(state_dim=8)), touch, state_dim=8)
    """
    generator = torch.Generator().manual_seed(0)
    seen = {stream.name: _example(stream, generator) for stream in streams}
    perception.eval()
    for name, wanted in (("streams", streams), ("state_dim", state_dim)):
        if getattr(perception, name, None) != wanted:
            _fail(f"has no `{name}` that is {wanted}", f"set self.{name} in __init__")
    try:
        signature(perception.forward).bind(seen, seen)
    except TypeError:
        _fail("does not take (observation, visible)", "add visible=None, which filling-in gives")
    states, shape = perception(seen), (B, T, tokens, state_dim) if tokens else (B, T, state_dim)
    if tuple(states.shape) != shape:
        _fail(f"gives shape {tuple(states.shape)} for [B, T, ...], not {shape}", "keep all leading axes")
    if not bool(torch.isfinite(states).all()):
        _fail("gives NaN or infinity for finite input", "look for a division by a standard deviation of zero")
    visible = {stream.name: torch.ones(B, T, *_masked(stream)).bool() for stream in streams}
    if tuple(perception(seen, visible).shape) != shape:
        _fail("gives another shape with `visible`", "keep all leading axes there too")
    alone = perception({name: values[1:2, :1] for name, values in seen.items()})
    if not torch.allclose(alone[0, 0], states[1, 0], atol=CLOSE):
        _fail("gives another state for an item alone than in a batch", "don't normalise over the batch in eval mode")
    if torch.allclose(states[0, 0], states[1, 0], atol=CLOSE):
        _fail("gives the same state for different observations", "look for a dead layer")


def _masked(stream: StreamSettings) -> tuple[int, ...]:
    """What is hidden of a stream: patches of an image, values of numbers."""
    return stream.shape[:2] if stream.kind == "image" else stream.shape


def _example(stream: StreamSettings, generator: torch.Generator) -> Tensor:
    shape = (B, T, *stream.shape)
    if stream.kind == "image":
        return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    return torch.randn(shape, generator=generator)


def _fail(what: str, fix: str) -> None:
    raise ConformanceError(f"check_perception: the encoder {what}; {fix}.")
