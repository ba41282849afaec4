"""Success per millisecond of the whole decision: our agent, and the same agent with the planner of another library."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from forethought.actor.contract import Planner
from forethought.agent import Agent
from forethought.configurator.mode_selector import Mode
from forethought.data.collection import collect
from forethought.evaluation.arena import Arena
from forethought.evaluation.episodes import AgentController
from forethought.evaluation.result_rows import row
from forethought.evaluation.statistics import wilson
from forethought.types import Frame
from forethought.worlds.contract import World
from forethought_benchmarks.cached_experiments import trained
from forethought_benchmarks.side_by_side.adapters import HeldPlans, PeerCEM, PeerMPPI
from forethought_benchmarks.side_by_side.pairs import threads
from forethought_benchmarks.side_by_side.peers import Peers
from forethought_benchmarks.standard.worlds import WORLDS

CEM, MPPI = "stable-worldmodel's CEM", "eb_jepa's MPPI"
THEIR_WORLDS: Mapping[str, str] = MappingProxyType({"two-room": "tworoom", "push-t": "pusht"})
"""Our worlds and stable-worldmodel's configurations of them; eb_jepa has two rooms alone."""
UNITS: tuple[Literal["decision", "block"], ...] = ("decision", "block")
"""Of time: stable-worldmodel's evaluation carries out five blocks of a plan, so that a decision of it serves five of them."""


@dataclass(frozen=True)
class DecisionProtocol:
    """What is measured.

    Fields: worlds: of `standard`. tasks: the first of its first protocol. seed: of the training. threads: of PyTorch.
    """

    worlds: Sequence[str] = tuple(THEIR_WORLDS)
    tasks: int = 30
    seed: int = 0
    threads: int = 1


class Contestant:
    """One agent and what is measured of it, one episode at a time.

    A planner that holds its plans decides once for several blocks, so there are two units of time: a decision and a block.

    Attributes:
        reached: of each task. calls: predictor calls of each task. seconds: of each block of actions.
    """

    def __init__(self, name: str, agent: Agent, mode: Mode, held: HeldPlans | None = None) -> None:
        """`name`: in the rows. held: its planner, if that holds its plans."""
        self.name, self.agent, self.mode, self.held = name, agent, mode, held
        self.reached: list[bool] = []
        self.calls: list[int] = []
        self.seconds: list[float] = []

    def begin(self) -> None:
        """Another task begins."""
        if self.held is not None:
            self.held.begin()

    def success_per_ms(self, unit: Literal["decision", "block"]) -> float:
        """Success rate over the mean milliseconds of a decision, or of a block of actions."""
        decisions = self.held.searches if self.held is not None and unit == "decision" else len(self.seconds)
        return statistics.mean(self.reached) / (1000 * sum(self.seconds) / decisions)

    def rows(self, world: str) -> list[dict[str, Any]]:
        """Success rate, and success per millisecond."""
        low, high = wilson(sum(self.reached), len(self.reached))
        shared: dict[str, Any] = {
            "n": len(self.reached),
            "seeds": 1,
            "model_calls": sum(self.calls) / len(self.seconds),
            "ms_per_decision": (1000 * np.quantile(self.seconds, [0.5, 0.95])).tolist(),
        }
        rate = statistics.mean(self.reached)
        return [
            row(world, self.name, "success_rate", rate, low=low, high=high, **shared),
            *(row(world, self.name, f"success_per_ms_of_a_{unit}", self.success_per_ms(unit), **shared) for unit in UNITS),
        ]


class TimedController(AgentController):
    """Notes the seconds of each decision, from the observation to the action."""

    def __init__(self, agent: Agent, mode: Mode) -> None:
        """See `AgentController`."""
        super().__init__(agent, mode)
        self.seconds: list[float] = []

    def act(self, world: World, frame: Frame, step: int) -> NDArray[np.float32]:
        """See `Controller`."""
        begun = time.perf_counter()
        action = super().act(world, frame, step)
        if step % self.block == 0:
            self.seconds.append(time.perf_counter() - begun)
        return action


def decision_rows(out: Path, peers: Peers, protocol: DecisionProtocol) -> Iterator[dict[str, Any]]:
    """Rows of all agents in each world, and the ratios of success per millisecond: ours over theirs.

    Args: out: folder of the benchmark `standard`'s runs; what is missing there is collected and trained.

    Raises:
        PeerMissingError: a checkout, or a package that it needs, is not there.
    """
    for name in protocol.worlds:
        world, here = WORLDS[name], out / "standard" / name
        recipe: dict[str, Any] = {"episodes": world.episodes, "policy": world.policy, "options": world.options}
        store = collect(world.gymnasium_id, out=here / "store", workers=2, resume=True, **recipe)
        agent = trained(store, here / f"seed-{protocol.seed}", protocol.seed, {})
        with threads(protocol.threads):
            yield from compared(name, agent, world.protocols[0].arena(store), peers, protocol.tasks)


def compared(world: str, agent: Agent, arena: Arena, peers: Peers, tasks: int) -> list[dict[str, Any]]:
    """Rows of one world: each task is run by all agents before the next one."""
    ours = [Contestant("plan", agent, "plan"), Contestant("auto", agent, "auto")]
    held = PeerCEM.of(peers, THEIR_WORLDS[world])
    theirs = [Contestant(CEM, with_planner(agent, held), "plan", held)]
    if world == "two-room":
        theirs.append(Contestant(MPPI, with_planner(agent, PeerMPPI.of(peers, agent.configuration.data.block)), "plan"))
    for single in singles(arena, tasks):
        for contestant in (*ours, *theirs):
            contestant.begin()
            controller = TimedController(contestant.agent, contestant.mode)
            outcomes = single.run(controller)
            contestant.reached += outcomes.touched.tolist()
            contestant.calls.append(outcomes.calls[0])
            contestant.seconds += controller.seconds
    return [
        *(line for contestant in (*ours, *theirs) for line in contestant.rows(world)),
        *(_ratio(world, our, their, unit) for our in ours for their in theirs for unit in UNITS),
    ]


def with_planner(agent: Agent, planner: Planner) -> Agent:
    """The same encoder, world model and costs with another planner, which gets no first candidates."""
    changes = {"planner.horizon": planner.horizon, "planner.policy_candidate": False, "planner.retrieved_candidates": 0}
    configuration = agent.configuration.changed(changes, "so that another library's planner searches")
    return Agent(configuration, agent.modules, agent.device, planner)


def singles(arena: Arena, count: int) -> Iterator[Arena]:
    """Arenas of one task each: the first tasks of an arena."""
    for number, task in enumerate(arena.tasks.tasks[:count]):
        chosen = replace(arena.tasks, tasks=(task,), goal_rows=tuple(arena.tasks.goal_rows)[number : number + 1])
        goals = None if arena.goals is None else {name: values[number : number + 1] for name, values in arena.goals.items()}
        yield replace(arena, tasks=chosen, goals=goals)


def _ratio(world: str, our: Contestant, their: Contestant, unit: Literal["decision", "block"]) -> dict[str, Any]:
    efficiency = [one.success_per_ms(unit) for one in (our, their)]
    value = efficiency[0] / efficiency[1] if efficiency[1] else None
    metric = f"success_per_ms_of_a_{unit}_ratio"
    return row(world, f"{our.name} against {their.name}", metric, value, n=len(our.reached), seeds=1)
