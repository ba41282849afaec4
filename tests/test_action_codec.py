"""The body: what models and planners use, and what the environment takes, there and back."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from forethought.action_codec import ActionCodec
from forethought.config import DataSpec, StreamSettings


def make(
    kind: str = "continuous",
    low: tuple[float, ...] = (-2.0, 0.0),
    high: tuple[float, ...] = (6.0, 0.5),
    block: int = 3,
    repeat: bool = False,
) -> ActionCodec:
    streams = (StreamSettings(name="proprioception", shape=(2,), mean=(0.0, 0.0), std=(1.0, 1.0)),)
    size = len(low) if kind == "continuous" else 4
    bounds = {"low": low, "high": high} if kind == "continuous" else {"low": (), "high": ()}
    common = {
        "world": "toy",
        "streams": streams,
        "action_kind": kind,
        "action_size": size,
        "block": block,
        "action_repeat": repeat,
    }
    return ActionCodec(DataSpec.model_validate(common | bounds))


def test_bounds_map_onto_each_other() -> None:
    body = make()
    assert body.to_model(torch.tensor([-2.0, 0.0, 6.0, 0.5, 2.0, 0.25])).tolist() == [-1, -1, 1, 1, 0, 0]
    assert body.to_world(torch.tensor([-1.0, -1.0, 1.0, 1.0, 0.0, 0.0])).tolist() == [[-2, 0], [6, 0.5], [2, 0.25]]
    assert body.low.tolist() == [-1.0] * 6
    assert body.high.tolist() == [1.0] * 6


def test_one_action_is_repeated_over_its_block() -> None:
    """There it is repeated, back it is their mean: blocks that were recorded by others may differ within."""
    body = make(repeat=True)
    assert len(body.low) == len(body.high) == 2
    assert body.to_world(torch.tensor([[-1.0, 0.0]])).tolist() == [[[-2, 0.25]] * 3]
    assert body.to_model(torch.tensor([-2.0, 0.25] * 3)).tolist() == [-1, 0]
    assert torch.allclose(body.to_model(torch.tensor([-2.0, 0.0, -2.0, 0.5, 1.0, 0.25])), torch.tensor([-0.75, 0.0]))
    choices = make("discrete", repeat=True)
    assert choices.to_world(torch.tensor([0.0, 0.0, 1.0, 0.0])).tolist() == [[0, 0, 1, 0]] * 3
    assert choices.to_model(torch.eye(4)[[2, 2, 2]].flatten()).tolist() == [0, 0, 1, 0]


def test_there_and_back_again() -> None:
    body = make()
    model = torch.rand(7, 2, 6, generator=torch.Generator().manual_seed(0)) * 2 - 1
    world = body.to_world(model)
    assert world.shape == (7, 2, 3, 2)
    assert torch.allclose(body.to_model(world.flatten(-2)), model, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(
    low=st.floats(-1e3, 1e3, width=32),
    span=st.floats(0.125, 1e3, width=32),
    action=st.floats(-1e6, 1e6, width=32),
)
def test_whatever_a_planner_says_the_environment_gets_what_it_allows(low: float, span: float, action: float) -> None:
    low, high = float(torch.tensor(low)), float(torch.tensor(low + span))
    body = make(low=(low,), high=(high,), block=1)
    sent = body.to_world(torch.tensor([action])).item()
    assert low <= sent <= high


@pytest.mark.parametrize("block", [1, 3])
def test_discrete_actions_are_one_hot_everywhere(block: int) -> None:
    body = make("discrete", block=block)
    scores = torch.randn(5, block * 4, generator=torch.Generator().manual_seed(0))
    sent = body.to_world(scores)
    assert sent.shape == (5, block, 4)
    assert torch.equal(sent.sum(-1), torch.ones(5, block))
    assert torch.equal(sent.argmax(-1), scores.unflatten(-1, (block, 4)).argmax(-1))
    assert torch.equal(body.to_model(sent.flatten(-2)), sent.flatten(-2)), "one-hot stays one-hot"
    assert (body.low.tolist(), body.high.tolist()) == ([0.0] * 4 * block, [1.0] * 4 * block)
