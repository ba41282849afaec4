from __future__ import annotations

import numpy as np
import pytest

from forethought.errors import LONGEST, ForethoughtError, require_number, require_whole


def test_a_message_is_one_line_of_bounded_length() -> None:
    assert str(ForethoughtError("two\nlines\r\n here")) == "two lines  here"
    long = str(ForethoughtError("a" * 5000 + " the fix."))
    assert len(long) <= LONGEST
    assert long.endswith("the fix.")


def test_whole_numbers() -> None:
    assert require_whole(np.int64(3), "seed") == 3
    for value in (0.5, "3", None, 2**64, float("nan")):
        with pytest.raises(ForethoughtError, match="seed can't be .*: give a whole number"):
            require_whole(value, "seed")


def test_numbers() -> None:
    assert require_number(np.float32(0.5), "level") == 0.5
    for value in ("3", None, [1], 10**400):
        with pytest.raises(ForethoughtError, match="level can't be .*: give a number"):
            require_number(value, "level")
