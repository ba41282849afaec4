"""The token model: what it generates is what its own logits call likeliest; it learns; it stands in a predictor's place."""

from __future__ import annotations

import pytest
import torch

import tiny
from forethought.action_codec import ActionCodec
from forethought.agent_networks import AgentNetworks
from forethought.configurator import configure
from forethought.data import EpisodeStore
from forethought.perception.vit import TransformerBlock
from forethought.training.agent_files import load
from forethought.training.encoded_dataset import EncodedDataset, encode_store
from forethought.training.train import train
from forethought.world_model.check import check_world_model
from forethought_benchmarks.reconstruction_baselines.token_model import TokenModel, attend
from forethought_benchmarks.reconstruction_baselines.token_phase import TOKEN_PARTS, token_phases
from forethought_benchmarks.reconstruction_baselines.tokenizer import CODES, Tokenizer

SETTINGS = (
    tiny.SMALL
    | TOKEN_PARTS
    | {"model.encoder.state_dim": 256, "training.loss.lsuv_init": False, "training.world_model_steps": 6}
)


@pytest.fixture(scope="module")
def model() -> TokenModel:
    store = tiny.rooms_store()
    configuration = configure(store.spec, store.block, store.statistics(), overrides=SETTINGS)
    modules = AgentNetworks(configuration)
    tokenizer = modules.world_model.perception
    assert isinstance(tokenizer, Tokenizer)
    pixels = torch.from_numpy(store.rows("pixels", store.rows_of(store.train[:20])))
    tokenizer.fit(tokenizer.patches(pixels).flatten(0, 1), torch.Generator().manual_seed(0))
    made = modules.world_model.predictor
    assert isinstance(made, TokenModel)
    return made.eval().requires_grad_(False)


def some(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, CODES, (count, 64), generator=generator), torch.rand(count, 10, generator=generator) * 2 - 1


def test_kept_keys_and_values_change_nothing() -> None:
    torch.manual_seed(0)
    block, row = TransformerBlock(16, 2).requires_grad_(False), torch.randn(3, 5, 16)
    whole = block(row, causal=True)
    first, past = attend(block, row[:, :4], None)
    last, _ = attend(block, row[:, 4:], past)
    torch.testing.assert_close(torch.cat([first, last], 1), whole)


def test_what_is_generated_is_the_likeliest_at_each_place(model: TokenModel) -> None:
    tokens, actions = some(3)
    written = model.generate(tokens, actions)
    assert torch.equal(model.logits(tokens, actions, written).argmax(-1), written)


def test_logits_know_nothing_of_what_comes_later(model: TokenModel) -> None:
    tokens, actions = some(2)
    following = tokens.roll(1, 0)
    changed = following.clone()
    changed[:, 30:] = (changed[:, 30:] + 1) % CODES
    before, after = model.logits(tokens, actions, following), model.logits(tokens, actions, changed)
    torch.testing.assert_close(before[:, :31], after[:, :31])
    assert not torch.allclose(before[:, 31:], after[:, 31:])


def test_it_keeps_what_is_asked_of_a_world_model(model: TokenModel) -> None:
    """Random states mean random codes; rows, candidates and horizons must not mix. An untrained model ignores small actions."""
    store = tiny.rooms_store()
    configuration = configure(store.spec, store.block, store.statistics(), overrides=SETTINGS)
    level = AgentNetworks(configuration).world_model
    level.add_module("perception", model.tokenizer)
    level.add_module("predictor", model)
    with torch.no_grad():
        model.action.weight.mul_(30)
    check_world_model(level, 256, 10)


@pytest.fixture(autouse=True)
def few_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Codes from fewer pictures, for speed."""
    monkeypatch.setattr("forethought_benchmarks.reconstruction_baselines.token_phase.PICTURES", 48)


def test_it_learns_and_another_process_finds_the_same_agent(tmp_path_factory: pytest.TempPathFactory) -> None:
    run = tmp_path_factory.mktemp("tokens")
    agent = train(tiny.rooms_store(), out=run / "a", config=SETTINGS, phases=token_phases)
    again = train(tiny.rooms_store(), out=run / "b", config=SETTINGS, phases=token_phases)
    for (name, ours), theirs in zip(agent.modules.state_dict().items(), again.modules.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs), name
    loaded = load(run / "a", "cpu")
    for (name, ours), theirs in zip(agent.modules.state_dict().items(), loaded.modules.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs), name


def test_the_cross_entropy_falls() -> None:
    store: EpisodeStore = tiny.rooms_store()
    configuration = configure(store.spec, store.block, store.statistics(), overrides=SETTINGS)
    modules, body = AgentNetworks(configuration), ActionCodec(configuration.data)

    def encode() -> EncodedDataset:
        return encode_store(modules.world_model, store, store.train, body)

    phase = token_phases(modules, store, configuration, body, encode)[0]
    phase.start()
    told = tiny.learn(phase, 40)
    assert told[-1]["loss"] < 0.6 * told[0]["loss"]
