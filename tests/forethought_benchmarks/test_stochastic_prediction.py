"""Scores of imagined futures by hand, true branches of the crossing, and a whole benchmark of tiny agents."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import tiny
from forethought.actor.episode_rng import EpisodeGenerators
from forethought.agent import Agent
from forethought.evaluation.states import encode_observations
from forethought.planning import NoSubgoals
from forethought.planning.scenarios import latin_hypercube
from forethought.training.agent_files import load
from forethought.world_model.latent import LatentPosterior
from forethought.worlds.tasks import make_tasks
from forethought_benchmarks.comparisons import mean_interval
from forethought_benchmarks.stochastic_prediction import imagining, protocol
from forethought_benchmarks.stochastic_prediction.branches import BranchScores, play_out
from forethought_benchmarks.stochastic_prediction.levels import futures_above
from forethought_benchmarks.stochastic_prediction.scores import (
    apart,
    best_of,
    branch_probability_error,
    energy_score,
    errors,
    mode_coverage,
)
from forethought_benchmarks.stochastic_prediction.stochastic_envs import PLACES, Place, evenly, moments

CORRIDOR, CROSSING, MERGE, TELEPORT = (
    next(place for place in PLACES if place.name == name) for name in ("corridor", "crossing", "highway-merge", "teleport")
)
LEFT, RIGHT = -torch.ones(1, 1, 4), torch.ones(1, 1, 4)
TRUE = torch.stack([LEFT, RIGHT])
"""One moment, one block, two ways."""
EVEN, THIRDS = [1 / 2] * 2, [1 / 3] * 3


def imagined(*values: float) -> torch.Tensor:
    return torch.tensor(values)[None, :, None, None].expand(1, -1, 1, 4)


def test_the_mean_of_two_ways_covers_neither() -> None:
    separation = apart(TRUE)
    assert separation.flatten().tolist() == [4, 4]
    covered = [mode_coverage(errors(imagined(*values), TRUE), separation).item() for values in ([0.0], [0.9], [0.9, -0.8])]
    assert covered == [0.0, 0.5, 1.0]


def test_of_three_ways_each_is_told_from_the_nearest_of_the_others() -> None:
    line = torch.tensor([0.0, 1.0, 5.0])[:, None, None, None].expand(-1, 1, 1, 4)
    assert apart(line).flatten().tolist() == [1, 1, 16]
    corners = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.5, 0.75**0.5]])[:, None, None]
    mean = corners.mean(0)[None]
    assert mode_coverage(errors(mean, corners), apart(corners)).item() == 0
    each = corners.transpose(0, 1)
    assert mode_coverage(errors(each, corners), apart(corners)).item() == 1
    assert branch_probability_error(errors(each, corners), THIRDS).item() == pytest.approx(0)
    assert branch_probability_error(errors(each[:, :1], corners), THIRDS).item() == pytest.approx(4 / 9)


def test_odds_are_the_shares_of_the_samples_that_are_nearest() -> None:
    for values, wrong in (([0.9, 1.1, 1.0, -1.0], 0.25), ([1.0], 0.5), ([-0.1, 0.1], 0.0)):
        assert branch_probability_error(errors(imagined(*values), TRUE), EVEN).item() == pytest.approx(wrong)


def test_the_best_sample_is_one_path_and_not_the_best_of_each_block() -> None:
    true = torch.zeros(1, 1, 2, 1)
    paths = torch.tensor([[[0.0], [2.0]], [[1.0], [1.0]]])[None]
    assert best_of(errors(paths, true), [1.0]).tolist() == [1.0, 1.0]


def test_the_energy_score_is_least_for_the_true_distribution() -> None:
    generator = torch.Generator().manual_seed(0)
    coin = torch.randint(2, (1, 2000, 1, 1), generator=generator).float() * 2 - 1
    fair, mean = energy_score(coin.expand(-1, -1, -1, 4), TRUE, EVEN), energy_score(imagined(0.0), TRUE, EVEN)
    sure, biased = energy_score(imagined(1.0), TRUE, EVEN), energy_score(imagined(*[1.0] * 9, -1.0), TRUE, EVEN)
    assert fair.item() == pytest.approx(0.5, abs=0.01)
    assert mean.item() == pytest.approx(1.0)
    assert fair < biased < sure


@pytest.mark.parametrize("samples", [2, 8, 64])
def test_futures_that_are_spread_evenly_are_not_flattered(samples: int) -> None:
    """The true distribution of a fair coin, as agents draw it: half of the samples each way, and its score is 1/2."""
    chance = latin_hypercube(EpisodeGenerators([0]), samples, 1, 1)
    coin = (chance < 0.5).float() * 2 - 1
    assert energy_score(coin.expand(-1, -1, -1, 4), TRUE, EVEN).item() == pytest.approx(0.5)


def test_ways_count_by_their_chance() -> None:
    odds = [0.75, 0.25]
    fitting = imagined(-1.0, -1.0, -1.0, 1.0)
    assert branch_probability_error(errors(fitting, TRUE), odds).item() == pytest.approx(0)
    assert best_of(errors(imagined(-1.0), TRUE), odds).tolist() == pytest.approx([0.25 * 4])
    bold, timid = (energy_score(imagined(value), TRUE, odds).item() for value in (-1.0, 1.0))
    assert (bold, timid) == pytest.approx((0.5, 1.5))


def test_the_interval_of_seeds_is_students() -> None:
    assert mean_interval([0.5]) == (0.5, None, None)
    mean, low, high = mean_interval([1.0, 2.0, 3.0])
    assert (mean, low, high) == pytest.approx((2.0, 2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5), abs=1e-3)


@pytest.fixture(scope="module")
def branches() -> BranchScores:
    tasks = make_tasks(CROSSING.world, CROSSING.options, 6, 3).tasks
    return play_out(CROSSING.world, CROSSING.ways, tasks, CROSSING.policy, 5, 12, CROSSING.waiting)


def test_branches_start_alike_and_part(branches: BranchScores) -> None:
    seen = branches.following["pixels"].astype(np.int64)
    assert seen.shape[:3] == (2, 6, 12)
    assert branches.actions.shape == (6, 12, 5, 2)
    assert not branches.actions[::2].any()
    assert branches.actions[1::2].any((1, 2, 3)).all()
    differ = np.abs(seen[0] - seen[1]).any((-1, -2, -3))
    assert differ[:, CROSSING.decided - 1].all(), "by then it shows which way things went"


def test_the_corridor_parts_at_the_gate_and_for_everyone() -> None:
    seen = moments(CORRIDOR, 6, 5).following["pixels"].astype(np.int64)
    differ = np.abs(seen[0] - seen[1]).any((-1, -2, -3))
    assert not differ[:, 0].any(), "from afar nothing shows"
    assert differ[:, CORRIDOR.decided - 1].all()


@pytest.mark.worlds
def test_the_teleport_leads_three_ways() -> None:
    pytest.importorskip("ogbench.locomaze")
    seen = moments(TELEPORT, 6, 5).following["proprioception"]
    apart_by = np.abs(seen[:, None] - seen).max(-1)
    assert not apart_by[:, :, :, 0].any(), "nobody is taken anywhere in the first block"
    assert (apart_by[[0, 0, 1], [1, 2, 2], :, TELEPORT.decided - 1] > 4).all(), "all three ways part"


@pytest.mark.worlds
def test_the_merge_parts_once_it_is_decided() -> None:
    pytest.importorskip("highway_env")
    tasks = make_tasks(MERGE.world, MERGE.options, 2, 3).tasks
    seen = play_out(MERGE.world, MERGE.ways, tasks, MERGE.policy, 5, MERGE.decided, MERGE.waiting).following["motion"]
    differ = np.abs(seen[0] - seen[1]).max(-1)
    assert not differ[:, 0].any(), "at first nothing shows"
    assert (differ[:, -1] > 0.5).all()


def test_a_latent_variable_that_tells_what_was_done_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagining, "TRANSITIONS", 2048)
    agent, store = tiny.uncertain_agent(), tiny.long_store()
    level = agent.modules.world_model
    honest = level.explain

    def told(z: Callable[[torch.Tensor], torch.Tensor]) -> dict[str, float]:
        def explain(
            start: torch.Tensor, actions: torch.Tensor, later: torch.Tensor, generator: torch.Generator
        ) -> LatentPosterior:
            return replace(honest(start, actions, later, generator=generator), z=z(actions))

        monkeypatch.setattr(level, "explain", explain)
        return imagining.leakage(agent, store)

    dice = torch.Generator().manual_seed(1)
    noise = told(lambda actions: torch.randn(len(actions), 3, generator=dice))
    leaking = told(lambda actions: actions[:, :3])
    assert noise["leakage"] < 0.02
    assert leaking["leakage"] > 0.3
    assert leaking["leakage_actions"] > 0.3, "three numbers of ten"
    assert noise["leakage_future"] < 0.02


def test_only_what_is_not_known_already_counts_as_told() -> None:
    random = np.random.default_rng(0)
    known, secret = random.normal(size=(2000, 3)), random.normal(size=(2000, 2))
    surprise = imagining._beyond(known, known @ random.normal(size=(3, 2)) + secret)
    assert imagining._told(torch.from_numpy(secret), surprise) > 0.95
    assert abs(imagining._told(torch.from_numpy(known), surprise)) < 0.02


TINY = {
    "model.latent.num_codes": 3, "model.predictor.hidden": 32, "training.world_model_steps": 3, "training.predictor_steps": 6,
    "training.rollout_steps": 2, "training.critic_steps": 3, "training.policy_steps": 2, "training.distillation_plans": 4,
    "planner.search.num_samples": 8, "planner.search.num_iterations": 2, "planner.search.num_elites": 4,
    "model.retrieval_size": 32, "planner.retrieved_candidates": 4,
    "training.levels_steps": 3, "training.distances_steps": 3, "training.distances_batch": 16,
}  # fmt: skip


def test_a_whole_benchmark_of_tiny_agents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crossing = replace(CROSSING, episodes=12, options={"max_steps": 40}, others=("deterministic", "gaussian"))
    corridor = replace(CORRIDOR, episodes=12, options={**CORRIDOR.options, "max_steps": 40}, others=())
    rooms = Place(
        "rooms",
        "forethought/Rooms-v0",
        {"max_steps": 60},
        episodes=12,
        ways=evenly({}, {}),
        decided=2,
        policy="expert",
        waiting=False,
        above=True,
    )
    light = {f"planner.search.{name}": value for name, value in (("num_samples", 4), ("num_iterations", 1), ("num_elites", 2))}
    for name, value in (
        ("LEARNING", TINY),
        ("TASKS", 2),
        ("MOMENTS", 2),
        ("PLACES", (crossing, corridor, rooms)),
        ("EFFORT", light),
    ):
        monkeypatch.setattr(protocol, name, value)
    monkeypatch.setattr(imagining, "TRANSITIONS", 256)
    monkeypatch.setattr(protocol, "HIERARCHY", {**protocol.HIERARCHY, "stride": 2, "retrieval_size": 64})
    careful = {"planner.risk.measure": "cvar", "planner.risk.cvar_level": 0.75, **light}
    monkeypatch.setattr(protocol, "CAUTION", careful)
    rows = json.loads(protocol.run(tmp_path, [0]).read_text())["rows"]
    found = {(row["world"], row["agent"], row["metric"]): row["value"] for row in rows}
    assert all(np.isfinite(value) for value in found.values())
    assert found["crossing", "deterministic", "mode_coverage"] <= 0.5
    acted = {(world, agent) for world, agent, metric in found if metric == "success_rate" and "scripted" not in agent}
    assert found["crossing", "scripted-careful", "success_rate"] == 1
    assert acted == {
        ("crossing", "codes-4"), ("crossing", "deterministic"), ("corridor", "codes-4"), ("corridor", "codes-4-cvar"),
        ("rooms", "codes-4"), ("rooms", "codes-4-cvar"), ("rooms", "codes-4-level-2"), ("rooms", "codes-4-cvar-level-2"),
        ("rooms", "deterministic"), ("rooms", "deterministic-level-2"), ("rooms", "deterministic-wiser-level-2"),
    }  # fmt: skip
    assert ("crossing", "gaussian", "leakage") in found
    assert 0 < found["crossing", "gaussian", "auroc"] < 1
    assert ("corridor", "deterministic", "auroc") not in found, "nobody plays it there"
    assert ("crossing", "deterministic", "bits") not in found
    assert ("crossing-settled", "codes-4", "energy_score") in found
    above = {(world, agent) for world, agent, _ in found if world.endswith("-level-2")}
    assert above == {
        ("crossing-level-2", "codes-4-level-2"),
        ("crossing-level-2", "deterministic-level-2"),
        ("corridor-level-2", "codes-4-level-2"),
        ("rooms-level-2", "codes-4-level-2"),
        ("rooms-level-2", "deterministic-level-2"),
        ("rooms-level-2", "deterministic-wiser-level-2"),
    }
    wanted = {"mode_coverage", "branch_probability_error", "energy_score", "best_of_8_error", "branches_apart"}
    assert wanted <= {metric for world, _, metric in found if world == "crossing-level-2"}
    assert 0 <= found["crossing-level-2", "codes-4-level-2", "bits"] <= 10
    assert ("crossing-level-2", "deterministic-level-2", "bits") not in found
    assert found["crossing-level-2", "deterministic-level-2", "mode_coverage"] <= 0.5
    folder = tmp_path / "futures" / "crossing" / "seed-0-codes-4-level-2"
    grown, base = load(folder), load(tmp_path / "futures" / "crossing" / "seed-0")
    assert isinstance(grown.subgoals, NoSubgoals), "its goals show a part"
    assert grown.modules.above[0].level.latent is not None
    _level_2_imagines_strides(grown)
    below = grown.modules.world_model.state_dict()
    assert all(torch.equal(below[name], value) for name, value in base.modules.world_model.state_dict().items())
    (folder / protocol.FIGURES).write_text((folder / protocol.FIGURES).read_text().replace("mode_coverage", "kept"))
    again = json.loads(protocol.run(tmp_path, [0]).read_text())["rows"]
    assert "kept" in {row["metric"] for row in again}, "what is on disk is not measured again"
    monkeypatch.setattr(protocol, "MEANING", protocol.MEANING + 1)
    anew = json.loads(protocol.run(tmp_path, [0]).read_text())["rows"]
    assert "kept" not in {row["metric"] for row in anew}, "but for what has come to mean something else"


def _level_2_imagines_strides(agent: Agent) -> None:
    """Two blocks make a stride: 5 blocks are 2 strides and a rest, and the states are those after blocks 2 and 4."""
    branches = play_out(
        CROSSING.world, CROSSING.ways, make_tasks(CROSSING.world, CROSSING.options, 3, 3).tasks, "hasty", 5, 5, False
    )
    futures = futures_above(agent, branches)
    imagined, true = futures.imagine(4), futures.true
    assert (imagined.shape[:3], true.shape[:3]) == ((3, 4, 2), (2, 3, 2))
    assert true.flatten(0, 2).var(0).mean().item() == pytest.approx(1, abs=1e-3)
    seen = encode_observations(agent, {name: after[:, :, 3] for name, after in branches.following.items()})
    there = agent.modules.above[0].level.encode(seen)
    ratio = true[:, :, 1] / there
    assert ratio.std() / ratio.mean() < 1e-2, "the same, in another unit"
    assert torch.allclose(imagined, futures.imagine(4)), "the same chance each time"
