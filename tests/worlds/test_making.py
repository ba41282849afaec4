"""Which names make an environment, and what other processes must know of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import gymnasium
import pytest

import made_worlds
from forethought.errors import ForethoughtError
from forethought.worlds import registry
from forethought.worlds.any_gymnasium.registration import OnlyHereError, register_again

SENSES = {"streams": ["proprioception"]}


@pytest.fixture(autouse=True)
def own_registry() -> Iterator[None]:
    before = dict(gymnasium.registry)
    yield
    gymnasium.registry.clear()
    gymnasium.registry.update(before)


@pytest.mark.parametrize(
    ("registered", "name", "meant"),
    [
        ("Drift", "Drift", "Drift"),
        ("Drift-v0", "Drift", "Drift-v0"),
        ("Drift-v3", "Drift", "Drift-v3"),
        ("space/Drift", "space/Drift", "space/Drift"),
        ("space/Drift-v5", "space/Drift", "space/Drift-v5"),
        ("Drift-v3", "made_worlds:Drift", "made_worlds:Drift-v3"),
    ],
)
def test_an_id_needs_no_version_and_is_kept_with_it(registered: str, name: str, meant: str) -> None:
    if registered == "Drift-v3":
        gymnasium.register("Drift-v0", made_worlds.FourValues)
    gymnasium.register(registered, made_worlds.Plain, max_episode_steps=17)
    world = registry.make(name, 1, **SENSES)
    assert (world.spec.name, world.spec.max_steps) == (meant, 17)
    assert registry.make(world.spec.name, 1, **world.spec.options).spec == world.spec


@pytest.mark.parametrize("name", ["CartPole", "MountainCarContinuous", "Blackjack", "Taxi", "FrozenLake", "Pendulum"])
def test_gymnasiums_own_worlds_play(name: str) -> None:
    world = registry.make(name, 1, **SENSES)
    policy = registry.policy(world.spec, "random")
    frame = world.reset([3])
    policy.reset(world, [3])
    for _ in range(5):
        frame = world.step(policy.act(world, frame))
    assert world.spec.name.startswith(f"{name}-v")
    world.close()


@pytest.mark.parametrize("maker", ["made_worlds:wrapped", made_worlds.wrapped])
def test_a_function_makes_a_world(maker: Any) -> None:
    world = registry.make(maker, 1, **SENSES, arguments={"gain": 0.5})
    assert (world.spec.name, world.spec.action.high) == ("made_worlds:wrapped", (3.0, 3.0))
    assert registry.make("made_worlds:Plain", 1, **SENSES).spec.action.high == (1.0, 1.0)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("os:system", "neither a subclass of gymnasium.Env nor a function .*annotated as returning one"),
        ("subprocess:run", "neither a subclass"),
        ("made_worlds:by_a_name_of_its_own", "neither a subclass"),
        ("made_worlds:np", "neither a subclass"),
        ("made_worlds:nothing", "not in Gymnasium's registry"),
        ("no_such_module:thing", "not installed"),
        (made_worlds.by_a_name_of_its_own, "neither a subclass"),
        (lambda: made_worlds.Plain(), "gymnasium.register"),
        ("drift", "There is no world 'drift'"),
    ],
)
def test_no_other_name_calls_anything(name: Any, words: str) -> None:
    with pytest.raises(ForethoughtError, match=words):
        registry.make(name, 1, **SENSES)


def test_worlds_of_other_kinds_say_what_they_are() -> None:
    def old() -> Any:
        kind = type("Env", (), {"__module__": "gym.core"})
        return type("Old", (kind,), {"action_space": None})()

    gymnasium.register("Old-v0", old)
    with pytest.raises(ForethoughtError, match="old package gym: wrap it with shimmy"):
        registry.make("Old-v0", 1, **SENSES)
    gymnasium.register("Many-v0", lambda: gymnasium.make_vec("CartPole-v1", num_envs=2))
    gymnasium.register("Vector-v0", vector_entry_point=lambda: gymnasium.make_vec("CartPole-v1", num_envs=2))
    for name in ("Many-v0", "Vector-v0"):
        with pytest.raises(ForethoughtError, match="vector environment.*single one"):
            registry.make(name, 1, **SENSES)


def test_a_registration_travels() -> None:
    gymnasium.register("Travels-v0", made_worlds.Plain, max_episode_steps=9, kwargs={"gain": 0.25})
    text = registry.registration("Travels-v0")
    assert json.loads(text)["entry_point"] == "made_worlds:Plain"
    del gymnasium.registry["Travels-v0"]
    register_again(text)
    world = registry.make("Travels-v0", 1, **SENSES)
    assert world.spec.max_steps == 9
    assert registry.registration("forethought/Rooms-v0") == registry.registration("made_worlds:wrapped") == ""


def test_what_only_this_process_has_is_said() -> None:
    class Local(made_worlds.Plain):
        pass

    gymnasium.register("Local-v0", Local)
    gymnasium.register("Lambda-v0", lambda: made_worlds.Plain())
    gymnasium.register("Script-v0", "__main__:Local")
    gymnasium.register("Argument-v0", made_worlds.Plain, kwargs={"gain": object()})
    for name in ("Local-v0", "Lambda-v0", "Script-v0", "Argument-v0"):
        with pytest.raises(OnlyHereError, match="workers=0"):
            registry.registration(name)
