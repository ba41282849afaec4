"""Regularisers and loss terms of the user's own, by name: `training.loss.extra` in the settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from forethought.config import LossConfig
from forethought.errors import ForethoughtError
from forethought.parts import Kind, find, is_known


@dataclass(frozen=True)
class LossInputs:
    """What a loss term of one's own is given: a batch that is encoded and predicted already.

    Fields:
        states: [B, T + 1, D], the rows of B clips; gradients flow into the encoder.
        predictions: [B, P, D], one block ahead of each of the first P rows; P = T without memory.
        targets: [B, P, D], the states that followed; the teacher's where `training.loss.ema` is set.
        actions: [B, T, A], the blocks between the rows, model units.
    """

    states: Tensor
    predictions: Tensor
    targets: Tensor
    actions: Tensor


class ExtraTerms(nn.Module):
    """All terms that `training.loss.extra` weighs. A class has weights that learn with the world model."""

    def __init__(self, state_dim: int, action_dim: int, settings: LossConfig) -> None:
        """Built from what is registered.

        Raises:
            ForethoughtError: no regulariser or loss term has one of the names.
        """
        super().__init__()
        self.kinds: dict[str, Kind] = {name: kind_of(name) for name, weight in settings.extra.items() if weight}
        self.terms: dict[str, Callable[..., Tensor]] = {}
        for name, kind in self.kinds.items():
            term = find(kind, name, "training.loss.extra")
            self.terms[name] = term(state_dim, action_dim, settings) if isinstance(term, type) else term
        self.learned = nn.ModuleList(term for term in self.terms.values() if isinstance(term, nn.Module))

    def forward(self, inputs: LossInputs) -> dict[str, Tensor]:
        """Each term's value, unweighted: a regulariser sees the states alone.

        Raises:
            ForethoughtError: a term is not one number.
        """
        values = {}
        for name, term in self.terms.items():
            value = term(inputs.states) if self.kinds[name] == "regulariser" else term(inputs)
            if not isinstance(value, Tensor) or value.ndim != 0:
                found = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
                raise ForethoughtError(f"training.loss.extra: '{name}' gives {found}, not one number: take the mean.")
            values[name] = value
        return values


def kind_of(name: str) -> Kind:
    """Whether a name in `training.loss.extra` is a regulariser's or a loss term's; else `find` says what is known."""
    return "regulariser" if is_known("regulariser", name) else "loss"
