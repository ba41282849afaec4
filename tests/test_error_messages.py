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
    for value in (0.5, "3", None, float("nan")):
        with pytest.raises(ForethoughtError, match="seed can't be .*: give a whole number"):
            require_whole(value, "seed")
    assert require_whole(2**128, "seed") == 2**128
    for value, span in ((0, "from 1 up to 5"), (6, "from 1 up to 5")):
        with pytest.raises(ForethoughtError, match=f"num can't be {value}: give a whole number {span}"):
            require_whole(value, "num", 1, 5)


def test_numbers() -> None:
    assert require_number(np.float32(0.5), "level") == 0.5
    for value in ("3", None, [1], 10**400):
        with pytest.raises(ForethoughtError, match="level can't be .*: give a number"):
            require_number(value, "level")
