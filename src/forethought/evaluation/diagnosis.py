"""Why an agent is not better than random actions: an ordered list of gates, each with a measurement and the next command.

The order is that of causes: a test that says nothing, too little data, a collapsed encoder, a hidden velocity, a model that
cannot predict, a critic that cannot rank. The first gate that broke is the one to repair first.
"""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from pathlib import Path

from forethought.agent import Agent
from forethought.data.store import EpisodeStore
from forethought.evaluation.health import Health, measure_health
from forethought.evaluation.score import Score
from forethought.training.record import training_record

FEWEST_TASKS, EASY = 30, 0.5
LEAST_ROWS, LEAST_PASSES, LEAST_FRAMES = 2000, 3.0, 15_000
HISTORY_GAIN, LEAST_PROBE, LEAST_RANK = 0.25, 0.5, 0.3


@dataclass(frozen=True)
class Gate:
    """One condition of a good agent.

    Fields:
        name: of the condition. passed: whether it holds. measured: the figure, with its unit.
        sentence: what the figure means where the gate broke. advice: the next command or setting to try.
    """

    name: str
    passed: bool
    measured: str
    sentence: str
    advice: str


@dataclass(frozen=True)
class Commands:
    """The commands of the advice. Fields: store, run: folders, as typed. world: name of the environment."""

    store: str = "STORE"
    run: str = "RUN"
    world: str = "WORLD"

    def train(self, words: str) -> str:
        """A new training on the same store."""
        out = self.run if self.run == "RUN" else f"{self.run}-2"
        return f"forethought train {shlex.quote(self.store)} --out {shlex.quote(out)} {words}"

    def collect(self, episodes: int) -> str:
        """A larger collection."""
        store = self.store if self.store == "STORE" else f"{self.store}-2"
        return f"forethought collect {shlex.quote(self.world)} --out {shlex.quote(store)} --episodes {episodes}"


def score_gates(score: Score, commands: Commands) -> tuple[Gate, ...]:
    """The gates that the score alone decides: whether there are enough tasks, and whether they test anything."""
    low, high = score.random_interval
    return (
        Gate(
            "success test",
            score.random_floor < EASY,
            f"random actions reach {score.random_floor:.0%} of the goals",
            "The success test forgives too much, or the goals are too near.",
            f"{commands.train('--success success_distance=null')} (a threshold from the data), or record longer episodes",
        ),
        Gate(
            "number of tasks",
            score.tasks >= FEWEST_TASKS,
            f"{score.tasks} tasks, random interval {low:.0%} to {high:.0%}",
            "So few tasks tell an agent from chance only if it is nearly perfect.",
            f"evaluate with --tasks 100; the store must have as many held-out episodes: {commands.collect(1000)}",
        ),
    )


def health_gates(health: Health, commands: Commands) -> tuple[Gate, ...]:
    """The gates that the data, the training and the trained networks decide, in the order of causes."""
    frames, passes = health.frames, health.frames / max(1, health.rows)
    gates = [
        Gate(
            "amount of data",
            health.rows >= LEAST_ROWS,
            f"{health.rows:,} rows to train on",
            f"A world model needs some {LEAST_ROWS:,} rows at least.",
            commands.collect(max(500, math.ceil(health.episodes * LEAST_ROWS / max(1, health.rows)))),
        ),
        Gate(
            "length of training",
            passes >= LEAST_PASSES and frames >= LEAST_FRAMES,
            f"{frames:,} frames, {passes:.1f} passes over the data",
            "The training was too short.",
            commands.train("--seconds 600"),
        ),
        Gate(
            "no collapse",
            not health.alarms,
            health.alarms[0].split(";")[0] if health.alarms else "no alarm",
            "The encoder maps different observations to nearly the same state.",
            health.alarms[0].split(";")[-1].strip() if health.alarms else "",
        ),
    ]
    if health.history_gain is not None:
        gates.append(
            Gate(
                "one observation is enough",
                health.context > 1 or health.history_gain < HISTORY_GAIN,
                f"with the previous observation a linear prediction has {max(0.0, health.history_gain):.0%} less error",
                "One observation does not show everything, a velocity perhaps, and the predictor sees only one.",
                commands.train("--set model.predictor.kind=transformer --set model.predictor.context=4"),
            )
        )
    if health.model_error is not None and health.copy_error is not None:
        gates.append(
            Gate(
                "prediction",
                health.model_error < health.copy_error,
                f"error {health.model_error:.2g} of the states' variance at {health.horizon} blocks, "
                f"{health.copy_error:.2g} for copying the last state",
                "The world model predicts no better than that nothing changes.",
                commands.train("--seconds 1200"),
            )
        )
    if health.probe is not None:
        gates.append(
            Gate(
                "the state shows the goal",
                health.probe >= LEAST_PROBE,
                f"held-out R2 of the {health.probe_name} read from the state: {health.probe:.2f}",
                "The state does not encode what the goal asks for.",
                commands.train("--seconds 1200 --set training.loss.inverse_dynamics=20"),
            )
        )
    if health.critic_rank is not None:
        gates.append(
            Gate(
                "the critic ranks distances",
                health.critic_rank >= LEAST_RANK,
                f"rank correlation of its distance with the recorded blocks between two states: {health.critic_rank:.2f}",
                "The planner's cost does not decrease on the way to the goal.",
                commands.train("--seconds 1200 --set planner.cost.goal_distance=1"),
            )
        )
    return tuple(gates)


def diagnose(agent: Agent, store: EpisodeStore | None, score: Score, run: Path | None = None) -> tuple[Gate, ...]:
    """All gates, in the order of causes; without a store those of the score only.

    Args:
        agent: the agent. store: the dataset that it was trained on. score: its evaluation.
        run: folder of the run, for the commands in the advice; None writes placeholders.
    """
    world = agent.configuration.data.world
    place = Commands("STORE" if store is None else str(store.path), "RUN" if run is None else str(run), world)
    gates = score_gates(score, place)
    if store is None:
        return gates
    frames = 0 if run is None else int(training_record(run).get("train_frames", 0))
    return gates + health_gates(measure_health(agent, store, frames), place)


def in_words(score: Score, gates: tuple[Gate, ...]) -> list[str]:
    """The verdict and the broken gates as lines; empty for an agent above random actions."""
    if not score.verdict:
        return []
    broken = [gate for gate in gates if not gate.passed]
    lines = [score.verdict]
    for number, gate in enumerate(broken, 1):
        lines.append(f"  {number}. {gate.name}: {gate.measured}. {gate.sentence}")
        lines.append(f"     try: {gate.advice}")
    if not broken and gates:
        lines.append(
            f"  Every check passed ({', '.join(gate.name for gate in gates)}): the search may be too small. Try a larger "
            "planner.search.num_samples and planner.horizon, and a longer training."
        )
    return lines
