"""`rooms-random-doors`: two rooms with a random wall and door in each episode: success rates and probes of agent and door."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from forethought.atomic_io import read_json, write_json
from forethought.data.collection import collect
from forethought.data.store import EpisodeStore
from forethought.evaluation.arena import Arena, make_arena
from forethought.evaluation.probes import probe_r2
from forethought.evaluation.result_rows import row, write_results
from forethought_benchmarks.cached_experiments import Variant, paired_row, scores_of, success_rows, trained

NAME, ABLATION_NAME = "rooms-random-doors", "rooms-ablation"
WORLD, OPTIONS = "forethought/Rooms-v0", {"doors": "random", "max_steps": 150}
EPISODES, TASKS, SEEDS = 8000, 100, (0, 1, 2)
LEARNING: Mapping[str, Any] = {"planner.search.num_samples": 200, "planner.search.num_iterations": 3}
ACTING = (Variant("mode-2"), Variant("mode-1", "react"))
# The comparison excludes other uses of the critic: the policy's candidate and the penalty of failed plans. First seed only.
BARE: Mapping[str, Any] = {"planner.policy_candidate": False, "planner.cost.failed_plan": 0.0}
COMPARED = (
    Variant("critic", changes=BARE),
    Variant("latent-distance", changes={**BARE, "planner.cost.critic": 0.0, "planner.cost.goal_distance": 1.0}),
    Variant("no-memory-seeds", changes={**BARE, "planner.retrieved_candidates": 0}),
)
WITHOUT: Mapping[str, Mapping[str, Any]] = {
    "no-inverse-dynamics": {"training.loss.inverse_dynamics": 0.0, "training.loss.multi_step_inverse": 0.0},
    "no-variance": {"training.loss.variance": 0.0, "training.loss.within_episode_variance": 0.0},
    "no-covariance": {"training.loss.covariance": 0.0},
    "no-multi-step": {"training.loss.multi_step": 0.0},
    "no-episode-contrast": {"training.loss.episode_infonce": 0.0},
    "no-rollouts": {"training.rollout_steps": 0, "training.predictor_steps": 6000},
}
SHORT: Mapping[str, Any] = {
    "model.predictor.hidden": 256,
    "model.predictor.depth": 2,
    "model.critic_hidden": 256,
    "training.rollout_horizon": 5,
    "training.world_model_steps": 300,
    "training.predictor_steps": 2000,
    "training.rollout_steps": 1000,
    "training.critic_steps": 2000,
    "training.policy_steps": 0,
    "training.distillation_plans": 1,
    "planner.policy_candidate": False,
    "planner.search.num_samples": 100,
    "planner.search.num_iterations": 3,
}
PLAIN = Variant("mode-2")
NO_REFUSALS: Mapping[str, Any] = {"planner.cost.failed_plan": 0.0}
# The penalty of failed plans needs the critic, so the variant without critic has no penalty; its baseline is `no-refusals`.
LEFT_OUT = (
    Variant("no-memory-seeds", changes={"planner.retrieved_candidates": 0}),
    Variant("no-refusals", changes=NO_REFUSALS),
    Variant("no-refusals-no-critic", changes={**NO_REFUSALS, "planner.cost.critic": 0.0, "planner.cost.goal_distance": 1.0}),
)


def run(out: Path, seeds: Sequence[int] | None = None) -> Path:
    """Train and score each seed, compare costs and retrieved candidates on the first seed, and write the rows.

    Finished units on disk are not run again.
    """
    chosen = tuple(seeds or SEEDS)
    store, arena = _ground(out)
    folders = [out / NAME / f"seed-{seed}" for seed in chosen]
    for seed, folder in zip(chosen, folders, strict=True):
        _unit(store, folder, seed, LEARNING, arena, ACTING)
    _unit(store, folders[0], chosen[0], LEARNING, arena, COMPARED)
    found = success_rows(NAME, [variant.name for variant in ACTING], folders, chosen)
    found += success_rows(NAME, [variant.name for variant in COMPARED], folders[:1], chosen[:1])
    found.append(paired_row(NAME, ("critic", folders), ("latent-distance", folders), chosen))
    for seed, folder in zip(chosen, folders, strict=True):
        found += _probe_rows("mode-2", folder, [seed])
    return write_results(out, NAME, found)


def run_ablation(out: Path, seeds: Sequence[int] | None = None) -> Path:
    """Ablation: the same short training without one loss term, or the full training evaluated without one part.

    One seed for all variants; Mode-2 only, without the policy's candidate.
    """
    seed = next(iter(seeds or SEEDS))
    store, arena = _ground(out)
    found = []
    for name, changes in {"all": {}, **WITHOUT}.items():
        folder = out / NAME / f"ablation-{name}-{seed}"
        _unit(store, folder, seed, {**SHORT, **changes}, arena, [PLAIN])
        lines = success_rows(NAME, [PLAIN.name], [folder], [seed]) + _probe_rows(PLAIN.name, folder, [seed])
        found += [{**line, "agent": name} for line in lines]
    whole = out / NAME / f"ablation-all-{seed}"
    _unit(store, whole, seed, SHORT, arena, LEFT_OUT)
    found += success_rows(NAME, [variant.name for variant in LEFT_OUT], [whole], [seed])
    return write_results(out, ABLATION_NAME, found)


def _ground(out: Path) -> tuple[EpisodeStore, Arena]:
    store = collect(WORLD, out=out / NAME / "store", episodes=EPISODES, options=OPTIONS, workers=0, resume=True)
    return store, make_arena(WORLD, OPTIONS, TASKS)


def _unit(
    store: EpisodeStore, run: Path, seed: int, config: Mapping[str, Any], arena: Arena, variants: Sequence[Variant]
) -> None:
    agent = trained(store, run, seed, config)
    if not (run / "probes.json").exists():
        write_json(run / "probes.json", probe_r2(agent, store))
    scores_of(agent, run, arena, variants)


def _probe_rows(agent: str, run: Path, seeds: list[int]) -> list[dict[str, Any]]:
    probes = read_json(run / "probes.json", "probes")
    return [row(NAME, agent, f"probe_{name}_r2", value, seeds=seeds) for name, value in probes.items()]
