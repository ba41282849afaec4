"""Overhead of planners: the time of a decision against the time of its predictor calls alone."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from forethought.actor import PLANNERS, EpisodeGenerators, PlanningProblem, make_planner
from forethought.config import PlannerConfig, PredictorConfig
from forethought.config.configuration import merged
from forethought.cost import Composition, GoalDistance, Imagined, Weights
from forethought.goals import StateGoal
from forethought.world_model.predictors import ResidualMLP

STATE, STEPS, SIZE, CODES = 64, 5, 2, 2
"""D, steps in a block, numbers in a step's action, choices of a step if discrete: A = 10 either way."""


@dataclass(frozen=True)
class Spent:
    """One rollout that a planner asked for: K candidates of H blocks, with or without a backward pass."""

    candidates: int
    horizon: int
    backward: bool


def planner_throughput(
    batches: Sequence[int] = (1, 16),
    repeats: int = 15,
    settings: PlannerConfig | None = None,
    device: torch.device | str = "cpu",
) -> list[dict[str, Any]]:
    """Candidate blocks per second of each planner and of the bare batched predictor calls, paired in one run.

    The predictor is a residual MLP: 64-d state, two hidden layers of 256, 10-d action block; the cost is latent
    distance to a goal. The bare loop makes the very calls that the planner made (same batch, candidates, horizon,
    order; with a backward pass where the planner made one) and does nothing else. Both are timed alternately.

    Args:
        batches: numbers of episodes B.
        repeats: paired timings of each planner.
        settings: the planners' effort; the default of `PlannerConfig` if None.
        device: where to run.

    Returns:
        For each batch and planner a row `throughput_ratio` (planner's rate over the bare rate, 1 is perfect; the median of
        the repeats with its 95 % interval), and the two rates as rows `candidate_blocks_per_second`.
    """
    torch.manual_seed(0)
    predictor = ResidualMLP(STATE, STEPS * SIZE, PredictorConfig(hidden=256, depth=2)).to(device).eval()
    effort = PlannerConfig() if settings is None else settings
    rows: list[dict[str, Any]] = []
    for batch in batches:
        for name in PLANNERS:
            chosen = merged(effort, {"search": {"kind": name}}, "planner")
            assert isinstance(chosen, PlannerConfig)
            rows += _compare(predictor, chosen, batch, repeats, torch.device(device))
    return rows


def bare_calls(predictor: ResidualMLP, start: Tensor, spent: Sequence[Spent], actions: Tensor) -> None:
    """The predictor calls of a decision and nothing else: start [B, D], actions [B, K, H, A]."""
    for rollout in spent:
        with torch.set_grad_enabled(rollout.backward):
            chosen = actions[:, : rollout.candidates, : rollout.horizon].detach().requires_grad_(rollout.backward)
            states = start[:, None, None].expand(-1, rollout.candidates, -1, -1)
            for block in range(rollout.horizon):
                states = predictor(states, chosen[:, :, block : block + 1])
            if rollout.backward:
                torch.autograd.grad(states.sum(), chosen)


def _compare(
    predictor: ResidualMLP, settings: PlannerConfig, batch: int, repeats: int, device: torch.device
) -> list[dict[str, Any]]:
    """The three rows of one planner."""
    planner = make_planner(settings.search, settings.horizon)
    spent: list[Spent] = []
    start = torch.randn(batch, STATE, device=device)
    problem = _problem(predictor, settings, start, spent)
    calls = planner.plan(problem).calls
    schedule = tuple(spent)
    most = max(rollout.candidates for rollout in schedule)
    actions = torch.rand(batch, most, settings.horizon, STEPS * SIZE, device=device)

    def decide() -> None:
        with torch.no_grad():
            planner.plan(problem)

    planned, bare = [], []
    for _ in range(repeats + 1):
        bare.append(_seconds(lambda: bare_calls(predictor, start, schedule, actions), device))
        planned.append(_seconds(decide, device))
    planned, bare = planned[1:], bare[1:]  # the first of each warms up
    blocks = batch * calls
    shared = {"batch": batch, "model_calls": calls, "n": repeats}
    milliseconds = [1000 * statistics.median(planned), 1000 * _quantile(planned, 0.95)]
    name = settings.search.kind
    return [
        _row(name, "throughput_ratio", [b / p for b, p in zip(bare, planned, strict=True)], milliseconds, **shared),
        _row(name, "candidate_blocks_per_second", [blocks / p for p in planned], milliseconds, **shared),
        _row(f"bare calls of {name}", "candidate_blocks_per_second", [blocks / b for b in bare], None, **shared),
    ]


def _problem(predictor: ResidualMLP, settings: PlannerConfig, start: Tensor, spent: list[Spent]) -> PlanningProblem:
    """Reach a random state; every rollout is noted in `spent`."""
    batch, device = len(start), start.device
    goal = StateGoal(torch.randn(batch, STATE, device=device))
    cost = Composition((), [GoalDistance()]).to(device)
    weights = Weights(task={"goal_distance": 1.0})

    def rollout(actions: Tensor) -> Tensor:
        candidates, horizon = actions.shape[1:3]
        spent.append(Spent(candidates, horizon, actions.requires_grad))
        states, path = start[:, None, None].expand(-1, candidates, -1, -1), []
        for block in range(horizon):
            states = predictor(states, actions[:, :, block : block + 1])
            path.append(states)
        return torch.cat(path, dim=2)

    width = STEPS * SIZE
    discrete = settings.search.kind == "categorical"
    return PlanningProblem(
        batch=batch,
        rollout=rollout,
        energy=lambda states, actions: cost(Imagined(states, actions), goal, weights).total,
        low=torch.full((width,), 0.0 if discrete else -1.0, device=device),
        high=torch.ones(width, device=device),
        codes=CODES if discrete else None,
        steps=STEPS,
        candidates=None,
        streams=EpisodeGenerators(range(batch), device),
    )


def _seconds(work: Callable[[], None], device: torch.device) -> float:
    begun = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - begun


def _quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Distribution-free 95 % interval of the median, from order statistics (the sign test turned round).

    With fewer than six values no such interval exists, and the range is given.

    >>> median_interval([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0])
    (2.0, 8.0)
    """
    ordered, count = sorted(values), len(values)
    tail, rank = 0.0, 0
    while (tail := tail + math.comb(count, rank) / 2**count) <= 0.025:
        rank += 1
    rank = max(rank, 1)
    return ordered[rank - 1], ordered[count - rank]


def _row(
    agent: str,
    metric: str,
    values: Sequence[float],
    milliseconds: list[float] | None,
    *,
    batch: int,
    model_calls: int,
    n: int,
) -> dict[str, Any]:
    low, high = median_interval(values)
    return {
        "world": f"predictor 64-256-256-64, {batch} episodes",
        "agent": agent,
        "metric": metric,
        "value": statistics.median(values),
        "low": low,
        "high": high,
        "n": n,
        "seeds": 1,
        "floor": None,
        "ceiling": 1.0 if metric == "throughput_ratio" else None,
        "model_calls": model_calls,
        "ms_per_decision": milliseconds,
        "train_frames": None,
        "train_cpu_minutes": None,
    }
