"""A wrong option is one clear sentence."""

from typing import Any

import pytest

from forethought.errors import ForethoughtError
from forethought.worlds.rooms.options import RoomsOptions, parse_options


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"ball": 1}, "no option 'ball': did you mean 'balls'?"),
        (
            {"layout": "five"},
            "'layout' cannot be 'five': input should be 'two', 'four', 'nine', 'sixteen', 'trip' or 'corridor'.",
        ),
        ({"noise": -1}, "'noise' cannot be -1: input should be greater than or equal to 0."),
        ({"keys": 2}, "two rooms have one door: use keys=1."),
        ({"shut": 0.5}, "use layout='four', or 'flicker'"),
        ({"fog": 1.0}, "radius of 4 to 64 pixels, or 0 for none"),
        ({"max_steps": 0}, "'max_steps' cannot be 0"),
    ],
)
def test_a_wrong_option_is_one_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ForethoughtError) as caught:
        parse_options(options)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_options_survive_json() -> None:
    options = parse_options({"layout": "four", "shut": 0.25, "balls": 1})
    assert parse_options(options.model_dump(mode="json")) == options
    assert RoomsOptions().steps == 100
    assert options.steps == 200
    assert parse_options({"max_steps": 7}).steps == 7
