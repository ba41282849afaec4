"""With the extra `train` alone, the commands that end with a page do all but that, and say how to get it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import tiny
from installed import beyond
from lean_process import run_script

PAGE = 'pip install "forethought[page]".'


def command(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a command where the extra `train` is installed and `page` is not."""
    script = f"import sys\nfrom forethought.__main__ import main\nsys.argv = ['forethought', *{words!r}]\nsys.exit(main())"
    return run_script(script, beyond("train"))


def test_the_search_hides_the_page_alone() -> None:
    assert {"matplotlib", "imageio_ffmpeg"} <= set(beyond("train"))
    assert not {"gymnasium", "tyro", "rich", "tensorboard", "PIL"} & set(beyond("train"))


def test_train_evaluates_and_leaves_out_the_page(tmp_path: Path) -> None:
    run = tmp_path / "run"
    settings = [word for name, value in tiny.SMALL.items() for word in ("--set", f"{name}={value}")]
    done = command("train", str(tiny.rooms_store().path), "--out", str(run), *settings)
    assert done.returncode == 0, done.stderr
    assert PAGE in done.stdout
    assert "of 100 tasks" in done.stdout
    assert "success_rate" in json.loads((run / "metrics.json").read_text())
    assert not (run / "report.html").exists()


def test_live_leaves_out_the_page(tmp_path: Path) -> None:
    settings = ("random_steps=40", "updates_per_step=0.2", "batch=8", "evaluation_steps=60")
    few = [word for setting in settings for word in ("--set", f"training.online.{setting}")]
    done = command("live", "CartPole-v1", "--out", str(tmp_path), "--steps", "100", *few)
    assert done.returncode == 0, done.stderr
    assert PAGE in done.stdout
    assert (tmp_path / "agent").is_dir()
    assert not (tmp_path / "report.html").exists()


def test_report_and_look_say_what_they_lack(tmp_path: Path) -> None:
    for words in (("report", str(tmp_path)), ("look", "CartPole-v1"), ("demo", "--out", str(tmp_path / "demo"))):
        done = command(*words)
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1].endswith(PAGE)
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "demo").exists()
