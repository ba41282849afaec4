"""How good a set of imagined futures is, where the true ones are known.

Axes: W ways, M moments, S samples, H blocks, D. `chances` [W]: how likely each way is, at each moment alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def errors(imagined: Tensor, true: Tensor) -> Tensor:
    """Squared error, mean over D: imagined [M, S, H, D], true [W, M, H, D] to [W, M, S, H]."""
    return torch.stack([(imagined - way[:, None]).square().mean(-1) for way in true])


def apart(true: Tensor) -> Tensor:
    """Squared distance of each way to the nearest of the others, mean over D: [W, M, H, D] to [W, M, H]."""
    between = (true[:, None] - true).square().mean(-1)
    itself = torch.eye(len(true), dtype=torch.bool, device=true.device)[..., None, None]
    return between.masked_fill(itself, torch.inf).amin(1)


def mode_coverage(error: Tensor, separation: Tensor) -> Tensor:
    """Share of true ways that some sample comes nearer to than half-way to the nearest other way: [W, M, S, H] to [H].

    The mean of two ways lies half-way and covers neither; that of three that are equally far apart covers none, too.
    `separation`: [W, M, H], see `apart`.
    """
    return (error.amin(2) < separation / 4).to(error).mean((0, 1))


def branch_probability_error(error: Tensor, chances: Sequence[float]) -> Tensor:
    """How far the share of samples that are nearest to each way is from its chance, mean over ways and moments: to [H]."""
    nearest = error.argmin(0)
    shares = torch.stack([(nearest == way).to(error).mean(1) for way in range(len(error))])
    return (shares - error.new_tensor(chances)[:, None, None]).abs().mean((0, 1))


def best_of(error: Tensor, chances: Sequence[float]) -> Tensor:
    """Error of the sample that is best over the whole path, expected over ways: [W, M, S, H] to [H]."""
    best = error.mean(-1, keepdim=True).argmin(2, keepdim=True).expand(-1, -1, 1, error.shape[-1])
    return _expected(error.gather(2, best).squeeze(2), chances)


def energy_score(imagined: Tensor, true: Tensor, chances: Sequence[float]) -> Tensor:
    """E|X - y| - E|X - X'| / 2, a proper score of a distribution (Gneiting and Raftery 2007, eq. 21): to [H].

    It is least for the true distribution, and 0 only where nothing is open. Here the distribution is that of the S samples,
    each as likely, so X' may be X. To leave that out, as one does of independent samples, would flatter: these are spread
    evenly over the chances, so two of them lie further apart than any two would. Norms are Euclidean over D, divided by
    sqrt(D). Of one sample it is its distance.
    """
    paths = imagined.transpose(1, 2)
    between: Tensor = torch.cdist(paths, paths).mean((-1, -2)).mean(0) / imagined.shape[-1] ** 0.5
    return _expected(errors(imagined, true).sqrt().mean(2), chances) - between / 2


def _expected(values: Tensor, chances: Sequence[float]) -> Tensor:
    """Mean over moments, expected over ways: [W, M, H] to [H]."""
    return (values.mean(1) * values.new_tensor(chances)[:, None]).sum(0)
