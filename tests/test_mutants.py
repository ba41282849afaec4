"""The faults of the mutation sample: what is changed, what is left alone, and whose execution shows it."""

from __future__ import annotations

import pytest

from mutants import mutants

SOURCE = '''
LIMIT = 3


def over(value: int | None = 5, deep: bool = True) -> bool:
    """Whether 1 is less than 2."""
    if value is None or value < 1:
        raise ValueError(f"{value + 1} is not over {2 + 2}")
    log.info("%d", 1 + 1)
    return value > LIMIT
'''


def faults(source: str) -> set[tuple[str, str]]:
    return {(one.old, one.new) for one in mutants(source)}


@pytest.mark.parametrize(
    ("source", "old", "new"),
    [
        ("a <= b", "a <= b", "(a < b)"),
        ("a is not b", "a is not b", "(a is b)"),
        ("a and b", "a and b", "(a or b)"),
        ("a * b", "a * b", "(a / b)"),
        ("-a", "-a", "(a)"),
        ("not a", "not a", "(a)"),
        ("f(True)", "True", "(False)"),
        ("f(0.5)", "0.5", "(1.5)"),
        ("a if b else c", "b", "(not b)"),
        ("def f():\n    return a", "a", "(None)"),
    ],
)
def test_what_is_changed(source: str, old: str, new: str) -> None:
    assert (old, new) in faults(source)


def test_what_is_left_alone() -> None:
    """Annotations, messages, logs, docstrings; text that is joined."""
    assert faults(SOURCE) == {
        ("3", "(4)"), ("5", "(6)"), ("True", "(False)"), ("1", "(2)"), ("value > LIMIT", "(value >= LIMIT)"),
        ("value is None or value < 1", "(value is None and value < 1)"),
        ("value is None", "(value is not None)"), ("value < 1", "(value <= 1)"),
    }  # fmt: skip
    assert not faults('a = "b" + c')


def test_a_fault_changes_its_own_text_and_nothing_else() -> None:
    source = "# ä comment\nx = 'ü' if a < 1 else b  # and one more\n"
    changed = {one.applied(source) for one in mutants(source)}
    assert source.replace("a < 1", "(a <= 1)") in changed
    assert all(one.startswith("# ä comment\nx = 'ü' if ") and one.endswith(" else b  # and one more\n") for one in changed)


def test_lines_that_show_a_fault() -> None:
    """In a function its own line; of a constant those that use it; of a default those of the function's body."""
    shown = {one.old: one.shown for one in mutants(SOURCE)}
    assert shown["3"] == {10}
    assert shown["5"] == shown["True"] == frozenset(range(6, 11))
    assert shown["value < 1"] == {7}
