"""Conformance kit for costs: checks a cost of your own and reports what is wrong, where, and how to fix it."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor, nn

from forethought.cost.contract import Cost, Imagined, IntrinsicCost, Term
from forethought.errors import ConformanceError
from forethought.goals import EncodedGoal, StateGoal
from forethought.types import Goal, ObservationGoal

B, K, H, CLOSE = 3, 4, 5, 1e-4


def check_cost(cost: Term, state_dim: int = 8, action_dim: int = 4, drives: int = 2, goal: EncodedGoal | None = None) -> None:
    """Check that a cost keeps the contract of `Cost.forward` and, if it is an `IntrinsicCost`, that it is immutable.

    Args:
        cost: the cost to check.
        state_dim, action_dim, drives: D, A and the number of drives that it expects.
        goal: goals of 3 episodes, of a kind that the cost accepts; None for random states.

    Raises:
        ConformanceError: the first violation of the contract: what, where, and the fix.

    >>> from forethought.cost import Effort, GoalDistance, check_cost
    >>> check_cost(GoalDistance())
    >>> check_cost(Effort())
    """
    generator = torch.Generator().manual_seed(0)
    imagined = Imagined(
        states=torch.randn(B, K, H, state_dim, generator=generator),
        actions=torch.rand(B, K, H, action_dim, generator=generator) * 2 - 1,
        drives=torch.rand(B, K, H, drives, generator=generator),
    )
    if isinstance(cost, Cost):
        _check_kinds(cost, goal)
    goal = goal or StateGoal(torch.randn(B, state_dim, generator=generator))
    if not isinstance(cost.name, str) or not cost.name:
        _fail(cost, "has no name", "set `name` to what its weight is called")
    energy = cost(imagined, goal)
    if tuple(energy.shape) != (B, K, H):
        _fail(cost, f"gives shape {tuple(energy.shape)}, not [B, K, H] = {(B, K, H)}", "give one number per imagined step")
    if not bool(torch.isfinite(energy).all()):
        _fail(cost, "gives NaN or infinity for finite input", "look for a division by zero, a root or a logarithm of zero")
    _check_axes(cost, imagined, goal, energy)
    _check_gradient(cost, imagined, goal)
    if isinstance(cost, IntrinsicCost):
        _check_immutable(cost, energy)


def _check_kinds(cost: Cost, goal: EncodedGoal | None) -> None:
    if not cost.accepts or not all(isinstance(kind, type) and issubclass(kind, Goal) for kind in cost.accepts):
        _fail(cost, f"accepts {cost.accepts}, which are not kinds of goals", "list kinds, such as (ObservationGoal,)")
    kind = ObservationGoal if goal is None else goal.kind
    if not issubclass(kind, cost.accepts):
        _fail(cost, f"does not accept a {kind.__name__}", "give the kit a `goal` of a kind that it accepts")


def _fail(cost: Term, what: str, fix: str) -> None:
    raise ConformanceError(f"check_cost: {type(cost).__name__} {what}; {fix}.")


def _take(imagined: Imagined, axis: int, index: Tensor) -> Imagined:
    assert imagined.drives is not None
    return Imagined(
        states=imagined.states.index_select(axis, index),
        actions=imagined.actions.index_select(axis, index),
        drives=imagined.drives.index_select(axis, index),
    )


def _check_axes(cost: Term, imagined: Imagined, goal: EncodedGoal, energy: Tensor) -> None:
    for axis, word in ((0, "episode"), (1, "candidate")):
        for index in range(energy.shape[axis]):
            one = torch.tensor([index])
            alone = cost(_take(imagined, axis, one), goal.subset(one) if axis == 0 else goal)
            if not torch.allclose(alone, energy.index_select(axis, one), atol=CLOSE, rtol=CLOSE):
                _fail(cost, f"gives {word} {index} another energy alone than in a batch", f"never mix the {word} axis")


def _check_gradient(cost: Term, imagined: Imagined, goal: EncodedGoal) -> None:
    assert imagined.drives is not None
    names = ("states", "actions", "drives")
    leaves = {name: getattr(imagined, name).clone().requires_grad_() for name in names}
    energy = cost(dataclasses.replace(imagined, **leaves), goal)
    if not energy.requires_grad:
        _fail(
            cost,
            "has no gradient in states, actions or drives",
            "leave out detach and no_grad; the gradient planner needs it",
        )
    gradients = torch.autograd.grad(energy.sum(), list(leaves.values()), allow_unused=True)
    if any(gradient is not None and not bool(torch.isfinite(gradient).all()) for gradient in gradients):
        _fail(cost, "has a gradient of NaN or infinity", "avoid roots and logarithms at zero")


def _check_immutable(cost: IntrinsicCost, energy: Tensor) -> None:
    if isinstance(cost, nn.Module):
        _fail(cost, "is an nn.Module", "make it a frozen, slotted dataclass: it must have no trainable parameters")
    if bool((energy < 0).any()):
        _fail(cost, "can be negative", "make it 0 at the desired state and positive elsewhere")
    if getattr(cost, "__dict__", None) is not None:
        _fail(cost, "has a __dict__ that can be written to", "declare it with @dataclass(frozen=True, slots=True)")
    for field in ("name", *type(cost).__slots__):
        try:
            setattr(cost, field, None)
        except (AttributeError, TypeError):
            continue
        _fail(cost, f"lets its attribute '{field}' be set", "declare it with @dataclass(frozen=True, slots=True)")
