"""Faster arithmetic: networks in bfloat16 (mixed precision), and compiled networks; both are optional.

Autocast (Micikevicius et al. 2018, 1710.03740) runs matrix products and convolutions in bfloat16, whose range is that of
float32, so that losses need no scaling. Weights, losses and statistics over a batch stay float32: 8 bits would lose what
regularisers measure, and `in_float32` keeps them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import wraps
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor, nn

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """A context in which networks on `device` compute in `precision`: `bfloat16`; `float32` changes nothing."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bfloat16" else nullcontext()


def in_float32(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """The function computed in float32, within `autocast`, too: it gets its tensors as float32, and its products stay so.

    At least one of its arguments is a tensor.
    """

    @wraps(function)
    def computed(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        kind = next(value.device.type for value in args if isinstance(value, Tensor))
        if not torch.is_autocast_enabled(kind):
            return function(*args, **kwargs)
        with torch.autocast(kind, enabled=False):
            return function(*map(_widened, args), **kwargs)  # type: ignore[arg-type]

    return computed


def _widened(value: object) -> object:
    return value.float() if isinstance(value, Tensor) and value.is_floating_point() else value


class CompiledModules:
    """Modules whose forward passes `torch.compile` made, within the context `active` only; their weights and names stay.

    Outside of it, and in copies, the modules run as they are: a compiled forward pass is for one shape of batch.
    """

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        """Nothing is compiled before the first call of a module."""
        self.forwards = [(module, torch.compile(module.forward, dynamic=False)) for module in modules]

    @contextmanager
    def active(self) -> Iterator[None]:
        """The modules run compiled within."""
        for module, forward in self.forwards:
            module.forward = forward
        try:
            yield
        finally:
            for module, _ in self.forwards:
                del module.forward
