"""The protocol of `generative`: two rooms without noise, with noise, and with distractors; every arm uses the same episodes.

An arm is one way to learn the state and its model. Critic, planner, effort and tasks are the same for all, except for the
effort of the token model. The trainings take about the same processor time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from forethought.action_codec import ActionCodec
from forethought.agent import Agent
from forethought.agent_networks import AgentNetworks
from forethought.atomic_io import read_json, write_json
from forethought.config import Configuration
from forethought.data.collection import collect
from forethought.data.store import EpisodeStore
from forethought.evaluation.arena import Arena, make_arena
from forethought.evaluation.open_loop import open_loop_error
from forethought.evaluation.probes import fit_probe, probe_r2
from forethought.evaluation.result_rows import day_of, row, write_results
from forethought.training.critic_phase import EncodeOnce
from forethought.training.phases import Phase
from forethought.training.train import MakePhases, after_perception, every_phase
from forethought.worlds.tasks import make_tasks
from forethought_benchmarks.cached_experiments import Variant, scores_of, success_rows, trained
from forethought_benchmarks.comparisons import mean_interval
from forethought_benchmarks.reconstruction_baselines.autoencoder import AutoencoderPhase
from forethought_benchmarks.reconstruction_baselines.latent_gating import Gates
from forethought_benchmarks.reconstruction_baselines.token_phase import TOKEN_PARTS, token_phases

NAME, WORLD = "generative", "forethought/Rooms-v0"
EPISODES, TASKS, TASK_SEED, SEEDS = 800, 60, 2027, (0, 1, 2)
BASE: Mapping[str, Any] = {"doors": "fixed", "max_steps": 100}
CONDITIONS: Mapping[str, Mapping[str, Any]] = {
    "rooms-no-noise": {},
    "rooms-changing-noise": {"noise": 40.0},
    "rooms-fixed-noise": {"episode_noise": 40.0},
    "rooms-balls": {"balls": 4},
}
"""Changing noise is sampled in each frame, fixed noise once per episode, also for the goal image. Both are equally strong."""

SHARED: Mapping[str, Any] = {
    "model.predictor.hidden": 256,
    "model.predictor.depth": 2,
    "model.critic_hidden": 256,
    "training.rollout_horizon": 5,
    "training.predictor_steps": 2000,
    "training.rollout_steps": 600,
    "training.critic_steps": 2000,
    "training.policy_steps": 0,
    "training.distillation_plans": 1,
    "planner.policy_candidate": False,
    "planner.horizon": 3,
}
"""Sizes and steps, the same in every condition. They replace the choices of the configurator. Mode-1 is not trained."""
PLANNING: Mapping[str, Any] = {"planner.search.num_samples": 100, "planner.search.num_iterations": 3}
FEW: Mapping[str, Any] = {
    "planner.search.num_samples": 20,
    "planner.search.num_iterations": 2,
    "planner.search.num_elites": 5,
    "planner.retrieved_candidates": 10,
}
"""The token model has fewer candidates, because its rollouts are slow."""
KEPT = "kept.json"
AHEAD = 3
"""Blocks ahead at which predicted positions are compared with true ones: the planning horizon."""


def autoencoder_phases(
    modules: AgentNetworks, store: EpisodeStore, configuration: Configuration, body: ActionCodec, encode: EncodeOnce
) -> list[Phase]:
    """Phases of the JEPA with a first phase that reconstructs pixels."""
    first = AutoencoderPhase(modules, store, configuration, body)
    return [first, *after_perception(modules, configuration, body, encode)]


def gated_phases(
    modules: AgentNetworks, store: EpisodeStore, configuration: Configuration, body: ActionCodec, encode: EncodeOnce
) -> list[Phase]:
    """The phases of the autoencoder, with gates."""
    first = AutoencoderPhase(modules, store, configuration, body, Gates(modules.world_model.state_dim))
    return [first, *after_perception(modules, configuration, body, encode)]


@dataclass(frozen=True)
class BaselineVariant:
    """One way to learn the state. Fields: name: in rows. phases: the training phases. settings: beside `SHARED`."""

    name: str
    phases: MakePhases = every_phase
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def config(self) -> dict[str, Any]:
        """All settings that replace choices of the configurator."""
        return {**SHARED, **PLANNING, **self.settings}


TOKENS: Mapping[str, Any] = {
    **FEW,
    **TOKEN_PARTS,
    "model.encoder.state_dim": 256,
    "training.loss.lsuv_init": False,
    "training.sequence_length": 1,
    "training.batch": 32,
    "training.world_model_steps": 900,
}
ARMS = (
    BaselineVariant("jepa", settings={"training.world_model_steps": 200}),
    BaselineVariant("autoencoder", autoencoder_phases, {"training.sequence_length": 1, "training.world_model_steps": 210}),
    BaselineVariant("gated-autoencoder", gated_phases, {"training.sequence_length": 1, "training.world_model_steps": 160}),
    BaselineVariant("tokens", token_phases, TOKENS),
)
"""The number of steps of the first phase gives about the same time in every arm."""


def run(out: Path, seeds: Sequence[int] | None = None) -> Path:
    """Collect once per condition, train and test each arm, write the rows. Finished units are cached."""
    chosen = tuple(seeds or SEEDS)
    return write_results(out, NAME, [line for name in CONDITIONS for line in condition_rows(out / NAME, name, chosen)])


def condition_rows(out: Path, name: str, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """All arms under one condition."""
    options = {**BASE, **CONDITIONS[name]}
    store = collect(WORLD, out=out / name / "store", episodes=EPISODES, options=options, workers=0, resume=True)
    arena = make_arena(WORLD, options, make_tasks(WORLD, options, TASKS, TASK_SEED))
    found = []
    for arm in ARMS:
        folders = [out / name / f"{arm.name}-{seed}" for seed in seeds]
        for seed, folder in zip(seeds, folders, strict=True):
            unit(store, folder, seed, arm, arena)
        # Arms count differently what they call a frame; time is what they have in common.
        found += [{**line, "train_frames": None} for line in success_rows(name, [arm.name], folders, seeds)]
        found += kept_rows(name, arm.name, folders, seeds)
    return found


def unit(store: EpisodeStore, folder: Path, seed: int, arm: BaselineVariant, arena: Arena) -> None:
    """One training seed of one arm, its score and its probes."""
    agent = trained(store, folder, seed, arm.config, phases=arm.phases)
    if not (folder / KEPT).exists():
        write_json(folder / KEPT, what_is_kept(agent, store))
    scores_of(agent, folder, arena, [Variant(arm.name)])


def what_is_kept(agent: Agent, store: EpisodeStore) -> dict[str, float]:
    """R² of a linear probe for the agent's position, and the position error in pixels of predictions `AHEAD` blocks ahead."""
    error = open_loop_error(agent, store, fit_probe(agent, store, "position"))
    assert error.position_error is not None
    return {
        "probe_position_r2": probe_r2(agent, store)["position"],
        f"position_error_{AHEAD}_blocks": float(error.position_error[AHEAD - 1]),
    }


def kept_rows(world: str, agent: str, folders: Sequence[Path], seeds: Sequence[int]) -> list[dict[str, Any]]:
    """The rows of `what_is_kept`, means over training seeds."""
    paths, found = [folder / KEPT for folder in folders], []
    every = [read_json(path, "probes") for path in paths]
    for metric in every[0]:
        by_seed = [kept[metric] for kept in every]
        mean, low, high = mean_interval(by_seed)
        known = {"low": low, "high": high, "seeds": list(seeds), "by_seed": by_seed, "date": day_of(*paths)}
        found.append(row(world, agent, metric, mean, **known))
    return found
