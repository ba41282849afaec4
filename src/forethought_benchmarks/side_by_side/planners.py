"""Our CEM next to stable-worldmodel's, and our MPPI next to eb_jepa's: same predictor, cost, and number of candidate blocks."""

from __future__ import annotations

import contextlib
import io
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from torch import Tensor

from forethought.actor import EpisodeGenerators, PlanningProblem, make_planner
from forethought.config import PlannerConfig, PredictorConfig
from forethought.config.configuration import merged
from forethought.cost import Composition, GoalDistance, Imagined, Weights
from forethought.goals import StateGoal
from forethought.world_model.predictors import ResidualMLP
from forethought_benchmarks.planner_throughput import SIZE, STATE, STEPS
from forethought_benchmarks.side_by_side.pairs import Work, paired, threads
from forethought_benchmarks.side_by_side.peers import EB_JEPA, SWM, Peers

WIDTH = STEPS * SIZE


@dataclass(frozen=True)
class PlannerProtocol:
    """What is measured.

    Fields:
        batches: numbers of episodes. threads: of PyTorch. repeats: paired timings.
        settings: effort of both sides (the default of `PlannerConfig`).
    """

    batches: Sequence[int] = (1, 4, 16, 64)
    threads: Sequence[int] = (1, 2)
    repeats: int = 15
    settings: PlannerConfig = field(default_factory=PlannerConfig)


class Imagination:
    """Dynamics and cost that both planners share: the rollout of a residual MLP, and the latent distance to a goal.

    Attributes:
        start, goals: [B, D]. blocks: candidate blocks that were predicted so far.
    """

    def __init__(self, predictor: ResidualMLP, start: Tensor, goals: Tensor) -> None:
        """`predictor`: 64-256-256-64."""
        self.predictor, self.start, self.goals, self.blocks = predictor, start, goals, 0
        self._cost, self._weights = Composition((), [GoalDistance()]), Weights(task={"goal_distance": 1.0})

    def rollout(self, start: Tensor, actions: Tensor) -> Tensor:
        """States [B, K, H, D] of actions [B, K, H, A] from [B, D]."""
        self.blocks += actions.shape[:3].numel()
        states, path = start[:, None, None].expand(-1, actions.shape[1], -1, -1), []
        for block in range(actions.shape[2]):
            states = self.predictor(states, actions[:, :, block : block + 1])
            path.append(states)
        return torch.cat(path, dim=2)

    def energy(self, states: Tensor, actions: Tensor, goals: Tensor) -> Tensor:
        """The energy [B, K] of states [B, K, H, D]; goals [B, D]."""
        total: Tensor = self._cost(Imagined(states, actions), StateGoal(goals), self._weights).total
        return total


@dataclass(frozen=True)
class SolverCost:
    """What stable-worldmodel's solver asks for its costs."""

    imagination: Imagination

    def get_cost(self, info: dict[str, Tensor], candidates: Tensor) -> Tensor:
        """Costs [B, K] of candidates [B, K, H, A] from `info`, whose entries are [B, K, D]."""
        start, goal = info["state"][:, 0], info["goal"][:, 0]
        return self.imagination.energy(self.imagination.rollout(start, candidates), candidates, goal)


def planner_rows(peers: Peers, protocol: PlannerProtocol) -> Iterator[dict[str, Any]]:
    """A row of each planner, number of episodes and number of threads: their seconds a decision over ours.

    Raises:
        PeerMissingError: a checkout, or a package that it needs, is not there.
    """
    torch.manual_seed(0)
    predictor = ResidualMLP(STATE, WIDTH, PredictorConfig(hidden=256, depth=2)).eval().requires_grad_(False)
    for count in protocol.threads:
        for batch in protocol.batches:
            shared = Imagination(predictor, torch.randn(batch, STATE), torch.randn(batch, STATE))
            for kind, name, make in THEIRS:
                chosen = merged(protocol.settings, {"search": {"kind": kind}}, "planner")
                assert isinstance(chosen, PlannerConfig)
                with threads(count):
                    yield _row(f"{kind} against {name}", shared, chosen, make(peers, shared, chosen), count, protocol)


def our_planner(shared: Imagination, settings: PlannerConfig) -> Work:
    """A decision of ours."""
    planner = make_planner(settings.search, settings.horizon)
    problem = PlanningProblem(
        batch=len(shared.start),
        rollout=lambda actions: shared.rollout(shared.start, actions),
        energy=lambda states, actions: shared.energy(states, actions, shared.goals),
        low=torch.full((WIDTH,), -1.0),
        high=torch.ones(WIDTH),
        codes=None,
        steps=STEPS,
        candidates=None,
        streams=EpisodeGenerators(range(len(shared.start))),
    )

    @torch.no_grad()
    def decide() -> None:
        planner.plan(problem)

    return decide


def their_cem(peers: Peers, shared: Imagination, settings: PlannerConfig) -> Work:
    """A decision of stable-worldmodel's CEM with our effort; all episodes in one batch, as ours."""
    search: Any = settings.search
    solver = peers.part(SWM, "planning.solver.cem", "CEMSolver")(
        SolverCost(shared), len(shared.start), search.num_samples, search.init_std, search.num_iterations, search.num_elites
    )
    space = Box(-1, 1, (len(shared.start), SIZE), np.float32)
    plan = SimpleNamespace(horizon=settings.horizon, action_block=STEPS)
    solver.configure(action_space=space, n_envs=len(shared.start), config=plan)
    info = {"state": shared.start, "goal": shared.goals}

    def decide() -> None:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints its time
            solver.solve(info)

    return decide


def their_mppi(peers: Peers, shared: Imagination, settings: PlannerConfig) -> Work:
    """Decisions of eb_jepa's MPPI with our effort; it plans for one episode, so B episodes are B calls."""
    search: Any = settings.search
    planner = peers.part(EB_JEPA, "planning", "MPPIPlanner")(
        lambda start, actions: shared.rollout(start, actions.transpose(1, 2)[None]),
        search.num_iterations,
        search.num_samples,
        settings.horizon,
        WIDTH,
        max_std=search.init_std,
    )

    def decide() -> None:
        for start, goal in zip(shared.start.split(1), shared.goals.split(1), strict=True):
            # The cost reads no actions here, as no effort has a weight.
            planner.set_objective(lambda states, goal=goal: shared.energy(states, states, goal)[0])
            planner.plan(start, eval_mode=True)

    return decide


MakeTheirs = Callable[[Peers, Imagination, PlannerConfig], Work]
THEIRS: tuple[tuple[str, str, MakeTheirs], ...] = (
    ("cem", "stable-worldmodel's CEM", their_cem),
    ("mppi", "eb_jepa's MPPI", their_mppi),
)
"""Our planner, theirs."""


def _row(
    agent: str, shared: Imagination, settings: PlannerConfig, theirs: Work, count: int, protocol: PlannerProtocol
) -> dict[str, Any]:
    ours = our_planner(shared, settings)
    blocks = [_blocks(work, shared) for work in (ours, theirs)]
    pairs = paired(ours, theirs, protocol.repeats)
    milliseconds = [1000 * statistics.median(seconds) for seconds in (pairs.ours, pairs.theirs)]
    world = f"predictor 64-256-256-64, {len(shared.start)} episodes, {count} threads"
    line = pairs.ratio_row(world, agent, "planner_speed_ratio", model_calls=blocks[0], ms_per_decision=[milliseconds[0]] * 2)
    return line | {"peer_model_calls": blocks[1], "peer_ms_per_decision": milliseconds[1]}


def _blocks(work: Work, shared: Imagination) -> float:
    """Predictor calls per episode of one decision."""
    before = shared.blocks
    work()
    return (shared.blocks - before) / len(shared.start)
