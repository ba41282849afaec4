"""`forethought demo`: collect data, train, evaluate and write the report, in one command on two CPU cores."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from forethought.configurator import Budget
from forethought.data.collection import collect
from forethought.report.run_report import show_trained
from forethought.training.agent_files import AGENT
from forethought.training.train import train
from forethought.worlds import registry

log = logging.getLogger(__name__)

EPISODES, TASKS = 2000, 100
# H-JEPA's four rooms (2610.06805) with the agent's speed from there, without the ball and with all doors open.
ROOMS_OPTIONS: dict[str, Any] = {"layout": "four", "doors": "fixed", "speed": 2.5 * 64 / 224}
SECONDS, MILLISECONDS = 360.0, 30.0
"""Budgets in the built-in world: seconds of training, milliseconds of a planned decision."""
ADAPTED_EPISODES = 200

TINY_EPISODES, TINY_TASKS = 24, 4
TINY_OPTIONS: dict[str, Any] = {"layout": "four", "doors": "fixed", "max_steps": 50}
TINY: dict[str, dict[str, Any]] = {
    "model": {
        "encoder": {"width": 8, "hidden": 32, "state_dim": 16},
        "predictor": {"hidden": 32},
        "critic_hidden": 32,
        "policy_hidden": 32,
        "retrieval_size": 64,
        "hierarchy": {
            "levels": 2,
            "kind": "learned",
            "stride": 2,
            "hidden": 32,
            "state_dim": 16,
            "macro_dim": 4,
            "retrieval_size": 64,
        },
    },
    "training": {
        "loss": {"expander": 32},
        "levels_steps": 30,
        "levels_batch": 32,
        "distances_steps": 20,
        "distances_batch": 32,
        "world_model_steps": 30,
        "predictor_steps": 30,
        "rollout_steps": 10,
        "critic_steps": 60,
        "policy_steps": 30,
        "batch": 16,
        "distillation_plans": 64,
    },
    "planner": {
        "search": {"num_samples": 24, "num_iterations": 2, "num_elites": 6},
        "horizon": 3,
        "upper": {"horizon": 2, "search": {"num_samples": 16, "num_iterations": 2, "num_elites": 4}},
    },
}


def demo(*, world: str = "forethought/Rooms-v0", out: Path | str = "runs/demo", seed: int = 0, tiny: bool = False) -> Path:
    """Collect, train, evaluate and write the report.

    Args:
        world: name of the world; the default is four rooms with fixed walls and doors.
        out: the run's folder; a demo that was stopped there is resumed.
        seed: of collection, training and evaluation.
        tiny: seconds instead of minutes: tests that all parts work on this machine, not the performance of the agent.

    Returns:
        The report, `OUT/report.html`; the metrics are in `OUT/metrics.json`.
    """
    run = Path(out)
    built_in = registry.built_in(world)
    options = (TINY_OPTIONS if tiny else ROOMS_OPTIONS) if built_in else {}
    episodes = TINY_EPISODES if tiny else EPISODES if built_in else ADAPTED_EPISODES
    log.info("1/4 collecting %d episodes of %s", episodes, world)
    store = collect(
        world, out=run / "store", episodes=episodes, seed=seed, options=options, workers=0 if tiny else 2, resume=True
    )
    log.info("2/4 training: world model, predictor, critic, upper levels and Mode-1")
    if not (run / AGENT).is_dir():
        started = (run / "configuration.json").exists()
        budget = None if started or tiny or not built_in else Budget(SECONDS, ms_per_decision=MILLISECONDS, reproducible=True)
        train(store, out=run, seed=seed, config=None if started or not tiny else TINY, budget=budget, resume=started)
    log.info("the agent is saved in %s", run)
    log.info("3/4 evaluating on held-out tasks, and 4/4 writing the report")
    return show_trained(run, tasks=TINY_TASKS if tiny else TASKS, bench="rooms-demo" if built_in else "demo")
