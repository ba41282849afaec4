"""The door: exit codes, sentences, help."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest

import forethought
from crashing_env import raising
from forethought.cli import demo as demo_verb
from forethought.cli.main import VERBS, all_verbs, main
from forethought.config import CONFIGURATION
from forethought.errors import ForethoughtError


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == forethought.__version__


@pytest.mark.parametrize("verb", [*VERBS, "bench"])
def test_help_of_every_verb_has_examples(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([verb, "--help"])
    assert left.value.code == 0
    text = capsys.readouterr().out
    assert "For example:" in text
    assert f"forethought {verb}" in text.split("For example:")[1]


def test_overview_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert [*VERBS, "bench"] == list(all_verbs())
    assert all(f"• {verb}" in text for verb in all_verbs())


def test_a_misspelt_verb_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["colect"]) == 2
    assert capsys.readouterr().err == "forethought: there is no command 'colect': did you mean 'collect'?\n"


@pytest.mark.parametrize("words", [[], ["train"], ["evaluate", "run", "--mode", "guess"], ["collect", "w", "--x"]])
def test_wrong_words_leave_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_users_mistake_is_one_line_and_2(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(demo_verb.Demo, "run", raising(ForethoughtError("It is\n  so.")))
    assert main(["demo"]) == 2
    assert capsys.readouterr().err == "forethought: It is so.\n"


def test_control_c_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A run that has begun has its settings: they are not to be named again. Before, there is nothing to go on with."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(VERBS["train"], "run", raising(KeyboardInterrupt()))
    monkeypatch.setattr(VERBS["collect"], "run", raising(KeyboardInterrupt()))
    words = ["train", "my data", "--out", "runs/x", "--seconds", "9", "--set", "planner.horizon=4"]
    assert main(words) == 130
    assert capsys.readouterr().err == f"Interrupted. Start again with: forethought {shlex.join(words)}\n"
    (tmp_path / "runs" / "x").mkdir(parents=True)
    (tmp_path / "runs" / "x" / CONFIGURATION).touch()
    assert main(words) == 130
    assert capsys.readouterr().err.endswith("forethought train 'my data' --out runs/x --resume\n")
    assert main(["collect", "CartPole-v1", "--out", "data", "--resume"]) == 130
    assert capsys.readouterr().err.endswith("forethought collect CartPole-v1 --out data --resume\n")


def test_our_bugs_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_verb.Demo, "run", raising(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        main(["demo"])


def test_help_is_quick_and_light() -> None:
    """No torch before a verb needs it."""
    begun = time.perf_counter()
    heavy = "{'torch', 'gymnasium', 'matplotlib'}"
    script = f"import sys, forethought.cli.main as m; m.all_verbs(); sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
    assert time.perf_counter() - begun < 5, "importing the command line takes seconds"


def test_without_arguments_those_of_the_process_are_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["forethought", "--version"])
    assert main() == 0
    assert capsys.readouterr().out.strip() == forethought.__version__
