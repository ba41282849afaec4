"""The predictor's own phase: the encoder stays, the predictor improves on cached states."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import pytest
import torch

import tiny
from forethought.agent_networks import AgentNetworks
from forethought.config import Configuration
from forethought.errors import ForethoughtError
from forethought.states import StateSpec
from forethought.training import predictor_phase, stochastic_transitions
from forethought.training.encoded_dataset import encode_store
from forethought.training.latent_training import REVIVE_EVERY
from forethought.training.phases import step_generator
from forethought.training.predictor_phase import ErrorScale, PredictorPhase
from forethought.training.retrain import retrain_predictor
from forethought.world_model.latent import Codes


def make(
    predictor_steps: int = 120, rollout: int = 3, codes: int | None = None, loss: str = "mse", **predictor: Any
) -> PredictorPhase:
    agent, store = tiny.point_agent(False), tiny.point_store(False)
    settings = agent.configuration.model_dump()
    settings["training"] |= {"predictor_steps": predictor_steps, "rollout_horizon": rollout, "predictor_loss": loss}
    settings["model"]["predictor"] |= predictor
    if codes is not None:
        settings["model"]["latent"] = {"kind": "codes", "num_codes": codes}
    configuration = Configuration.model_validate(settings)
    modules = AgentNetworks(configuration)
    modules.world_model.perception.load_state_dict(agent.modules.world_model.perception.state_dict())
    data = encode_store(modules.world_model, store, store.train, agent.body)
    phase = PredictorPhase(modules, configuration, lambda: data)
    phase.start()
    return phase


@pytest.mark.parametrize(("one_block", "terms_expected"), [(120, ["ahead_1"]), (0, ["ahead_1", "ahead_2", "ahead_3"])])
def test_only_the_predictor_learns_and_it_does(one_block: int, terms_expected: list[str]) -> None:
    phase = make(one_block)
    before = {name: tensor.clone() for name, tensor in phase.level.state_dict().items()}
    told = tiny.learn(phase, 120)
    losses = [each["loss"] for each in told]
    assert list(told[-1]) == ["loss", *terms_expected]
    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])
    moved = {name.split(".")[0] for name, tensor in phase.level.state_dict().items() if not torch.equal(tensor, before[name])}
    assert moved == {"predictor"}


def test_a_step_is_a_function_of_its_generator() -> None:
    phase = make()
    losses = [phase.step(0, step_generator(seed, "predictor", 0))[0].item() for seed in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]


def test_it_starts_afresh_once_and_reads_whitened_states() -> None:
    phase = make()
    phase.step(0, step_generator(0, "predictor", 0))
    white = phase.level.predictor.scale(phase.data.states)
    assert white.std(0).max() < 1.1
    before = {name: tensor.clone() for name, tensor in phase.level.predictor.state_dict().items()}
    phase.step(1, step_generator(0, "predictor", 1))
    assert all(torch.equal(tensor, before[name]) for name, tensor in phase.level.predictor.state_dict().items())


def test_rollouts_start_from_what_was_imagined() -> None:
    """The error k blocks ahead is that of k predictions in a row, from the first row alone."""
    phase = make(predictor_steps=1)
    phase.step(0, step_generator(0, "predictor", 0))
    _, terms = phase.step(1, step_generator(0, "predictor", 1))
    states, actions = phase.data.windows(phase.learning.rollout_batch, 3, step_generator(0, "predictor", 1))
    imagined = states[:, :1]
    for block in range(3):
        imagined = phase.level.predict(imagined, actions[:, block : block + 1])
        expected = (imagined[:, 0] - states[:, block + 1]).square().mean()
        assert torch.allclose(terms[f"ahead_{block + 1}"], expected, rtol=1e-4)


def test_a_predictor_with_a_past_is_given_one_in_rollouts() -> None:
    phase = make(0, rollout=2, kind="transformer", context=3, heads=2, hidden=16, depth=1)
    _, terms = phase.step(1, step_generator(0, "predictor", 1))
    assert list(terms) == ["ahead_1", "ahead_2"]
    states, actions = phase.data.windows(phase.learning.rollout_batch, 4, step_generator(0, "predictor", 1))
    first = phase.level.predict(states[:, :3], actions[:, :3])[:, -1]
    assert torch.allclose(terms["ahead_1"], (first - states[:, 3]).square().mean(), rtol=1e-4)


def test_odds_are_calibrated_last_and_on_what_nothing_was_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    phase, told = make(2, codes=2), []
    every, kept = make().data, len(phase.kept_back.states)
    assert torch.equal(torch.cat([phase.data.states, phase.kept_back.states]), every.states)
    assert 0 < kept < 0.2 * len(every.states)
    monkeypatch.setattr(predictor_phase, "calibrate", lambda level, unlearned: told.append(unlearned))
    for step in range(phase.steps):
        assert not told
        phase.step(step, step_generator(0, "predictor", step))
    (unlearned,) = told
    going = phase.kept_back.valid_starts(1)
    assert torch.equal(unlearned.states, phase.kept_back.states[going])
    assert torch.equal(unlearned.actions, phase.kept_back.actions[going])
    assert torch.equal(unlearned.following, phase.kept_back.states[going + 1])


def test_calibration_does_not_disturb_the_last_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stochastic_transitions, "ENOUGH", 1)
    monkeypatch.setattr(stochastic_transitions, "CLEARLY", -1)
    phase = make(2, codes=2)
    assert len(tiny.learn(phase, phase.steps)) == phase.steps
    latent = phase.level.latent
    assert isinstance(latent, Codes)
    assert 0 < float(latent.inverse_temperature) <= 1
    assert "latent.inverse_temperature" in phase.level.state_dict()


def test_rollouts_fit_half_of_the_episodes() -> None:
    phase = make(0, rollout=1000)
    assert phase.horizon == int(phase.data.lengths.median())
    assert torch.isfinite(phase.step(0, step_generator(0, "predictor", 0))[0])


def test_chance_cannot_be_learned_above_a_critic_that_knows_of_none(tmp_path: Path) -> None:
    with pytest.raises(ForethoughtError, match=r"The critic of .* deterministic model"):
        retrain_predictor(
            tiny.point_run(False), tiny.point_store(False), tmp_path / "codes", {"model": {"latent": {"num_codes": 4}}}
        )
    assert not (tmp_path / "codes").exists()


def test_dead_codes_are_brought_back_while_it_learns() -> None:
    phase = make(2 * REVIVE_EVERY, codes=3)
    latent = phase.level.latent
    assert isinstance(latent, Codes)
    for step, revived in ((REVIVE_EVERY - 1, False), (REVIVE_EVERY, True), (phase.learning.predictor_steps, False)):
        latent.share = torch.tensor([1.0, 0.0, 0.0])
        phase.step(step, step_generator(0, "predictor", step))
        assert bool(latent.share.min() > 0.1) is revived


def test_it_reports_how_much_z_tells_and_asking_is_not_using() -> None:
    assert make().monitor() == {}
    phase = make(codes=3)
    latent = phase.level.latent
    assert isinstance(latent, Codes)
    before = latent.share.clone()
    told = phase.monitor()["bits"]
    assert isinstance(told, float)
    assert -1e-5 < told <= math.log2(3)
    assert torch.equal(latent.share, before)
    assert latent.training
    assert phase.monitor()["bits"] == told


def test_errors_count_in_units_of_their_covariance() -> None:
    """Correlated errors of sizes 0.1 to 2: after the fit each direction has the same share of the loss."""
    turned = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(1))).Q
    sizes = torch.tensor([0.1, 0.3, 1.0, 2.0])
    errors = (torch.randn(20_000, 4, generator=torch.Generator().manual_seed(0)) * sizes) @ turned
    scale = ErrorScale(StateSpec(4))
    assert torch.allclose(scale(errors), errors.square().mean(), rtol=1e-5)
    scale.fit(errors)
    shares = torch.stack([scale(errors @ torch.outer(axis, axis)) for axis in turned])
    assert shares[1:].std() < 0.02 * shares[1:].mean(), "one direction counts more than another"
    assert shares[0] < shares[1], "errors below the floor need not become smaller"
    assert torch.isclose(scale.precision.trace(), torch.tensor(4.0))


def test_tokens_share_one_covariance() -> None:
    errors = torch.randn(500, 3, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([0.1, 0.5, 1.0, 2.0])
    tokens, rows = ErrorScale(StateSpec(4, tokens=3)), ErrorScale(StateSpec(4))
    tokens.fit(errors.flatten(1))
    rows.fit(errors.flatten(0, 1))
    assert torch.equal(tokens.precision, rows.precision)
    assert torch.allclose(tokens(errors.flatten(1)), rows(errors.flatten(0, 1)))


def test_what_cannot_be_predicted_does_not_take_the_network() -> None:
    """Two numbers of a state follow from the actions and the others are noise; the narrow network is equal for both losses."""
    errors = {}
    for loss in ("mse", "mahalanobis"):
        phase = make(600, loss=loss, hidden=8)
        states = 3 * torch.randn(phase.data.states.shape, generator=torch.Generator().manual_seed(0))
        for start, length in zip(phase.data.starts.tolist(), phase.data.lengths.tolist(), strict=True):
            moves = phase.data.actions[start : start + length, :2]
            states[start : start + length + 1, :2] = torch.cat([torch.zeros(1, 2), moves.cumsum(0)])
        phase.data = dataclasses.replace(phase.data, states=states)
        tiny.learn(phase, 600)
        rows = phase.data.valid_starts(1)
        with torch.no_grad():
            found = phase.level.predict(states[rows, None], phase.data.actions[rows, None])[:, 0]
        errors[loss] = float((found - states[rows + 1])[:, :2].square().mean())
    assert errors["mahalanobis"] < 0.5 * errors["mse"], errors


def test_the_covariance_of_errors_is_in_the_checkpoint() -> None:
    phase = make(loss="mahalanobis")
    assert "precision" in phase.extras.state_dict()
    tiny.learn(phase, 1)
    assert not torch.equal(phase.extras.state_dict()["precision"], torch.eye(phase.level.state_dim))


def test_a_latent_variable_keeps_the_plain_error() -> None:
    with pytest.raises(ForethoughtError, match=r"training\.predictor_loss = mahalanobis does not support"):
        make(codes=2, loss="mahalanobis")
