"""The composed loss: a weight of 0 leaves its term out, the sum is the weighted sum, the teacher follows."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from forethought.config import DataSpec, EncoderConfig, LossConfig, ModelConfig, PredictorConfig, StreamSettings
from forethought.world_model.jepa import JEPALevel
from forethought.world_model.level import Context, FirstLevel
from forethought.world_model.losses import TrainingBatch, TrainingHeads, random_mask, world_model_loss
from forethought.world_model.regularisers import VARIANCE_EPS, prediction_contrast

D, B, T = 6, 8, 3
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
NONE: dict[str, Any] = {
    "one_step": 0, "multi_step": 0, "variance": 0, "covariance": 0, "within_episode_variance": 0, "sigreg": 0,
    "infonce_prediction": 0, "inverse_dynamics": 0, "multi_step_inverse": 0, "episode_infonce": 0, "temporal_similarity": 0,
    "masked_prediction": 0,
    "expander": 0, "ema": 0, "hidden": 16, "episode_infonce_start": 0, "episode_infonce_ramp": 0,
}  # fmt: skip
TERMS = sorted(set(NONE) - {"expander", "ema", "hidden", "episode_infonce_start", "episode_infonce_ramp"})
ALL = NONE | {name: 1.0 + index for index, name in enumerate(TERMS)}


def make(settings: dict[str, Any]) -> tuple[FirstLevel, TrainingHeads]:
    weights = {name: value for name, value in settings.items() if name in LossConfig.model_fields}
    predictor = {name: value for name, value in settings.items() if name in PredictorConfig.model_fields}
    others = {name: value for name, value in settings.items() if name not in weights | predictor}
    encoder = EncoderConfig(state_dim=D, width=4, hidden=16)
    torch.manual_seed(0)
    level = JEPALevel(BODY, ModelConfig.model_validate({"encoder": encoder, "predictor": predictor} | others))
    return level, TrainingHeads(level, BODY, LossConfig.model_validate(weights))


def batch() -> TrainingBatch:
    generator = torch.Generator().manual_seed(1)
    return TrainingBatch(
        observation={
            "pixels": torch.randint(0, 256, (B, T + 2, 16, 16, 3), generator=generator, dtype=torch.uint8),
            "proprioception": torch.randn(B, T + 2, 3, generator=generator),
        },
        actions=torch.rand(B, T, 4, generator=generator) * 2 - 1,
        gap=torch.randint(1, 9, (B,), generator=generator).float(),
    )


def loss(settings: dict[str, Any], progress: float = 1.0) -> tuple[Tensor, dict[str, Tensor], FirstLevel, TrainingHeads]:
    level, heads = make(settings)
    total, terms = world_model_loss(level, heads, batch(), progress, torch.Generator().manual_seed(2))
    return total, terms, level, heads


@pytest.mark.parametrize("extra", [{}, {"expander": 12}, {"ema": 0.9}, {"kind": "transformer", "context": 2, "heads": 2}])
def test_every_term_is_finite_and_trains_what_it_should(extra: dict[str, Any]) -> None:
    total, terms, level, heads = loss(ALL | extra)
    assert sorted(terms) == TERMS
    assert all(torch.isfinite(term) for term in terms.values())
    assert not any(term.requires_grad for term in terms.values())
    total.backward()
    trained = [*level.named_parameters(), *(pair for pair in heads.named_parameters() if "teacher" not in pair[0])]
    for name, parameter in trained:
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name
    teacher = [parameter.grad for name, parameter in heads.named_parameters() if "teacher" in name]
    assert teacher == [None] * len(teacher)
    assert bool(teacher) is ("ema" in extra)


def test_the_loss_is_the_weighted_sum_of_its_terms() -> None:
    total, terms, _, heads = loss(ALL)
    expected = sum(getattr(heads.settings, name) * term.item() for name, term in terms.items())
    assert total.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", [name for name in TERMS if name != "one_step"])
def test_a_weight_of_zero_leaves_its_term_out(name: str) -> None:
    total, terms, _, _ = loss(ALL | {name: 0})
    assert sorted(terms) == sorted(set(TERMS) - {name})
    assert torch.isfinite(total)
    _, alone, _, _ = loss(NONE | {name: 1.0})
    assert sorted(alone) == sorted({"one_step", name}), "one-step error is always watched"


def test_a_one_step_weight_of_zero_is_watched_but_does_not_train() -> None:
    total, terms, level, _ = loss(NONE | {"temporal_similarity": 2.0})
    assert total.item() == pytest.approx(2 * terms["temporal_similarity"].item())
    total.backward()
    assert all(p.grad is None or not p.grad.any() for p in level.predictor.parameters())


@pytest.mark.parametrize("predictor", ["mlp", "transformer"])
@pytest.mark.parametrize("context", [1, 2, 3, 5])
def test_prediction_terms_are_what_a_rollout_would_be_off_by(predictor: str, context: int) -> None:
    """One-step: from each of the first rows with the past that a rollout would have; multi-step: from row 0 on."""
    settings = ALL | {"kind": predictor, "context": context, "heads": 2}
    _, terms, level, _ = loss(settings)
    data = batch()
    states = level.encode(data.observation)[:, :-1].detach()
    errors = []
    for row in range(T if context == 1 else min(context, T)):
        known = Context(states[:, : row + 1], data.actions[:, :row])
        following = level.rollout(known, data.actions[:, None, row : row + 1])[:, 0, 0]
        errors.append((following - states[:, row + 1]).square().mean())
    assert terms["one_step"].item() == pytest.approx(torch.stack(errors).mean().item(), rel=1e-4)
    imagined = level.rollout(Context(states[:, :1], data.actions[:, :0]), data.actions[:, None])[:, 0]
    assert terms["multi_step"].item() == pytest.approx((imagined - states[:, 1:]).square().mean().item(), rel=1e-4)


@pytest.mark.parametrize("latent", [{"kind": "codes", "num_codes": 4}, {"kind": "gaussian"}])
def test_a_prior_that_nothing_teaches_yet_decides_nothing(latent: dict[str, Any]) -> None:
    """One-step and multi-step terms foresee alike, no way in particular, and no gradient reaches the latent variable."""
    total, terms, level, _ = loss(ALL | {"latent": latent})
    data = batch()
    now = level.encode(data.observation)[:, :1].detach()
    errors = []
    for block in range(T):
        now = level.predict(now, data.actions[:, block : block + 1])
        errors.append((now[:, 0] - level.encode(data.observation)[:, block + 1].detach()).square().mean())
    assert terms["multi_step"].item() == pytest.approx(torch.stack(errors).mean().item(), rel=1e-4)
    total.backward()
    assert level.latent is not None
    assert all(parameter.grad is None for parameter in level.latent.parameters())


@pytest.mark.parametrize(("context", "predicted"), [(1, T), (2, 2)])
def test_the_contrastive_term_is_about_what_is_predicted_one_block_ahead(context: int, predicted: int) -> None:
    settings = NONE | {
        "infonce_prediction": 3.0,
        "context": context,
        "kind": "mlp" if context == 1 else "transformer",
        "heads": 2,
    }
    total, terms, level, _ = loss(settings)
    data = batch()
    states = level.encode(data.observation)[:, :-1]
    following = level.predict(states[:, :predicted], data.actions[:, :predicted])
    expected = prediction_contrast(following, states).item()
    assert terms["infonce_prediction"].item() == pytest.approx(expected, rel=1e-4)
    assert total.item() == pytest.approx(3 * expected, rel=1e-4)


def test_contrast_waits_for_its_start_and_grows_over_its_ramp() -> None:
    settings = NONE | {"episode_infonce": 2.0, "episode_infonce_start": 0.4, "episode_infonce_ramp": 0.2}
    for progress, share in ((0.0, 0.0), (0.4, 0.0), (0.5, 0.5), (0.6, 1.0), (1.0, 1.0)):
        total, terms, _, _ = loss(settings, progress)
        assert total.item() == pytest.approx(2 * share * terms["episode_infonce"].item(), rel=1e-3, abs=1e-7)
    total, terms, _, _ = loss(settings | {"episode_infonce_start": 0.0, "episode_infonce_ramp": 0.0}, 0.01)
    assert total.item() == pytest.approx(2 * terms["episode_infonce"].item(), rel=1e-4)


def test_within_episode_variance_looks_at_what_moves() -> None:
    """Far rows equal to first rows: nothing moves within the episode, and the hinge is at its height."""
    level, heads = make(NONE | {"within_episode_variance": 1.0})
    data = batch()
    still = {name: values.clone() for name, values in data.observation.items()}
    for values in still.values():
        values[:, -1] = values[:, 0]
    given = TrainingBatch(still, data.actions, data.gap)
    _, terms = world_model_loss(level, heads, given, 1.0, torch.Generator())
    assert terms["within_episode_variance"].item() == pytest.approx(1 - VARIANCE_EPS**0.5, abs=1e-3)


def test_the_teacher_supplies_targets_and_follows_slowly() -> None:
    level, heads = make(ALL | {"ema": 0.9})
    assert heads.teacher is not None
    with torch.no_grad():
        for parameter in level.perception.parameters():
            parameter.add_(1.0)
    before = [parameter.clone() for parameter in heads.teacher.parameters()]
    _, terms = world_model_loss(level, heads, batch(), 1.0, torch.Generator().manual_seed(2))
    states = level.encode(batch().observation)[:, :-1]
    targets = heads.teacher({name: values[:, :-1] for name, values in batch().observation.items()})
    one_step = (level.predict(states[:, :-1], batch().actions) - targets[:, 1:]).square().mean()
    assert terms["one_step"].item() == pytest.approx(one_step.item(), rel=1e-4)
    heads.follow(level)
    for old, slow, fast in zip(before, heads.teacher.parameters(), level.perception.parameters(), strict=True):
        assert torch.allclose(slow, 0.9 * old + 0.1 * fast, atol=1e-5)
    for _ in range(200):
        heads.follow(level)
    for slow, fast in zip(heads.teacher.parameters(), level.perception.parameters(), strict=True):
        assert torch.allclose(slow, fast, atol=1e-4)


def test_chance_comes_from_the_generator_alone() -> None:
    first, again = loss(ALL)[0], loss(ALL)[0]
    assert first.item() == again.item()
    level, heads = make(ALL)
    other, _ = world_model_loss(level, heads, batch(), 1.0, torch.Generator().manual_seed(3))
    assert other.item() != first.item()


def test_masks_hide_about_the_asked_share_in_whole_patches() -> None:
    generator = torch.Generator().manual_seed(0)
    mask = random_mask("image", torch.zeros(200, 32, 32, 3), generator, hidden=0.4, grid=8)
    assert mask.shape == (200, 32, 32)
    assert 1 - mask.float().mean().item() == pytest.approx(0.4, abs=0.02)
    patches = mask.unflatten(1, (8, 4)).unflatten(3, (8, 4)).float()
    assert ((patches.mean((2, 4)) == 0) | (patches.mean((2, 4)) == 1)).all()
    numbers = random_mask("vector", torch.zeros(500, 5), generator)
    assert numbers.shape == (500, 5)
    assert 0 < numbers.float().mean() < 1
    assert not torch.equal(mask[0], mask[1]), "each row has its own"
