"""The ring against a plain list, and pairs against a plain sum."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from forethought.errors import ForethoughtError
from forethought.memory import ShortTermMemory


def lived(rows: int, count: int, batch: int = 2, seed: int = 0):
    """A memory after `count` rows, and everything that was ever written."""
    generator = torch.Generator().manual_seed(seed)
    memory = ShortTermMemory(rows, state_dim=3, action_dim=2, energies=2)
    memory.reset(batch)
    history = []
    for _ in range(count):
        row = tuple(torch.rand(batch, size, generator=generator) for size in (3, 2, 2))
        memory.write(*row)
        history.append(row)
    return memory, tuple(torch.stack(part, 1) for part in zip(*history, strict=True))


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(1, 6), count=st.integers(1, 15), ask=st.integers(1, 6))
def test_the_context_is_the_end_of_the_history(rows, count, ask):
    memory, (states, actions, _) = lived(rows, count)
    held = min(rows, count)
    assert memory.filled == held
    if ask > rows:
        with pytest.raises(ForethoughtError, match=rf"1\.\.{rows}"):
            memory.context(ask)
        return
    context = memory.context(ask)
    known = min(ask, held)
    assert context.states.shape == (2, ask, 3)
    assert context.actions.shape == (2, ask - 1, 2)
    assert torch.equal(context.states[:, ask - known :], states[:, -known:])
    if known > 1:
        assert torch.equal(context.actions[:, ask - known :], actions[:, 1 - known :])
    assert (context.states[:, : ask - known] == states[:, -known, None]).all()
    assert (context.actions[:, : ask - known] == 0).all()


@pytest.mark.parametrize("count", [4, 9])
def test_pairs_hold_two_moments_and_the_discounted_energy_between(count):
    memory, (states, _, energies) = lived(rows=6, count=count)
    pairs = memory.pairs(torch.Generator().manual_seed(1), 400, discount=0.7)
    states, energies = states[:, -6:], energies[:, -6:]
    seen = set()
    for i in range(400):
        episode, row = (states == pairs.now[i]).all(-1).nonzero()[0].tolist()
        gap = int(pairs.gap[i])
        assert torch.equal(states[episode, row + gap], pairs.later[i])
        wanted = sum(0.7**k * energies[episode, row + 1 + k] for k in range(gap))
        assert torch.allclose(pairs.energies[i], wanted, atol=1e-6)
        seen.add((episode, row, gap))
    held = states.shape[1]
    assert len(seen) == 2 * held * (held - 1) // 2, "every pair of every episode can be drawn"


def test_the_same_generator_gives_the_same_pairs():
    memory, _ = lived(rows=6, count=9)
    first = memory.pairs(torch.Generator().manual_seed(5), 10, 0.9)
    second = memory.pairs(torch.Generator().manual_seed(5), 10, 0.9)
    assert torch.equal(first.now, second.now)
    assert torch.equal(first.energies, second.energies)


def test_episodes_never_mix():
    memory, (states, _, _) = lived(rows=5, count=8, batch=3)
    assert torch.equal(memory.context(4).states[1], states[1, -4:])


def test_gradients_do_not_pile_up_in_memory():
    memory = ShortTermMemory(3, 3, 2, 2)
    memory.reset(1)
    memory.write(torch.ones(1, 3, requires_grad=True), torch.zeros(1, 2), torch.zeros(1, 2))
    assert not memory.context(1).states.requires_grad


def test_mistakes_are_named():
    memory = ShortTermMemory(3, 3, 2, 2)
    memory.reset(2)
    with pytest.raises(ForethoughtError, match="empty"):
        memory.context(1)
    with pytest.raises(ForethoughtError, match="two remembered rows"):
        memory.pairs(torch.Generator(), 1, 0.9)
    with pytest.raises(ForethoughtError, match=r"states to write have shape \(1, 3\)"):
        memory.write(torch.zeros(1, 3), torch.zeros(1, 2), torch.zeros(1, 2))
