"""Commands of other packages: found by their entry points, imported only when needed, and one sentence where that fails."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from forethought.cli.commands import GROUP, installed_commands
from forethought.cli.main import VERBS, all_verbs, main

COMMAND = '''
from dataclasses import dataclass
import logging


@dataclass(frozen=True)
class Greet:
    """Greet somebody.

    For example:
        forethought greet --name Ada
    """

    name: str = "you"

    def run(self) -> int:
        logging.getLogger(__name__).info("about to greet")
        print(f"Hello, {self.name}")
        return 0


class Idle:
    """It cannot be run."""
'''


@pytest.fixture
def greeting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package that brings a command, one that is no command, and one whose module is gone."""
    (tmp_path / "greeting_package.py").write_text(COMMAND)
    info = tmp_path / "greeting_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: greeting-package\nVersion: 1.0\n")
    lines = ["greet = greeting_package:Greet", "idle = greeting_package:Idle", "lost = greeting_package.gone:Lost"]
    (info / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines, ""]))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "greeting_package", raising=False)
    return tmp_path


def test_a_command_of_another_package(greeting: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "greet" in installed_commands()
    assert "greeting_package" not in sys.modules, "to list names imports nothing"
    assert main(["greet", "--name", "Ada"]) == 0
    told = capsys.readouterr()
    assert told.out == "Hello, Ada\n"
    assert "about to greet" in told.err, "its progress is shown as ours is"


def test_the_overview_leaves_out_what_cannot_be_loaded(greeting: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert list(all_verbs()) == [*VERBS, "bench", "greet"]
    complaints = capsys.readouterr().err.splitlines()
    assert len(complaints) == 2
    assert "'idle' at greeting_package:Idle is no command" in complaints[0]
    assert "'lost' cannot be loaded from greeting_package.gone:Lost" in complaints[1]
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "Greet somebody." in capsys.readouterr().out


def test_one_that_cannot_be_loaded_is_one_sentence_and_2(greeting: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lost"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("forethought: the command 'lost' cannot be loaded")
    assert said.count("\n") == 1
    assert main(["gret"]) == 2
    assert "did you mean 'greet'?" in capsys.readouterr().err


def test_without_the_benchmarks_bench_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("forethought.cli.commands.entry_points", lambda group: ())
    assert main(["bench"]) == 2
    said = capsys.readouterr().err
    assert "forethought_benchmarks, which is not installed here" in said
    assert said.count("\n") == 1
    assert list(all_verbs()) == [*VERBS]
