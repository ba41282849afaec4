"""Paired timings of two pieces of work in one run: the only fair comparison on a machine that others use, too."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from forethought.evaluation.result_rows import row
from forethought_benchmarks.planner_throughput import median_interval

Work = Callable[[], object]


@dataclass(frozen=True)
class Pairs:
    """Seconds of our work and of theirs, by repeat."""

    ours: Sequence[float]
    theirs: Sequence[float]

    def ratio_row(self, world: str, agent: str, metric: str, **fields: Any) -> dict[str, Any]:
        """A row of their seconds over ours: median and 95 % interval; above 1 ours is faster."""
        ratios = [theirs / ours for ours, theirs in zip(self.ours, self.theirs, strict=True)]
        low, high = median_interval(ratios)
        return row(world, agent, metric, statistics.median(ratios), low=low, high=high, n=len(ratios), **fields)


def paired(ours: Work, theirs: Work, repeats: int) -> Pairs:
    """Time both in turn, after one warm-up of each; which goes first changes with each repeat."""
    ours(), theirs()
    seconds: tuple[list[float], list[float]] = ([], [])
    for repeat in range(repeats):
        for side in (0, 1) if repeat % 2 == 0 else (1, 0):
            begun = time.perf_counter()
            (ours, theirs)[side]()
            seconds[side].append(time.perf_counter() - begun)
    return Pairs(*seconds)


@contextmanager
def threads(count: int) -> Iterator[None]:
    """PyTorch computes with so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
