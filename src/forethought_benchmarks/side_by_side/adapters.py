"""Planners of other libraries as planners of ours, with the settings that their own configurations name."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from torch import Tensor

from forethought.actor.contract import Plan, Planner, PlanningProblem, no_grad_candidate
from forethought_benchmarks.side_by_side.peers import EB_JEPA, SWM, Peers

CEM_SOLVER, MPPI_PLAN = "scripts/plan/config/solver/cem.yaml", "examples/ac_video_jepa/cfgs/planning_mppi.yaml"


def settings_in(peers: Peers, checkout: str, path: str) -> Mapping[str, Any]:
    """The settings in a YAML file of a checkout."""
    yaml: Any = import_module("yaml")
    settings: Mapping[str, Any] = yaml.safe_load(peers.file(checkout, path).read_text())
    return settings


def plan_of(problem: PlanningProblem, actions: Tensor, calls: int) -> Plan:
    """The plan of actions [B, H, A], with `calls` predictor calls before its own evaluation."""
    actions = actions.clone().clamp_(problem.low, problem.high)
    states, energy = no_grad_candidate(problem, actions[:, None])
    return Plan(actions, states[:, 0], energy[:, 0], calls + states.shape[1:-1].numel())


@dataclass(frozen=True)
class PeerCEM(Planner):
    """stable-worldmodel's CEM on our problem, all episodes in one batch. The cost sees its samples within the bounds.

    Fields: peers: the checkouts. horizon: H. settings: of its solver.
    """

    peers: Peers
    horizon: int
    settings: Mapping[str, Any]

    @staticmethod
    def of(peers: Peers, world: str) -> HeldPlans:
        """With the settings of their evaluation in a world: `tworoom` or `pusht`."""
        solver = settings_in(peers, SWM, CEM_SOLVER)
        chosen = {name: solver[name] for name in ("num_samples", "var_scale", "n_steps", "topk")}
        found = settings_in(peers, SWM, f"scripts/plan/config/{world}.yaml")["plan_config"]
        return HeldPlans(PeerCEM(peers, found["horizon"], chosen), found["receding_horizon"])

    def plan(self, problem: PlanningProblem) -> Plan:
        """See `Planner.plan`: the mean of its last fit."""
        batch, width = problem.batch, problem.low.shape[-1]
        cost = _Costs(problem)
        solver = self.peers.part(SWM, "planning.solver.cem", "CEMSolver")(cost, batch_size=batch, **self.settings)
        solver.configure(
            action_space=Box(-1, 1, (batch, width // problem.steps), np.float32),
            n_envs=batch,
            config=SimpleNamespace(horizon=self.horizon, action_block=problem.steps),
        )
        with contextlib.redirect_stdout(io.StringIO()):  # it prints its time
            actions = solver.solve({"episode": torch.arange(batch)})["actions"]
        calls = self.settings["num_samples"] * self.settings["n_steps"] * self.horizon
        return plan_of(problem, actions.clone().to(problem.low), calls)


@dataclass(frozen=True)
class _Costs:
    """What stable-worldmodel's solver asks for its costs."""

    problem: PlanningProblem

    def get_cost(self, info: Mapping[str, Tensor], candidates: Tensor) -> Tensor:
        """Costs [B, K] of candidates [B, K, H, A]."""
        actions = candidates.clamp(self.problem.low, self.problem.high)
        return self.problem.energy(self.problem.rollout(actions), actions)


class HeldPlans(Planner):
    """Carries out a plan of another planner for some blocks before it searches again, in one episode (a receding horizon).

    Attributes:
        searches: since the beginning.
    """

    def __init__(self, planner: PeerCEM, blocks: int) -> None:
        """`blocks`: of a plan that are carried out."""
        self._planner, self._blocks = planner, blocks
        self.horizon, self.searches = planner.horizon, 0
        self.begin()

    def begin(self) -> None:
        """Forget the plan: another episode begins."""
        self._rest: Tensor | None = None

    def plan(self, problem: PlanningProblem) -> Plan:
        """See `Planner.plan`: the rest of the plan, followed by its last block."""
        assert problem.batch == 1, "a plan is held for one episode"
        if self._rest is not None and self._rest.shape[1]:
            actions, self._rest = self._rest, self._rest[:, 1:]
            padded = [actions, actions[:, -1:].expand(-1, self.horizon - actions.shape[1], -1)]
            return plan_of(problem, torch.cat(padded, 1), 0)
        found = self._planner.plan(problem)
        self.searches, self._rest = self.searches + 1, found.actions[:, 1 : self._blocks]
        return found


@dataclass(frozen=True)
class PeerMPPI(Planner):
    """eb_jepa's MPPI on our problem of one episode. The cost sees its samples within the bounds.

    Fields: peers: the checkouts. horizon: H. settings: of its planner.
    """

    peers: Peers
    horizon: int
    settings: Mapping[str, Any]

    @staticmethod
    def of(peers: Peers, block: int) -> PeerMPPI:
        """With the settings of their two rooms; a plan of so many steps is divided into blocks."""
        found = settings_in(peers, EB_JEPA, MPPI_PLAN)["planner"]
        return PeerMPPI(peers, found["plan_length"] // block, {name: found[name] for name in ("n_iters", "num_samples")})

    def plan(self, problem: PlanningProblem) -> Plan:
        """See `Planner.plan`: one of its last elites, sampled by their weights."""
        assert problem.batch == 1, "eb_jepa's MPPI plans for one episode"
        inside: list[Tensor] = []

        def unroll(start: Any, actions: Tensor) -> Tensor:
            inside[:] = [actions.transpose(1, 2)[None].clamp(problem.low, problem.high)]
            return problem.rollout(inside[0])

        planner = self.peers.part(EB_JEPA, "planning", "MPPIPlanner")(
            unroll, plan_length=self.horizon, action_dim=problem.low.shape[-1], **self.settings
        )
        planner.set_objective(lambda states: problem.energy(states, inside[0])[0])
        actions = planner.plan(None, eval_mode=True).actions
        return plan_of(problem, actions[None], self.settings["num_samples"] * self.settings["n_iters"] * self.horizon)
