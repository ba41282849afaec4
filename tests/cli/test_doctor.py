"""What the doctor finds, on a machine that runs the tests, and on one that is broken."""

from __future__ import annotations

import json
from pathlib import Path

import imageio_ffmpeg
import pytest

import tiny
from forethought import doctor
from forethought.cli.main import main
from installed import PROJECT, named


def test_healthy(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    for what in ("torch", "cores", "arithmetic", "ffmpeg", "this folder", "extra [worlds]"):
        assert what in text


def test_a_missing_extra_is_named_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(doctor.EXTRAS, "worlds", ("no-such-package-here",))
    finding = next(f for f in doctor.extras() if f.what == "extra [worlds]")
    assert finding.state == "absent"
    assert "pip install -e '.[worlds]'" in finding.found


def test_no_ffmpeg_is_broken(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: "/nowhere/ffmpeg")
    monkeypatch.setattr(doctor, "headless_rendering", doctor.speed)
    assert main(["doctor"]) == 1
    assert "imageio-ffmpeg" in capsys.readouterr().err


def test_without_the_page_no_video_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands of the extra `train` work without ffmpeg."""
    monkeypatch.setattr(doctor, "lacking", lambda extra: "The page lacks ffmpeg." if extra == "page" else "")
    assert "video (ffmpeg)" not in {finding.what for finding in doctor.examine()}
    assert "extra [page]" in {finding.what for finding in doctor.extras()}


def test_the_packages_are_those_of_the_base_and_of_the_commands() -> None:
    assert set(doctor.PACKAGES) == named(PROJECT["dependencies"]) | named(PROJECT["optional-dependencies"]["train"])


def test_a_folder_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "cwd", lambda: Path("/proc"))
    finding = next(f for f in doctor.folders() if f.what == "this folder")
    assert finding.state == "broken"


def test_a_store_is_examined(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", str(tiny.long_store().path)]) == 0
    text = capsys.readouterr().out
    for what in ("episodes", "stream pixels", "actions", "coverage", "block", "effect of actions", "0 alarms"):
        assert what in text
    assert main(["doctor", str(tiny.long_store().path), "--json"]) == 0
    assert all(finding["level"] != "alarm" for finding in json.loads(capsys.readouterr().out)["findings"])
    assert main(["doctor", str(tiny.rooms_store().path)]) == 1
    assert "ALARM" in capsys.readouterr().out


def test_an_alarm_is_told_and_ends_with_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", str(tiny.rooms_store().path), "--json"]) == 1
    found = {finding["name"]: finding for finding in json.loads(capsys.readouterr().out)["findings"]}
    assert found["block"]["level"] == "alarm"
    assert found["block"]["advice"].startswith("Record with a block of ")
    assert found["episodes"]["values"]["length_median"] == 8


def test_no_store_and_json_of_the_machine_are_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", str(tmp_path / "nowhere")]) == 2
    assert main(["doctor", "--json"]) == 2
    assert "name a store" in capsys.readouterr().err
