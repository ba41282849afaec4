"""The belief: block by block equals all at once, what came before an episode is forgotten, and it learns to remember."""

from __future__ import annotations

import pytest
import torch

from forethought.memory import Belief, BeliefState

B, T, D, A = 5, 6, 4, 2


@pytest.fixture
def belief() -> Belief:
    torch.manual_seed(0)
    return Belief(D, A, 8)


def sequence(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(B, T + 1, D, generator=generator), torch.randn(B, T, A, generator=generator)


def lived(belief: Belief | None, percepts: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
    """Block by block, as an agent lives."""
    state = BeliefState(belief)
    state.reset(len(percepts))
    led = torch.cat([torch.zeros_like(actions[:, :1]), actions], 1)
    return torch.stack([state.update(percepts[:, row], led[:, row]) for row in range(percepts.shape[1])], 1)


def test_block_by_block_equals_all_at_once(belief: Belief) -> None:
    """Acting and learning see the same states."""
    percepts, actions = sequence()
    torch.testing.assert_close(lived(belief, percepts, actions), belief.along(percepts, actions))


def test_the_past_matters_and_the_future_does_not(belief: Belief) -> None:
    """A change in one row changes the states from there on."""
    percepts, actions = sequence()
    before = belief.along(percepts, actions)
    percepts[:, 2] += 1
    actions[:, 3] += 1
    changed = (belief.along(percepts, actions) - before).abs().amax((0, 2)) > 1e-5
    assert changed.tolist() == [False, False, True, True, True, True, True]


def test_what_precedes_an_episode_is_forgotten(belief: Belief) -> None:
    """Rows before its beginning change nothing, whatever they hold."""
    percepts, actions = sequence()
    known = torch.ones(B, T + 1)
    known[1, :2], known[3, :4] = 0, 0
    states = belief.along(percepts, actions, known)
    torch.testing.assert_close(states[1, 2:], belief.along(percepts[1:2, 2:], actions[1:2, 2:])[0])
    torch.testing.assert_close(states[3, 4:], belief.along(percepts[3:4, 4:], actions[3:4, 4:])[0])
    torch.testing.assert_close(states[0], belief.along(percepts[:1], actions[:1])[0])


def test_a_new_episode_begins_without_a_past(belief: Belief) -> None:
    """`reset` clears what is carried."""
    percepts, actions = sequence()
    state = BeliefState(belief)
    state.reset(B)
    first = state.update(percepts[:, 0], torch.zeros(B, A))
    state.update(percepts[:, 1], actions[:, 0])
    state.reset(B)
    assert torch.equal(state.update(percepts[:, 0], torch.zeros(B, A)), first)


def test_without_a_belief_the_percept_is_the_state() -> None:
    """And nothing is carried."""
    percepts, actions = sequence()
    assert torch.equal(lived(None, percepts, actions), percepts)


def test_it_learns_to_remember(belief: Belief) -> None:
    """A sign that only the first row shows is read from the last one."""
    reader = torch.nn.Linear(D, 1)
    optimizer = torch.optim.Adam([*belief.parameters(), *reader.parameters()], 0.02)
    generator = torch.Generator().manual_seed(1)
    losses = []
    for _ in range(150):
        signs = torch.randint(2, (64,), generator=generator) * 2.0 - 1
        percepts = 0.1 * torch.randn(64, T + 1, D, generator=generator)
        percepts[:, 0, 0] += signs
        read = reader(belief.along(percepts, torch.zeros(64, T, A))[:, -1])[:, 0]
        losses.append(torch.nn.functional.mse_loss(read, signs))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[0] > 0.8
    assert losses[-1] < 0.1
