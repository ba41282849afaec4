"""Worlds and policies by name."""

import pytest

from forethought.errors import ForethoughtError
from forethought.worlds import describe, make, names, policies, policy
from forethought.worlds.rooms import POLICIES, RoomsWorld

NAME = "forethought/Rooms-v0"


def test_rooms_is_the_first_name_and_all_are_described() -> None:
    assert names()[0] == NAME
    assert all(len(describe(name)) > 20 for name in names())
    assert isinstance(make(NAME, 3, layout="four"), RoomsWorld)


def test_every_policy_is_found_by_name_or_spec() -> None:
    spec = make(NAME, 1).spec
    assert set(policies(NAME)) == {"random", "exploring", "hasty", "careful", "expert", "mixed"}
    for name, kind in POLICIES.items():
        assert type(policy(spec, name)) is type(policy(NAME, name)) is type(kind())


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: make("forethought/Room-v0", 1), f"There is no world 'forethought/Room-v0': did you mean '{NAME}'?"),
        (lambda: make("rooms", 1), "There is no world 'rooms': known: "),
        (lambda: describe("gym_pusht/PushT-v1"), "did you mean 'gym_pusht/PushT-v0'?"),
        (lambda: policy(NAME, "exploring2"), f"World {NAME} has no policy 'exploring2': did you mean 'exploring'?"),
        (lambda: policy("rooms", "random"), "There is no world 'rooms'"),
        (lambda: make(NAME, 1, layuot="two"), "did you mean 'layout'?"),
    ],
)
def test_unknown_names_are_one_sentence(call, sentence: str) -> None:
    with pytest.raises(ForethoughtError) as caught:
        call()
    assert sentence in str(caught.value)
