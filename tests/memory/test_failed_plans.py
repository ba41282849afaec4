"""Refused promises: remembered where they were made, per episode, and forgotten with it."""

from __future__ import annotations

import torch

from forethought.memory import FailedPlanMemory
from forethought.memory.failed_plans import ENTRIES, WIDTH


def make(batch: int = 2) -> FailedPlanMemory:
    refusals = FailedPlanMemory(state_dim=3, typical=1.0)
    refusals.reset(batch)
    return refusals


ROWS = torch.arange(2)
# Not at 0: distances must be differences.
HERE, THERE = torch.full((2, 3), 2.0), torch.full((2, 3), 3.0)


def test_what_came_true_costs_nothing() -> None:
    refusals = make()
    assert not refusals.write(HERE, THERE, THERE + 0.01).any()
    assert torch.equal(refusals.cost(HERE, THERE[:, None], ROWS), torch.zeros(2, 1))


def test_bad_luck_is_no_refusal_and_what_no_future_foresaw_is_one() -> None:
    refusals = make()
    lucky = torch.stack([THERE, HERE], 1)
    assert not refusals.write(HERE, THERE, HERE, alternatives=lucky).any(), "it was one of the futures"
    assert refusals.write(HERE, THERE, -THERE, alternatives=lucky).all()
    assert (refusals.cost(HERE, THERE[:, None], ROWS) > 0.99).all(), "what was promised is what costs"


def test_a_refused_promise_costs_when_it_is_made_again_from_there() -> None:
    refusals = make()
    assert refusals.write(HERE, THERE, HERE).all()
    candidates = torch.stack([THERE, THERE + 0.1, -THERE], 1)
    cost = refusals.cost(HERE, candidates, ROWS)
    assert (cost[:, 0] > 0.99).all()
    assert (cost[:, 0] > cost[:, 1]).all(), "the shadow fades with distance"
    assert (cost[:, 2] < 1e-3).all(), "another way is free"
    assert (refusals.cost(HERE + 5, candidates, ROWS) < 1e-3).all(), "from elsewhere it is free"


def test_episodes_do_not_share_their_refusals() -> None:
    refusals = make()
    perceived = torch.stack([HERE[0], THERE[1]])
    assert refusals.write(HERE, THERE, perceived).tolist() == [True, False]
    assert refusals.cost(HERE, THERE[:, None], ROWS)[1].item() == 0
    alone = refusals.cost(HERE[:1], THERE[:1, None], torch.tensor([0]))
    assert torch.equal(alone, refusals.cost(HERE, THERE[:, None], ROWS)[:1])


def test_an_episode_that_ends_is_forgotten() -> None:
    refusals = make()
    refusals.write(HERE, THERE, HERE)
    refusals.reset(2)
    assert torch.equal(refusals.cost(HERE, THERE[:, None], ROWS), torch.zeros(2, 1))


def test_promises_that_came_true_push_no_refusal_out() -> None:
    refusals = make()
    refusals.write(HERE, THERE, HERE)
    for _ in range(2 * ENTRIES):
        refusals.write(HERE, THERE, THERE)
    assert (refusals.cost(HERE, THERE[:, None], ROWS) > 0.99).all()


def test_what_is_refused_again_costs_more_until_older_ones_give_way() -> None:
    refusals = make()
    costs = []
    for _ in range(2 * ENTRIES):
        refusals.write(HERE, THERE, HERE)
        costs.append(refusals.cost(HERE, THERE[:, None], ROWS)[0, 0].item())
    assert costs == [float(min(times, ENTRIES)) for times in range(1, 2 * ENTRIES + 1)]


def test_the_cost_of_a_near_repetition_by_hand() -> None:
    """exp(-distance / width) of the prediction times that of the place; the width is a share of the typical change."""
    typical = 4.0
    refusals = FailedPlanMemory(state_dim=3, typical=typical)
    refusals.reset(1)
    here, there = torch.zeros(1, 3), torch.full((1, 3), 5.0)
    assert refusals.write(here, there, -there).all()
    moved, elsewhere = there[:, None] + 0.5, here + 0.25
    expected = torch.tensor([-0.25 / (WIDTH * typical) - 0.0625 / (WIDTH * typical)]).exp()
    assert torch.allclose(refusals.cost(elsewhere, moved, torch.tensor([0]))[0], expected)


def test_a_small_surprise_is_no_failure() -> None:
    """The tolerance is a share of the typical change of a state."""
    for typical, fails in ((100.0, True), (1000.0, False)):
        refusals = FailedPlanMemory(state_dim=3, typical=typical)
        refusals.reset(1)
        assert bool(refusals.write(HERE[:1], THERE[:1], THERE[:1] + 2)) is fails
