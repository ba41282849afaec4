"""What an install brings is counted as pip would bring it, and imports are timed in processes of their own."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

import installed
from forethought.evaluation.result_rows import FIELDS
from forethought_benchmarks import lean_install
from forethought_benchmarks.lean_install import brought_by, imports, megabytes, requirements, sizes

BASE = installed.named(installed.PROJECT["dependencies"])
OPTIONAL = installed.PROJECT["optional-dependencies"]
TRAIN, PAGE = (installed.named(OPTIONAL[extra]) for extra in ("train", "page"))


def test_what_an_install_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a wheel writes the project's requirements down; of the other extras nothing."""
    lines = [*installed.PROJECT["dependencies"]]
    lines += [f"{one}; extra == '{extra}'" for extra, wanted in OPTIONAL.items() for one in wanted]
    monkeypatch.setattr(lean_install, "distribution", lambda name: SimpleNamespace(requires=lines))
    found = requirements()
    assert found == {"base": BASE, "[train]": BASE | TRAIN, "[all]": BASE | TRAIN | PAGE}


@pytest.mark.parametrize("wanted", [BASE, TRAIN, {"numpy", "not-installed-here"}])
def test_what_packages_bring(wanted: set[str]) -> None:
    assert brought_by(wanted) == installed.brought_by(wanted)


def test_the_size_is_that_of_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in (("a", 1_500_000), ("b", 500_000)):
        (tmp_path / name).write_bytes(bytes(size))
    files = [SimpleNamespace(locate=lambda name=name: tmp_path / name) for name in ("a", "b", "absent")]
    monkeypatch.setattr(lean_install, "distribution", lambda name: SimpleNamespace(files=files))
    assert megabytes(["one"]) == 2.0


def test_rows_of_sizes() -> None:
    rows = sizes({"base": BASE, "[all]": BASE | TRAIN | PAGE})
    found = {(row["agent"], row["metric"]): row["value"] for row in rows}
    assert all(set(row) == set(FIELDS) for row in rows)
    assert found["base", "packages"] < found["[all]", "packages"]
    assert found["base", "packages"] == len(brought_by(BASE) | {"forethought"})
    of_torch = megabytes(brought_by({"torch"}))
    for install in ("base", "[all]"):
        assert found[install, "megabytes"] == pytest.approx(of_torch + found[install, "megabytes_beyond_torch"])


def test_imports_are_timed_in_new_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lean_install, "IMPORTS", {"wait": "time.sleep(0.1)", "nothing": "pass"})
    waited, nothing = imports(2)
    assert 0.1 <= waited["low"] <= waited["value"] <= waited["high"]
    assert nothing["value"] < 0.1
    assert (waited["metric"], waited["n"]) == ("seconds", 2)
