"""Two toy levels whose joint optimum is known: the upper one's subgoal gives way to what the lower one can reach."""

import dataclasses

import pytest
import torch

from forethought.actor.gradient import slope
from forethought.actor.joint_refinement import JointProblem
from forethought.errors import NonFiniteError

B, H, GOAL = 3, 2, torch.tensor([[2.0], [3.0], [4.0]])


def levels(problems, rows=range(B)):
    """Points on a line: the upper one steps by up to 3, the lower one by up to 0.5, towards the upper one's first state."""
    goal = GOAL[list(rows)][:, None, None]

    def cumulate(actions):
        return actions.cumsum(2)

    def lower(states, macros):
        return (states[0] - states[1][:, :, :1]).square().mean((-2, -1)) + 0.05 * macros[0].square().mean((-2, -1))

    def upper(states, macros):
        return (states[1] - goal).square().mean((-2, -1)) + 0.01 * macros[1].square().mean((-2, -1))

    bounds = (torch.full((1,), 0.5), torch.full((1,), 3.0))
    parts = [problems.make(cumulate, lambda s, a: s.sum((-2, -1)), -high, high, list(rows)) for high in bounds]
    return JointProblem(parts, [1, 1], lambda states, macros: [lower(states, macros), upper(states, macros)])


def starts(rows=range(B)):
    """Top-down: the upper level goes straight to the goal, the lower one as far that way as it can."""
    goal = GOAL[list(rows)][:, None]
    return [torch.full((len(list(rows)), H, 1), 0.5), torch.cat([goal, torch.zeros_like(goal)], 1)]


def sums(joint, plans):
    states = [problem.rollout(plan[:, None]) for problem, plan in zip(joint.problems, plans, strict=True)]
    return torch.stack(joint.energies(states, [plan[:, None] for plan in plans])).sum(0)[:, 0]


def test_the_sum_falls_and_the_subgoal_comes_nearer(problems):
    joint, begun = levels(problems), starts()
    found = joint.descend(begun, 60, 0.05)
    after = sums(joint, [plan.actions for plan in found])
    assert (after < sums(joint, begun) - 0.1).all()
    assert torch.allclose(torch.stack([plan.energy for plan in found]).sum(0), after, atol=1e-6)
    assert (found[1].states[:, 0] < begun[1][:, 0] - 0.1).all(), "where the lower level can't get, the upper one asks for less"
    for plan, problem in zip(found, joint.problems, strict=True):
        assert ((plan.actions >= problem.low) & (plan.actions <= problem.high)).all()
        assert torch.allclose(plan.states, problem.rollout(plan.actions[:, None])[:, 0])
        assert plan.calls == H * 61


def test_no_step_and_no_rate_make_it_worse(problems):
    joint = levels(problems)
    for steps, rate in ((0, 0.1), (1, 5.0), (7, 1.0)):
        found = joint.descend(starts(), steps, rate)
        assert (torch.stack([plan.energy for plan in found]).sum(0) <= sums(joint, starts()) + 1e-6).all()


def test_the_slope_is_that_of_finite_differences(problems):
    joint = levels(problems)
    # Inside the bounds and away from them, in double precision.
    actions = torch.cat([part.double() * 0.7 for part in starts()], -1)[:, None]
    whole, step = joint.as_one(), 1e-5
    _, _, gradient = slope(whole, actions)
    for place in range(H):
        for number in range(2):
            move = torch.zeros_like(actions)
            move[:, :, place, number] = step
            up, down = (whole.energy(whole.rollout(at), at) for at in (actions + move, actions - move))
            assert torch.allclose(gradient[:, :, place, number], (up - down) / (2 * step), atol=1e-6)


def test_an_episode_does_not_feel_its_neighbours(problems):
    together = levels(problems).descend(starts(), 9, 0.1)
    for row in range(B):
        alone = levels(problems, [row]).descend(starts([row]), 9, 0.1)
        for ours, theirs in zip(alone, together, strict=True):
            assert torch.allclose(ours.actions[0], theirs.actions[row], atol=1e-6)


def test_a_slope_of_nan_is_named(problems):
    joint = levels(problems)
    rooted = dataclasses.replace(joint, energies=lambda states, macros: [(each - each).sqrt().sum((-2, -1)) for each in states])
    with pytest.raises(NonFiniteError, match="episode 0, candidate 0 is finite, but its gradient is not"):
        rooted.descend(starts(), 3, 0.1)
