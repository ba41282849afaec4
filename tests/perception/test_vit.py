"""The vision transformer: patches that tile, heads that divide, attention that looks back only when told so."""

from __future__ import annotations

import pytest
import torch

from forethought.errors import ForethoughtError
from forethought.perception.vit import TransformerBlock, VisionTransformer


def test_attention_mixes_all_tokens_or_only_the_past() -> None:
    torch.manual_seed(0)
    block = TransformerBlock(16, 2)
    tokens = torch.randn(2, 5, 16)
    changed = tokens.clone()
    changed[:, 3] = torch.randn(2, 16)
    free, causal = (block(changed, causal) - block(tokens, causal) for causal in (False, True))
    assert (free.abs().amax((0, 2)) > 1e-6).all()
    assert torch.equal(causal[:, :3], torch.zeros(2, 3, 16))
    assert (causal[:, 3:].abs().amax((0, 2)) > 1e-6).all()


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ForethoughtError, match="width 10 can't have 4 heads"):
        TransformerBlock(10, 4)


def test_patches_that_do_not_tile_are_refused() -> None:
    with pytest.raises(ForethoughtError, match=r"model\.encoder\.patch"):
        VisionTransformer(64, 60, 3, 8, 1, 2, 16, 32)


def test_picture_to_features_and_every_patch_counts() -> None:
    torch.manual_seed(0)
    encoder = VisionTransformer(32, 16, 3, 8, 2, 2, 8, 12)
    pixels = torch.rand(3, 3, 32, 16, requires_grad=True)
    features = encoder(pixels)
    assert features.shape == (3, 12)
    features.square().sum().backward()
    assert pixels.grad is not None
    assert (pixels.grad.abs().amax((0, 1)) > 0).all()


def test_patches_swapped_are_another_picture() -> None:
    """Positions are learned: the same patches in another order mean something else."""
    torch.manual_seed(0)
    encoder = VisionTransformer(16, 16, 3, 8, 1, 2, 8, 12)
    pixels = torch.rand(1, 3, 16, 16)
    assert not torch.allclose(encoder(pixels), encoder(pixels.flip(2)), atol=1e-4)
