"""The autoencoder: its pictures come nearer, its gates lie in [0, 1] and become part of the encoder, its seed decides."""

from __future__ import annotations

import pytest
import torch

import tiny
from forethought.action_codec import ActionCodec
from forethought.agent_networks import AgentNetworks
from forethought.configurator import configure
from forethought_benchmarks.reconstruction_baselines.autoencoder import AutoencoderPhase, ConvDecoder
from forethought_benchmarks.reconstruction_baselines.latent_gating import Gates

SETTINGS = tiny.SMALL | {"training.sequence_length": 1, "training.world_model_steps": 40}


def make(gated: bool) -> AutoencoderPhase:
    store = tiny.rooms_store()
    configuration = configure(store.spec, store.block, store.statistics(), overrides=SETTINGS)
    gates = Gates(configuration.model.encoder.state_dim) if gated else None
    phase = AutoencoderPhase(AgentNetworks(configuration), store, configuration, ActionCodec(configuration.data), gates)
    phase.start()
    return phase


def test_pictures_have_the_worlds_shape_and_begin_at_the_average() -> None:
    decoder = make(False).decoder
    assert isinstance(decoder, ConvDecoder)
    drawn = decoder(torch.zeros(2, 3, 16))
    assert drawn.shape == (2, 3, 3, 64, 64)
    assert (drawn[0, 0] - decoder.average).abs().mean() < 0.1 * decoder.average.abs().mean()
    assert 1 < decoder.contrast < 10, "an agent stands out by some standard deviations"


@pytest.mark.parametrize("gated", [False, True])
def test_what_it_draws_comes_nearer(gated: bool) -> None:
    """On the same few clips again and again: an agent of a few pixels takes its time to be found among all."""
    phase = make(gated)
    few = phase.batch(6, torch.Generator().manual_seed(0))
    phase.batch = lambda count, generator: few  # type: ignore[method-assign]
    told = tiny.learn(phase, 60)
    terms = {"loss", "present", "next"} | ({"gate_cost"} if gated else set())
    assert told[0].keys() == terms
    for term in ("present", "next"):
        assert told[-1][term] < 0.7 * told[0][term]


def test_the_far_row_of_a_clip_plays_no_part() -> None:
    phase = make(False)
    plain = phase.batch
    before, _ = phase.step(0, torch.Generator().manual_seed(0))

    def changed(count: int, generator: torch.Generator) -> object:
        batch = plain(count, generator)
        batch.observation["pixels"][:, -1] = 0
        return batch

    phase.batch = changed  # type: ignore[method-assign]
    after, _ = phase.step(0, torch.Generator().manual_seed(0))
    assert torch.equal(before, after)


def test_same_seed_same_weights() -> None:
    first, second = make(True), make(True)
    assert [step["loss"] for step in tiny.learn(first, 3)] == [step["loss"] for step in tiny.learn(second, 3)]
    for ours, theirs in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_gates_become_part_of_the_encoder_with_the_last_step() -> None:
    phase = make(True)
    assert phase.gates is not None
    observation = {"pixels": torch.from_numpy(phase.store.rows("pixels", phase.store.starts[:4]))}
    tiny.learn(phase, phase.steps - 1)
    with torch.no_grad():
        phase.gates.logits[:8] = -1.0
        phase.gates.logits[8:] = 1.0
        open_states = phase.level.encode(observation)
        phase.finish()
        gated = phase.level.encode(observation)
    torch.testing.assert_close(gated, open_states * phase.gates.openness)
    assert gated[:, :8].abs().max() < 1e-3 * open_states[:, :8].abs().max()
