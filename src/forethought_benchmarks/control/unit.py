"""One unit in a process of its own: `python -m forethought_benchmarks.control.unit FOLDER`.

It reads `FOLDER/request.json` and writes `FOLDER/found.json`. Nothing else runs in the process, so its CPU seconds are the
unit's.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from forethought.atomic_io import make_folder, read_json, write_json
from forethought.errors import ForethoughtError
from forethought.evaluation.result_rows import today
from forethought_benchmarks.control.control_worlds import ControlWorld
from forethought_benchmarks.control.zoo import hyperparameters

FORETHOUGHT, NO_MEMORY = "forethought", "no-memory"
REWARD_ONLY, PAIN_ONLY, HUNGER_ONLY = "reward-only", "pain-only", "hunger-only"
LIVING: Mapping[str, Mapping[str, Any]] = {
    FORETHOUGHT: {},
    NO_MEMORY: {"model.belief_dim": 0},
    REWARD_ONLY: {"planner.cost.drive_weights": {"pain": 0.0, "hunger": 0.0}},
    PAIN_ONLY: {"planner.cost.reward": 0.0, "planner.cost.drive_weights": {"pain": 1.0, "hunger": 0.0}},
    HUNGER_ONLY: {"planner.cost.reward": 0.0, "planner.cost.drive_weights": {"pain": 0.0, "hunger": 1.0}},
}
"""Agents that live -> their settings; all others are the configurator's."""
REQUEST, FOUND, RUN, LOG = "request.json", "found.json", "run", "log.txt"


@dataclass(frozen=True)
class ControlUnit:
    """One training: a world, an agent (of `LIVING`, or `sac`, `ppo`, `dqn`), a seed."""

    world: ControlWorld
    agent: str
    seed: int

    @property
    def applies(self) -> bool:
        """Whether the agent has this world's kind of actions."""
        return self.agent in LIVING or hyperparameters(self.agent, self.world.name) is not None

    @property
    def train_steps(self) -> int:
        """Environment steps of the training, if it is not stopped early."""
        parameters = None if self.agent in LIVING else hyperparameters(self.agent, self.world.name)
        return self.world.life_steps if parameters is None else int(parameters["steps"])

    @property
    def request(self) -> dict[str, Any]:
        """All that the figures depend on, as JSON."""
        living = LIVING.get(self.agent)
        parameters = dict(hyperparameters(self.agent, self.world.name) or {}) if living is None else dict(living) or None
        return {"world": asdict(self.world), "agent": self.agent, "seed": self.seed, "parameters": parameters}

    def folder(self, out: Path) -> Path:
        """Where the unit is kept."""
        return out / self.world.name.replace("/", "-") / self.agent / f"seed-{self.seed}"

    def found(self, out: Path) -> dict[str, Any] | None:
        """The figures on disk; None if the unit is not finished, or was measured by another request."""
        path = self.folder(out) / FOUND
        stored = dict(read_json(path, "figures of a unit")) if path.exists() else {}
        return dict(stored["found"]) if stored.get("asked") == self.request else None

    def measure(self, out: Path) -> None:
        """Measure the unit in a process of its own; what an earlier process left unfinished is thrown away.

        Raises:
            ForethoughtError: the process failed.
        """
        folder = self.folder(out)
        shutil.rmtree(folder, ignore_errors=True)  # a training that was interrupted has no honest wall time
        make_folder(folder)
        write_json(folder / REQUEST, self.request)
        command = [sys.executable, "-m", "forethought_benchmarks.control.unit", str(folder)]
        with (folder / LOG).open("w") as log:
            # One thread for every agent: their networks are so small that a second one costs time.
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment) as process:
                process.wait()
        if process.returncode or self.found(out) is None:
            lines = (folder / LOG).read_text(errors="replace").strip().splitlines()
            why = lines[-1] if lines else f"it ended with code {process.returncode}"
            unit = f"{self.agent} in {self.world.name}, seed {self.seed}"
            raise ForethoughtError(f"{unit}, failed: {why} (the whole log: {folder / LOG}).")


def _end_with_parent() -> None:
    """End the process when the one that started it is gone: two units at once would have no honest wall time."""
    sys.stdin.read()
    os._exit(1)


def main(folder: Path) -> None:
    """Measure the unit of a folder."""
    asked = dict(read_json(folder / REQUEST, "request of a unit"))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    world = ControlWorld(**asked["world"])
    if asked["agent"] in LIVING:
        from forethought_benchmarks.control.life_unit import live_in

        found = live_in(world, asked["seed"], folder / RUN, LIVING[asked["agent"]])
    else:
        from forethought_benchmarks.control.baselines import train_baseline

        found = train_baseline(asked["agent"], world, asked["parameters"], asked["seed"])
    write_json(folder / FOUND, {"asked": asked, "found": {**found, "date": today()}})


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    main(Path(sys.argv[1]))
