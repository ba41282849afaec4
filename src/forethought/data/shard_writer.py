"""Writer of one shard: episodes go to its files as they finish; a kill loses the episode in progress and no other.

A shard under construction is a folder with the arrays of the finished shard, and beside it a journal: one JSON line for each
episode, with the bytes and the checksum that it added to every file. `ShardWriter` reads the journal when it opens such a
folder, verifies the files, and cuts off what a kill left half written.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forethought.atomic_io import make_folder, publish_folder, write_bytes, write_json, writing
from forethought.data.store_format import BUILDING, RECORDING, SHARD, Failure, arrays_of, check_episode, columns_of, shard_path
from forethought.data.text_column import SUFFIX, TextPacker
from forethought.types import Episode, WorldSpec

JOURNAL = ".jsonl"


def recording_path(store: Path, shard: int) -> Path:
    """Folder of a shard that a collection is recording; it survives a kill, and `--resume` continues it."""
    final = shard_path(store, shard)
    return final.with_name(f"{RECORDING}{final.name}")


def read_journal(folder: Path) -> list[dict[str, Any]]:
    """The entries of a shard under construction, unverified; [] if there is none. A line that a kill cut off is left out."""
    journal = _journal(folder)
    if not (folder.is_dir() and journal.exists()):
        return []
    lines = journal.read_bytes().split(b"\n")[:-1]
    entries = []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            break
        if not isinstance(entry, dict) or "number" not in entry or not {"files", "reason"} & entry.keys():
            break
        entries.append(entry)
    return entries


def discard(folder: Path) -> None:
    """Delete a shard under construction and its journal.

    Raises:
        ForethoughtError: the system refused to delete the journal.
    """
    shutil.rmtree(folder, ignore_errors=True)
    with writing(folder):
        _journal(folder).unlink(missing_ok=True)


def _journal(folder: Path) -> Path:
    return folder.with_name(folder.name + JOURNAL)


class ShardWriter:
    """Writes one shard into a folder, and publishes it.

    Attributes:
        entries: the journal: for each episode `number`, `seed` and `length`, `whole`, `files`, or the `reason` of its loss.
    """

    def __init__(self, folder: Path, spec: WorldSpec, block: int) -> None:
        """Start a shard in `folder`, or continue the one that is there: damaged and half-written episodes are cut off.

        Raises:
            ForethoughtError: the system refused to write.
        """
        self.folder, self._spec, self._block = folder, spec, block
        self._texts = {stream.name: TextPacker() for stream in spec.streams if stream.kind == "text"}
        self._arrays = arrays_of(spec, block)
        # What precedes the data of each file: the header has room for the number of rows, which is known at the end.
        self._headers = {name: _header((0, *shape), dtype) for name, (shape, dtype) in self._arrays.items()}
        self._headers |= {name + SUFFIX: _header((0,), np.dtype(np.uint8)) for name in self._texts}
        self.entries: list[dict[str, Any]] = []
        make_folder(folder)
        with writing(folder):
            self._restore(read_journal(folder))

    @property
    def numbers(self) -> set[int]:
        """The numbers of the episodes that are recorded or noted as lost."""
        return {int(entry["number"]) for entry in self.entries}

    @property
    def episodes(self) -> int:
        """How many episodes are recorded."""
        return sum("files" in entry for entry in self.entries)

    def add(self, episode: Episode, number: int) -> None:
        """Append an episode to the files.

        Raises:
            ForethoughtError: the episode does not fit the world's description, or the system refused to write.
        """
        check_episode(episode, self._spec, self._block)
        parts: dict[str, memoryview | bytes] = {}
        for name, values in columns_of(episode, self._block).items():
            if name in self._texts:
                spans, data = self._texts[name].pack(values.tolist())
                parts[name], parts[name + SUFFIX] = spans.tobytes(), data
            else:
                # Without a copy, except of a column of no numbers, which has no bytes to show.
                parts[name] = np.ascontiguousarray(values).data.cast("B") if values.size else b""
        with writing(self.folder):
            for name, part in parts.items():
                with self._file(name).open("ab") as file:
                    file.write(part)
        self._note(
            {
                "number": number,
                "seed": int(episode.seed),
                "length": len(episode),
                "whole": episode.whole_blocks(self._block),
                "files": {name: [len(part), zlib.crc32(part)] for name, part in parts.items()},
            }
        )

    def lose(self, failure: Failure) -> None:
        """Note an episode that could not be recorded; it is not tried again."""
        self._note(asdict(failure))

    def column(self, name: str) -> NDArray[Any]:
        """The rows of one array so far, memory-mapped."""
        shape, dtype = self._arrays[name]
        rows = sum(entry["length"] + 1 for entry in self.entries if "files" in entry)
        if not rows or 0 in shape:
            return np.zeros((rows, *shape), dtype)
        return np.memmap(self._file(name), dtype, "r", offset=len(self._headers[name]), shape=(rows, *shape))

    def publish(self, final: Path) -> None:
        """Complete the files and rename the folder: after a kill the shard is complete or still under construction.

        Raises:
            ForethoughtError: the system refused to write.
        """
        kept = [entry for entry in self.entries if "files" in entry]
        lost = sorted((entry for entry in self.entries if "reason" in entry), key=lambda entry: int(entry["number"]))
        with writing(self.folder):
            for name in self._headers:
                self._complete(name, sum(entry["length"] + 1 for entry in kept))
        index = {name: [entry[key] for entry in kept] for name, key in _COLUMNS.items()}
        write_json(self.folder / SHARD, {**index, "failures": lost})
        publish_folder(self.folder, final)
        with writing(self.folder):
            _journal(self.folder).unlink()

    def _complete(self, name: str, rows: int) -> None:
        """Write the header with the number of rows."""
        path = self._file(name)
        shape, dtype = self._arrays.get(name, ((), np.dtype(np.uint8)))
        if name not in self._arrays:
            # An empty file cannot be memory-mapped.
            rows = path.stat().st_size - len(self._headers[name])
            if not rows:
                path.write_bytes(self._headers[name] + b"\0")
                rows = 1
        with path.open("r+b") as file:
            file.write(_header((rows, *shape), dtype))

    def _note(self, entry: dict[str, Any]) -> None:
        with writing(self.folder), _journal(self.folder).open("ab") as journal:
            journal.write((json.dumps(entry) + "\n").encode())
        self.entries.append(entry)

    def _restore(self, entries: Sequence[dict[str, Any]]) -> None:
        """Verify the episodes of a journal against the files, and cut both off after the last one that is intact."""
        ends = {name: len(header) for name, header in self._headers.items()}
        for name, header in self._headers.items():
            if not self._file(name).exists() or self._file(name).stat().st_size < len(header):
                self._file(name).write_bytes(header)
        for entry in entries:
            if "files" in entry:
                if not self._intact(entry["files"], ends):
                    break
                ends = {name: end + entry["files"][name][0] for name, end in ends.items()}
            self.entries.append(entry)
        for name, end in ends.items():
            os.truncate(self._file(name), end)
        for path in self.folder.iterdir():
            if path.name not in {f"{name}.npy" for name in ends}:
                path.unlink()
        content = "".join(json.dumps(entry) + "\n" for entry in self.entries).encode()
        journal = _journal(self.folder)
        if not journal.exists() or journal.read_bytes() != content:
            write_bytes(journal, content)
        for name, packer in self._texts.items():
            spans = self.column(name)
            if len(spans):
                data = self._file(name + SUFFIX).read_bytes()[len(self._headers[name + SUFFIX]) :]
                packer.restore(spans[-1], data)

    def _intact(self, files: Mapping[str, Sequence[int]], ends: Mapping[str, int]) -> bool:
        """Whether every file holds the bytes of an episode after `ends`."""
        if files.keys() != self._headers.keys():
            return False
        for name, (count, checksum) in files.items():
            with self._file(name).open("rb") as file:
                file.seek(ends[name])
                data = file.read(count)
            if len(data) != count or zlib.crc32(data) != checksum:
                return False
        return True

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.npy"


_COLUMNS = {"lengths": "length", "whole": "whole", "seeds": "seed"}


def _header(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    """The header of `numpy.save`; it has the same length for every number of rows."""
    buffer = io.BytesIO()
    description = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, description)
    return buffer.getvalue()


def publish_shard(
    store: Path, shard: int, spec: WorldSpec, block: int, episodes: Sequence[Episode], failures: Sequence[Failure] = ()
) -> None:
    """Write one shard and publish it atomically: after a kill it is complete or absent.

    Raises:
        ForethoughtError: an episode does not fit the world's description, or the system refused to write.
    """
    for episode in episodes:
        check_episode(episode, spec, block)
    final = shard_path(store, shard)
    building = final.with_name(f"{BUILDING}{final.name}-{os.getpid()}")
    try:
        writer = ShardWriter(building, spec, block)
        for number, episode in enumerate(episodes):
            writer.add(episode, number)
        for failure in failures:
            writer.lose(failure)
        writer.publish(final)
    except BaseException:
        discard(building)
        raise
