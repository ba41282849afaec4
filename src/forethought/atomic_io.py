"""Atomic, durable writes with checksums, for files and folders: safe against a kill, a full disk and a flipped bit.

A file is written under a temporary name in its own folder, flushed to the disk and renamed; then the folder is flushed. A
folder is built under another name, gets a list of checksums, and is renamed. A replaced folder is moved aside before and
deleted after.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows: there, two processes in one folder are not told apart
    fcntl = None  # type: ignore[assignment]

from forethought.errors import CorruptFileError, ForethoughtError

CHECKSUMS = "checksums.json"
PART = ".part"
"""Ending of a file that is being written."""
ASIDE = ".aside"
SEAL = "seal"
LOCK = ".lock"
ORPHANS = 60.0
"""Seconds to wait for the workers of a process that was killed."""
LARGEST_JSON = 2**28
"""Bytes of a JSON file; a dataset of a million episodes has a manifest of a fifth of it."""
_FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Convert OSErrors while `path` is written into one `ForethoughtError`.

    Raises:
        ForethoughtError: disk full, quota or file size limit reached, no permission, not a folder.
    """
    try:
        yield
    except OSError as error:
        # NumPy reports a short write without an error number.
        full = error.errno is None or error.errno in _FULL
        fix = "free some space and try again" if full else "check the folder and its permissions"
        raise ForethoughtError(f"could not write {path}: {error.strerror or error}; {fix}.") from error


def write_bytes(path: Path | str, data: bytes) -> None:
    """Writes `data` to `path` atomically and durably: afterwards `path` has the old or the new content, never a part.

    Raises:
        ForethoughtError: the write failed (full disk, permissions); `path` is unchanged.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}{PART}")
    with writing(path):
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def write_json(path: Path | str, value: Any) -> None:
    """Writes a JSON value as `write_bytes` does. NaN and infinity are not JSON and are refused (`ValueError`)."""
    write_bytes(path, (json.dumps(value, indent=1, allow_nan=False) + "\n").encode())


def write_sealed(path: Path | str, value: Mapping[str, Any]) -> None:
    """Writes a JSON object with a checksum of itself under `seal`; `read_sealed` checks it."""
    write_json(path, {**value, SEAL: _seal(value)})


def read_json(path: Path | str, what: str) -> Any:
    """Reads a JSON value.

    Args:
        path: the file.
        what: its description, for error messages ("the store's manifest").

    Raises:
        CorruptFileError: missing, unreadable or not JSON; NaN and numbers that are too large for a float are not.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise CorruptFileError(f"{path}: {what} cannot be read (it is no ordinary file); restore it or make it again.")
        if path.stat().st_size > LARGEST_JSON:
            raise ValueError(f"{path.stat().st_size} bytes are more than {LARGEST_JSON}")
        return json.loads(path.read_bytes(), parse_constant=_finite, parse_float=_finite)
    except FileNotFoundError:
        raise CorruptFileError(f"{path}: {what} is missing; restore the file or make it again.") from None
    except OSError as error:
        raise CorruptFileError(f"{path}: {what} cannot be read ({error.strerror}); check its permissions.") from error
    except (ValueError, RecursionError) as error:
        raise CorruptFileError(f"{path}: {what} is not valid JSON ({error}); restore it or make it again.") from error


def _finite(text: str) -> float:
    """A number of a JSON file. What is read may be written again, and `write_json` refuses NaN and infinity."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:20]} is not finite")
    return value


def require_file(path: Path) -> None:
    """Raise a `CorruptFileError` for a device, a pipe or a folder, whose reading may never end; a missing file passes."""
    if path.exists() and not path.is_file():
        raise CorruptFileError(f"{path} is no ordinary file; restore it or make its folder again.")


def read_object(path: Path | str, what: str) -> dict[str, Any]:
    """Reads a JSON object.

    Raises:
        CorruptFileError: as `read_json`, or the value is no object.
    """
    value = read_json(path, what)
    if not isinstance(value, dict):
        raise CorruptFileError(f"{path}: {what} is damaged: no JSON object; restore it or make it again.")
    return value


def read_sealed(path: Path | str, what: str) -> dict[str, Any]:
    """Reads a file of `write_sealed`, without the seal.

    Raises:
        CorruptFileError: as `read_object`, or the content does not match its seal.
    """
    value = read_object(path, what)
    seal = value.pop(SEAL, None)
    try:
        expected = _seal(value)
    except (ValueError, RecursionError):  # NaN, half a surrogate pair: this package never wrote it
        expected = None
    if expected is None or seal != expected:
        raise CorruptFileError(f"{path}: {what} does not match its own checksum; restore it or make it again.")
    return value


def _seal(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, allow_nan=False).encode()).hexdigest()


def sha256_of(path: Path | str) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(path: Path) -> None:
    """Makes the names in a folder durable (a rename is not, until its folder is flushed)."""
    if os.name != "nt":  # Windows cannot open a folder, and does not need this.
        _fsync(path, os.O_RDONLY)


def make_folder(path: Path | str) -> None:
    """Makes a folder and its parents, durably; an existing one is unchanged.

    Raises:
        ForethoughtError: the folder cannot be made.
    """
    path = Path(path).absolute()
    with writing(path):
        new = [folder for folder in (path, *path.parents) if not folder.exists()]
        path.mkdir(parents=True, exist_ok=True)
        for folder in new:
            sync_folder(folder.parent)


def _fsync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def publish_folder(building: Path | str, final: Path | str) -> None:
    """Renames the folder `building` to `final`, atomically.

    Flushes every file, writes `checksums.json` (sha256 and size of each file), renames, and flushes the parent. An
    older `final` is moved to `final` + `.aside` before and deleted after; a kill in between leaves it there, complete.

    Args:
        building: a flat folder of files in the same file system as `final`.
        final: its new name.

    Raises:
        ForethoughtError: a write failed; an existing `final` is unchanged.
    """
    building, final = Path(building), Path(final)
    aside = final.with_name(final.name + ASIDE)
    with writing(final):
        files = {}
        for path in sorted(building.iterdir()):
            _fsync(path, os.O_RDWR)
            files[path.name] = {"sha256": sha256_of(path), "bytes": path.stat().st_size}
        write_sealed(building / CHECKSUMS, {"files": files})
        if final.exists():
            if aside.exists():
                shutil.rmtree(aside)
            final.rename(aside)
        try:
            building.rename(final)
        except OSError:
            if aside.exists():
                aside.rename(final)
            raise
        sync_folder(final.parent)
    shutil.rmtree(aside, ignore_errors=True)  # the next publication removes what stays


def checksums_of(folder: Path | str) -> dict[str, dict[str, Any]]:
    """The published list of a folder's files: name -> {"sha256", "bytes"}.

    Raises:
        CorruptFileError: the list is missing or damaged, or names a file outside of the folder.
    """
    path = Path(folder) / CHECKSUMS
    return checked_list(read_sealed(path, "the list of checksums").get("files"), path)


def checked_list(files: Any, path: Path) -> dict[str, dict[str, Any]]:
    """A list of checksums: file names without a path -> {"sha256", "bytes"}. `path`: of the file that holds it.

    Raises:
        CorruptFileError: it is no such list; names the entry.
    """
    if not isinstance(files, dict):
        raise CorruptFileError(f"{path}: the list of checksums is damaged; restore it or make its folder again.")
    for name, entry in files.items():
        known = isinstance(entry, dict) and isinstance(entry.get("sha256"), str) and type(entry.get("bytes")) is int
        if not known or not _FILE_NAME.fullmatch(name):
            raise CorruptFileError(
                f"{path}: the list of checksums is damaged at {name!r}; restore it or make its folder again."
            )
    return files


def check_sizes(folder: Path | str, files: Mapping[str, Mapping[str, Any]]) -> None:
    """The quick check: every listed file exists with its size.

    Raises:
        CorruptFileError: names the first file that is missing, truncated or too long, or a JSON file of gigabytes.
    """
    for name, entry in files.items():
        path = Path(folder) / name
        require_file(path)
        try:
            size = path.stat().st_size
        except OSError:
            raise CorruptFileError(f"{path} is missing; restore it or make its folder again.") from None
        if path.suffix == ".json" and size > LARGEST_JSON:  # before its gigabytes are read for a checksum
            raise CorruptFileError(f"{path} has {size} bytes, more than any file of its kind; restore it or make it again.")
        if size != entry["bytes"]:
            raise CorruptFileError(
                f"{path} has {size} bytes instead of {entry['bytes']} (truncated or damaged); restore it or make it again."
            )


def verify_folder(path: Path | str) -> None:
    """The full check of a published folder: every file exists with its size and its checksum.

    Raises:
        CorruptFileError: names the file that is missing or differs.
    """
    files = checksums_of(path)
    check_sizes(path, files)
    for name, entry in files.items():
        if sha256_of(Path(path) / name) != entry["sha256"]:
            raise CorruptFileError(
                f"{Path(path) / name} does not match its checksum (a flipped byte); restore it or make it again."
            )


@contextmanager
def claimed(folder: Path | str) -> Iterator[tuple[int, ...]]:
    """Keep other processes from writing into a folder, which is made if missing; a kill ends the claim, too.

    Yields:
        What a process that writes for this one inherits (`pass_fds`), so that the claim lasts until both have ended.

    Raises:
        ForethoughtError: another process has claimed it, or the system refused to write.
    """
    make_folder(folder)
    path = Path(folder) / LOCK
    with writing(path):
        descriptor = _lock(path)
    try:
        yield () if fcntl is None else (descriptor,)
    finally:
        with suppress(OSError):  # it may stay: an unlocked file claims nothing
            path.unlink()
        os.close(descriptor)


def _lock(path: Path) -> int:
    """A descriptor of the locked file, which names this process."""
    deadline = time.monotonic() + ORPHANS
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        if fcntl is None:
            return descriptor
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Its last owner may have removed the file before this process locked it.
            if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
                os.truncate(descriptor, 0)
                os.pwrite(descriptor, str(os.getpid()).encode(), 0)
                return descriptor
        except BlockingIOError:
            owner = os.pread(descriptor, 20, 0)
            if _alive(owner) or time.monotonic() > deadline:
                os.close(descriptor)
                raise ForethoughtError(
                    f"another process is writing into {path.parent}: wait until it has ended, or choose another folder."
                ) from None
            time.sleep(0.05)
        except OSError as error:
            if error.errno in _FULL:
                os.close(descriptor)
                raise
            return descriptor  # a file system without locks
        os.close(descriptor)


@contextmanager
def locked(path: Path, patience: float = ORPHANS) -> Iterator[None]:
    """Hold a lock on a file, which is made if missing; another owner is waited for. A file system without locks has none.

    Raises:
        ForethoughtError: the other owner does not end within `patience` seconds, or the system refused to write.
    """
    with writing(path), path.open("ab") as file:
        deadline = time.monotonic() + patience
        while fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ForethoughtError(f"another process holds {path}: wait until it has ended.") from None
                time.sleep(0.05)
            except OSError:
                break
        yield


def _alive(owner: bytes) -> bool:
    """Whether the process that the lock names runs; one that was killed leaves workers behind, which end soon after it."""
    if not owner.isdigit():
        return True
    try:
        os.kill(int(owner), 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
