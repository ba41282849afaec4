"""One JEPA level: imagination is repeated prediction, candidates are strangers to one another, actions carry gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from forethought.config import DataSpec, EncoderConfig, ModelConfig, PredictorConfig, StreamSettings
from forethought.errors import ConformanceError
from forethought.world_model import check_world_model
from forethought.world_model.jepa import JEPALevel
from forethought.world_model.level import Context, FirstLevel

D, A, B, K, H = 6, 4, 2, 5, 4
BODY = DataSpec(
    world="toy",
    streams=(
        StreamSettings(name="pixels", shape=(16, 16, 3), mean=(128.0,) * 3, std=(60.0,) * 3),
        StreamSettings(name="proprioception", shape=(3,), mean=(0.0,) * 3, std=(1.0,) * 3),
    ),
    action_kind="continuous",
    action_size=2,
    low=(-1.0, -1.0),
    high=(1.0, 1.0),
    block=2,
)
PERCEPTION = EncoderConfig(state_dim=D, width=4, hidden=16)
KINDS = [("mlp", 1), ("mlp", 3), ("window", 1), ("window", 3), ("transformer", 1), ("transformer", 3)]


def make(predictor: str = "mlp", context: int = 1) -> FirstLevel:
    torch.manual_seed(0)
    settings = PredictorConfig.model_validate({"kind": predictor, "hidden": 16, "heads": 2, "context": context, "depth": 1})
    return JEPALevel(BODY, ModelConfig(encoder=PERCEPTION, predictor=settings))


def past(rows: int, seed: int = 1) -> Context:
    generator = torch.Generator().manual_seed(seed)
    return Context(torch.randn(B, rows, D, generator=generator), torch.randn(B, rows - 1, A, generator=generator))


def candidates(seed: int = 2) -> Tensor:
    return torch.rand(B, K, H, A, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.mark.parametrize(("predictor", "context"), KINDS)
@pytest.mark.parametrize("rows", [1, 2, 5])
def test_a_rollout_is_repeated_prediction(predictor: str, context: int, rows: int) -> None:
    """Against a loop over episodes and candidates that keeps the whole past and looks at its last `context` rows."""
    level, known, actions = make(predictor, context), past(rows), candidates()
    found = level.rollout(known, actions)
    assert found.shape == (B, K, H, D)
    for b in range(B):
        for k in range(K):
            states, done = list(known.states[b]), list(known.actions[b])
            for h in range(H):
                done.append(actions[b, k, h])
                keep = min(context, len(states))
                following = level.predict(torch.stack(states[-keep:]), torch.stack(done[-keep:]))[-1]
                states.append(following)
                assert torch.allclose(following, found[b, k, h], atol=1e-5)


@pytest.mark.parametrize(("predictor", "context"), KINDS)
def test_a_short_rollout_is_the_beginning_of_a_long_one(predictor: str, context: int) -> None:
    level, known, actions = make(predictor, context), past(2), candidates()
    whole = level.rollout(known, actions)
    for horizon in range(1, H):
        assert torch.allclose(level.rollout(known, actions[:, :, :horizon]), whole[:, :, :horizon], atol=1e-6)


@pytest.mark.parametrize(("predictor", "context"), KINDS)
def test_candidates_and_episodes_are_strangers(predictor: str, context: int) -> None:
    level, known, actions = make(predictor, context), past(3), candidates()
    whole = level.rollout(known, actions)
    order = torch.randperm(K, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(level.rollout(known, actions[:, order]), whole[:, order], atol=1e-6)
    assert torch.allclose(level.rollout(known, actions[:, 1:2]), whole[:, 1:2], atol=1e-6)
    alone = Context(known.states[1:], known.actions[1:])
    assert torch.allclose(level.rollout(alone, actions[1:]), whole[1:], atol=1e-6)
    changed = actions.clone()
    changed[0, 0] = 0
    touched = (level.rollout(known, changed) - whole).abs().amax((-2, -1)) > 1e-6
    assert touched.nonzero().tolist() == [[0, 0]]


@pytest.mark.parametrize("predictor", ["window", "transformer"])
def test_the_past_counts_up_to_the_context_and_no_further(predictor: str) -> None:
    level, actions = make(predictor, 3), candidates()
    known = past(5)
    short = Context(known.states[:, -3:], known.actions[:, -2:])
    assert torch.equal(level.rollout(known, actions), level.rollout(short, actions))
    states = short.states.clone()
    states[:, 0] += torch.randn(B, D)
    assert not torch.allclose(level.rollout(Context(states, short.actions), actions), level.rollout(short, actions), atol=1e-4)


@pytest.mark.parametrize(("predictor", "context"), KINDS)
def test_gradients_reach_every_earlier_action_and_no_later_one(predictor: str, context: int) -> None:
    level, known = make(predictor, context), past(2)
    for step in range(H):
        actions = candidates().requires_grad_()
        level.rollout(known, actions)[:, :, step].square().sum().backward()
        assert actions.grad is not None
        reached = actions.grad.abs().amax((0, 1, 3))
        assert (reached[: step + 1] > 0).all()
        assert (reached[step + 1 :] == 0).all()


def see() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(3)
    pixels = torch.randint(0, 256, (B, 3, 16, 16, 3), generator=generator, dtype=torch.uint8)
    return {"pixels": pixels, "proprioception": torch.randn(B, 3, 3, generator=generator)}


def test_an_estimate_has_the_shape_of_a_state_and_does_not_peek() -> None:
    level, observation = make(), see()
    visible = {"pixels": torch.ones(B, 3, 16, 16, dtype=torch.bool), "proprioception": torch.ones(B, 3, 3, dtype=torch.bool)}
    visible["pixels"][..., :8, :] = False
    visible["proprioception"][..., 1] = False
    estimate = level.estimate(observation, visible)
    assert estimate.shape == level.encode(observation).shape == (B, 3, D)
    changed = {name: values.clone() for name, values in observation.items()}
    changed["pixels"][..., :8, :, :] = 0
    changed["proprioception"][..., 1] = 9.0
    assert torch.equal(level.estimate(changed, visible), estimate)
    changed["pixels"][..., 12, :, :] = 0
    assert not torch.allclose(level.estimate(changed, visible), estimate, atol=1e-3)


class Summing:
    """A world model of one's own; whether it takes chance and prior_exponent is the subclass's."""

    def rollout(self, context: Context, actions: Tensor, chance: Tensor | None = None, prior_exponent: float = 1.0) -> Tensor:
        return context.states[:, -1][:, None, None] + actions.cumsum(2).sum(-1, keepdim=True)


class Short(Summing):
    """Knows of no chance."""

    def rollout(self, context: Context, actions: Tensor) -> Tensor:  # type: ignore[override]
        return super().rollout(context, actions)


def test_the_kit_calls_a_model_as_planning_does() -> None:
    check_world_model(Summing(), D, A)
    check_world_model(make(), D, A)
    with pytest.raises(ConformanceError, match=r"does not take \(context, actions, chance, prior_exponent\); add chance=None"):
        check_world_model(Short(), D, A)
