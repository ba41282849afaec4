"""A small vision transformer (Dosovitskiy et al. 2020, 2010.11929), pre-norm, learned positions, flattened readout."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from forethought.errors import ForethoughtError


class TransformerBlock(nn.Module):
    """Pre-norm attention and MLP, each with a residual."""

    def __init__(self, width: int, heads: int) -> None:
        """`width` must be divisible by `heads`."""
        super().__init__()
        if width % heads:
            raise ForethoughtError(f"A transformer of width {width} can't have {heads} heads: set heads to a divisor of it.")
        self.heads = heads
        self.norm_attention, self.norm_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, tokens: Float[Tensor, "*B N W"], causal: bool = False) -> Float[Tensor, "*B N W"]:
        """Transform tokens; with `causal`, token n attends to tokens 0..n only."""
        qkv = self.qkv(self.norm_attention(tokens)).unflatten(-1, (3, self.heads, -1))
        query, key, value = (part.transpose(-3, -2) for part in qkv.unbind(-3))
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=causal)
        tokens = tokens + self.out(mixed.transpose(-3, -2).flatten(-2))
        after: Tensor = tokens + self.mlp(self.norm_mlp(tokens))
        return after


class VisionTransformer(nn.Module):
    """Patches to features. The readout flattens all tokens, which keeps positions without a class token."""

    def __init__(
        self, height: int, width: int, channels: int, patch: int, depth: int, heads: int, token: int, features: int
    ) -> None:
        """Sizes in pixels; `token` is the width of a token; `features` is the output size."""
        super().__init__()
        if height % patch or width % patch:
            raise ForethoughtError(
                f"Patches of {patch} pixels don't tile an image of {height}x{width}: set model.encoder.patch to a divisor."
            )
        count = (height // patch) * (width // patch)
        self.embed = nn.Conv2d(channels, token, patch, stride=patch)
        self.position = nn.Parameter(torch.randn(1, count, token) * 0.02)
        self.blocks = nn.ModuleList(TransformerBlock(token, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(token)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(count * token, features), nn.SiLU())

    def forward(self, pixels: Float[Tensor, "B C height width"]) -> Float[Tensor, "B F"]:
        """Normalised pixels, channels first, to features [B, features]."""
        tokens = self.embed(pixels).flatten(2).transpose(1, 2) + self.position
        for block in self.blocks:
            tokens = block(tokens)
        features: Tensor = self.head(self.norm(tokens))
        return features
