from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forethought.errors import CorruptFileError, ForethoughtError, NonFiniteError
from forethought.report.report_data import ReportMaterial
from forethought.report.storage import INDEX, load_material, save_material


def same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    if dataclasses.is_dataclass(a):
        return type(a) is type(b) and all(same(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, tuple):
        return isinstance(b, tuple) and len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return a == b or (a != a and b != b)


def test_what_is_saved_is_what_is_loaded(material: ReportMaterial, tmp_path: Path) -> None:
    save_material(tmp_path / "deep" / "material", material)
    assert same(load_material(tmp_path / "deep" / "material"), material)
    assert not same(load_material(tmp_path / "deep" / "material"), dataclasses.replace(material, title="another"))


def test_saving_again_leaves_no_stale_arrays(material: ReportMaterial, tmp_path: Path) -> None:
    save_material(tmp_path, material)
    many = len(list(tmp_path.iterdir()))
    small = dataclasses.replace(material, episodes=(), heat_maps=())
    save_material(tmp_path, small)
    assert len(list(tmp_path.iterdir())) < many
    assert same(load_material(tmp_path), small)


def test_a_kill_between_arrays_and_index_leaves_the_old_material(
    material: ReportMaterial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_material(tmp_path, material)
    from forethought.report import storage

    write = storage.write_bytes

    def killed(path: Path, data: bytes) -> None:
        if path.name == INDEX:
            raise KeyboardInterrupt
        write(path, data)

    monkeypatch.setattr(storage, "write_bytes", killed)
    with pytest.raises(KeyboardInterrupt):
        save_material(tmp_path, dataclasses.replace(material, episodes=(), title="new"))
    assert same(load_material(tmp_path), material)


def test_every_flipped_array_is_noticed(material: ReportMaterial, tmp_path: Path) -> None:
    save_material(tmp_path, dataclasses.replace(material, episodes=()))
    for path in tmp_path.glob("*.npy"):
        good = path.read_bytes()
        path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        with pytest.raises(CorruptFileError, match=path.name):
            load_material(tmp_path)
        path.write_bytes(good)
    load_material(tmp_path)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"version": 1}', '{"version": 1, "material": 3}', '{"version": 1, "material": {"$kind": "Popen"}}'],
)
def test_a_damaged_index_is_one_clear_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / INDEX).write_text(text)
    with pytest.raises(CorruptFileError, match=r"write the report data again with `show_run\(RUN\)`\.$"):
        load_material(tmp_path)


def test_an_index_cannot_reach_out_of_its_folder(tmp_path: Path) -> None:
    entry = {"$array": "../secret.npy", "sha256": "0"}
    (tmp_path / INDEX).write_text(json.dumps({"version": 1, "material": entry}))
    with pytest.raises(CorruptFileError, match="outside the folder"):
        load_material(tmp_path)


def test_no_material_and_another_version(tmp_path: Path) -> None:
    with pytest.raises(ForethoughtError, match="no report data"):
        load_material(tmp_path)
    (tmp_path / INDEX).write_text('{"version": 99}')
    with pytest.raises(ForethoughtError, match="version 99"):
        load_material(tmp_path)


def test_a_figure_that_is_no_number_is_refused(material: ReportMaterial, tmp_path: Path) -> None:
    broken = dataclasses.replace(material, metrics={"success_rate": float("nan")})
    with pytest.raises(NonFiniteError, match=r"material\.metrics\.success_rate is nan"):
        save_material(tmp_path, broken)
