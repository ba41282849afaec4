"""The phase of the levels above: what learns, that it learns, and that it repeats itself exactly."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import tiny
from forethought.configurator import configure
from forethought.errors import ForethoughtError
from forethought.learning.grow import grow
from forethought.learning.levels_phase import LevelsPhase, macros_of
from forethought.learning.states import EncodedStates, encode_store
from forethought.learning.train import train, training_record
from forethought.modules import Modules, climb


def states() -> EncodedStates:
    agent, store = tiny.three_level_agent(), tiny.long_store()
    return encode_store(agent.modules.world_model, store, store.train, agent.body)


def phase(**changes: object) -> tuple[LevelsPhase, Modules]:
    store = tiny.long_store()
    config = configure(
        store.spec,
        store.block,
        store.statistics(),
        overrides=tiny.SMALL | tiny.LEVELS | {f"hierarchy.{k}": v for k, v in changes.items()},
    )
    modules, data = Modules(config), states()
    made = LevelsPhase(modules, config, lambda: data)
    made.prepare()
    return made, modules


@pytest.mark.parametrize("latent", ["own", "shared"])
def test_every_level_learns(latent: str) -> None:
    made, _ = phase(states=latent)
    told = tiny.learn(made, 150)
    for number in (2, 3):
        for term in (f"prediction_{number}", f"reachability_{number}"):
            first, last = (sum(one[term] for one in part) for part in (told[:20], told[-20:]))
            assert last < first, (term, first, last)
        assert (f"variance_{number}" in told[0]) == (latent == "own")


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
    terms = made._prediction(1, torch.Generator().manual_seed(0))
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
    assert [seen.shape for seen in climb(modules.above, torch.randn(3, 5, 16))] == [(3, 5, 16), (3, 5, 12), (3, 5, 12)]


def test_what_is_remembered_is_what_was_lived() -> None:
    agent, data = tiny.three_level_agent(), states()
    for number, stage in enumerate(agent.modules.above):
        lived = torch.cdist(stage.bank_below, data.states).amin(1)
        assert lived.max() < 0.05
        assert torch.allclose(climb(agent.modules.above, stage.bank_below)[number + 1], stage.bank_states, atol=1e-4)
        assert (stage.level.low < stage.level.high).all()
        assert (stage.strangeness(stage.bank_states) == 0).all()
        assert (stage.strangeness(stage.bank_states + 50) > 1).all()


def test_a_resumed_run_ends_where_an_unbroken_one_does(tmp_path: Path, interruptible: None) -> None:
    weights = tiny.three_level_agent().modules.state_dict()
    run = tmp_path / "run"
    original = LevelsPhase.loss

    def stopped(self: LevelsPhase, step: int, generator: torch.Generator):  # type: ignore[no-untyped-def]
        if step == 33:
            LevelsPhase.loss = original  # type: ignore[method-assign]
            raise KeyboardInterrupt
        return original(self, step, generator)

    LevelsPhase.loss = stopped  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        train(tiny.long_store(), out=run, config=tiny.SMALL | tiny.LEVELS)
    again = train(tiny.long_store(), out=run, resume=True).modules.state_dict()
    assert all(torch.equal(again[name], value) for name, value in weights.items())


def test_other_levels_grow_on_the_same_level_1(tmp_path: Path) -> None:
    base, store = tiny.three_level_run(), tiny.long_store()
    grown = grow(base, store, tmp_path / "grown", {"levels": 2, "states": "shared"})
    below, above = (agent.modules.world_model.state_dict() for agent in (tiny.three_level_agent(), grown))
    assert all(torch.equal(below[name], value) for name, value in above.items())
    assert len(grown.modules.above) == 1
    assert grown.modules.above[0].level.encoder is None
    assert training_record(tmp_path / "grown")["seconds"]["levels"] > 0
    stored = grow(base, store, tmp_path / "grown", {"levels": 2}).modules.state_dict()
    assert all(torch.equal(stored[name], value) for name, value in grown.modules.state_dict().items()), "not made again"
    flat = grow(base, store, tmp_path / "graph", {"levels": 2, "top": "graph", "landmarks": 9})
    assert flat.graph is not None
    assert flat.hierarchy is None
    with pytest.raises(ForethoughtError, match=r"Level 4 .* 24 blocks in a row, .* has 16"):
        grow(base, store, tmp_path / "deep", {"levels": 4})
