"""How results are told on a terminal."""

from __future__ import annotations

import pytest

from forethought.cli import console


@pytest.mark.parametrize("terminal", [True, False])
def test_brackets_in_a_table_are_shown_as_they_are(
    terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal, raising=False)
    console.table(("extra", "how to get it"), [("[worlds]", "pip install '.[worlds]'")])
    told = capsys.readouterr().out
    assert "[worlds]" in told
    assert "pip install '.[worlds]'" in told
