"""Memory that training and planning need, estimated from the settings before anything is learned.

The estimates count the largest tensors only, so they are low: what they refuse cannot work.
"""

from __future__ import annotations

import math

from forethought.config import Configuration
from forethought.errors import ForethoughtError

NUMBER = 4
"""Bytes of a float32."""
BASE = 2**28
"""Bytes of the program itself beside its tensors."""


def planning_bytes(configuration: Configuration, episodes: int = 1) -> int:
    """Bytes of one decision in Mode-2, `episodes` side by side: the larger one of the first level and the levels above."""
    model, planner, data = configuration.model, configuration.planner, configuration.data
    state, action = model.encoder.state_dim * max(1, model.encoder.tokens), data.block * data.action_size
    levels = [
        _search_bytes(planner.search.num_samples, planner.horizon, planner.risk.num_scenarios, state, action, configuration)
    ]
    if model.hierarchy.levels > 1:
        upper = planner.upper
        sizes = model.hierarchy.state_dim, model.hierarchy.macro_dim
        levels.append(_search_bytes(upper.search.num_samples, upper.horizon, planner.risk.num_scenarios, *sizes, configuration))
    return episodes * max(levels)


def _search_bytes(plans: int, horizon: int, scenarios: int, state: int, action: int, configuration: Configuration) -> int:
    """Bytes of one episode's candidates: actions, their noise, predicted states, and hidden layers of predictor and critic."""
    actions = 2 * plans * horizon * action
    states = 2 * plans * scenarios * horizon * state
    hidden = plans * scenarios * max(configuration.model.predictor.hidden, configuration.model.critic_hidden)
    return NUMBER * (actions + states + hidden)


def training_bytes(configuration: Configuration, rows: int) -> int:
    """Bytes of training: weights with their optimiser, a batch of clips with its activations, all encoded states."""
    model, training, data = configuration.model, configuration.training, configuration.data
    frame = sum(math.prod(stream.shape) for stream in data.streams)
    batch = training.batch * (training.sequence_length + 2) * frame * 8
    states = rows * model.encoder.state_dim * max(1, model.encoder.tokens)
    hidden = model.predictor.depth * model.predictor.hidden**2 + model.critic_hidden**2 + model.policy_hidden**2
    # Weights, gradients, and two moments of Adam.
    return NUMBER * (batch + states + 4 * hidden)


def require_available(configuration: Configuration, rows: int, available: int | None) -> None:
    """Check before training that training, and a decision of the trained agent, fit into memory.

    Args:
        configuration: all settings. rows: of the store. available: bytes; None is unknown, and nothing is refused.

    Raises:
        ForethoughtError: they do not fit; names the setting to lower.
    """
    if available is None:
        return
    planning, training = planning_bytes(configuration), training_bytes(configuration, rows)
    has = f"{available / 2**30:.1f} GiB of memory are free"
    if planning + BASE > available:
        search, name = configuration.planner.search, "planner.search.num_samples"
        raise ForethoughtError(
            f"Planning needs about {_gib(planning)} and {has}: lower {name} (now {search.num_samples} candidates of "
            f"{configuration.planner.horizon} blocks), planner.risk.num_scenarios or the candidates of planner.upper.search."
        )
    if training + BASE > available:
        raise ForethoughtError(
            f"Training needs about {_gib(training)} and {has}: lower training.batch (now {configuration.training.batch}), "
            "or record smaller frames or fewer episodes."
        )


def _gib(size: int) -> str:
    return f"{size / 2**30:,.1f} GiB"
