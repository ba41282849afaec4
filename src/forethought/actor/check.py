"""Conformance kit for planners: checks a planner of your own and reports what is wrong, where, and how to fix it."""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from forethought.actor.contract import Plan, Planner, PlanningProblem, no_grad_candidate
from forethought.actor.episode_rng import EpisodeGenerators
from forethought.actor.sampling_search import one_hot
from forethought.errors import ConformanceError, NonFiniteError

STEPS, SIZE, CLOSE = 2, 2, 1e-4


def check_planner(planner: Planner, codes: int | None = None) -> None:
    """Check that a planner keeps the contract of `Planner` and `Plan`, on a point that must be moved to a goal.

    Args:
        planner: the planner to check.
        codes: None for continuous actions, else the number of choices per step.

    Raises:
        ConformanceError: the first violation of the contract: what, where, and the fix.

    >>> from forethought.actor import check_planner, make_planner
    >>> from forethought.config import ICEMConfig
    >>> check_planner(make_planner(ICEMConfig(), horizon=3))
    """
    problem = _Point(planner.horizon, codes)
    seeds = (11, 22, 33)
    plan = planner.plan(problem.of(seeds))
    _check_shapes(planner, plan, problem, len(seeds))
    _check_actions(plan, problem)
    _check_consistency(plan, problem, seeds)
    _check_candidates(planner, problem, seeds)
    _check_independence(planner, problem, plan, seeds)
    _check_guard(planner, problem, seeds)


class _Point:
    """A point that actions move towards each episode's goal; continuous actions have asymmetric bounds."""

    def __init__(self, horizon: int, codes: int | None) -> None:
        self.horizon, self.codes = horizon, codes
        self.width = STEPS * (codes or SIZE)
        self.low = torch.zeros(self.width) if codes else torch.tensor([-0.5, -1.0]).repeat(STEPS)
        self.high = torch.ones(self.width) if codes else torch.tensor([1.0, 0.25]).repeat(STEPS)
        moves = torch.Generator().manual_seed(0)
        self.moves = torch.randn(codes or SIZE, SIZE, generator=moves) if codes else torch.eye(SIZE)
        self.rolled_out = 0

    def of(
        self, seeds: tuple[int, ...], candidates: Tensor | None = None, broken: tuple[int, int] | None = None
    ) -> PlanningProblem:
        """The problem of the episodes with these seeds; `broken` (episode, candidate) has the energy NaN."""
        goals = torch.stack([torch.randn(SIZE, generator=torch.Generator().manual_seed(seed)) for seed in seeds])

        def rollout(actions: Tensor) -> Tensor:
            self.rolled_out += actions.shape[1] * actions.shape[2]
            return (torch.unflatten(actions, -1, (STEPS, -1)) @ self.moves).sum(-2).cumsum(dim=2) / 4

        def energy(states: Tensor, actions: Tensor) -> Tensor:
            total = (states - goals[:, None, None]).square().mean(dim=(-2, -1)) + 0.01 * actions.square().mean((-2, -1))
            if broken is not None:
                total = total.clone()
                total[broken] = torch.nan
            return total

        return PlanningProblem(
            batch=len(seeds),
            rollout=rollout,
            energy=energy,
            low=self.low,
            high=self.high,
            codes=self.codes,
            steps=STEPS,
            candidates=candidates,
            streams=EpisodeGenerators(seeds),
        )

    def random_actions(self, batch: int, count: int, seed: int) -> Tensor:
        """Actions within bounds [batch, count, H, A]."""
        generator = torch.Generator().manual_seed(seed)
        uniform = torch.rand(batch, count, self.horizon, self.width, generator=generator)
        if self.codes is None:
            return self.low + uniform * (self.high - self.low)
        choices = torch.unflatten(uniform, -1, (STEPS, self.codes)).argmax(dim=-1)
        return one_hot(choices, self.codes).float()


def _fail(what: str, fix: str) -> None:
    raise ConformanceError(f"check_planner: {what}; {fix}.")


def _check_shapes(planner: Planner, plan: Plan, problem: _Point, batch: int) -> None:
    expected = {
        "actions": (batch, planner.horizon, problem.width),
        "states": (batch, planner.horizon, SIZE),
        "energy": (batch,),
    }
    for name, shape in expected.items():
        actual = tuple(getattr(plan, name).shape)
        if actual != shape:
            _fail(
                f"Plan.{name} has shape {actual}, not {shape}",
                "return one plan per episode, without the candidates' axis",
            )
    if plan.calls != problem.rolled_out:
        _fail(
            f"Plan.calls is {plan.calls}, but {problem.rolled_out} blocks per episode were rolled out",
            "count K * H for each rollout",
        )


def _check_actions(plan: Plan, problem: _Point) -> None:
    actions = plan.actions
    if actions.requires_grad:
        _fail("Plan.actions is still attached to the autograd graph", "detach it")
    if bool(((actions < problem.low) | (actions > problem.high)).any()):
        _fail("Plan.actions leaves [low, high]", "clamp the actions before they are rolled out")
    if problem.codes is not None:
        codes = torch.unflatten(actions, -1, (STEPS, problem.codes))
        if not bool(((codes == 0) | (codes == 1)).all() and (codes.sum(-1) == 1).all()):
            _fail("Plan.actions is not one-hot in every step", "search over codes instead of continuous values")


def _check_consistency(plan: Plan, problem: _Point, seeds: tuple[int, ...]) -> None:
    states, energy = no_grad_candidate(problem.of(seeds), plan.actions[:, None])
    if not torch.allclose(states[:, 0], plan.states, atol=CLOSE):
        _fail(
            "Plan.states is not where the rollout of Plan.actions leads",
            "keep states and actions of the same candidate",
        )
    if not torch.allclose(energy[:, 0], plan.energy, atol=CLOSE):
        _fail("Plan.energy is not the energy of Plan.actions", "keep energy and actions of the same candidate")


def _check_candidates(planner: Planner, problem: _Point, seeds: tuple[int, ...]) -> None:
    # Strong candidates: the best of 4096, which a planner that ignores candidates is unlikely to find.
    pool = problem.random_actions(len(seeds), 4096, seed=1)
    _, energy = no_grad_candidate(problem.of(seeds), pool)
    for count in (1, 7, 400):
        best = energy.topk(count, dim=1, largest=False).indices
        given = torch.take_along_dim(pool, best[:, :, None, None], dim=1)
        before = given.clone()
        plan = planner.plan(problem.of(seeds, candidates=given))
        if bool((plan.energy > energy.amin(dim=1) + CLOSE).any()):
            _fail(
                f"with {count} candidates given, the plan costs more than the best of them",
                "evaluate the candidates first",
            )
        if not torch.equal(given, before):
            _fail("PlanningProblem.candidates was changed in place", "copy the candidates")


def _check_independence(planner: Planner, problem: _Point, plan: Plan, seeds: tuple[int, ...]) -> None:
    if not torch.equal(planner.plan(problem.of(seeds)).actions, plan.actions):
        _fail("the same seeds gave another plan", "sample every random number from PlanningProblem.streams")
    for episode, seed in enumerate(seeds):
        alone = planner.plan(problem.of((seed,)))
        if not torch.allclose(alone.actions[0], plan.actions[episode], atol=CLOSE):
            _fail(
                f"episode {episode} gets another plan in a batch than alone",
                "use stream i for episode i, and no statistic over episodes",
            )
    other = dataclasses.replace(problem.of(seeds), streams=EpisodeGenerators([seed + 1 for seed in seeds]))
    if torch.equal(planner.plan(other).energy, plan.energy) and problem.codes is None:
        _fail("other seeds gave the same plan", "sample every random number from PlanningProblem.streams")


def _check_guard(planner: Planner, problem: _Point, seeds: tuple[int, ...]) -> None:
    try:
        planner.plan(problem.of(seeds, broken=(1, 0)))
    except NonFiniteError as error:
        if "episode 1, candidate 0" not in str(error):
            _fail(f"the error for NaN does not say where ('{error}')", "name the episode and the candidate")
        return
    _fail("an energy of NaN went unnoticed", "raise NonFiniteError; never replace the number")
