"""Conformance kits for world models and predictors: run them on your own, and learn what is wrong, where, and the fix."""

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
    """What a planner needs of a world model."""

    def rollout(self, context: Context, actions: Tensor, chance: Tensor | None = None, trust: float = 1.0) -> Tensor:
        """See `Level.rollout`."""


def check_world_model(model: Imagines, state_dim: int, action_dim: int, context: int = 1) -> None:
    """Hold a world model to the promises of `Level.rollout` as planning calls it, with all four arguments.

    Args:
        model: yours. state_dim, action_dim: D and A. context: rows of the past that it is given.

    Raises:
        ConformanceError: the first promise that is broken: what, where, and the fix.
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
        _fail("does not take (context, actions, chance, trust)", "add chance=None and trust=1.0, as planning gives all four")
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
    """Hold a predictor to the promises of `Predictor.forward`.

    Args:
        predictor: yours. state_dim, action_dim: D and A. context: rows that it may see.

    Raises:
        ConformanceError: the first promise that is broken: what, where, and the fix.

    >>> from forethought.config import PredictorConfig
    >>> from forethought.world_model.predictors import make_predictor
    >>> check_predictor(make_predictor(8, 4, PredictorConfig()), 8, 4)
    """
    who, generator = "check_predictor: the predictor", torch.Generator().manual_seed(0)
    states = torch.randn(B, K, context, state_dim, generator=generator)
    actions = torch.rand(B, K, context, action_dim, generator=generator) * 2 - 1
    predictor.eval()
    predictor.fit(states.flatten(0, -2))
    found = predictor(states, actions)
    if found.shape != states.shape:
        _fail(f"gives shape {tuple(found.shape)}, not that of the states, {tuple(states.shape)}", "keep all axes", who)
    if not bool(torch.isfinite(found).all()):
        _fail("gives NaN or infinity for finite input", "look for a division by zero", who)
    if not torch.allclose(predictor(states[1:, 1:], actions[1:, 1:]), found[1:, 1:], atol=CLOSE):
        _fail("mixes sequences", "let each depend on its own states and actions only", who)
    if context > 1 and not torch.allclose(predictor(states[..., :1, :], actions[..., :1, :]), found[..., :1, :], atol=CLOSE):
        _fail("lets a row depend on later ones", "mask the future", who)
    if torch.allclose(predictor(states, -actions), found, atol=CLOSE):
        _fail("ignores the actions", "read the action block", who)


def _fail(what: str, fix: str, who: str = "check_world_model: the rollout") -> None:
    raise ConformanceError(f"{who} {what}; {fix}.")
