"""Public functions and the hostile arguments that they are called with."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from hypothesis import strategies as st

import forethought
from forethought.agent import Agent
from forethought.cli.main import main
from forethought.cli.values import options_of, overrides_of
from forethought.config.reference import every_setting
from forethought.configurator import Budget, configure
from forethought.data.store import EpisodeStore
from forethought.data.writer import StoreWriter
from forethought.evaluation.evaluate import evaluate
from forethought.training.agent_files import load
from forethought.training.train import train
from forethought.types import Episode, ObservationGoal, Task, WeightedGoals
from forethought.worlds import registry
from forethought_benchmarks.reliability.hostile import JSON, NUMBERS, PLAIN, arrays, calls, mostly, observations

Examples = tuple[Callable[[Any], object], st.SearchStrategy[Any]]
"""What is called with an example, and the examples."""


Streams = dict[str, tuple[tuple[int, ...], str]]


class Material:
    """What the calls need: the campaign's store and run, an agent in the middle of an episode, a folder for files."""

    def __init__(self, store: Path, run: Path) -> None:
        self.store, self.run, self.agent = EpisodeStore.open(store), run, load(run, "cpu")
        self.streams: Streams = {stream.name: (tuple(stream.shape), stream.dtype) for stream in self.store.spec.streams}
        self.folder = Path(tempfile.mkdtemp(prefix="forethought-generated-"))
        self.good = {name: np.full(shape, 1, dtype) for name, (shape, dtype) in self.streams.items()}

    def fresh(self) -> Path:
        """An empty folder."""
        folder = self.folder / "one"
        shutil.rmtree(folder, ignore_errors=True)
        return folder


def _settings() -> st.SearchStrategy[dict[str, Any]]:
    """Overrides: known names with hostile values, near misses, nested groups."""
    names = [info.name for info in every_setting("")]
    groups = sorted({name.rpartition(".")[0] for name in names} | {"data", "model", "training"})
    dotted = st.sampled_from([*names, *groups, "modle.kind", "planner.", ".", "", "reasons", "data.block", "schema_version"])
    values = mostly(st.sampled_from([1, 2, 3, 4, 8, 16, 0.5, 0.0, True]), JSON | st.dictionaries(dotted, PLAIN, max_size=2))
    return st.dictionaries(mostly(st.sampled_from(names), dotted | st.text(max_size=6)), values, max_size=3)


def _options(world: str) -> st.SearchStrategy[dict[str, Any]]:
    known = {
        "forethought/Rooms-v0": ["layout", "doors", "shut", "keys", "balls", "noise", "fog", "max_steps", "speed", "food"],
        "CartPole-v1": ["streams", "arguments", "max_steps", "block", "size", "success"],
    }.get(world, ["max_steps"])
    texts = st.sampled_from(["two", "four", "corridor", "fixed", "pixels", "proprioception"])
    values = mostly(texts | st.sampled_from([0, 1, 2, 0.5]), JSON)
    return st.dictionaries(mostly(st.sampled_from(known), st.text(max_size=5)), values, max_size=2)


def _reset(material: Material) -> Examples:
    agent = material.agent
    goals = observations(material.streams).map(lambda seen: ObservationGoal(seen))
    several = st.builds(
        lambda parts, weights: lambda: WeightedGoals(tuple(parts), weights),
        st.lists(goals, max_size=3),
        st.lists(NUMBERS, max_size=3),
    )
    tasks = (
        goals.map(lambda goal: lambda: Task(goal))
        | several.map(lambda make: lambda: Task(make()))
        | PLAIN.map(lambda value: lambda: value)
    )
    words = calls(seed=mostly(st.integers(0, 9), PLAIN), seeds=mostly(st.just([3]), st.lists(PLAIN, max_size=3) | PLAIN))
    return lambda given: agent.reset(given[0](), **given[1]), st.tuples(tasks, words)


def _act(material: Material) -> Examples:
    agent = material.agent
    modes = mostly(st.sampled_from(["react", "react", "plan", "auto"]), st.sampled_from(["", "PLAN"]) | PLAIN)
    drives = arrays((0,), "float32")

    def act(given: tuple[Any, dict[str, Any]]) -> None:
        agent.reset(Task.reach(material.good))
        agent.act(given[0], **given[1])

    return act, st.tuples(observations(material.streams), calls(mode=modes, drives=drives))


def _imagine(material: Material) -> Examples:
    agent, block = material.agent, material.agent.configuration.data
    shape = (2, block.block, block.action_size)
    words = calls(samples=mostly(st.sampled_from([1, 2]), NUMBERS | PLAIN), seed=mostly(st.integers(0, 9), PLAIN))
    given = st.tuples(observations(material.streams), arrays(shape, "float32"), words)
    return lambda one: agent.imagine(one[0], one[1], **one[2]), given


def _energy(material: Material) -> Examples:
    agent, block = material.agent, material.agent.configuration.data
    shape = (1, 1, block.block, block.action_size)
    following: Streams = {name: ((1, 1, *shape_), dtype) for name, (shape_, dtype) in material.streams.items()}
    given = st.tuples(
        observations(material.streams),
        arrays(shape, "float32"),
        observations(following),
        mostly(st.sampled_from([0.0, 1.0]), PLAIN),
    )
    return lambda one: agent.energy(*one), given


def _make_world(material: Material) -> Examples:
    names = ["forethought/Rooms-v0", "CartPole-v1", "forethought/Room-v0", "Nothing-v0", "a:b-v0", "", "../x-v0", "CartPole"]
    worlds = st.sampled_from(names).flatmap(lambda name: st.tuples(st.just(name), _options(name)))

    def make(given: tuple[tuple[str, dict[str, Any]], Any]) -> None:
        (name, options), number = given
        registry.make(name, number, **{key: value for key, value in options.items() if key not in ("name", "num")}).close()

    return make, st.tuples(worlds, mostly(st.sampled_from([1, 2]), PLAIN.filter(_few)))


def _few(number: Any) -> bool:
    """No number, or so small a one that as many copies are made in a moment."""
    return not isinstance(number, int | float) or abs(number) < 9


def _changed(material: Material) -> Examples:
    configuration = material.agent.configuration
    return lambda changes: configuration.changed(changes, "it was generated"), _settings()


def _configure(material: Material) -> Examples:
    spec, block, statistics = material.store.spec, material.store.block, material.store.statistics()
    return lambda changes: configure(spec, block, statistics, overrides=changes), _settings()


def _budget(material: Material) -> Examples:
    return lambda given: Budget(*given), st.tuples(*[mostly(st.floats(1, 9), PLAIN)] * 3)


def _train(material: Material) -> Examples:
    def run(given: tuple[dict[str, Any], dict[str, Any]]) -> None:
        train(material.store, out=material.fresh(), config=given[0], phases=lambda *_: [], **given[1])

    return run, st.tuples(
        _settings(), calls(seed=mostly(st.integers(0, 9), PLAIN), resume=mostly(st.just(False), st.booleans()))
    )


def _append(material: Material) -> Examples:
    spec, block, size = material.store.spec, material.store.block, material.store.spec.action.size
    rows: Streams = {name: ((2, *shape), dtype) for name, (shape, dtype) in material.streams.items()}
    truth: Streams = {name: ((2, width), "float32") for name, width in spec.truth.items()}
    given: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
        {
            "observation": observations(rows), "actions": arrays((1, block * size), "float32"), "truth": observations(truth),
            "drives": arrays((2, len(spec.drives)), "float32"), "seed": mostly(st.integers(0, 9), PLAIN),
        },
        optional={
            "rewards": arrays((2,), "float32"), "terminated": arrays((2,), "bool"), "steps": arrays((1,), "int32"),
        },
    )  # fmt: skip

    def append(fields: dict[str, Any]) -> None:
        writer = StoreWriter(material.fresh(), spec, block)
        writer.append([Episode(**fields)])
        writer.finalise()

    return append, given


def _read(material: Material) -> Examples:
    store = material.store
    names = mostly(st.sampled_from(["pixels", "actions", "truth.position", "rewards"]), PLAIN)
    return lambda given: (store.rows(given[0], given[1]), store.read(given[2])), st.tuples(
        names, arrays((2,), "int64"), mostly(st.integers(-1, 70), PLAIN)
    )


def _evaluate(material: Material) -> Examples:
    words = calls(
        world=st.sampled_from([None, "forethought/Rooms-v0", "CartPole-v1", "Nothing-v0"]) | st.text(max_size=4),
        tasks=mostly(st.just(1), st.sampled_from([0, -1]) | PLAIN), mode=mostly(st.just("react"), st.just("PLAN") | PLAIN),
        cvar=mostly(st.none(), PLAIN), seed=mostly(st.integers(0, 9), PLAIN),
        store=st.sampled_from(["nowhere", str(material.run), 5]),
    )  # fmt: skip
    return lambda given: evaluate(material.agent, **{"tasks": 1, "mode": "react", **given}), words.filter(_small)


def _small(words: Mapping[str, Any]) -> bool:
    """Not more tasks than can be made in a moment."""
    tasks = words.get("tasks")
    return not isinstance(tasks, int | float) or tasks < 3


def _values(material: Material) -> Examples:
    words = st.lists(
        st.text(max_size=12) | st.sampled_from(["a=1", "planner.horizon=[", "a.b=" + "[" * 5000, "x=" + "9" * 5000]), max_size=3
    )
    return lambda given: (options_of(given), overrides_of(None, given)), words


def _command(material: Material) -> Examples:
    text = st.text(max_size=6).filter(lambda word: "\0" not in word)
    options = st.sampled_from(
        ["--seed", "--episodes", "--block", "--workers", "--option", "--tasks", "--mode", "--cvar", "--set", "--seconds"]
    )
    verbs = st.sampled_from(
        [["collect", "Nothing-v0", "--out", str(material.folder / "x")], ["train", str(material.folder / "none"), "--out", "x"],
         ["evaluate", str(material.folder / "none")], ["show", str(material.run)], ["settings"], ["report", "nowhere"]]
    )  # fmt: skip
    values = text | st.sampled_from(["-1", "0", "nan", "1e99", "x=1", "=", "a.b=["])

    def run(given: tuple[list[str], list[tuple[str, str]]]) -> int:
        try:
            return main([*given[0], *(word for pair in given[1] for word in pair)])
        except SystemExit as ended:
            if ended.code not in (0, 2):
                raise
            return 2

    return run, st.tuples(verbs, st.lists(st.tuples(options, values), max_size=2))


CALLS: Mapping[str, tuple[Callable[[Material], Examples], int]] = MappingProxyType(
    {
        "Agent.reset": (_reset, 15_000), "Agent.act": (_act, 15_000), "Agent.imagine": (_imagine, 8_000),
        "Agent.energy": (_energy, 8_000), "make_world": (_make_world, 5_000), "Configuration.changed": (_changed, 15_000),
        "configure": (_configure, 8_000), "Budget": (_budget, 5_000), "train": (_train, 2_000),
        "StoreWriter.append": (_append, 8_000), "EpisodeStore.rows, read": (_read, 5_000), "evaluate": (_evaluate, 1_000),
        "values on the command line": (_values, 4_000), "commands": (_command, 1_000),
    }
)  # fmt: skip
"""Name -> what makes the calls, and how many there are: 100,000 together."""
assert sum(count for _, count in CALLS.values()) == 100_000
assert Agent is forethought.Agent
