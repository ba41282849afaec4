"""Crafted files in otherwise good folders, with all checksums made valid again."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from forethought.atomic_io import CHECKSUMS, SEAL
from forethought.data.store import EpisodeStore
from forethought.report.storage import load_material
from forethought.training.agent_files import load, read_configuration
from forethought.training.checkpoint import CHECKPOINTS, load_checkpoint
from forethought.training.record import training_record
from forethought.training.train import train
from forethought_benchmarks.reliability.crafted_values import VALUES, changed, without

REMOVED = "removed"
LONG = 5.0
"""Seconds of a resumed training; crafted ones may ask for millions of steps."""


def replace_bytes(data: bytes) -> Callable[[Path], None]:
    """What replaces a file's content."""

    def apply(path: Path) -> None:
        path.write_bytes(data)

    return apply


def _sparse(path: Path) -> None:
    os.truncate(path, 3 * 2**30)


def _instead(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        path.unlink()
        make(path)

    return apply


FILES: Mapping[str, Callable[[Path], None]] = MappingProxyType(
    {
        "empty": replace_bytes(b""), "NUL bytes": replace_bytes(bytes(100)), "no UTF-8": replace_bytes(b'{"a": "\xff\xfe"}'),
        "deep brackets": replace_bytes(b"[" * 200_000), "deep objects": replace_bytes(b'{"a":' * 100_000 + b"1"),
        "an endless number": replace_bytes(b"1" * 100_000), "a key twice": replace_bytes(b'{"schema": 2, "schema": 1}'),
        "a huge header": replace_bytes((2**62).to_bytes(8, "little") + b"{}"),
        "a sparse file of 3 GiB": _sparse,
        "a folder": _instead(Path.mkdir), "a named pipe": _instead(os.mkfifo),
        "a link to itself": _instead(lambda path: path.symlink_to(path.name)),
        "a link to an endless device": _instead(lambda path: path.symlink_to("/dev/zero")),
        "a link to a missing file": _instead(lambda path: path.symlink_to("../../nowhere")),
    }
)  # fmt: skip
"""What a whole file is replaced by."""


def _tensors(**leaf: Any) -> bytes:
    header = json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **leaf}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(8)


TENSORS: Mapping[str, bytes] = MappingProxyType(
    {
        "other tensors": _tensors(), "a huge shape": _tensors(shape=[2**62]),
        "a product that overflows": _tensors(shape=[2**40] * 4),
        "a negative side": _tensors(shape=[-2]), "an unknown dtype": _tensors(dtype="X"), "no dtype": _tensors(dtype=None),
        "offsets turned round": _tensors(data_offsets=[8, 0]), "offsets outside": _tensors(data_offsets=[0, 2**60]),
        "a fraction as a side": _tensors(shape=[0.5]), "a shape of many axes": _tensors(shape=[1] * 100_000),
        "metadata that is a list": b"\x17\0\0\0\0\0\0\0" + b'{"__metadata__": ["a"]}',
    }
)  # fmt: skip


def _array(header: str) -> bytes:
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\0" + len(text).to_bytes(2, "little") + text + bytes(64)


def _header(descr: str, shape: str, order: bool = False) -> bytes:
    return _array(f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}")


ARRAYS: Mapping[str, bytes] = MappingProxyType(
    {
        "a huge array": _header("'<f4'", f"({2**60},)"), "a negative axis": _header("'<f4'", "(-1,)"),
        "objects": _header("'|O'", "(1,)"), "column order": _header("'<f4'", "(4, 4)", True),
        "a version to come": b"\x93NUMPY\x09\0" + bytes(64), "a deep header": _array("(" * 100),
        "a record type": _header("[('a', '<f4')]", "(4,)"), "code": _array("__import__('os').getcwd()"),
    }
)  # fmt: skip


def _open_store(root: Path) -> None:
    store = EpisodeStore.open(root)
    store.verify()
    for name in (*(stream.name for stream in store.spec.streams), "actions", "drives", "rewards", "steps"):
        store.rows(name, store.rows_of(store.train[:4]))
    store.read(0)
    store.statistics()


def resume_for_a_while(root: Path) -> None:
    """Resume a run; after `LONG` seconds Ctrl-C is pressed. A training of 10^7 steps is a result if it then saves its steps."""
    before = _steps(root)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what runs in its background without it
    signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    signal.setitimer(signal.ITIMER_REAL, LONG)
    try:
        train(root.parent / "store", out=root, resume=True)
    except KeyboardInterrupt:
        if _steps(root) <= before:
            raise TimeoutError(f"neither an end nor a step after {LONG} s") from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _steps(root: Path) -> int:
    """The step of the newest checkpoint, good or damaged; -1 if there is none."""
    return max((int(path.name) for path in (root / CHECKPOINTS).glob("*") if path.name.isdecimal()), default=-1)


OPENERS: Mapping[str, Callable[[Path], object]] = MappingProxyType(
    {
        "agent": lambda root: load(root, "cpu"),
        "checkpoint": load_checkpoint,
        "store": _open_store,
        "resumed run": resume_for_a_while,
        "record": training_record,
        "configuration": lambda root: read_configuration(root / "configuration.json"),
        "report": lambda root: load_material(root / "material"),
    }
)
"""What opens a folder: the public function that a user calls."""


def crafted(opener: str, source: str, folder: str, file: str, way: str, path: list[str | int], name: str) -> None:
    """In a child: copy a good folder, craft one file, make the checksums valid, and open it.

    Args:
        opener: which of `OPENERS`. source: the good folder. folder: of the copy. file: path in it.
        way: `value` (a value of a JSON document at `path`), `file`, `tensors` or `array`. name: which one.
    """
    root = Path(folder) / "root"
    shutil.copytree(source, root)
    target = root / file
    if way == "value":
        document = json.loads(target.read_text())
        sealed = isinstance(document, dict) and document.pop(SEAL, None)
        document = without(document, tuple(path)) if name == REMOVED else changed(document, tuple(path), VALUES[name])
        write_document(target, document, bool(sealed))
    elif way == "file":
        FILES[name](target)
    else:
        target.write_bytes({"tensors": TENSORS, "array": ARRAYS}[way][name])
    reseal(root, target)
    OPENERS[opener](root)


def write_document(path: Path, document: Any, sealed: bool) -> None:
    """Write JSON, NaN allowed, with its seal where it is an object that has one."""
    if sealed and isinstance(document, dict):
        text = json.dumps(document, sort_keys=True).encode()
        document = {**document, SEAL: hashlib.sha256(text).hexdigest()}
    path.write_text(json.dumps(document))


def reseal(root: Path, target: Path) -> None:
    """Make the checksums of a crafted file's folder valid again, and those that a manifest has of them."""
    listing = target.parent / CHECKSUMS
    if target != listing and listing.is_file():
        files = json.loads(listing.read_text())["files"]
        if target.is_file() and target.stat().st_size < 2**24:
            data = target.read_bytes()
            files[target.name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        else:
            files[target.name] = files[target.name] | {"bytes": target.stat().st_size if target.exists() else 0}
        write_document(listing, {"files": files}, True)
    manifest = root / "manifest.json"
    if target.parent.parent.name == "shards" and manifest.is_file():
        content = json.loads(manifest.read_text())
        del content[SEAL]
        for shard in content["shards"]:
            if shard["name"] == target.parent.name and listing.is_file():
                try:
                    shard["files"] = json.loads(listing.read_text()).get("files")
                except (ValueError, AttributeError, RecursionError):
                    return
        write_document(manifest, content, True)
