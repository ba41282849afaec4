"""Random streams of many episodes at once on a GPU: a counter-based generator, one key for each episode.

A generator with a state makes numbers one after another, so B episodes need B generators and a loop. A counter-based one
computes number n of episode i from (key i, n) alone (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"). So all
numbers of all episodes are one elementwise computation, and those of an episode do not depend on the others in the batch.

Axes: B episodes, N numbers of each.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

_MULTIPLIERS, _KEY_STEPS = (0xD2511F53, 0xCD9E8D57), (0x9E3779B9, 0xBB67AE85)
_WORD = 0xFFFFFFFF
_MOST = 2**24
"""Numbers that are computed at once; more of them in parts, because each needs several times its size as integers."""


def philox(counter: tuple[Tensor, Tensor], key: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Philox-4x32-10: a block of four random 32-bit words for each counter and key, as int64 that broadcast.

    Args:
        counter: its two low words; the two high words are 0. key: its two words.
    """
    zero = torch.zeros_like(counter[0])
    return philox_words((*counter, zero, zero), key)


def philox_words(
    counter: tuple[Tensor, Tensor, Tensor, Tensor], key: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Philox-4x32-10 of all four words of a counter (Salmon et al. 2011, section 3.3)."""
    (a, b, c, d), (low, high) = counter, key
    for _ in range(10):
        # Products of two 32-bit words fill 64 bits; an int64 wraps around, and its bits are those of the unsigned product.
        first, second = a * _MULTIPLIERS[0], c * _MULTIPLIERS[1]
        a, b, c, d = _high(second) ^ b ^ low, second & _WORD, _high(first) ^ d ^ high, first & _WORD
        low, high = (low + _KEY_STEPS[0]) & _WORD, (high + _KEY_STEPS[1]) & _WORD
    return a, b, c, d


def _high(product: Tensor) -> Tensor:
    return (product >> 32) & _WORD


class CounterStreams:
    """B random streams on one device; each call takes the next numbers of every stream."""

    def __init__(self, seeds: Sequence[int], device: torch.device) -> None:
        """One stream for each seed; all 64 bits of a seed count."""
        # Seeds beyond int64 wrap around, as those of PyTorch's generators do.
        wrapped = [(int(seed) + 2**63) % 2**64 - 2**63 for seed in seeds]
        keys = torch.tensor(wrapped, dtype=torch.int64, device=device)
        self._low, self._high = keys & _WORD, _high(keys)
        self._used = torch.zeros_like(keys)  # blocks of each stream, shared by all subsets
        self._rows = torch.arange(len(keys), device=device)

    def __len__(self) -> int:
        """B."""
        return len(self._rows)

    def subset(self, rows: Tensor) -> CounterStreams:
        """The streams (not copies) of the episodes `rows`, int64 on the device of the streams."""
        subset = CounterStreams((), self._used.device)
        subset._low, subset._high, subset._used = self._low, self._high, self._used
        subset._rows = self._rows[rows]
        return subset

    def uniform(self, count: int) -> Tensor:
        """float32 [B, N], uniform in [0, 1), multiples of 2^-24."""
        return self._numbers(count, lambda words: torch.stack(words, -1) / 2**24)

    def normal(self, count: int) -> Tensor:
        """float32 [B, N], standard normal, by Box and Muller's transform of pairs of words."""

        def transformed(words: list[Tensor]) -> Tensor:
            radius = [(-2 * ((words[pair] + 1) / 2**24).log()).sqrt() for pair in (0, 2)]
            angle = [words[pair] * (2 * math.pi / 2**24) for pair in (1, 3)]
            pairs = [part for r, a in zip(radius, angle, strict=True) for part in (r * a.cos(), r * a.sin())]
            return torch.stack(pairs, -1)

        return self._numbers(count, transformed)

    def _numbers(self, count: int, transform: Callable[[list[Tensor]], Tensor]) -> Tensor:
        """The next numbers of each stream, [B, N]; `transform`: words of 24 bits as float32 [B, blocks] to [B, blocks, 4]."""
        blocks, used = -(-count // 4), self._used[self._rows]
        self._used[self._rows] = used + blocks
        key = self._low[self._rows, None], self._high[self._rows, None]
        at_once = max(1, _MOST // max(1, 4 * len(self)))
        parts = []
        for first in range(0, blocks, at_once):
            block = used[:, None] + torch.arange(first, min(first + at_once, blocks), device=used.device)
            words = philox((block & _WORD, _high(block)), key)
            parts.append(transform([(word >> 8).float() for word in words]).flatten(1))
        return torch.cat(parts, 1)[:, :count] if parts else torch.empty(len(self), 0, device=used.device)
