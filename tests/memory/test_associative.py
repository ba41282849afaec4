"""Key-value memory: the paper's read and write, slot by slot."""

import pytest
import torch

from forethought.memory import AssociativeMemory

MEMORY = AssociativeMemory(slots=3, temperature=1.0, gamma=0.1)
A, B, C, D = (torch.tensor([[float(10 * i), 0.0]]) for i in range(1, 5))


def filled(*pairs):
    contents = MEMORY.empty(1, 2, 1)
    for query, value in pairs:
        contents = MEMORY.write(contents, query, torch.tensor([[value]]))
    return contents


def test_a_far_query_gets_a_slot_and_is_found_again():
    contents = filled((A, 1.0), (B, 2.0))
    assert contents.written.tolist() == [2]
    # One exact match: c = 1 / (gamma + 1).
    assert MEMORY.read(contents, A).item() == pytest.approx(1.0 / 1.1, rel=1e-5)
    assert MEMORY.read(contents, B).item() == pytest.approx(2.0 / 1.1, rel=1e-5)


def test_what_was_never_written_reads_as_nothing():
    assert MEMORY.read(MEMORY.empty(1, 2, 1), A).item() == 0.0
    assert MEMORY.read(filled((A, 1.0)), C).item() == pytest.approx(0.0, abs=1e-6)


def test_a_near_query_updates_its_slot_by_the_papers_rule():
    contents = MEMORY.write(filled((A, 1.0), (B, 2.0)), A, torch.tensor([[5.0]]))
    c = 1 / 1.1
    assert contents.written.tolist() == [2]
    assert contents.values[0, 0].item() == pytest.approx(c * 5 + (1 - c) * 1, rel=1e-5)
    assert contents.values[0, 1].item() == pytest.approx(2.0, rel=1e-5)


def test_coefficients_are_a_softmax_with_a_constant():
    contents = filled((A, 1.0), (A + torch.tensor([[2.0, 0.0]]), 3.0))
    query = A + torch.tensor([[0.5, 0.0]])
    match, weight = MEMORY.coefficients(contents, query)
    by_hand = torch.exp(-torch.tensor([0.25, 2.25]))
    assert torch.allclose(match[0, :2], by_hand)
    assert match[0, 2] == 0
    assert torch.allclose(weight[0, :2], by_hand / (0.1 + by_hand.sum()))


def test_the_oldest_gives_way_when_all_slots_are_taken():
    contents = filled((A, 1.0), (B, 2.0), (C, 3.0), (D, 4.0))
    assert MEMORY.read(contents, D).item() == pytest.approx(4 / 1.1, rel=1e-5)
    assert MEMORY.read(contents, A).item() == pytest.approx(0.0, abs=1e-6)
    assert MEMORY.read(contents, B).item() == pytest.approx(2 / 1.1, rel=1e-5)


def test_writing_leaves_the_old_contents_alone():
    before = filled((A, 1.0))
    kept = before.values.clone()
    MEMORY.write(before, A, torch.tensor([[9.0]]))
    assert torch.equal(before.values, kept)


def test_memories_of_a_batch_are_independent():
    generator = torch.Generator().manual_seed(0)
    queries, values = torch.randn(4, 3, 2, generator=generator) * 2, torch.randn(4, 3, 1, generator=generator)
    together = MEMORY.empty(3, 2, 1)
    alone = MEMORY.empty(1, 2, 1)
    for query, value in zip(queries, values, strict=True):
        together = MEMORY.write(together, query, value)
        alone = MEMORY.write(alone, query[1:2], value[1:2])
    assert torch.equal(together.values[1], alone.values[0])
    assert torch.equal(MEMORY.read(together, queries[0])[1], MEMORY.read(alone, queries[0, 1:2])[0])


def test_gradients_reach_queries_and_values_of_reads_and_writes():
    key = A.clone().requires_grad_()
    value = torch.tensor([[1.0]], requires_grad=True)
    near = (A + 0.3).requires_grad_()
    contents = MEMORY.write(MEMORY.empty(1, 2, 1), key, value)
    contents = MEMORY.write(contents, near, torch.tensor([[2.0]]))
    MEMORY.read(contents, A + torch.tensor([[0.0, 0.5]])).sum().backward()
    for leaf in (key, value, near):
        assert leaf.grad is not None
        assert leaf.grad.abs().sum() > 0
