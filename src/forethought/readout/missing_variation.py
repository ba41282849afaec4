"""What varies within episodes, and a trained state tells less of than the same encoder's untrained state. No labels are used.

Training an encoder must not lose what random features keep: a plan cannot aim at what is not in the state. Two equal readouts
predict a coarse copy of every stream, one from the trained state and one from the untrained one. Compared is what they miss of
the lasting variation (`lasting_variation`), by place, on episodes that neither readout was fitted on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from forethought.config import StreamSettings
from forethought.readout.lasting_variation import around_mean, lasting, neighbourhoods, paired_t
from forethought.readout.paired_readout import fit_paired_readout

GRID = 8
"""Places of an image along each side. Finer places would count the precision of a readout, which differs between encodings."""
MARGIN, LEAST_RATIO, LEAST_MISSED = 0.02, 1.3, 0.1
"""The loss must exceed this share of all variation of a place beyond chance. What is missed must be so many times what
the untrained state misses, and this share of the lasting variation: a readout of a complete state misses a little, too."""
LEAST_SHARE, LEAST_LASTING = 0.05, 0.05
"""A place counts if it has this share of its image's lasting variation, and if this share of its variation lasts."""
BULK = 0.5
"""A map marks the places whose loss is at least this share of the largest."""


@dataclass(frozen=True)
class StreamVariation:
    """What the readouts miss of one stream. Places are the cells of an image, row by row, or the numbers of a vector.

    Fields:
        name: of the stream. grid: rows and columns of an image's places; None for a vector.
        lasting: [P], lasting variation by place. missed: [2, P], what of it is missed from the trained and the untrained state.
        excess: [B, t, P], missed from the trained state less missed from the untrained one, by episode and row.
        lost: [P], where the trained state tells less, beyond chance and by a margin.
    """

    name: str
    grid: tuple[int, int] | None
    lasting: Float[Tensor, " P"]
    missed: Float[Tensor, "2 P"]
    excess: Float[Tensor, "B t P"]
    lost: Bool[Tensor, " P"]

    def shares(self, places: Tensor | None = None) -> tuple[float, float]:
        """Shares 0..1 of the lasting variation of these places (None: all) that are missed: from the trained state, untrained.

        0 where no variation lasts.
        """
        chosen = torch.ones_like(self.lost) if places is None else places
        whole = self.lasting[chosen].sum()
        if float(whole) <= 0:
            return 0.0, 0.0
        trained, untrained = (self.missed[:, chosen].sum(1) / whole).clamp(0, 1).tolist()
        return trained, untrained


@dataclass(frozen=True)
class _Target:
    """One stream as the readouts predict it: `values` [N, P * C], scaled; C channels of P places."""

    name: str
    grid: tuple[int, int] | None
    values: Tensor


def missing_variation(
    streams: Sequence[StreamSettings],
    fit: tuple[Float[Tensor, "2 N D"], Mapping[str, Tensor]],
    test: tuple[Float[Tensor, "2 B T D"], Mapping[str, Tensor]],
    steps: int,
) -> tuple[StreamVariation, ...]:
    """Fit the readouts and compare what they miss.

    Args:
        streams: of the observation.
        fit: trained and untrained states of N rows, and stream -> their values [N, *shape].
        test: the same for B other episodes (8 or more) of T successive rows each, [B, T, *shape].
        steps: optimiser steps of the readouts.
    """
    states, episodes = test[0], test[0].shape[1]
    fitted, tested = _targets(streams, fit[1], 0), _targets(streams, test[1], 1)
    share = sum(target.values.shape[1] for target in fitted) / len(fitted)
    scales = [_scale(target, share) for target in fitted]
    readout = fit_paired_readout(fit[0], torch.cat([_scaled(*pair) for pair in zip(fitted, scales, strict=True)], 1), steps)
    with torch.no_grad():
        predicted = readout(states.flatten(1, 2))
    sizes = [target.values.shape[1] for target in fitted]
    parts = []
    for target, scale, guess in zip(tested, scales, predicted.split(sizes, -1), strict=True):
        deviations = around_mean(_scaled(target, scale).unflatten(0, (episodes, -1)))
        guesses = torch.stack([around_mean(one.unflatten(0, (episodes, -1))) for one in guess])
        parts.append(_compared(target, deviations, guesses))
    return _judged(parts)


def _targets(streams: Sequence[StreamSettings], observation: Mapping[str, Tensor], lead: int) -> list[_Target]:
    """Images averaged over the cells of a coarse grid, vectors as they are; the first 1 + `lead` axes become one."""
    targets = []
    for stream in streams:
        values = observation[stream.name].flatten(0, lead).float()
        grid = None
        if stream.kind == "image":
            grid = min(GRID, stream.shape[0]), min(GRID, stream.shape[1])
            values = functional.adaptive_avg_pool2d(values.movedim(-1, 1), grid).movedim(1, -1)
        targets.append(_Target(stream.name, grid, values.flatten(1)))
    return targets


def _scale(target: _Target, share: float) -> tuple[Tensor, Tensor]:
    """Mean and scale: an image has one scale, so that faint places stay faint; each number of a vector has its own.

    All streams weigh the same in the readouts' error; `share`: mean count of numbers per stream.
    """
    mean, std = target.values.mean(0), target.values.std(0, correction=0)
    size = (target.values.shape[1] / share) ** 0.5
    scale = std.square().mean().sqrt().expand_as(std) if target.grid else std
    return mean, torch.where(scale > 0, scale, 1.0) * size


def _scaled(target: _Target, scale: tuple[Tensor, Tensor]) -> Tensor:
    scaled: Tensor = (target.values - scale[0]) / scale[1]
    return scaled


@dataclass(frozen=True)
class _Sums:
    """Sums over channels and rows: squares, lasting variation (whole) [B, P], missed [2, B, P]; by row: excess [B, t, P]."""

    target: _Target
    squares: Tensor
    whole: Tensor
    missed: Tensor
    excess: Tensor


def _compared(target: _Target, deviations: Tensor, guesses: Tensor) -> _Sums:
    """Sums by place of `deviations` [B, T, P * C] and of the errors of `guesses` [2, B, T, P * C]."""
    places = target.grid[0] * target.grid[1] if target.grid else deviations.shape[-1]

    def by_place(values: Tensor) -> Tensor:
        sums: Tensor = values.unflatten(-1, (places, -1)).sum(-1)
        return sums

    products = torch.stack([by_place(lasting(deviations - guess)) for guess in guesses])
    return _Sums(
        target,
        by_place(deviations.square()).sum(1),
        by_place(lasting(deviations)).sum(1),
        products.sum(2),
        products[0] - products[1],
    )


def _judged(parts: Sequence[_Sums]) -> tuple[StreamVariation, ...]:
    """Where each stream is lost. A group is a place of an image with its neighbours, or a number; one test covers them all."""
    groups = [_groups(part) for part in parts]
    beyond = [part.excess.sum(1) - MARGIN * part.squares for part in parts]
    differences = torch.cat([values @ group for values, group in zip(beyond, groups, strict=True)], 1)
    every_t, threshold = paired_t(differences)
    found = []
    for part, group, t in zip(parts, groups, every_t.split([len(group) for group in groups]), strict=True):
        whole, squares, missed = part.whole.sum(0) @ group, part.squares.sum(0) @ group, part.missed.sum(1) @ group
        excess = missed[0] - missed[1]
        least = LEAST_SHARE * part.whole.sum() if part.target.grid else 0.0
        counts = (whole > 0) & (whole >= least) & (whole >= LEAST_LASTING * squares)
        lost = counts & (missed[0] >= LEAST_MISSED * whole) & (missed[0] >= LEAST_RATIO * missed[1])
        lost &= (t > threshold).to(lost.device)
        if part.target.grid and lost.any():
            lost &= excess >= BULK * excess[lost].max()
        found.append(
            StreamVariation(part.target.name, part.target.grid, part.whole.sum(0), part.missed.sum(1), part.excess, lost)
        )
    return tuple(found)


def _groups(part: _Sums) -> Tensor:
    """Which places belong to each group, [P, P]."""
    grid, device = part.target.grid, part.whole.device
    return (neighbourhoods(*grid) if grid else torch.eye(part.whole.shape[1])).to(device)
