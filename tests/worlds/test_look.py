"""A look at a world says what is there, and draws it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from PIL import Image
from showing_env import Show, Showing, picture, showing
from test_own_goals import SPACE, Seeking

from forethought.errors import ForethoughtError
from forethought.worlds import notices
from forethought.worlds.look import WorldSummary, look

TWO = spaces.Box(-2, 2, (2,), np.float32)
NUMBERS = ("proprioception",)


def looked(out: Path, space: spaces.Space[Any], show: Show, kind: type[Showing] = Showing, **options: Any) -> WorldSummary:
    world = showing(space, show, kind=kind, **options)
    notices.forget_notices()
    found = look(world.spec.name, options=world.spec.options, out=out / "look.png")
    world.close()
    return found


def numbers(place: np.ndarray, step: int) -> Any:
    return place.astype(np.float32)


def drawn(found: WorldSummary) -> tuple[int, int]:
    with Image.open(found.picture) as image:
        assert image.format == "PNG"
        return image.size


def test_facts_of_a_plain_world(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    found = looked(tmp_path, TWO, numbers, streams=NUMBERS)
    text = str(found)
    for fact in (
        "sees       proprioception: 2 numbers",
        "does       2 numbers a step, within -1 to 1; 5 steps a block",
        "limit      20 steps an episode",
        "goals      taken from held-out episodes",
        "episodes   3 of random actions: 20 to 20 steps; 0 terminated, 3 truncated",
        "seeds      the same seed gives the same start, another seed another",
        f"picture    {tmp_path / 'look.png'}",
    ):
        assert f"  {fact}" in text
    facts = dict(found.facts)
    assert {"range", "reward", "speed"} <= facts.keys()
    assert "left out" not in facts
    assert drawn(found)[0] > 500
    assert not caplog.messages


def test_what_is_left_out_is_a_fact_and_not_said_twice(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    camera = spaces.Box(0, 255, (64, 64, 3), np.uint8)
    space = spaces.Dict({"front": camera, "wrist": camera})

    def cameras(place: np.ndarray, step: int) -> Any:
        return {"front": picture(place), "wrist": picture(-place), "debug": 1}

    found = looked(tmp_path, space, cameras)
    left = [fact for what, fact in found.facts if what == "left out"]
    assert left == ["'wrist' (image [64, 64, 3], uint8) (choose it with streams=['pixels', 'wrist'])"]
    assert [fact for what, fact in found.facts if what == "note"] == [
        "its observation holds debug, which its observation_space does not declare: left out"
    ]
    one_row = drawn(found)[1]
    assert drawn(looked(tmp_path, space, cameras, streams=("front", "wrist")))[1] > one_row


class Careless(Showing):
    chance = np.random.default_rng(1)

    def reset(self, **given: Any) -> Any:
        super().reset(**given)
        self.place = self.chance.uniform(-1, 1, 2)
        return self.show(self.place, 0), {}


class Fixed(Showing):
    def reset(self, **given: Any) -> Any:
        super().reset(**given)
        self.place = np.zeros(2)
        return self.show(self.place, 0), {}


class Windy(Showing):
    chance = np.random.default_rng(1)

    def step(self, action: Any) -> Any:
        return super().step(action + self.chance.normal(size=2))


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        (Careless, "the same seed gives another start"),
        (Fixed, "so does another seed: every episode starts alike"),
        (Windy, "the same actions then lead elsewhere"),
    ],
)
def test_seeds_that_decide_less_are_noticed(kind: type[Showing], says: str, tmp_path: Path) -> None:
    assert says in dict(looked(tmp_path, TWO, numbers, kind, streams=NUMBERS).facts)["seeds"]


class Brief(Showing):
    def step(self, action: Any) -> Any:
        seen, reward, _, truncated, info = super().step(action)
        return seen, reward, True, truncated, info


def test_an_episode_shorter_than_a_block_is_noted(tmp_path: Path) -> None:
    found = looked(tmp_path, TWO, numbers, Brief, streams=NUMBERS)
    assert "1 to 1 steps; 3 terminated" in dict(found.facts)["episodes"]
    assert "shorter than a block of 5" in dict(found.facts)["note"]


def test_own_goals_and_how_often_they_are_reached(tmp_path: Path) -> None:
    found = dict(looked(tmp_path, SPACE, numbers, Seeking, streams=NUMBERS).facts)
    assert found["goals"].startswith("the world's own: each episode begins with a desired_goal")
    assert "of 3 random episodes" in found["reached"]


def test_built_in_worlds_can_be_looked_at(tmp_path: Path) -> None:
    found = look("forethought/Crossing-v0", out=tmp_path / "new" / "crossing.png", episodes=1)
    facts = dict(found.facts)
    assert facts["goals"] == "the world's own"
    assert "drives" in facts
    assert drawn(found)[0] > 500


def test_what_cannot_be_looked_at(tmp_path: Path) -> None:
    with pytest.raises(ForethoughtError, match="at least one"):
        look("CartPole-v1", episodes=0)
    with pytest.raises(ForethoughtError, match="did you mean"):
        look("CartPol-v1")
    (tmp_path / "file").write_text("")
    with pytest.raises(ForethoughtError):
        look("forethought/Rooms-v0", out=tmp_path / "file" / "x.png", episodes=1)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ForethoughtError, match=r"folder.png cannot be written"):
        look("forethought/Rooms-v0", out=tmp_path / "folder.png", episodes=1)
