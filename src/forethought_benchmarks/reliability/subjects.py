"""The tiny store and run of the campaign, and what is interrupted: collection, training, publication, evaluation."""

from __future__ import annotations

import abc
import hashlib
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from forethought.atomic_io import read_json
from forethought.config import CONFIGURATION
from forethought.data.collection import collect
from forethought.data.store import EpisodeStore
from forethought.evaluation.evaluate import evaluate
from forethought.report.page import MATERIAL, rebuild_report
from forethought.report.storage import load_material, save_material
from forethought.training.agent_files import AGENT, WEIGHTS, load, save_agent
from forethought.training.checkpoint import has_checkpoint, load_checkpoint
from forethought.training.train import train

WORLD, OPTIONS = "forethought/Rooms-v0", {"doors": "fixed", "max_steps": 10}
EPISODES = 66
"""Two shards."""
SETTINGS: dict[str, Any] = {
    "model.encoder.width": 4, "model.encoder.hidden": 16, "model.encoder.state_dim": 8,
    "model.predictor.kind": "mlp", "model.predictor.context": 1, "model.predictor.hidden": 16,
    "model.critic_hidden": 16, "model.policy_hidden": 16, "model.retrieval_size": 16, "model.retrieval_horizon": 1,
    "planner.search.num_samples": 8, "planner.search.num_iterations": 1, "planner.search.num_elites": 2, "planner.horizon": 1,
    "planner.retrieved_candidates": 4,
    "training.loss.expander": 0, "training.batch": 4, "training.sequence_length": 1, "training.rollout_horizon": 1,
    "training.critic_batch": 4, "training.policy_batch": 4, "training.predictor_batch": 4, "training.rollout_batch": 4,
    "training.distillation_plans": 4, "training.world_model_steps": 4, "training.predictor_steps": 2,
    "training.rollout_steps": 1, "training.critic_steps": 2, "training.policy_steps": 2, "training.checkpoint_every": 3,
}  # fmt: skip
TIMES = ("ms_per_decision", "ms_per_decision_p95", "seconds", "date")
"""Fields of figures that differ from run to run."""


class Work(abc.ABC):
    """Something that writes into a folder. `store`, `run`: of the campaign, to read from."""

    prepared: str = ""
    """What the folder holds before: a copy of `run`, or nothing."""

    def __init__(self, folder: Path, store: Path, run: Path) -> None:
        self.folder, self.store, self.run = folder, store, run

    def prepare(self) -> None:
        """Make the folder as it is before the work."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.prepared:
            shutil.copytree(self.run, self.folder)

    @abc.abstractmethod
    def do(self) -> None:
        """The work."""

    @abc.abstractmethod
    def look(self) -> Any:
        """Open what the folder holds; raises what a user would see."""

    @abc.abstractmethod
    def resume(self) -> None:
        """The command that a user gives after an interruption."""

    @abc.abstractmethod
    def digest(self) -> str:
        """Checksum of the result."""

    def must_open(self, saved: list[str]) -> bool:
        """Whether `look` must give a result, because something was reported as saved. `saved`: published paths."""
        return bool(self.prepared)


class Collection(Work):
    """A collection of two shards."""

    def do(self, resume: bool = False) -> None:
        """Do it."""
        collect(WORLD, out=self.folder, episodes=EPISODES, options=OPTIONS, workers=0, progress=False, resume=resume)

    def look(self) -> Any:
        """Open it."""
        store = EpisodeStore.open(self.folder)
        store.verify()
        return store.num_episodes

    def resume(self) -> None:
        """Do it again, or go on."""
        self.do(resume=True)

    def digest(self) -> str:
        """Of what it made."""
        return digest_of(self.folder)

    def must_open(self, saved: list[str]) -> bool:
        """Once it was published."""
        return any(path.endswith("manifest.json") for path in saved)


class Training(Work):
    """A training of all phases."""

    def do(self, resume: bool = False) -> None:
        """Do it."""
        train(self.store, out=self.folder, config=None if resume else SETTINGS, resume=resume)

    def look(self) -> Any:
        """Open it."""
        if has_checkpoint(self.folder) and not (self.folder / AGENT).exists():
            return load_checkpoint(self.folder).step
        load(self.folder, "cpu")
        return "agent"

    def resume(self) -> None:
        """Do it again, or go on."""
        self.do(resume=(self.folder / CONFIGURATION).exists())

    def digest(self) -> str:
        """Of what it made."""
        return digest_of(self.folder / AGENT)

    def must_open(self, saved: list[str]) -> bool:
        """Once it was published."""
        return any(Path(path).parent.name == "checkpoints" or Path(path).name == AGENT for path in saved)


class Publication(Work):
    """An agent and a report that replace older ones."""

    prepared = "run"

    def do(self) -> None:
        """Do it."""
        agent = load(self.folder, "cpu")
        for parameter in agent.modules.parameters():
            torch.nn.init.constant_(parameter, 0.5)
        save_agent(self.folder, agent.configuration, agent.modules)
        material = load_material(self.folder / MATERIAL)
        save_material(self.folder / MATERIAL, replace(material, title="Another title"))
        rebuild_report(self.folder)

    def look(self) -> Any:
        """Open it."""
        load(self.folder, "cpu")
        return load_material(self.folder / MATERIAL).title

    def resume(self) -> None:
        """Do it again, or go on."""
        self.do()

    def digest(self) -> str:
        """Of what it made."""
        return digest_of(self.folder / AGENT) + digest_of(self.folder / MATERIAL)


class Evaluation(Work):
    """An evaluation whose figures replace older ones."""

    prepared = "run"

    def do(self) -> None:
        """Do it."""
        evaluate(self.folder, tasks=2, mode="react", seed=1, out=self.folder)

    def look(self) -> Any:
        """Open it."""
        load(self.folder, "cpu")
        return self._figures()

    def resume(self) -> None:
        """Do it again, or go on."""
        self.do()

    def digest(self) -> str:
        """Of what it made."""
        return str(self._figures())

    def _figures(self) -> dict[str, Any]:
        figures = read_json(self.folder / "metrics.json", "the figures")
        return {name: value for name, value in figures.items() if name not in TIMES}


WORKS: dict[str, type[Work]] = {
    "collection": Collection, "training": Training, "publication": Publication, "evaluation": Evaluation,
}  # fmt: skip


def digest_of(folder: Path) -> str:
    """Checksum of the names and contents of all files in a folder, hidden ones left out."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            digest.update(f"{path.relative_to(folder)} {path.stat().st_size} ".encode() + path.read_bytes())
    return digest.hexdigest()


def make_subjects(out: Path) -> tuple[Path, Path]:
    """The store and the run of the campaign in `out`, with a report of few pictures; made once."""
    store, run = out / "store", out / "run"
    collect(WORLD, out=store, episodes=EPISODES, options=OPTIONS, workers=0, progress=False, resume=True)
    if not (run / "metrics.json").exists():
        shutil.rmtree(run, ignore_errors=True)
        train(store, out=run, config=SETTINGS)
        _small_report(run)
        evaluate(run, tasks=2, mode="react", out=run)
    assert (run / AGENT / WEIGHTS).exists()
    return store, run


def _small_report(run: Path) -> None:
    """Report data of the run without its pictures, and the page."""
    from forethought.report.run_report import show_run

    show_run(run, tasks=2)
    material = load_material(run / MATERIAL)
    bare = replace(material, futures=material.futures[:1], fans=(), episodes=(), heat_maps=(), landscapes=())
    save_material(run / MATERIAL, bare)
    rebuild_report(run)
    (run / "metrics.json").unlink()
