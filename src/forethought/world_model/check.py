"""Conformance tests for custom world models and predictors; a failure says what is wrong, where, and how to fix it."""

from __future__ import annotations

from inspect import signature
from typing import Protocol

import torch
from torch import Tensor

from forethought.errors import ConformanceError
from forethought.world_model.level import Context
from forethought.world_model.predictors import Predictor

B, K, H, CLOSE = 2, 3, 4, 1e-4


class Imagines(Protocol):
    """The interface of a world model that planners use."""

    def rollout(self, context: Context, actions: Tensor, chance: Tensor | None = None, prior_exponent: float = 1.0) -> Tensor:
        """See `Level.rollout`."""


def check_world_model(model: Imagines, state_dim: int, action_dim: int, context: int = 1) -> None:
    """Test a world model against the contract of `Level.rollout`, called with all four arguments as in planning.

    Args:
        model: the custom model. state_dim, action_dim: D and A. context: number of past rows that it is given.

    Raises:
        ConformanceError: the first violation: what, where, and the fix.
    """
    generator = torch.Generator().manual_seed(0)
    past = Context(
        torch.randn(B, context, state_dim, generator=generator),
        torch.randn(B, context - 1, action_dim, generator=generator),
    )
    actions = torch.rand(B, K, H, action_dim, generator=generator) * 2 - 1
    try:
        signature(model.rollout).bind(past, actions, None, 1.0)
    except TypeError:
        _fail(
            "does not take (context, actions, chance, prior_exponent)",
            "add chance=None and prior_exponent=1.0, as planning gives all four",
        )
    states = model.rollout(past, actions, None, 1.0)
    if tuple(states.shape) != (B, K, H, state_dim):
        _fail(f"gives shape {tuple(states.shape)}, not [B, K, H, D] = {(B, K, H, state_dim)}", "one state per block")
    if not bool(torch.isfinite(states).all()):
        _fail("gives NaN or infinity for finite input", "look for an exploding recurrence")
    if not torch.allclose(model.rollout(past, actions[:, :, : H - 1], None, 1.0), states[:, :, : H - 1], atol=CLOSE):
        _fail("changes early states when the horizon grows", "let a state depend on earlier actions only")
    if not torch.allclose(model.rollout(past, actions.flip(1), None, 1.0).flip(1), states, atol=CLOSE):
        _fail("mixes candidates", "let candidate k depend on its own actions only")
    alone = Context(past.states[1:], past.actions[1:])
    if not torch.allclose(model.rollout(alone, actions[1:], None, 1.0), states[1:], atol=CLOSE):
        _fail("mixes episodes", "let episode b depend on its own context and actions only")
    if torch.allclose(model.rollout(past, -actions, None, 1.0), states, atol=CLOSE):
        _fail("ignores the actions", "feed the action block to the predictor")


def check_predictor(predictor: Predictor, state_dim: int, action_dim: int, context: int = 1) -> None:
    """Test a predictor against the contract of `Predictor.forward`.

    Args:
        predictor: the custom predictor. state_dim, action_dim: D and A. context: number of rows that it reads.

    Raises:
        ConformanceError: the first violation: what, where, and the fix.

    >>> from forethought.config import PredictorConfig
    >>> from forethought.world_model.predictors import make_predictor
    >>> check_predictor(make_predictor(8, 4, PredictorConfig()), 8, 4)
    """
    subject, generator = "check_predictor: the predictor", torch.Generator().manual_seed(0)
    states = torch.randn(B, K, context, state_dim, generator=generator)
    actions = torch.rand(B, K, context, action_dim, generator=generator) * 2 - 1
    predictor.eval()
    predictor.fit(states.flatten(0, -2))
    following = predictor(states, actions)
    if following.shape != states.shape:
        _fail(f"gives shape {tuple(following.shape)}, not that of the states, {tuple(states.shape)}", "keep all axes", subject)
    if not bool(torch.isfinite(following).all()):
        _fail("gives NaN or infinity for finite input", "look for a division by zero", subject)
    if not torch.allclose(predictor(states[1:, 1:], actions[1:, 1:]), following[1:, 1:], atol=CLOSE):
        _fail("mixes sequences", "let each depend on its own states and actions only", subject)
    if context > 1 and not torch.allclose(
        predictor(states[..., :1, :], actions[..., :1, :]), following[..., :1, :], atol=CLOSE
    ):
        _fail("lets a row depend on later ones", "mask the future", subject)
    if torch.allclose(predictor(states, -actions), following, atol=CLOSE):
        _fail("ignores the actions", "read the action block", subject)


def _fail(what: str, fix: str, subject: str = "check_world_model: the rollout") -> None:
    raise ConformanceError(f"{subject} {what}; {fix}.")
