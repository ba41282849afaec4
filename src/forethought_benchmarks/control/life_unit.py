"""Forethought in one world: a life with no settings of its own, and the figures of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from forethought.atomic_io import read_object
from forethought.evaluation.baselines import EpisodeReturn
from forethought.evaluation.returns import evaluate_return
from forethought.online import lifetime
from forethought.online.live import live
from forethought.online.record import LIFE
from forethought_benchmarks.control.control_worlds import ControlWorld
from forethought_benchmarks.control.measured import FINAL_EPISODES, Stopwatch, measured


class _EvaluationTimes(logging.Handler):
    """Wall and CPU seconds at each evaluation of a life, which its record does not hold: it logs one line for each."""

    def __init__(self, watch: Stopwatch) -> None:
        super().__init__(logging.INFO)
        self._watch, self.times = watch, list[tuple[float, float]]()

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        if record.levelno == logging.INFO and "mean return of Mode-1" in str(record.msg):
            self.times.append(self._watch.read())


def live_in(world: ControlWorld, seed: int, run: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """Live in a world from nothing and measure it (`measured`); `run` is the folder of the life, `config` settings given."""
    watch = Stopwatch()
    stamps = _EvaluationTimes(watch)
    lifetime.log.setLevel(logging.INFO)
    lifetime.log.addHandler(stamps)
    try:
        asked: dict[str, Any] = {"steps": world.life_steps, "seed": seed, "until": None if world.drives else world.threshold}
        agent = live(world.gym_id, out=run, options=world.options, config=config, **asked)
    finally:
        lifetime.log.removeHandler(stamps)
    seconds = watch.read()
    record = read_object(run / LIFE, "the record of the life")
    evaluations = [(int(steps), float(value)) for steps, value in record["evaluations"]]
    score = evaluate_return(agent, episodes=FINAL_EPISODES)
    found = measured(score.agent.mean, evaluations, stamps.times, world.threshold, seconds, int(record["steps"]))
    if not world.drives:
        return {**found, "random_return": score.random.mean}
    felt = {name: [_per_thousand_steps(each) for each in pair] for name, pair in score.drives.items()}
    lengths = [score.agent.length, score.random.length]
    return {**found, "random_return": score.random.mean, "drives": felt, "lengths": lengths}


def _per_thousand_steps(cost: EpisodeReturn) -> float:
    return 1000 * cost.mean / cost.length
