from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from crashing_env import KILLED, in_child
from forethought.atomic_io import (
    ASIDE,
    CHECKSUMS,
    LARGEST_JSON,
    check_sizes,
    checksums_of,
    claimed,
    make_folder,
    publish_folder,
    read_json,
    read_object,
    read_sealed,
    sha256_of,
    verify_folder,
    write_bytes,
    write_json,
    write_sealed,
    writing,
)
from forethought.errors import CorruptFileError, ForethoughtError


def test_a_json_value_that_is_no_object_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[1]")
    with pytest.raises(CorruptFileError, match=r"a\.json: the record is damaged: no JSON object"):
        read_object(tmp_path / "a.json", "the record")
    (tmp_path / "a.json").write_text('{"b": 1}')
    assert read_object(tmp_path / "a.json", "the record") == {"b": 1}


def test_bytes_come_back(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a", b"one")
    write_bytes(tmp_path / "a", b"two")
    assert (tmp_path / "a").read_bytes() == b"two"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_write_killed_at_every_operation_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    target, found = tmp_path / "a", set()
    write_bytes(target, b"old")
    for moment in range(1, 100):
        code = in_child(lambda: write_bytes(target, b"new" * 1000), kill_at=moment)
        found.add(target.read_bytes())
        assert found <= {b"old", b"new" * 1000}
        if code == 0:
            break
        assert code == KILLED
        write_bytes(target, b"old")
    assert code == 0
    assert moment > 3
    assert found == {b"old", b"new" * 1000}


def test_a_full_disk_leaves_the_old(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a", b"old")
    assert in_child(lambda: write_bytes(tmp_path / "a", b"new" * 1000), largest_file=1000) == 1
    assert (tmp_path / "a").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_the_systems_refusals_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ForethoughtError, match="could not write .*No space left.*free some space"), writing(tmp_path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(ForethoughtError, match="No such file.*check the folder"):
        write_bytes(tmp_path / "missing" / "a", b"")
    (tmp_path / "file").write_text("")
    with pytest.raises(ForethoughtError, match="could not write"):
        make_folder(tmp_path / "file" / "below")


def test_json(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": [1, 2.5, None]})
    assert read_json(tmp_path / "a.json", "the thing") == {"b": [1, 2.5, None]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", float("nan"))
    with pytest.raises(CorruptFileError, match="none.json: the thing is missing"):
        read_json(tmp_path / "none.json", "the thing")
    with pytest.raises(CorruptFileError, match="the thing cannot be read"):
        read_json(tmp_path, "the thing")
    for damaged in (b"", b'{"b": ', b"\xff\xfe", b"[NaN]", b"-Infinity", b"1e999"):
        (tmp_path / "a.json").write_bytes(damaged)
        with pytest.raises(CorruptFileError, match="the thing is not valid JSON"):
            read_json(tmp_path / "a.json", "the thing")


def test_a_seal_finds_every_flipped_bit_and_every_truncation(tmp_path: Path) -> None:
    path, value = tmp_path / "a.json", {"length": [20, 21], "name": "rooms"}
    write_sealed(path, value)
    whole = path.read_bytes()
    harmless = 0
    for place in range(len(whole)):
        for damaged in (whole[:place], whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]):
            path.write_bytes(damaged)
            try:
                # White space may change without a loss; nothing else may.
                assert read_sealed(path, "it") == value
                harmless += 1
            except CorruptFileError as error:
                assert str(path) in str(error)
    assert harmless < 20


def built(folder: Path, content: bytes) -> Path:
    folder.mkdir(parents=True)
    (folder / "a.bin").write_bytes(content)
    (folder / "b.bin").write_bytes(content[:1])
    return folder


def test_a_published_folder_verifies(tmp_path: Path) -> None:
    publish_folder(built(tmp_path / "building", b"abc"), tmp_path / "final")
    verify_folder(tmp_path / "final")
    assert checksums_of(tmp_path / "final")["a.bin"] == {"sha256": sha256_of(tmp_path / "final" / "a.bin"), "bytes": 3}
    assert not (tmp_path / "building").exists()


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda path: path.write_bytes(b"abd"), "does not match its checksum"),
        (lambda path: path.write_bytes(b"ab"), "has 2 bytes instead of 3"),
        (lambda path: path.unlink(), "is missing"),
    ],
)
def test_damage_is_named(tmp_path: Path, damage: Callable[[Path], None], sentence: str) -> None:
    publish_folder(built(tmp_path / "building", b"abc"), tmp_path / "final")
    damage(tmp_path / "final" / "a.bin")
    with pytest.raises(CorruptFileError, match=f"a.bin.* {sentence}"):
        verify_folder(tmp_path / "final")


def test_a_giant_json_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"")
    os.truncate(tmp_path / "a.json", LARGEST_JSON + 1)
    with pytest.raises(CorruptFileError, match=r"a\.json has 268435457 bytes, more than any file of its kind"):
        check_sizes(tmp_path, {"a.json": {"sha256": "", "bytes": LARGEST_JSON + 1}})


def test_sizes_alone_do_not_find_a_flipped_byte(tmp_path: Path) -> None:
    publish_folder(built(tmp_path / "building", b"abc"), tmp_path / "final")
    (tmp_path / "final" / "a.bin").write_bytes(b"abd")
    check_sizes(tmp_path / "final", checksums_of(tmp_path / "final"))


def test_a_publication_killed_at_every_operation_loses_nothing(tmp_path: Path) -> None:
    final, survivors = tmp_path / "final", set()
    publish_folder(built(tmp_path / "first", b"old"), final)
    for moment in range(1, 200):
        building = built(tmp_path / f"building{moment}", b"new")
        code = in_child(lambda building=building: publish_folder(building, final), kill_at=moment)
        there = final if final.exists() else final.with_name(final.name + ASIDE)
        verify_folder(there)
        survivors.add((there / "a.bin").read_bytes())
        if code == 0:
            break
        assert code == KILLED
    assert code == 0
    assert moment > 10
    assert survivors == {b"old", b"new"}
    assert (final / "a.bin").read_bytes() == b"new"
    assert not final.with_name(final.name + ASIDE).exists()


def test_a_refused_publication_leaves_the_old_folder_in_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for content in ("old", "new"):
        (tmp_path / content).mkdir()
        write_bytes(tmp_path / content / "a", content.encode())
    publish_folder(tmp_path / "old", tmp_path / "final")
    plain = Path.rename

    def refuse(path: Path, target: Path) -> Path:
        if path.name == "new":
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        return plain(path, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(ForethoughtError, match="Permission denied"):
        publish_folder(tmp_path / "new", tmp_path / "final")
    assert (tmp_path / "final" / "a").read_bytes() == b"old"


def test_a_list_of_checksums_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(CorruptFileError, match=f"{CHECKSUMS}: the list of checksums is missing"):
        verify_folder(tmp_path)


def test_strange_files_are_refused_at_once(tmp_path: Path) -> None:
    """Deep nesting, a pipe, a device, a sparse giant: one sentence, neither a hang nor a traceback."""
    (tmp_path / "deep.json").write_bytes(b"[" * 200_000)
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "device.json").symlink_to("/dev/zero")
    (tmp_path / "giant.json").write_bytes(b"")
    os.truncate(tmp_path / "giant.json", 2**30)
    for name in ("deep", "pipe", "device", "giant"):
        with pytest.raises(CorruptFileError, match=f"{name}.json: the thing (is not|cannot be)"):
            read_json(tmp_path / f"{name}.json", "the thing")


def test_a_seal_over_nan_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"a": NaN, "seal": "x"}')
    with pytest.raises(CorruptFileError, match="the number NaN is not finite"):
        read_sealed(tmp_path / "a.json", "the thing")


@pytest.mark.parametrize(
    "files",
    [None, [], {"../x": {"sha256": "a", "bytes": 1}}, {"/x": {"sha256": "a", "bytes": 1}}, {"x": 1}, {"x": {"bytes": 1}}],
)
def test_a_list_of_checksums_stays_in_its_folder(tmp_path: Path, files: object) -> None:
    write_sealed(tmp_path / "checksums.json", {"files": files})
    with pytest.raises(CorruptFileError, match="list of checksums is damaged"):
        checksums_of(tmp_path)


def test_a_second_process_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with claimed(folder), pytest.raises(ForethoughtError, match="another process is writing into .*run"), claimed(folder):
        pass
    with claimed(folder):
        assert (folder / ".lock").exists()
    assert not any(folder.iterdir())


CLAIM = """
import subprocess, sys, time
from forethought.atomic_io import claimed
with claimed(sys.argv[1]) as claim:
    print(subprocess.Popen(["sleep", "60"], pass_fds=claim).pid, flush=True)
    time.sleep(60)
"""


def test_a_killed_process_holds_its_claim_until_its_workers_have_ended(tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", CLAIM, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    orphan = int(owner.stdout.readline())
    owner.kill()
    owner.wait()
    owner.stdout.close()
    waited = threading.Event()

    def end_it() -> None:
        waited.set()
        os.kill(orphan, signal.SIGKILL)

    timer = threading.Timer(0.5, end_it)
    timer.start()
    with claimed(tmp_path):
        assert waited.is_set()
    timer.join()
