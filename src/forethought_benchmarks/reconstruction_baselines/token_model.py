"""A baseline that predicts its next image token by token: a small decoder-only transformer over patch codes (IRIS, 2209.00588).

Axes: N patches of an image, V codes, W dimensions of a token, M images in a batch.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from forethought.config import DataSpec, EncoderConfig, ModelConfig, StreamSettings
from forethought.parts import register
from forethought.perception.vit import TransformerBlock
from forethought.world_model import FirstLevel, Predictor
from forethought_benchmarks.reconstruction_baselines.tokenizer import CODES, Tokenizer

WIDTH, DEPTH, HEADS = 64, 2, 4
CHUNK = 256
"""Number of images that are generated in a batch."""

Past = list[tuple[Tensor, Tensor]]
"""Per block, keys and values [M, heads, tokens so far, W / heads]."""


class Words(nn.Module):
    """Embeds codes: a learned embedding of each code plus a projection of its patch, so that similar patches are similar."""

    def __init__(self, size: int) -> None:
        """`size`: dimensions of a code's vector."""
        super().__init__()
        self.own, self.look = nn.Embedding(CODES, WIDTH), nn.Linear(size, WIDTH)
        nn.init.normal_(self.own.weight, std=0.1)

    def forward(self, tokens: Tensor, vectors: Tensor) -> Tensor:
        """Codes [...] and the vectors of all codes [V, E] to [..., W]."""
        word: Tensor = self.own(tokens) + self.look(vectors[tokens])
        return word


class TokenModel(Predictor):
    """Predictor p(next image | image, action block), as a product over its patches in raster order.

    The present picture's codes come first. Then, for each patch of the next picture, one token: the code written just before,
    the code that stands in this place now, and the action.
    """

    def __init__(self, tokenizer: Tokenizer, action_dim: int) -> None:
        """Reads and writes the tokenizer's states."""
        super().__init__()
        self.tokenizer, count = tokenizer, tokenizer.count
        self.seen, self.written, self.beside = (Words(tokenizer.vectors.shape[1]) for _ in range(3))
        self.action = nn.Linear(action_dim, WIDTH)
        self.position = nn.Parameter(torch.randn(2 * count, WIDTH) * 0.02)
        self.blocks = nn.ModuleList(TransformerBlock(WIDTH, HEADS) for _ in range(DEPTH))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, CODES)

    def logits(
        self, tokens: Int[Tensor, "M N"], actions: Float[Tensor, "M A"], following: Int[Tensor, "M N"]
    ) -> Float[Tensor, "M N V"]:
        """Of each patch of the next picture, given the true codes before it."""
        count = tokens.shape[1]
        shown, asked = self._begin(tokens, actions)
        asked = asked + nn.functional.pad(self.written(following[:, :-1], self.tokenizer.vectors), (0, 0, 1, 0))
        row = torch.cat([shown, asked], 1)
        for block in self.blocks:
            row = block(row, causal=True)
        logits: Tensor = self.head(self.norm(row[:, count:]))
        return logits

    def _begin(self, tokens: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """The present picture's tokens, and those of the next one as far as they are known beforehand: two times [M, N, W]."""
        count, vectors = tokens.shape[1], self.tokenizer.vectors
        asked = self.beside(tokens, vectors) + self.action(actions)[:, None] + self.position[count:]
        return self.seen(tokens, vectors) + self.position[:count], asked

    @torch.no_grad()
    def generate(self, tokens: Int[Tensor, "M N"], actions: Float[Tensor, "M A"]) -> Int[Tensor, "M N"]:
        """The next picture, its likeliest code patch after patch. Keys and values of what is written are kept."""
        past: Past = []
        row, asked = self._begin(tokens, actions)
        for block in self.blocks:
            row, kept = attend(block, row, None)
            past.append(kept)
        written: list[Tensor] = []
        for place in range(tokens.shape[1]):
            row = asked[:, place : place + 1]
            if written:
                row = row + self.written(written[-1], self.tokenizer.vectors)[:, None]
            for number, block in enumerate(self.blocks):
                row, past[number] = attend(block, row, past[number])
            written.append(self.head(self.norm(row[:, 0])).argmax(-1))
        return torch.stack(written, 1)

    def forward(self, states: Float[Tensor, "*B T D"], actions: Float[Tensor, "*B T A"]) -> Float[Tensor, "*B T D"]:
        """As `ResidualMLP.forward`: each state's next one; no gradient flows through words."""
        tokens, taken = self.tokenizer.read(states.flatten(0, -2)), actions.flatten(0, -2)
        parts = zip(tokens.split(CHUNK), taken.split(CHUNK), strict=True)
        return self.tokenizer.write(torch.cat([self.generate(*part) for part in parts])).view(states.shape)


def attend(block: nn.Module, row: Tensor, past: tuple[Tensor, Tensor] | None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """What `block(row, causal=True)` says of the last tokens, without doing the ones before again.

    Args:
        block: one of the model's. row: [M, n, W], new tokens: all of them where there is no past, else one.
        past: keys and values of the tokens before.

    Returns:
        [M, n, W], and the keys and values with the new ones.
    """
    assert isinstance(block, TransformerBlock)
    qkv = block.qkv(block.norm_attention(row)).unflatten(-1, (3, block.heads, -1))
    query, key, value = (part.transpose(-3, -2) for part in qkv.unbind(-3))
    if past is not None:
        key, value = torch.cat([past[0], key], -2), torch.cat([past[1], value], -2)
    mixed = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=past is None)
    row = row + block.out(mixed.transpose(-3, -2).flatten(-2))
    return row + block.mlp(block.norm_mlp(row)), (key, value)


@register("encoder", "tokens")
def make_tokenizer(streams: tuple[StreamSettings, ...], settings: EncoderConfig) -> Tokenizer:
    """The tokenizer in an encoder's place."""
    return Tokenizer(streams, settings.state_dim)


@register("world_model", "tokens")
class TokenLevel(FirstLevel):
    """Level 1 whose predictor reads and writes the tokenizer's codes."""

    def __init__(self, data: DataSpec, model: ModelConfig) -> None:
        """Needs `model.encoder.kind = tokens`."""
        super().__init__(data, model)
        assert isinstance(self.perception, Tokenizer)
        self.predictor = TokenModel(self.perception, self.action_dim)
