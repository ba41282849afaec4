"""The critic of future cost: an ensemble whose members are independent, read pessimistically."""

from __future__ import annotations

import torch

from forethought.cost.return_critic import ReturnCritic

D, A, C = 6, 2, 3


def critic_with_weights() -> ReturnCritic:
    torch.manual_seed(0)
    critic = ReturnCritic(D, A, C, 16, 50.0)
    torch.nn.init.normal_(critic.last.weight)
    return critic


def test_a_new_critic_expects_nothing() -> None:
    """Zero cost before any training."""
    assert (ReturnCritic(D, A, C, 16, 50.0).costs(torch.randn(4, D), torch.randn(4, A)) == 0).all()


def test_items_do_not_depend_on_their_batch() -> None:
    """Any leading axes."""
    critic, states, actions = critic_with_weights(), torch.randn(4, 3, D), torch.randn(4, 3, A)
    whole = critic.costs(states, actions)
    assert whole.shape == (C, 4, 3)
    assert torch.allclose(critic.costs(states[2, 1], actions[2, 1]), whole[:, 2, 1], atol=1e-5)


def test_a_pessimistic_read_is_the_higher_cost_of_two_members() -> None:
    """Of the first two without a generator, of any two with one."""
    critic, states, actions = critic_with_weights(), torch.randn(50, D), torch.randn(50, A)
    costs = critic.costs(states, actions)
    assert torch.equal(critic.pessimistic(states, actions), costs[:2].amax(0))
    generator, pairs = torch.Generator().manual_seed(0), set()
    for _ in range(20):
        read = critic.pessimistic(states, actions, generator)
        pairs |= {(i, j) for i in range(C) for j in range(i) if torch.equal(read, costs[[i, j]].amax(0))}
    assert len(pairs) == 3


def test_frozen_weights_get_no_gradient_and_actions_do() -> None:
    """The policy's loss moves the action, not the critic."""
    critic, action = critic_with_weights(), torch.randn(4, A, requires_grad=True)
    critic.costs(torch.randn(4, D), action, frozen=True).sum().backward()
    assert action.grad is not None
    assert action.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in critic.parameters())


def test_the_loss_is_in_shares_of_the_scale() -> None:
    """A tenfold world with a tenfold scale learns alike."""
    states, actions, targets = torch.randn(8, D), torch.randn(8, A), torch.randn(8) * 30
    small, large = critic_with_weights(), critic_with_weights()
    large.scale = 500.0
    assert torch.allclose(small.loss(states, actions, targets), large.loss(states, actions, 10 * targets), atol=1e-6)
