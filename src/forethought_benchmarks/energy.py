"""`energy`: AUROC of the energy between true and false futures, for regularised and for contrastive training.

True futures are windows of held-out episodes. A false future differs in one part: the following states are from another episode
or from another time of the same episode, or the actions are from another episode.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from forethought.agent import Agent
from forethought.atomic_io import read_json, write_json
from forethought.data.collection import collect
from forethought.data.store import EpisodeStore
from forethought.evaluation.probes import probe_r2
from forethought.evaluation.result_rows import core_minutes, row, write_results
from forethought.training.encoded_dataset import EncodedDataset, encode_store
from forethought.training.record import training_record
from forethought.world_model.energy import energy
from forethought.world_model.level import Context
from forethought_benchmarks.cached_experiments import trained
from forethought_benchmarks.comparisons import auroc, auroc_interval
from forethought_benchmarks.external_envs import PUSH_T
from forethought_benchmarks.short_horizon import TWO_ROOMS

NAME, SEEDS, WINDOWS, DRAWS = "energy", (0, 1, 2), 2000, 2026
METRICS: Mapping[str, int] = {"auroc": 5, "auroc_1_block": 1}
"""Metric -> horizon in blocks over which the energy is averaged."""
ROOMS = "rooms-two"
DIMENSIONS = (4, 16, 64, 256)
SHORT: Mapping[str, Any] = {
    "training.world_model_steps": 250,
    "training.predictor_steps": 0,
    "training.rollout_steps": 0,
    "training.critic_steps": 0,
    "training.policy_steps": 0,
    "training.distillation_plans": 1,
}
"""A training of about one minute on one core: encoder and predictor jointly, as in all variants."""
NEITHER: Mapping[str, Any] = {"training.loss.variance": 0.0, "training.loss.covariance": 0.0}
TRAINED: Mapping[str, Mapping[str, Any]] = {
    "vicreg": {},
    "sigreg": {**NEITHER, "training.loss.sigreg": 0.1},
    "contrastive": {**NEITHER, "training.loss.infonce_prediction": 1.0},
}
"""Protection against collapse: two regularisers, and contrastive negatives. Inverse dynamics is the same in all."""
Futures = tuple[Tensor, Tensor, Tensor]
"""Current states [N, D], actions [N, H, A], following states [N, H, D]."""


def run(out: Path, seeds: Sequence[int] | None = None) -> Path:
    """Train and score the agent and the short variants in two rooms, then the agent of Push-T; writes the rows.

    Finished units on disk are not trained again. Push-T takes longest: the file has the other rows before Push-T starts.
    """
    chosen = tuple(seeds or SEEDS)
    rooms, push_t = out / TWO_ROOMS.name, out / PUSH_T.name
    store = collect(
        TWO_ROOMS.world, out=rooms / "store", episodes=TWO_ROOMS.episodes, options=TWO_ROOMS.options, workers=0, resume=True
    )
    found = [line for seed in chosen for line in _future_rows(ROOMS, store, rooms / f"seed-{seed}", seed, {})]
    for way, changes in TRAINED.items():
        for dim in DIMENSIONS:
            config = {**SHORT, **changes, "model.encoder.state_dim": dim}
            found += _arm_rows(store, rooms / f"{way}-{dim}-{chosen[0]}", f"{way}-{dim}", chosen[0], config)
    write_results(out, NAME, found)
    store = collect(PUSH_T.world, out=push_t / "store", episodes=PUSH_T.episodes, policy=PUSH_T.policy, workers=2, resume=True)
    for seed in chosen:
        found += _future_rows(PUSH_T.name, store, push_t / f"seed-{seed}", seed, PUSH_T.config)
    return write_results(out, NAME, found)


def _future_rows(world: str, store: EpisodeStore, folder: Path, seed: int, config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row per kind of false future and horizon."""
    agent = trained(store, folder, seed, config)

    def measure() -> list[dict[str, Any]]:
        data, found = heldout(agent, store), []
        for metric, horizon in METRICS.items():
            episode, true, false = energies_of_futures(agent, data, horizon)
            found += [_row(world, kind, metric, episode, true, energies, seed, folder) for kind, energies in false.items()]
        return found

    return _kept(folder, measure)


def _arm_rows(store: EpisodeStore, folder: Path, name: str, seed: int, config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of one variant of the short training: AUROC over all kinds of false futures, and the position probe."""
    agent = trained(store, folder, seed, config)

    def measure() -> list[dict[str, Any]]:
        data, found = heldout(agent, store), []
        for metric, horizon in METRICS.items():
            episode, true, false = energies_of_futures(agent, data, horizon)
            found.append(_row(ROOMS, name, metric, episode, true, torch.cat(list(false.values())), seed, folder))
        probe = probe_r2(agent, store)["position"]
        return [*found, row(ROOMS, name, "probe_position_r2", probe, seeds=[seed], **_cost(folder))]

    return _kept(folder, measure)


def _kept(folder: Path, measure: Callable[[], list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Rows of a unit, cached in `FOLDER/energy.json`."""
    path = folder / "energy.json"
    if not path.exists():
        write_json(path, {"rows": measure()})
    rows: list[dict[str, Any]] = read_json(path, "energies")["rows"]
    return rows


def energies_of_futures(agent: Agent, data: EncodedDataset, horizon: int) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """Energies of windows of `horizon` blocks: episode of each [N], energies of true futures [N], of false ones by kind [N]."""
    level = agent.modules.world_model
    episode, true, false = futures(data, horizon, WINDOWS, torch.Generator().manual_seed(DRAWS))

    @torch.no_grad()
    def energy_of(future: Futures) -> Tensor:
        present, actions, following = future
        return energy(level, Context(present[:, None], actions[:, :0]), actions, following).cpu()

    return episode, energy_of(true), {kind: energy_of(future) for kind, future in false.items()}


def auroc_of_futures(agent: Agent, data: EncodedDataset, horizon: int) -> float:
    """AUROC of an agent's energy between true futures of `horizon` blocks and false ones of all kinds (`data`: `heldout`)."""
    _, true, false = energies_of_futures(agent, data, horizon)
    return auroc(true.numpy(), torch.cat(list(false.values())).numpy())


def futures(
    data: EncodedDataset, horizon: int, count: int, generator: torch.Generator
) -> tuple[Tensor, Futures, dict[str, Futures]]:
    """Sample `count` windows: episode of each (int64 [N]), true futures, and false ones by kind.

    Episodes with fewer than two windows are excluded; at least two episodes must remain.
    """
    eligible = torch.nonzero(data.lengths > horizon).squeeze(1)

    def sample(below: Tensor | int) -> Tensor:
        return (torch.rand(count, generator=generator) * below).long()

    def window(episode: Tensor, offset: Tensor) -> Futures:
        rows = (data.starts[episode] + offset)[:, None] + torch.arange(horizon + 1)
        return data.states[rows[:, 0]], data.actions[rows[:, :-1]], data.states[rows[:, 1:]]

    first = sample(len(eligible))
    episode, another = eligible[first], eligible[(first + 1 + sample(len(eligible) - 1)) % len(eligible)]
    windows = data.lengths - horizon + 1
    offset = sample(windows[episode])
    other_offset = (offset + 1 + sample(windows[episode] - 1)) % windows[episode]
    true = present, actions, following = window(episode, offset)
    _, other_actions, other_states = window(another, sample(windows[another]))
    return episode, true, {
        "other-episode": (present, actions, other_states),
        "shuffled-time": (present, actions, window(episode, other_offset)[2]),
        "wrong-action": (present, other_actions, following),
    }  # fmt: skip


def heldout(agent: Agent, store: EpisodeStore) -> EncodedDataset:
    """Encoded states of the held-out episodes."""
    return encode_store(agent.modules.world_model, store, store.heldout, agent.body)


def _row(
    world: str, agent: str, metric: str, episode: Tensor, true: Tensor, false: Tensor, seed: int, folder: Path
) -> dict[str, Any]:
    low, high = auroc_interval(
        true.numpy(), false.numpy(), episode.numpy(), episode.repeat(len(false) // len(true)).numpy(), seed
    )
    value = auroc(true.numpy(), false.numpy())
    return row(world, agent, metric, value, low=low, high=high, n=len(false), seeds=[seed], floor=0.5, **_cost(folder))


def _cost(folder: Path) -> dict[str, Any]:
    record = training_record(folder)
    fields = {name: record[name] for name in ("train_frames", "device")}
    return {**fields, "train_cpu_minutes": core_minutes(record)}
