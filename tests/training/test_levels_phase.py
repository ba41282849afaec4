"""The phase of the levels above: what learns, that it learns, and that it repeats itself exactly."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

import tiny
from forethought.agent_networks import AgentNetworks, encode_levels
from forethought.configurator import configure
from forethought.errors import ForethoughtError
from forethought.planning import LandmarkSubgoals
from forethought.training import levels_phase, stochastic_transitions
from forethought.training.agent_files import save_agent
from forethought.training.encoded_dataset import EncodedDataset, encode_store
from forethought.training.levels_phase import LevelsPhase, fill_stages, macros_of, steps_of
from forethought.training.retrain import retrain_hierarchy
from forethought.training.train import train, training_record
from forethought.world_model.latent import Codes
from forethought.world_model.level import Level


def states() -> EncodedDataset:
    agent, store = tiny.three_level_agent(), tiny.long_store()
    return encode_store(agent.modules.world_model, store, store.train, agent.body)


def phase(**changes: object) -> tuple[LevelsPhase, AgentNetworks]:
    store = tiny.long_store()
    config = configure(
        store.spec,
        store.block,
        store.statistics(),
        overrides=tiny.SMALL | tiny.LEVELS | {f"model.hierarchy.{k}": v for k, v in changes.items()},
    )
    modules, data = AgentNetworks(config), states()
    made = LevelsPhase(modules, config, lambda: data, tiny.no_luck(data))
    made.start()
    return made, modules


def phase_of_codes() -> tuple[LevelsPhase, AgentNetworks]:
    agent = tiny.uncertain_agent()
    modules, data = AgentNetworks(agent.configuration), states()
    made = LevelsPhase(modules, agent.configuration, lambda: data, tiny.no_luck(data))
    made.start()
    return made, modules


@pytest.mark.parametrize("latent", ["separate", "shared"])
def test_every_level_learns(latent: str) -> None:
    made, _ = phase(encoder=latent)
    told = tiny.learn(made, 150)
    for number in (2, 3):
        for term in (f"prediction_{number}", f"reachability_{number}"):
            first, last = (sum(one[term] for one in part) for part in (told[:20], told[-20:]))
            assert last < first, (term, first, last)
        assert (f"variance_{number}" in told[0]) == (latent == "separate")
        assert f"latent_{number}" not in told[0]


def test_every_level_learns_with_codes() -> None:
    made, _ = phase_of_codes()
    told = tiny.learn(made, 40)
    for number in (2, 3):
        first, last = (sum(one[f"prediction_{number}"] for one in part) for part in (told[:10], told[-10:]))
        assert last < first
        assert f"latent_{number}" in told[0]


def test_the_odds_of_every_level_are_calibrated_on_what_it_has_not_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    made, modules = phase_of_codes()
    every = states()
    assert torch.equal(torch.cat([made.data.states, made.kept_back.states]), every.states)
    told: list[tuple[Level, stochastic_transitions.Steps]] = []
    monkeypatch.setattr(levels_phase, "calibrate", lambda level, unlearned: told.append((level, unlearned)))
    tiny.learn(made, made.steps)
    assert [level for level, _ in told] == [stage.level for stage in modules.above]
    for stage, (_, unlearned) in zip(modules.above, told, strict=True):
        assert len(unlearned.states) == sum(max(0, length + 1 - stage.span) for length in made.kept_back.lengths.tolist())


def test_every_level_reports_how_much_its_z_tells() -> None:
    made, _ = phase()
    assert not any(name.startswith("bits") for name in made.monitor())
    made, _ = phase_of_codes()
    figures = made.monitor()
    for number in (2, 3):
        told = figures[f"bits_{number}"]
        assert isinstance(told, float)
        assert -1e-5 < told <= math.log2(3)


def test_calibration_does_not_disturb_the_last_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stochastic_transitions, "ENOUGH", 1)
    monkeypatch.setattr(stochastic_transitions, "CLEARLY", -1)
    made, modules = phase_of_codes()
    assert len(tiny.learn(made, made.steps)) == made.steps
    for stage in modules.above:
        assert isinstance(stage.level.latent, Codes)
        assert 0 < float(stage.level.latent.inverse_temperature) <= 1


def test_steps_of_a_level_lead_over_its_own_span_of_the_same_episode() -> None:
    made, modules = phase()
    data = made.data
    for number, stage in enumerate(modules.above):
        found, episode = steps_of(modules.above, data, number), 1
        first = sum(max(0, length + 1 - stage.span) for length in data.lengths[:episode].tolist())
        row = int(data.starts[episode])
        lived = encode_levels(modules.above[: number + 1], data.states[[row, row + stage.span]])[-1]
        blocks = data.actions[None, row : row + stage.span]
        assert torch.allclose(found.states[first], lived[0], atol=1e-5)
        assert torch.allclose(found.following[first], lived[1], atol=1e-5)
        assert torch.allclose(found.actions[first], macros_of(modules.above, blocks, number)[0, 0], atol=1e-5)


def test_sigreg_keeps_the_levels_above_from_collapsing_as_it_does_level_1() -> None:
    spread = {}
    for weight in (0.0, 1.0):
        made, _ = phase()
        made.settings = made.settings.model_copy(update={"variance": 0.0, "covariance": 0.0, "sigreg": weight})
        told = tiny.learn(made, 150)
        assert ("sigreg_2" in told[0]) == bool(weight)
        figures = made.monitor()
        spread[weight] = figures["std_2"], figures["std_3"]
    assert min(spread[1.0]) > 0.5
    assert spread[1.0][1] > 1.2 * spread[0.0][1]


def test_states_do_not_collapse() -> None:
    made, modules = phase()
    tiny.learn(made, 150)
    figures = made.monitor()
    assert figures["std_2"] > 0.5 < figures["std_3"]
    assert figures["rankme_3"] > 2
    assert len(modules.above) == 2


def test_a_level_teaches_those_below() -> None:
    """End to end: level 3's own terms reach level 2's encoder and macro-actions."""
    made, modules = phase()
    terms = made._prediction(1, 0, torch.Generator().manual_seed(0))
    torch.stack(list(terms.values())).sum().backward()
    below = modules.above[0].level
    assert below.macros.embed.weight.grad is not None
    assert all(parameter.grad is not None for parameter in below.encoder.parameters())
    assert all(parameter.grad is None for parameter in modules.world_model.parameters())


def test_macros_pool_stride_by_stride() -> None:
    _, modules = phase()
    blocks = torch.randn(3, 8, 10)
    upper = macros_of(modules.above, blocks, 1)
    assert upper.shape == (3, 2, 3)
    assert torch.allclose(macros_of(modules.above, blocks[:, 4:], 1), upper[:, 1:], atol=1e-6)
    assert [seen.shape for seen in encode_levels(modules.above, torch.randn(3, 5, 16))] == [(3, 5, 16), (3, 5, 12), (3, 5, 12)]


def test_what_is_remembered_is_what_was_lived() -> None:
    agent, data = tiny.three_level_agent(), states()
    for number, stage in enumerate(agent.modules.above):
        lived = torch.cdist(stage.bank_below, data.states).amin(1)
        assert lived.max() < 0.05
        assert torch.allclose(encode_levels(agent.modules.above, stage.bank_below)[number + 1], stage.bank_later, atol=1e-4)
        assert (stage.level.low < stage.level.high).all()
        assert (stage.ood_distance(stage.bank_states) == 0).all()
        assert (stage.ood_distance(stage.bank_states + 50) > 1).all()


def test_the_ends_of_episodes_are_remembered_too() -> None:
    """A subgoal is a remembered state: what comes last in an episode must be among them, with what little was still done."""
    agent, data = tiny.three_level_agent(), states()
    fill_stages(agent.modules, data, agent.configuration)
    horizon = agent.configuration.planner.upper.horizon
    for number, stage in enumerate(agent.modules.above):
        row = torch.cdist(stage.bank_below, data.states).argmin(1) - stage.span
        episode = torch.searchsorted(data.starts, row, right=True) - 1
        left = data.starts[episode] + data.lengths[episode] - row
        assert set(range(stage.span, 2 * stage.span)) <= set(left.tolist())
        for moment in (int(left.argmin()), int(left.argmax())):
            done = data.actions[row[moment] : row[moment] + min(int(left[moment]) // stage.span, horizon) * stage.span]
            macros = macros_of(agent.modules.above, done[None], number)[0]
            held = torch.cat([macros, macros[-1:].expand(horizon - len(macros), -1)])
            assert torch.allclose(stage.bank_macros[moment], held, atol=1e-5)


@pytest.mark.parametrize("uncertain", [False, True])
def test_a_resumed_run_ends_where_an_unbroken_one_does(tmp_path: Path, interruptible: None, uncertain: bool) -> None:
    weights = (tiny.uncertain_agent() if uncertain else tiny.three_level_agent()).modules.state_dict()
    run = tmp_path / "run"
    original = LevelsPhase.step

    def stopped(self: LevelsPhase, step: int, generator: torch.Generator):  # type: ignore[no-untyped-def]
        if step == 33:
            LevelsPhase.step = original  # type: ignore[method-assign]
            raise KeyboardInterrupt
        return original(self, step, generator)

    LevelsPhase.step = stopped  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        train(tiny.long_store(), out=run, config=tiny.SMALL | tiny.LEVELS | (tiny.CODES if uncertain else {}))
    again = train(tiny.long_store(), out=run, resume=True).modules.state_dict()
    assert set(again) == set(weights)
    assert all(torch.equal(again[name], value) for name, value in weights.items())
    assert any(".level.latent." in name for name in weights) == uncertain


COIN = torch.linspace(0.5, 1.0, 16)
"""How far a toss of the coin moves a state."""


def tosses(episodes: int) -> EncodedDataset:
    """Episodes of 6 blocks; at every second block a coin decides whether the state goes there or back, whatever is done."""
    generator = torch.Generator().manual_seed(0)
    coins = torch.randint(2, (episodes, 3, 1), generator=generator).float() * 2 - 1
    start = 0.1 * torch.randn(episodes, 1, 16, generator=generator)
    strides = torch.cat([start, start + (coins * COIN).cumsum(1)], 1)
    states = strides.repeat_interleave(2, 1)[:, :7].flatten(0, 1)
    actions = torch.randn(len(states), 10, generator=generator)
    starts, lengths = 7 * torch.arange(episodes), torch.full((episodes,), 6)
    return EncodedDataset(states, states, actions, torch.zeros(len(states), 0), starts, lengths)


def test_a_level_learns_the_two_ways_that_a_coin_decides() -> None:
    """The mean of two ways is wrong by all that the coin decides, at every stride; two codes by next to nothing."""
    store, data, found = tiny.long_store(), tosses(1024), {}
    shared = {
        "model.hierarchy.levels": 2,
        "model.hierarchy.encoder": "shared",
        "training.levels_steps": 200,
        "training.levels_batch": 128,
    }
    for codes in (1, 2):
        latent = {"model.latent.num_codes": codes} if codes > 1 else {"model.latent.kind": "none"}
        overrides = tiny.SMALL | tiny.LEVELS | shared | latent
        config = configure(store.spec, store.block, store.statistics(), overrides=overrides)
        made = LevelsPhase(AgentNetworks(config), config, lambda: data, tiny.no_luck(data))
        made.start()
        found[codes] = tiny.learn(made, 200)[-1]["prediction_2"]
        level = made.stages[0].level
    assert found[1] > 0.3
    assert found[2] < 0.1 * found[1]
    assert level.latent is not None
    starts = data.states[::7]
    odds = level.latent.log_prior(starts, torch.zeros(len(starts), 3)).exp().mean(0)
    assert torch.allclose(odds, torch.full((2,), 0.5), atol=0.15)


def test_the_prior_above_leaves_macros_alone() -> None:
    """It learns what to expect of them; they don't learn to tell it what came."""
    _, modules = phase_of_codes()
    level = modules.above[0].level
    now, following = torch.randn(2, 8, level.state_dim)
    macros = level.summarise(torch.rand(8, level.stride, level.macros.embed.in_features))[:, 0]
    level.explain(now, macros, following).told.mean().backward()
    assert level.macros.embed.weight.grad is None
    assert level.latent.prior[0].weight.grad is not None


def test_other_levels_grow_on_the_same_level_1(tmp_path: Path) -> None:
    base, store = tiny.three_level_run(), tiny.long_store()
    grown = retrain_hierarchy(base, store, tmp_path / "grown", {"levels": 2, "encoder": "shared"})
    told = {reason.setting: reason.value for reason in grown.configuration.reasons}
    assert (told["model.hierarchy.levels"], told["model.hierarchy.encoder"]) == ("2", "shared"), "not what the base's were for"
    below, above = (agent.modules.world_model.state_dict() for agent in (tiny.three_level_agent(), grown))
    assert all(torch.equal(below[name], value) for name, value in above.items())
    assert len(grown.modules.above) == 1
    assert grown.modules.above[0].level.encoder is None
    assert training_record(tmp_path / "grown")["seconds"]["levels"] > 0
    # In other words, it is the same run.
    save_agent(tmp_path / "grown", grown.configuration.model_copy(update={"reasons": ()}), grown.modules)
    stored = retrain_hierarchy(base, store, tmp_path / "grown", {"levels": 2, "encoder": "shared"}).modules.state_dict()
    assert all(torch.equal(stored[name], value) for name, value in grown.modules.state_dict().items()), "not made again"
    with pytest.raises(ForethoughtError, match="a run of other settings"):
        retrain_hierarchy(base, store, tmp_path / "grown", {"levels": 2})
    with pytest.raises(ForethoughtError, match="above another run"):
        retrain_hierarchy(base, store, tmp_path / "grown", {"levels": 2, "encoder": "shared"}, wiser=base)
    with pytest.raises(ForethoughtError, match=r"was trained on the store .*, not on .*rooms"):
        retrain_hierarchy(base, tiny.rooms_store(), tmp_path / "elsewhere", {"levels": 2})
    with pytest.raises(ForethoughtError, match=r"uncertain-run has another encoder than .*three-level-run"):
        retrain_hierarchy(base, store, tmp_path / "wiser", {"levels": 2}, wiser=tiny.uncertain_run())
    flat = retrain_hierarchy(base, store, tmp_path / "graph", {"levels": 2, "kind": "graph", "landmarks": 9})
    assert isinstance(flat.subgoals, LandmarkSubgoals)
    with pytest.raises(ForethoughtError, match=r"Level 4 .* 24 blocks in a row, .* has 16"):
        retrain_hierarchy(base, store, tmp_path / "deep", {"levels": 4})
