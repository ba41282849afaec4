"""Phase 1: clips that lie within their episodes, monitors that repeat themselves, and proof that something is learned."""

from __future__ import annotations

from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
import torch

import tiny
from forethought.action_codec import ActionCodec
from forethought.agent_networks import AgentNetworks
from forethought.configurator import configure
from forethought.data import EpisodeStore
from forethought.device import default_device
from forethought.readout.probes import fit_linear_probe
from forethought.training.phases import step_generator
from forethought.training.train import start_at_unit_scale, train
from forethought.training.world_model_phase import FAR, WorldModelPhase
from forethought.types import PROPRIOCEPTION
from forethought.world_model.losses import TrainingBatch


def make(clip: int = 3, **overrides: float) -> WorldModelPhase:
    store = tiny.point_store(False)
    settings = {**tiny.SMALL, "training.sequence_length": clip, **overrides}
    configuration = configure(store.spec, store.block, store.statistics(), overrides=settings)
    return WorldModelPhase(AgentNetworks(configuration), store, configuration, ActionCodec(configuration.data))


def batch(phase: WorldModelPhase, count: int) -> TrainingBatch:
    return phase.batch(count, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("clip", [1, 3, 6])
def test_clips_and_far_rows_lie_within_one_training_episode(clip: int) -> None:
    """Each row of the store is known by its values, so every drawn row can be traced back."""
    phase = make(clip)
    phase.start()
    store = phase.store
    places = {
        values.tobytes(): (int(episode), row)
        for episode in range(store.num_episodes)
        for row, values in enumerate(store.read(episode).observation[PROPRIOCEPTION])
    }
    drawn = batch(phase, 2000)
    train_episodes = set(store.train.tolist())
    seen: set[tuple[int, int]] = set()
    for rows, actions, gap in zip(drawn.observation[PROPRIOCEPTION].numpy(), drawn.actions, drawn.gap.tolist(), strict=True):
        found = [places[row.tobytes()] for row in rows]
        episode, offset = found[0]
        assert episode in train_episodes
        assert found[:-1] == [(episode, offset + step) for step in range(clip + 1)]
        assert found[-1] == (episode, offset + gap)
        assert 1 <= gap <= FAR
        expected = torch.from_numpy(store.read(episode).actions[offset : offset + clip])
        assert torch.equal(actions, phase.body.to_model(expected))
        seen.add((episode, offset))
    possible = {(e, o) for e in train_episodes for o in range(int(store.lengths_with_partial[e]) - clip + 1)}
    assert seen <= possible
    assert len(seen) > 0.9 * len(possible), "and every place is drawn"
    assert {offset for _, offset in seen} == {offset for _, offset in possible}


def test_a_step_is_a_function_of_its_generator() -> None:
    phase = make(**{"training.loss.sigreg": 0.1, "training.loss.masked_prediction": 1.0})
    phase.start()
    losses = [phase.step(5, step_generator(seed, "world model", 5))[0].item() for seed in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]


def test_the_training_heads_are_a_function_of_the_seed_alone() -> None:
    torch.manual_seed(1)
    first = make().extras.state_dict()
    torch.manual_seed(2)
    before = torch.random.get_rng_state()
    again, other = make().extras.state_dict(), make(**{"training.seed": 1}).extras.state_dict()
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["inverse.head.0.weight"], other["inverse.head.0.weight"])


def test_the_teacher_follows_after_each_step_and_stands_in_the_checkpoint() -> None:
    phase = make(**{"training.loss.ema": 0.5})
    with torch.no_grad():
        phase.level.perception.fuse.bias.add_(2.0)
    assert phase.heads.teacher is not None
    before = phase.heads.teacher.fuse.bias.clone()
    phase.after_step()
    assert torch.allclose(phase.heads.teacher.fuse.bias, before + 1.0)
    assert any(name.startswith("teacher.") for name in phase.extras.state_dict())


def test_monitors_do_not_disturb_learning_and_repeat_themselves() -> None:
    phase = make()
    weights = {name: tensor.clone() for name, tensor in phase.level.state_dict().items()}
    state = torch.random.get_rng_state()
    first, again = phase.monitor(), phase.monitor()
    assert first == again
    assert {"batch_std", "within_episode_std", "rankme", "inverse_dynamics_r2", "alarms"} <= set(first)
    assert {"probe_position_0_r2", "probe_position_1_r2"} <= set(first)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(weights[name], tensor) for name, tensor in phase.level.state_dict().items())


def test_an_untrained_and_a_dead_encoder_raise_an_alarm() -> None:
    phase = make()
    with torch.no_grad():
        phase.level.perception.fuse.weight.mul_(1e-4)
    alarms = phase.monitor()["alarms"]
    assert isinstance(alarms, list)
    assert alarms[0].startswith("Total collapse")


def test_what_is_fitted_is_not_what_tests_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """States of noise know of no action and of no place, however few the held-out episodes are."""
    phase = make(**{"model.encoder.state_dim": 48})
    assert len(phase.store.heldout) < 12

    def noise(observation: dict[str, torch.Tensor]) -> torch.Tensor:
        """A function of what is seen, as every encoder is."""
        seen = observation[PROPRIOCEPTION]
        chance = [torch.Generator().manual_seed(crc32(row.tobytes())) for row in seen.view(-1, 4).numpy()]
        each = [torch.randn(48, generator=generator) for generator in chance]
        return torch.stack(each).view(*seen.shape[:-1], 48)

    monkeypatch.setattr(phase.level, "encode", noise)
    figures = phase.monitor()
    assert isinstance(figures["alarms"], list)
    assert any(alarm.startswith("Slow-feature") for alarm in figures["alarms"])
    assert isinstance(found := figures["probe_position_0_r2"], float)
    assert found < 0.1


def position_r2(modules: AgentNetworks, store: EpisodeStore, episodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows = np.concatenate([store.starts[e] + np.arange(store.lengths_with_partial[e] + 1) for e in episodes])
    level = modules.world_model
    observation = {"pixels": torch.from_numpy(store.rows("pixels", rows)).to(level.perception.fuse.weight.device)}
    with torch.no_grad():
        return level.encode(observation).cpu().numpy(), store.rows("truth.position", rows)


def test_learning_happens(tmp_path: Path) -> None:
    """From pixels of Rooms, in seconds: the agent's place becomes linearly readable, and prediction beats standing still."""
    store = tiny.rooms_store()
    wanted = {
        **tiny.SMALL, "model.encoder.state_dim": 32, "training.loss.lsuv_init": True,
        "model.encoder.hidden": 64, "model.predictor.hidden": 128,
        "training.batch": 64, "training.world_model_steps": 150, "training.predictor_steps": 150,
        "training.predictor_batch": 128, "training.rollout_steps": 20,
        "training.learning_rate": 3e-3, "training.checkpoint_every": 1000,
    }  # fmt: skip
    agent = train(store, out=tmp_path / "run", config=wanted)
    untrained = AgentNetworks(agent.configuration).to(default_device())
    start_at_unit_scale(untrained.world_model, store)
    scores = []
    for modules in (untrained, agent.modules):
        probe = fit_linear_probe(*position_r2(modules, store, store.train))
        scores.append(probe.r2(*position_r2(modules, store, store.heldout)).min())
    before, after = scores
    assert after > 0.9
    assert 1 - after < 0.5 * (1 - before)
    fits = store.heldout[store.lengths_with_partial[store.heldout] >= 2]
    clips = store.clips(fits, np.zeros(len(fits), np.int64), int(store.lengths_with_partial[fits].min()))
    level = agent.modules.world_model
    with torch.no_grad():
        states = level.encode({"pixels": torch.from_numpy(clips.observation["pixels"]).to(agent.device)})
        actions = agent.body.to_model(torch.from_numpy(clips.actions).to(agent.device))
        error = (level.predict(states[:, :-1], actions) - states[:, 1:]).square().mean()
        copied = (states[:, :-1] - states[:, 1:]).square().mean()
    assert error < 0.8 * copied
