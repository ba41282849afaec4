"""Custom regularisers and loss terms, by name: `training.loss.extra` in the settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from forethought.config import LossConfig
from forethought.data_parallel import whole_batch
from forethought.errors import ForethoughtError
from forethought.parts import Kind, find, is_known


@dataclass(frozen=True)
class LossInputs:
    """Input of a custom loss term: an encoded batch with its predictions.

    Fields:
        states: [B, T + 1, D], the rows of B clips; gradients flow into the encoder.
        predictions: [B, P, D], one block ahead of each of the first P rows; P = T for a predictor without context.
        targets: [B, P, D], next states; encoded by the teacher if `training.loss.ema` is set.
        actions: [B, T, A], the blocks between the rows, model units.
    """

    states: Tensor
    predictions: Tensor
    targets: Tensor
    actions: Tensor


class ExtraTerms(nn.Module):
    """All terms with a weight in `training.loss.extra`. Parameters of terms that are modules train with the world model."""

    def __init__(self, state_dim: int, action_dim: int, settings: LossConfig) -> None:
        """Build the terms from the registry.

        Raises:
            ForethoughtError: a name is no registered regulariser or loss term.
        """
        super().__init__()
        self.kinds: dict[str, Kind] = {name: kind_of(name) for name, weight in settings.extra.items() if weight}
        self.terms: dict[str, Callable[..., Tensor]] = {}
        for name, kind in self.kinds.items():
            term = find(kind, name, "training.loss.extra")
            self.terms[name] = term(state_dim, action_dim, settings) if isinstance(term, type) else term
        self.learned = nn.ModuleList(term for term in self.terms.values() if isinstance(term, nn.Module))

    def forward(self, inputs: LossInputs) -> dict[str, Tensor]:
        """The value of each term, unweighted. A regulariser gets the states alone, a loss term all inputs.

        Where several processes share a batch, each of them gives its terms the whole batch, whatever they couple.

        Raises:
            ForethoughtError: a term is no scalar.
        """
        values = {}
        if self.terms:
            fields = (inputs.states, inputs.predictions, inputs.targets, inputs.actions)
            inputs = LossInputs(*(whole_batch(field) for field in fields))
        for name, term in self.terms.items():
            value = term(inputs.states) if self.kinds[name] == "regulariser" else term(inputs)
            if not isinstance(value, Tensor) or value.ndim != 0:
                actual = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
                raise ForethoughtError(f"training.loss.extra: '{name}' returns {actual}, not a scalar: take the mean.")
            values[name] = value
        return values


def kind_of(name: str) -> Kind:
    """The kind of a name in `training.loss.extra`: regulariser or loss; for an unknown name, `find` raises the error."""
    return "regulariser" if is_known("regulariser", name) else "loss"
