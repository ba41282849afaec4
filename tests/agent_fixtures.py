"""Agents of every kind, what they see, and their decisions, for the tests of acting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

import tiny
from forethought.agent import Agent
from forethought.config import Settings
from forethought.data import EpisodeStore
from forethought.decision import Decision
from forethought.types import Task

B = 5
AGENTS: dict[str, Callable[[], Agent]] = {
    "pixels": tiny.rooms_agent,
    "landmarks above": tiny.two_level_agent,
    "learned levels above": tiny.three_level_agent,
    "chance": tiny.uncertain_agent,
    "numbers": lambda: tiny.point_agent(False),
    "choices": lambda: tiny.point_agent(True),
}
Observations = dict[str, np.ndarray]
Kind = TypeVar("Kind", bound=Settings)


def store_of(agent: Agent) -> EpisodeStore:
    """Episodes of the agent's kind of world."""
    stores = {"toy": tiny.point_store(agent.body.discrete)}
    return stores.get(agent.configuration.data.world) or tiny.rooms_store()


def see(agent: Agent, rows: int, seed: int = 0) -> Observations:
    """Rows of the held-out episodes that the agent's kind of world shows."""
    store = store_of(agent)
    places = np.random.default_rng(seed).integers(0, store.num_rows, rows)
    return {stream.name: store.rows(stream.name, places) for stream in store.spec.streams}


def one(observations: Observations, row: int) -> Observations:
    return {name: values[row] for name, values in observations.items()}


def changed(agent: Agent, **settings: dict[str, Any]) -> Agent:
    """The same weights under other settings, also such as no user may ask for."""
    return Agent(copied(agent.configuration, settings), agent.modules, agent.device)


def copied(settings: Kind, changes: Mapping[str, Any]) -> Kind:
    """Settings with some changed, by nested names, and nothing checked."""
    now = {name: getattr(settings, name) for name in changes}
    return settings.model_copy(
        update={name: copied(now[name], new) if isinstance(now[name], Settings) else new for name, new in changes.items()}
    )


def decisions(agent: Agent, rows: list[int], mode: str, count: int = 3) -> list[Decision]:
    """Some episodes side by side, `count` decisions each, every episode with its own seed."""
    goals = see(agent, B, seed=1)
    agent.reset(Task.reach({name: values[rows] for name, values in goals.items()}), seeds=[100 + row for row in rows])
    return [
        agent.decide({name: values[rows] for name, values in see(agent, B, seed=10 + step).items()}, mode)
        for step in range(count)
    ]


def acted(agent: Agent, mode: Any = "plan") -> Any:
    """One decision for all episodes."""
    agent.reset(Task.reach(see(agent, B, 1)), seed=0)
    return agent.decide(see(agent, B, 2), mode)
