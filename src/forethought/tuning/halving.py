"""Successive halving (Jamieson and Talwalkar 2016): many short trainings, of which the best third goes on to a longer one.

A trial that goes on keeps its world model and its optimiser: they continue from the checkpoint at the end of the shorter
training, towards more steps. What is trained on its states is trained again, for the states have changed.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from forethought.action_codec import ActionCodec
from forethought.agent_networks import AgentNetworks
from forethought.atomic_io import make_folder, write_json, writing
from forethought.config import CONFIGURATION, Configuration
from forethought.data.store import EpisodeStore
from forethought.training.agent_files import AGENT
from forethought.training.checkpoint import CHECKPOINTS
from forethought.training.critic_phase import EncodeOnce
from forethought.training.phases import Phase
from forethought.training.predictor_phase import PredictorPhase
from forethought.training.record import TRAINING, training_record
from forethought.training.train import every_phase, train
from forethought.tuning.record import TrialRecord

ETA = 3
RUNGS = (1 / 9, 1 / 3, 1.0)
"""Share of the whole steps at each rung."""
RUNG_TASKS = (1 / 4, 1 / 2, 1.0)
"""Share of the validation tasks at each rung."""
BRACKET = 9
"""Trials that begin together."""
WORLD_MODEL = "world-model"
"""Folder of a trial's checkpoint at the end of the world model's phase."""
FEWEST_PLANS = 64
"""Least number of plans for Mode-1 on a short training."""


def rung_changes(configuration: Configuration, share: float) -> dict[str, Any]:
    """The steps of all phases for a share of a whole training, as changes of its configuration."""
    training, changes = configuration.training, dict[str, Any]()
    for name, value in training.model_dump().items():
        if name.endswith("_steps") and value:
            changes[f"training.{name}"] = max(1, math.ceil(share * value))
    plans = training.distillation_plans
    changes["training.distillation_plans"] = max(min(plans, FEWEST_PLANS), math.ceil(share * plans))
    return changes


def survivors(bracket: Sequence[TrialRecord], rung: int) -> list[TrialRecord]:
    """The best third of the trials that were scored at a rung, and the configurator's own, which always goes on."""
    scored = [trial for trial in bracket if len(trial.scores) > rung]
    best = sorted(scored, key=lambda trial: (-trial.scores[rung].value, trial.number))[: math.ceil(len(scored) / ETA)]
    return [trial for trial in scored if trial in best or trial.number == 0]


def tasks_at(rung: int, tasks: int) -> int:
    """How many of the validation tasks score a trial at a rung.

    >>> [tasks_at(rung, 64) for rung in range(3)]
    [16, 32, 64]
    """
    return math.ceil(RUNG_TASKS[rung] * tasks)


def folder_of(trials: Path, number: int, rung: int) -> Path:
    """The run's folder of a trial at a rung."""
    return trials / f"{number:04d}-{rung}"


def train_rung(view: EpisodeStore, folder: Path, configuration: Configuration, before: Path | None) -> None:
    """Train a trial at a rung, or go on with that training; a finished one is left as it is.

    Args:
        view: the store with its validation episodes held out. folder: the run's. configuration: with the steps of the rung.
        before: the run of the trial at the rung below; None at the lowest.

    Raises:
        NonFiniteError: a loss is not finite. ForethoughtError: as `train`.
    """
    if (folder / AGENT).is_dir():
        return
    if not (folder / CONFIGURATION).exists():
        make_folder(folder)
        if before is not None and (before / WORLD_MODEL).is_dir():
            with writing(folder):
                shutil.copytree(before / WORLD_MODEL, folder / CHECKPOINTS, dirs_exist_ok=True)
            write_json(folder / TRAINING, training_record(before))
        write_json(folder / CONFIGURATION, configuration.model_dump(mode="json"))

    def phases(
        modules: AgentNetworks, store: EpisodeStore, settings: Configuration, body: ActionCodec, encode: EncodeOnce
    ) -> list[Phase]:
        first, _, *rest = every_phase(modules, store, settings, body, encode)
        return [first, _AfterWorldModel(modules, settings, encode, folder), *rest]

    train(view, out=folder, resume=True, phases=phases)


class _AfterWorldModel(PredictorPhase):
    """The predictor's phase, which first keeps the checkpoint that the world model's phase ended with."""

    def __init__(self, modules: AgentNetworks, configuration: Configuration, encode: EncodeOnce, run: Path) -> None:
        super().__init__(modules, configuration, encode)
        self._run = run

    def start(self) -> None:
        """See `Phase`."""
        kept, building = self._run / WORLD_MODEL, self._run / f".building-{WORLD_MODEL}"
        if not kept.is_dir():
            with writing(self._run):
                shutil.rmtree(building, ignore_errors=True)
                shutil.copytree(self._run / CHECKPOINTS, building)
                building.rename(kept)
        super().start()
