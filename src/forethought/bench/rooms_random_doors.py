"""`rooms-random-doors`: two rooms whose wall and door are drawn anew in each episode; does the state keep agent and door?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from forethought.bench.evaluation import Arena, make_arena
from forethought.bench.probes import probe_r2
from forethought.bench.results import row, write_results
from forethought.bench.units import Variant, paired_row, scores_of, success_rows, trained
from forethought.data.collection import collect
from forethought.data.store import EpisodeStore
from forethought.durable import read_json, write_json
from forethought.learning.agent_files import load

NAME = "rooms-random-doors"
WORLD, OPTIONS = "forethought/Rooms-v0", {"doors": "random", "max_steps": 150}
EPISODES, TASKS, SEEDS = 4000, 100, (0, 1, 2)
LEARNING: Mapping[str, Any] = {
    "learning.world_model_steps": 900,
    "actor.candidates": 200,
    "actor.iterations": 3,
}
ACTING = (Variant("mode-2"), Variant("mode-1", "react"))
# The comparison of costs and seeds leaves Mode-1's proposal out: it was trained on the critic. First seed only.
COMPARED = (
    Variant("critic", changes={"actor": {"policy_seed": False}}),
    Variant("latent-distance", changes={"actor": {"policy_seed": False}, "cost": {"critic": 0.0, "goal_distance": 1.0}}),
    Variant("no-memory-seeds", changes={"actor": {"policy_seed": False, "memory_seeds": 0}}),
)
WITHOUT: Mapping[str, Mapping[str, Any]] = {
    "no-inverse-dynamics": {"world_model.inverse_dynamics": 0.0, "world_model.multi_step_inverse": 0.0},
    "no-variance": {"world_model.variance": 0.0, "world_model.within_episode_variance": 0.0},
    "no-covariance": {"world_model.covariance": 0.0},
    "no-multi-step": {"world_model.multi_step": 0.0},
    "no-episode-contrast": {"world_model.episode_contrast": 0.0},
}
SHORT: Mapping[str, Any] = {
    "learning.world_model_steps": 300,
    "learning.predictor_steps": 2000,
    "learning.critic_steps": 2000,
    "learning.policy_steps": 500,
    "learning.planned_pairs": 256,
    "actor.candidates": 100,
    "actor.iterations": 3,
}
ABLATION = (Variant("mode-2"),)


def run(out: Path, seeds: Sequence[int] | None = None) -> Path:
    """Train and test each seed, then the ablations (one seed, fewer steps, all alike); write the rows.

    Units that are on disk already are not run again, so several processes may share `out` with different seeds.
    """
    store = collect(WORLD, out=out / "store", episodes=EPISODES, options=OPTIONS, workers=0, resume=True)
    arena = make_arena(WORLD, OPTIONS, TASKS)
    for seed in seeds or SEEDS:
        _unit(store, out / f"seed-{seed}", seed, LEARNING, arena, ACTING)
    if seeds:
        return out
    _unit(store, out / f"seed-{SEEDS[0]}", SEEDS[0], LEARNING, arena, COMPARED)
    for name, changes in {"all": {}, **WITHOUT}.items():
        _unit(store, out / f"ablation-{name}", 0, {**SHORT, **changes}, arena, ABLATION)
    return write_results(out, NAME, rows(out))


def rows(out: Path) -> list[dict[str, Any]]:
    """All rows from the units on disk."""
    runs = [out / f"seed-{seed}" for seed in SEEDS]
    found = success_rows(NAME, [variant.name for variant in ACTING], runs, SEEDS)
    found += success_rows(NAME, [variant.name for variant in COMPARED], runs[:1], SEEDS[:1])
    found.append(paired_row(NAME, "critic", "latent-distance", runs[:1], SEEDS[:1]))
    for seed, folder in zip(SEEDS, runs, strict=True):
        found += _probe_rows("mode-2", folder, [seed])
    for name in ("all", *WITHOUT):
        folder = out / f"ablation-{name}"
        short = success_rows(NAME, ["mode-2"], [folder], [0])
        found += [{**line, "agent": f"ablation: {name}"} for line in short + _probe_rows("mode-2", folder, [0])]
    return found


def _unit(
    store: EpisodeStore, run: Path, seed: int, config: Mapping[str, Any], arena: Arena, variants: Sequence[Variant]
) -> None:
    agent = trained(store, run, seed, config)
    if not (run / "probes.json").exists():
        write_json(run / "probes.json", probe_r2(agent, store))
    scores_of(load(run), run, arena, variants)


def _probe_rows(agent: str, run: Path, seeds: list[int]) -> list[dict[str, Any]]:
    probes = read_json(run / "probes.json", "probes")
    return [row(NAME, agent, f"probe_{name}_r2", value, seeds=seeds) for name, value in probes.items()]
