"""A state of tokens goes through the whole house: encoder, training, planning, levels above, evaluation, files and page."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import tiny
from agent_fixtures import B, see
from forethought import parts
from forethought.agent import Agent
from forethought.config import EncoderConfig, LossConfig, PredictorConfig, StreamSettings
from forethought.cost import GoalDistance, Imagined
from forethought.errors import ConformanceError, ForethoughtError
from forethought.evaluation.evaluate import evaluate
from forethought.goals import StateGoal
from forethought.perception import Encoder, Perception, check_perception
from forethought.perception.vit import TransformerBlock
from forethought.report.run_report import show_run
from forethought.states import StateMetric, StateSpec
from forethought.training.agent_files import load
from forethought.training.train import train
from forethought.types import Task
from forethought.world_model.losses import TrainingBatch, TrainingHeads, world_model_loss
from forethought.world_model.predictors import TokenMLP, make_predictor
from forethought.world_model.regularisers import covariance_penalty, variance_hinge

N, D = 16, 8
VIT = {"model.encoder.tokens": N, "model.encoder.state_dim": D, "model.encoder.kind": "frozen_vit"}
TOKENS: dict[str, Any] = {**tiny.SMALL, **VIT}


class FrozenViT(Encoder):
    """Patches to tokens by a transformer that stays as it was drawn."""

    def __init__(self, streams: tuple[StreamSettings, ...], state_dim: int, side: int = 16) -> None:
        super().__init__()
        self.streams, self.state_dim = streams, state_dim
        self.embed = nn.Conv2d(3, state_dim, side, stride=side)
        self.position = nn.Parameter(torch.randn((64 // side) ** 2, state_dim))
        self.block = TransformerBlock(state_dim, heads=2)
        self.requires_grad_(False)

    def forward(self, observation: Mapping[str, Tensor], visible: Mapping[str, Tensor] | None = None) -> Tensor:
        pixels = observation["pixels"].float() / 255
        if visible is not None:
            pixels = pixels * visible["pixels"][..., None]
        patches = self.embed(pixels.flatten(0, -4).movedim(-1, 1)).flatten(2).mT
        tokens: Tensor = self.block(patches + self.position)
        return tokens.unflatten(0, pixels.shape[:-3]) if pixels.ndim > 3 else tokens[0]


@parts.register("encoder", "frozen_vit")
def frozen_vit(streams: tuple[StreamSettings, ...], settings: EncoderConfig) -> FrozenViT:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        return FrozenViT(streams, settings.state_dim)


@cache
def token_run(kind: str) -> Path:
    """A short run on pictures whose states are the frozen tokens."""
    run = tiny.folder() / f"tokens-{kind}"
    more: dict[str, dict[str, Any]] = {
        "flat": {"training.loss.masked_prediction": 1.0},
        "levels": tiny.LEVELS,
        "chance": tiny.CODES,
        "graph": {"model.hierarchy.levels": 2, "model.hierarchy.kind": "graph", "model.hierarchy.landmarks": 24},
    }
    store = tiny.long_store() if kind == "levels" else tiny.rooms_store()
    train(store, out=run, config=TOKENS | more[kind])
    return run


def token_agent(kind: str) -> Agent:
    agent = load(token_run(kind), "cpu")
    for stage in agent.modules.above:
        stage.reachability.ends[-1].weight.mul_(50.0)
    return agent


def test_pooling_and_distance_of_tokens() -> None:
    spec = StateSpec(D, N)
    metric, tokens = StateMetric(spec), torch.randn(3, N, D)
    states = spec.flat(tokens)
    assert (spec.kind, spec.shape, spec.size, metric.dim) == ("tokens", (N, D), N * D, D)
    assert torch.equal(spec.tokens_of(states), tokens)
    assert torch.equal(metric.pool(states), tokens.mean(1))
    assert torch.allclose(metric.distance(states[0], states), (tokens[0] - tokens).square().mean((1, 2)))
    plain = StateMetric(StateSpec(D))
    assert plain.spec.kind == "vector"
    assert plain.pool(tokens) is tokens, "a vector is its own"


def test_the_kit_holds_an_encoder_to_its_tokens() -> None:
    streams = tiny.rooms_agent().configuration.data.streams
    check_perception(FrozenViT(streams, D), streams, D, tokens=N)
    with pytest.raises(ConformanceError, match=r"gives shape \(3, 2, 16, 8\)"):
        check_perception(FrozenViT(streams, D), streams, D)


def test_the_encoder_that_is_built_in_makes_tokens_too() -> None:
    streams = tiny.rooms_agent().configuration.data.streams
    made = Perception(streams, EncoderConfig(width=8, hidden=32, state_dim=D, tokens=4))
    check_perception(made, streams, D, tokens=4)


def test_a_predictor_of_tokens_changes_each_by_itself_its_place_and_the_action() -> None:
    made = make_predictor(N * D, 3, PredictorConfig(hidden=32), StateMetric(StateSpec(D, N)))
    assert isinstance(made, TokenMLP)
    states, actions = torch.randn(2, 5, N * D), torch.randn(2, 5, 3)
    made.scale.fit(states.flatten(0, 1))
    assert torch.allclose(made.scale(states).std((0, 1, 2)), torch.ones(D), atol=0.1), "all tokens are whitened alike"
    change = made.spec.tokens_of(made(states, actions) - states)
    assert change.shape == (2, 5, N, D)
    other = made.spec.tokens_of(made(states, -actions) - states)
    assert ((change - other).abs().amax(-1) > 1e-6).all(), "the action reaches every token"
    same = torch.randn(1, 1, D).repeat(1, 1, N)
    apart = made.spec.tokens_of(made(same, actions[:1, :1]) - same)[0, 0]
    assert (apart[0] - apart[1]).abs().max() > 1e-6, "a token's place counts"
    for unfit in (PredictorConfig(kind="transformer"), PredictorConfig(context=2)):
        with pytest.raises(ForethoughtError, match="allow no context of past rows"):
            make_predictor(N * D, 3, unfit, StateMetric(StateSpec(D, N)))


def test_the_variance_of_every_token_counts_and_the_other_terms_read_the_pool() -> None:
    level = token_agent("flat").modules.world_model
    settings = LossConfig(variance=1.0, covariance=1.0, sigreg=1.0, episode_infonce=1.0, masked_prediction=1.0)
    heads = TrainingHeads(level, token_agent("flat").configuration.data, settings)
    pixels = torch.randint(0, 256, (6, 4, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    batch = TrainingBatch({"pixels": pixels}, torch.zeros(6, 2, heads.inverse.head[-1].out_features), torch.ones(6))
    _, terms = world_model_loss(level, heads, batch, 1.0, torch.Generator().manual_seed(0))
    states = level.encode({"pixels": pixels})
    assert torch.allclose(terms["variance"], variance_hinge(states[:, 0]))
    assert torch.allclose(terms["covariance"], covariance_penalty(level.metric.pool(states[:, 0])))
    assert all(torch.isfinite(term) for term in terms.values())


@pytest.mark.parametrize("mode", ["plan", "auto", "react"])
@pytest.mark.parametrize("kind", ["flat", "levels", "chance", "graph"])
def test_an_agent_of_tokens_decides(kind: str, mode: str) -> None:
    agent = token_agent(kind)
    agent.reset(Task.reach(see(agent, B, 1)), seeds=range(B))
    for step in range(3):
        decision = agent.decide(see(agent, B, 2 + step), mode)
    assert np.isfinite(decision.actions).all()
    assert decision.target.shape == (B, N * D)
    if mode == "plan":
        assert decision.plan.states.shape[-1] == N * D
    if kind == "levels":
        assert decision.above is not None
        assert decision.above.guided.all()
        assert decision.above.subgoal.leading.shape == (B, 12)
        assert all(way.shape[-1] == N * D for way in agent.subgoals.waypoints())
    if kind == "graph":
        assert decision.route is not None


def test_what_is_seen_of_tokens_is_their_pool_and_the_goal_is_compared_token_by_token() -> None:
    agent = token_agent("flat")
    agent.modules.requires_grad_(False)
    modules, spec = agent.modules, agent.modules.world_model.metric.spec
    shown = {"pixels": torch.from_numpy(see(agent, B, 1)["pixels"])}
    tokens, states = modules.world_model.perception(shown), modules.world_model.encode(shown)
    assert torch.equal(spec.tokens_of(states), tokens)
    shuffled = spec.flat(tokens.flip(1))
    goals = states.flip(0)
    assert torch.allclose(modules.critic.distance(states, goals), modules.critic.distance(shuffled, goals), atol=1e-3)
    assert torch.allclose(modules.policy(states, goals), modules.policy(shuffled, goals), atol=1e-3)
    assert modules.bank_states.shape[-1] == D
    assert agent.mpc.retrieval is not None
    found = agent.mpc.retrieval.nearest_moments(states, 3)
    expected = torch.cdist(tokens.mean(1), modules.bank_states).topk(3, largest=False).indices
    assert torch.equal(found, expected), "memory is asked by the pooled state"
    close = GoalDistance(modules.world_model.metric)
    imagined = Imagined(states[:, None, None], states.new_zeros(B, 1, 1, 2))
    assert close(imagined, StateGoal(shuffled)).min() > 1e-4, "where a token stands counts"


def test_a_run_of_tokens_is_evaluated_and_reported(tmp_path: Path) -> None:
    agent = token_agent("flat")
    score = evaluate(agent, tasks=2)
    assert 0 <= score.success_rate <= 1
    page = show_run(token_run("flat"), agent=agent, tasks=2)
    assert page.stat().st_size > 10_000
