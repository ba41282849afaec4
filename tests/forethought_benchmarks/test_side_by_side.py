"""Side by side: checkouts of other libraries are imported file by file; both planners do equal work; rows have ratios."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

from forethought.actor import EpisodeGenerators, PlanningProblem
from forethought.agent import Agent
from forethought.config import PlannerConfig
from forethought.errors import ForethoughtError
from forethought_benchmarks import registry
from forethought_benchmarks.side_by_side.adapters import PeerCEM, PeerMPPI
from forethought_benchmarks.side_by_side.decisions import Contestant
from forethought_benchmarks.side_by_side.pairs import Pairs, paired
from forethought_benchmarks.side_by_side.peers import EB_JEPA, SWM, PeerMissingError, Peers
from forethought_benchmarks.side_by_side.planners import PlannerProtocol, planner_rows
from forethought_benchmarks.side_by_side.protocol import run

SOLVER = """
import torch
class CEMSolver:
    def __init__(self, cost, batch_size=1, num_samples=300, var_scale=1.0, n_steps=30, topk=30):
        self.cost, self.samples, self.steps = cost, num_samples, n_steps
    def configure(self, *, action_space, n_envs, config):
        self.shape = n_envs, self.samples, config.horizon, action_space.shape[1] * config.action_block
    def solve(self, info):
        print("noise on stdout")
        info = {name: value[:, None].expand(-1, self.samples, *value.shape[1:]) for name, value in info.items()}
        for _ in range(self.steps):
            actions = 9 * torch.ones(self.shape)
            assert self.cost.get_cost(info, actions).shape == self.shape[:2]
        return {"actions": actions[:, 0]}
"""
MPPI = """
import types, torch
class MPPIPlanner:
    def __init__(self, unroll, n_iters=15, num_samples=500, plan_length=15, action_dim=2, max_std=2):
        self.unroll, self.iterations, self.shape = unroll, n_iters, (num_samples, action_dim, plan_length)
    def set_objective(self, objective):
        self.objective = objective
    def plan(self, start, eval_mode=False):
        for _ in range(self.iterations):
            assert self.objective(self.unroll(start, torch.zeros(self.shape))).shape == self.shape[:1]
        return types.SimpleNamespace(actions=torch.zeros(self.shape[2], self.shape[1]))
"""
FILES = {
    f"{SWM}/stable_worldmodel/__init__.py": "raise RuntimeError('this would register worlds')",
    f"{SWM}/stable_worldmodel/planning/solver/cem.py": SOLVER,
    f"{SWM}/scripts/plan/config/solver/cem.yaml": "num_samples: 3\nvar_scale: 1.0\nn_steps: 2\ntopk: 2\n",
    f"{SWM}/scripts/plan/config/tworoom.yaml": "plan_config:\n  horizon: 5\n  receding_horizon: 3\n",
    f"{EB_JEPA}/eb_jepa/planning.py": MPPI,
    f"{EB_JEPA}/examples/ac_video_jepa/cfgs/planning_mppi.yaml": "planner: {plan_length: 20, n_iters: 2, num_samples: 4}\n",
}
TINY = PlannerConfig.model_validate({"search": {"kind": "cem", "num_samples": 8, "num_iterations": 2, "num_elites": 2}})


@pytest.fixture
def peers(tmp_path: Path) -> Iterator[Peers]:
    """Two tiny checkouts; what is imported of them is forgotten."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    yield Peers(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("stable_worldmodel", "eb_jepa")]:
        del sys.modules[name]


def problem(batch: int, horizon: int) -> PlanningProblem:
    """Actions are states, and small ones are cheap."""
    return PlanningProblem(
        batch=batch,
        rollout=lambda actions: actions.cumsum(2),
        energy=lambda states, actions: states.square().sum((2, 3)),
        low=torch.full((4,), -1.0),
        high=torch.ones(4),
        codes=None,
        steps=2,
        candidates=None,
        streams=EpisodeGenerators(range(batch)),
    )


def test_both_sides_do_equal_work(peers: Peers, capsys: pytest.CaptureFixture[str]) -> None:
    """As many predictor calls, but for the evaluation of our answer; a row of each planner, batch and number of threads."""
    rows = list(planner_rows(peers, PlannerProtocol((1, 2), (1,), repeats=2, settings=TINY)))
    assert [row["agent"].split()[0] for row in rows] == ["cem", "mppi"] * 2
    horizon = TINY.horizon
    for row in rows:
        assert row["model_calls"] == row["peer_model_calls"] + horizon
        assert row["value"] > 0
        assert row["low"] <= row["value"] <= row["high"]
    assert rows[0]["peer_model_calls"] == 8 * 2 * horizon
    assert "noise" not in capsys.readouterr().out


def test_a_planner_of_another_library_keeps_our_contract(peers: Peers) -> None:
    """Its plan is within bounds and has its own states and energy, for all episodes that it plans for."""
    cem, mppi = PeerCEM.of(peers, "tworoom"), PeerMPPI.of(peers, block=5)
    plan = cem.plan(problem(1, 5))
    assert (cem.horizon, mppi.horizon) == (5, 4)
    assert torch.equal(plan.actions, torch.ones(1, 5, 4))
    assert torch.equal(plan.states, plan.actions.cumsum(1))
    assert plan.calls == 3 * 2 * 5 + 5
    plan = mppi.plan(problem(1, 4))
    assert plan.actions.shape == (1, 4, 4)
    assert plan.energy.tolist() == [0.0]
    assert plan.calls == 4 * 2 * 4 + 4


def test_what_is_not_there_is_said_in_a_sentence(peers: Peers) -> None:
    """A missing checkout, file or package."""
    with pytest.raises(PeerMissingError, match="git clone it there"):
        Peers(peers.folder / "elsewhere").part(SWM, "planning.solver.cem", "CEMSolver")
    (peers.folder / EB_JEPA / "eb_jepa" / "needy.py").write_text("import no_such_package")
    with pytest.raises(PeerMissingError, match="no_such_package"):
        peers.part(EB_JEPA, "needy", "Thing")
    with pytest.raises(PeerMissingError, match="clone eb_jepa again"):
        peers.file(EB_JEPA, "gone.yaml")


def test_the_command_asks_for_the_checkouts(tmp_path: Path, peers: Peers) -> None:
    """Without them, with an unknown part, or for another benchmark it says so."""
    with pytest.raises(ForethoughtError, match="needs --peers DIR"):
        registry.run("side-by-side", tmp_path)
    with pytest.raises(ForethoughtError, match="no part 'planer'.*planner"):
        run(tmp_path, peers.folder, ["planer"])
    with pytest.raises(ForethoughtError, match="leave out --peers"):
        registry.run("scale", tmp_path, peers=peers.folder)


def test_ratios_are_of_pairs() -> None:
    """Each repeat has a ratio of its own; above 1 ours is faster."""
    row = Pairs([1.0, 2.0, 1.0], [2.0, 4.0, 3.0]).ratio_row("w", "a", "m")
    assert (row["value"], row["low"], row["high"], row["n"]) == (2.0, 2.0, 3.0, 3)
    order: list[str] = []
    paired(lambda: order.append("ours"), lambda: order.append("theirs"), 2)
    assert order == ["ours", "theirs", "ours", "theirs", "theirs", "ours"]


def test_a_plan_is_held_for_some_blocks_of_an_episode(peers: Peers) -> None:
    """The rest of it ends with its last block; another episode begins with a search."""
    held, one = PeerCEM.of(peers, "tworoom"), problem(1, 5)
    numbered = torch.arange(5.0).view(1, 5, 1).expand(-1, -1, 4) / 10
    held._planner = Mock(horizon=5, plan=lambda asked: replace(problem_plan, actions=numbered))
    problem_plan = PeerMPPI.of(peers, block=5).plan(problem(1, 4))
    first = [held.plan(one).actions[0, 0, 0].item() for _ in range(4)]
    assert first == pytest.approx([0.0, 0.1, 0.2, 0.0])
    assert held.searches == 2
    assert held.plan(one).actions[0, :, 0].tolist() == pytest.approx([0.1, 0.2, 0.2, 0.2, 0.2])
    held.begin()
    assert held.plan(one).actions[0, 0, 0].item() == 0.0
    assert held.searches == 3


def test_success_per_millisecond(peers: Peers) -> None:
    """Half of the tasks in blocks of 10 ms are 0.05 a millisecond; one decision for four blocks takes as long as these."""
    held = PeerCEM.of(peers, "tworoom")
    held.searches = 1
    for planner, of_a_decision in ((None, 0.05), (held, 0.0125)):
        contestant = Contestant("plan", Mock(spec=Agent), "plan", planner)
        contestant.reached, contestant.calls, contestant.seconds = [True, False], [40, 40], [0.034, 0.002, 0.002, 0.002]
        rate, decision, block = contestant.rows("two-room")
        assert rate["value"] == 0.5
        assert rate["model_calls"] == 20
        assert (decision["value"], block["value"]) == pytest.approx((of_a_decision, 0.05))
