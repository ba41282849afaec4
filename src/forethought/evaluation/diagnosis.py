"""Why an agent is not better than random actions: an ordered list of gates, each with a measurement and the next command.

The order is that of causes: a test that says nothing, too little data, a collapsed encoder, a goal that does not show what
success compares, a hidden velocity, a model that cannot predict, a cost that cannot rank, a search that is too small. The
first gate that broke is the one to repair first. The last one compares the modes: another mode may do better at once.
"""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from forethought.agent import Agent
from forethought.data.store import EpisodeStore
from forethought.evaluation.health import Health, measure_health
from forethought.evaluation.plan_ranking import COSTS, PlanRanking
from forethought.evaluation.score import Score
from forethought.evaluation.store_examination.goal_visibility import OWN_NUMBERS, SHOWN, GoalVisibility
from forethought.training.record import training_record
from forethought.training.state_floor import floor_alarms, measure_state_floor

FEWEST_TASKS, EASY = 30, 0.5
LEAST_ROWS, LEAST_PASSES, LEAST_FRAMES = 2000, 3.0, 15_000
HISTORY_GAIN, LEAST_PROBE, LEAST_RANK, LEAST_EPISODES = 0.25, 0.5, 0.3, 500
MOST_BEFORE, BETTER_COST, MOST_MISSED = 0.25, 0.1, 0.2
"""Share of other plans that may look better than one that reaches the goal; how much lower another cost makes it to be advised;
share of goals for which the search may find no plan as cheap as the recorded one."""
MODE_NAMES = {"plan": "Mode-2 (plan)", "react": "Mode-1 (react)", "auto": "auto"}


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

    def collect(self, episodes: int, words: str = "") -> str:
        """A new collection."""
        store = self.store if self.store == "STORE" else f"{self.store}-2"
        command = f"forethought collect {shlex.quote(self.world)} --out {shlex.quote(store)} --episodes {episodes} {words}"
        return command.rstrip()


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
            commands.collect(max(LEAST_EPISODES, math.ceil(health.episodes * LEAST_ROWS / max(1, health.rows)))),
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
    if health.visibility is not None:
        gates.append(_visibility_gate(health.visibility, health.episodes, commands))
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
    return (*gates, *(_ranking_gates(health.ranking, commands) if health.ranking else ()))


def _visibility_gate(visibility: GoalVisibility, episodes: int, commands: Commands) -> Gate:
    """Whether a goal, which is one observation, tells the numbers that success compares."""
    sentence = "A goal is one observation, and it does not tell all that the success test asks for, a velocity perhaps."
    advice = commands.collect(max(LEAST_EPISODES, episodes), OWN_NUMBERS)
    if visibility.all_numbers:
        sentence = "The state does not keep all the numbers that the success test asks for."
        advice = commands.train("--seconds 1200 --set model.encoder.state_dim=128")
    passed = visibility.shown >= SHOWN
    return Gate("the goal shows what success compares", passed, visibility.in_words(), sentence, advice)


def _ranking_gates(ranking: PlanRanking, commands: Commands) -> tuple[Gate, ...]:
    """Whether model and cost put plans that reach a goal before others, and whether the search finds as good ones."""
    best, before = min(ranking.by_cost.items(), key=lambda item: item[1])
    if ranking.imagined - before >= BETTER_COST:
        sentence = f"The cost prefers plans that lead elsewhere; with the term {best} alone it is {before:.0%}."
        advice = commands.train(_weighted_alone(best, ranking.by_cost))
    elif ranking.observed <= MOST_BEFORE:
        sentence = "The cost is right along observed states; the world model imagines others."
        advice = commands.train("--seconds 1200")
    else:
        sentence = "Even along observed states the cost prefers plans that lead elsewhere."
        advice = commands.collect(1000)
    return (
        Gate(
            "plans that reach the goal look best",
            ranking.imagined <= MOST_BEFORE,
            f"{ranking.imagined:.0%} of other recorded plans of {ranking.blocks} blocks look better than the one that reached "
            f"the goal ({ranking.observed:.0%} by its observed states, 50% is chance)",
            sentence,
            advice,
        ),
        Gate(
            "the search finds good plans",
            ranking.search <= MOST_MISSED,
            f"for {ranking.search:.0%} of the goals it finds no plan that costs as little as the recorded one",
            "The search is too small.",
            commands.train("--set planner.search.num_samples=1000"),
        ),
    )


def _weighted_alone(best: str, costs: Iterable[str]) -> str:
    """Options that give one of the task costs the weight 1, and the others none."""
    options = [f"--set planner.cost.{name}={float(name == best):g}" for name in COSTS]
    extra = [name for name in costs if name not in COSTS]
    if extra:
        weights = json.dumps({name: 1.0 for name in extra if name == best}, separators=(",", ":"))
        options.append(f"--set {shlex.quote(f'planner.cost.extra={weights}')}")
    return " ".join(options)


def mode_gate(score: Score, others: Mapping[str, Score], commands: Commands) -> tuple[Gate, ...]:
    """Whether no other mode is above random actions where this one is not; none without other modes."""
    rates = {score.mode: score, **others}
    if len(rates) == 1:
        return ()
    best = max(rates.values(), key=lambda one: one.success_rate)
    name, own = MODE_NAMES[best.mode], MODE_NAMES[score.mode]
    measured = ", ".join(f"{MODE_NAMES[mode]} {one.success_rate:.0%}" for mode, one in rates.items())
    return (
        Gate(
            "no other mode is better",
            bool(best.verdict) or not score.verdict,
            measured,
            f"{name} is above random actions, and {own} is not.",
            f"forethought evaluate {shlex.quote(commands.run)} --mode {best.mode}, or agent.act(..., mode='{best.mode}')",
        ),
    )


def diagnose(
    agent: Agent,
    store: EpisodeStore | None,
    score: Score,
    run: Path | None = None,
    others: Mapping[str, Score] | None = None,
) -> tuple[Gate, ...]:
    """All gates, in the order of causes; without a store those of the score only.

    Args:
        agent: the agent. store: the dataset that it was trained on. score: its evaluation.
        run: folder of the run, for the commands in the advice; None writes placeholders.
        others: mode -> score of other modes on the same tasks.
    """
    world = agent.configuration.data.world
    place = Commands("STORE" if store is None else str(store.path), "RUN" if run is None else str(run), world)
    gates, modes = score_gates(score, place), mode_gate(score, others or {}, place)
    if store is None:
        return gates + modes
    frames = 0 if run is None else int(training_record(run).get("train_frames", 0))
    return gates + health_gates(measure_health(agent, store, frames), place) + floor_gates(agent, store) + modes


def floor_gates(agent: Agent, store: EpisodeStore) -> tuple[Gate, ...]:
    """The gate of the state's floor (`training.state_floor`); none where it cannot be measured."""
    settings = agent.configuration
    found = measure_state_floor(agent.modules.world_model, store, settings)
    if found is None:
        return ()
    alarms = floor_alarms(found, settings.data.streams, settings.training.loss)
    symptom, _, advice = alarms[0].partition(";") if alarms else ("no alarm", "", "")
    sentence = "Training lost what random features tell."
    return (Gate("the state tells what random features tell", not alarms, symptom, sentence, advice.strip().rstrip(".")),)


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
            f"  Every check passed ({', '.join(gate.name for gate in gates)}): the cause is none of these. Try more episodes "
            "and a longer training, and look at the plans in the report."
        )
    return lines
