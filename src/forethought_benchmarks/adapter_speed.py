"""Speed of recording in Gymnasium environments: environment steps per second of CPU time and of wall-clock time.

Every row is one manner of stepping with random actions; all manners of an environment are measured in turn, several times, in
one run. CPU time leaves out other processes of the machine, wall-clock time does not.
"""

from __future__ import annotations

import logging
import os
import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from forethought.data.collection import collect
from forethought.data.recorder import record, seed_of
from forethought.errors import ForethoughtError
from forethought.evaluation.result_rows import row, write_results
from forethought.types import Frame
from forethought.worlds import registry
from forethought.worlds.adapter_policies import UniformPolicy
from forethought.worlds.contract import World
from forethought_benchmarks.planner_throughput import median_interval

log = logging.getLogger(__name__)
NAME, BLOCK = "adapter-speed", 5
NUMBERS: Mapping[str, Any] = {"streams": ["proprioception"]}
CASES: tuple[tuple[str, str, Mapping[str, Any]], ...] = (
    ("CartPole-numbers", "CartPole-v1", NUMBERS),
    ("Pendulum-numbers", "Pendulum-v1", NUMBERS),
    ("Pendulum-pictures", "Pendulum-v1", {"max_steps": 50}),
    ("MiniGrid-pictures", "minigrid:MiniGrid-FourRooms-v0", {"max_steps": 50}),
)
Stepping = Callable[[], int]
"""Makes some steps and returns how many."""


@dataclass(frozen=True)
class SpeedProtocol:
    """What is measured.

    Fields:
        cases: (name in the rows, world, options); a world that does not start is left out with a warning.
        repeats: measurements of each manner. seconds: CPU time of one measurement, at least. copies: of vectorised manners.
        episodes: of a collection with processes.
    """

    cases: tuple[tuple[str, str, Mapping[str, Any]], ...] = CASES
    repeats: int = 6
    seconds: float = 0.2
    copies: int = 8
    episodes: int = 128


class EveryPicture(UniformPolicy):
    """Random actions, and every stream of every frame is read."""

    def act(self, world: World, frame: Frame) -> NDArray[np.float32]:
        """Actions [N, size]."""
        for name in frame.observation:
            frame.observation[name]
        return super().act(world, frame)


def run(out: Path, protocol: SpeedProtocol | None = None) -> Path:
    """Measure all manners in all cases; returns the result file."""
    chosen, rows = protocol or SpeedProtocol(), list[dict[str, Any]]()
    for name, world, options in chosen.cases:
        try:
            registry.make(world, 1, **options).close()
        except ForethoughtError as error:
            log.warning("%s is left out: %s", name, error)
            continue
        with ExitStack() as opened:
            manners = dict(_manners(world, options, chosen.copies, opened))
            rows += _measured(name, manners, chosen)
        rows += _collections(out, name, world, options, chosen)
    return write_results(out, NAME, rows)


def _manners(world: str, options: Mapping[str, Any], copies: int, opened: ExitStack) -> Iterator[tuple[str, Stepping]]:
    """All manners of one process, by name; `opened` closes what they use."""
    drawn = {} if "streams" in options else {"render_mode": "rgb_array"}
    yield "environment alone", _bare(world, drawn, opened)
    yield f"SyncVectorEnv, {copies} copies", _vector(world, "sync", copies, drawn, opened)
    try:
        yield "AsyncVectorEnv, 2 processes", _vector(world, "async", 2, drawn, opened)
    except ValueError as error:
        log.warning("AsyncVectorEnv does not take %s: %s", world, error)
    if gymnasium.spec(world.rpartition(":")[2]).vector_entry_point is not None:
        yield f"own vector environment, {copies} copies", _vector(world, "vector_entry_point", copies, drawn, opened)
    yield "recorded, each step drawn", _recorded(world, options, 1, EveryPicture, opened)
    yield "recorded", _recorded(world, options, 1, UniformPolicy, opened)
    yield f"recorded, {copies} copies", _recorded(world, options, copies, UniformPolicy, opened)


def _bare(world: str, drawn: Mapping[str, Any], opened: ExitStack) -> Stepping:
    """A loop over one environment with ready-made actions, without recording; `drawn`: a picture in each block."""
    environment: Any = gymnasium.make(world, disable_env_checker=True, **drawn)
    opened.callback(environment.close)
    actions = [environment.action_space.sample() for _ in range(60)]
    environment.reset(seed=0)

    def step() -> int:
        for number, action in enumerate(actions):
            *_, terminated, truncated, _ = environment.step(action)
            if terminated or truncated:
                environment.reset()
            if drawn and number % BLOCK == 0:
                environment.render()
        return len(actions)

    return step


def _vector(world: str, kind: str, copies: int, drawn: Mapping[str, Any], opened: ExitStack) -> Stepping:
    """Gymnasium's vector environments with ready-made actions, without recording; `drawn`: a picture in each block."""
    reset: dict[str, Any] = {"vector_kwargs": {"autoreset_mode": AutoresetMode.SAME_STEP}}
    arguments = {} if kind == "vector_entry_point" else reset | dict(drawn)
    environment: Any = gymnasium.make_vec(world, num_envs=copies, vectorization_mode=kind, **arguments)
    opened.callback(environment.close)
    actions = [environment.action_space.sample() for _ in range(15)]
    environment.reset(seed=0)

    def step() -> int:
        for number, action in enumerate(actions):
            environment.step(action)
            if drawn and number % BLOCK == 0:
                environment.render()
        return len(actions) * copies

    return step


def _recorded(
    world: str, options: Mapping[str, Any], copies: int, policy: Callable[[], UniformPolicy], opened: ExitStack
) -> Stepping:
    """Whole episodes as `collect` records them, without writing them."""
    made = registry.make(world, copies, **options)
    opened.callback(made.close)
    number = iter(range(2**31))

    def step() -> int:
        seeds = [seed_of(0, next(number)) for _ in range(copies)]
        episodes = record(made, policy(), seeds, BLOCK, lambda *event: None)
        return sum(int(episode.steps.sum()) for episode in episodes)

    return step


def _measured(name: str, manners: Mapping[str, Stepping], protocol: SpeedProtocol) -> list[dict[str, Any]]:
    """All manners in turn; the first round warms up."""
    rates = {manner: list[tuple[float, float]]() for manner in manners}
    for repeat in range(protocol.repeats + 1):
        for manner, step in manners.items():
            rate = _rates(step, protocol.seconds)
            if repeat:
                rates[manner].append(rate)
    return [line for manner, found in rates.items() for line in _rows(name, manner, found)]


def _rates(step: Stepping, seconds: float) -> tuple[float, float]:
    """Steps per CPU second of this process and per second."""
    steps, cpu, wall = 0, time.process_time(), time.perf_counter()
    # Where other processes step, this one waits and uses little CPU time.
    while time.process_time() - cpu < seconds and time.perf_counter() - wall < 4 * seconds:
        steps += step()
    return steps / (time.process_time() - cpu), steps / (time.perf_counter() - wall)


def _collections(out: Path, name: str, world: str, options: Mapping[str, Any], protocol: SpeedProtocol) -> list[dict[str, Any]]:
    """`collect` with one and with two processes, their start included."""
    rows = []
    for workers in (1, 2):
        store = out / f"{NAME}-{name}-{workers}-{os.getpid()}"
        cpu, wall = _cpu_with_children(), time.perf_counter()
        made = collect(
            world, out=store, episodes=protocol.episodes, policy="random", options=options, workers=workers, progress=False
        )
        steps = int(made.rows("steps", np.arange(made.num_rows)).sum())
        rate = steps / (_cpu_with_children() - cpu), steps / (time.perf_counter() - wall)
        rows += _rows(name, f"collect, {workers} process{'es' if workers > 1 else ''}", [rate])
    return rows


def _cpu_with_children() -> float:
    return sum(
        used.ru_utime + used.ru_stime
        for used in (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def _rows(name: str, manner: str, rates: Sequence[tuple[float, float]]) -> list[dict[str, Any]]:
    lines = []
    for metric, values in zip(("steps_per_cpu_second", "steps_per_second"), zip(*rates, strict=True), strict=True):
        low, high = median_interval(values)
        lines.append(row(name, manner, metric, float(np.median(values)), low=low, high=high, n=len(values), device="cpu"))
    return lines
