"""The index of a finished store, checked before anything that it says is used: a store may come from a stranger."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from forethought.atomic_io import checked_list, read_sealed
from forethought.data.store_format import MANIFEST, check_schema, spec_to_json
from forethought.errors import CorruptFileError, ForethoughtError
from forethought.types import WorldSpec

LARGEST_BLOCK = 10**6
_Count = Annotated[int, Field(ge=0, lt=2**40)]
_spec_types = TypeAdapter(WorldSpec)


class _Checked(BaseModel):
    """Fields that a reader uses; other fields pass."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)


class _Columns(_Checked):
    length: list[Annotated[int, Field(ge=1, lt=2**40)]]
    whole: list[_Count] | None = None
    seed: list[int]
    start: list[_Count]
    held_out: list[bool]


class _ShardEntry(_Checked):
    name: str = Field(pattern=r"^\d+$", max_length=20)
    rows: _Count
    files: dict[str, Any]


class _FailureEntry(_Checked):
    model_config = ConfigDict(extra="forbid", strict=True)

    number: int
    seed: int
    reason: str


class _StoreIndex(_Checked):
    world: dict[str, Any]
    block: int = Field(ge=1, le=LARGEST_BLOCK)
    recipe: dict[str, Any]
    episodes: _Columns
    failures: list[_FailureEntry]
    shards: list[_ShardEntry]


def read_manifest(store: Path) -> dict[str, Any]:
    """Read and check manifest.json.

    Raises:
        CorruptFileError: it is missing, damaged, or its numbers contradict one another; names the field.
        ForethoughtError: it has another schema, or no episode.
    """
    path = store / MANIFEST
    manifest = read_sealed(path, "the store's manifest")
    check_schema(manifest, store)
    try:
        checked = _StoreIndex.model_validate(manifest)
    except ValidationError as error:
        raise _damaged(path, error) from error
    if not checked.episodes.length:
        raise ForethoughtError(f"the store at {store} is empty; collect at least one episode.")
    for shard in checked.shards:
        checked_list(shard.files, path)
    _require_agreement(checked, path)
    return manifest


def _require_agreement(manifest: _StoreIndex, path: Path) -> None:
    """Columns of one length, episodes one after the other, and as many rows as the shards have."""
    columns = manifest.episodes
    whole = columns.length if columns.whole is None else columns.whole
    counts = {len(columns.length), len(whole), len(columns.seed), len(columns.start), len(columns.held_out)}
    if len(counts) > 1:
        raise CorruptFileError(f"{path}: the columns of its index have different lengths; restore it or collect again.")
    lengths = np.array(columns.length, np.int64)
    starts = np.concatenate([[0], np.cumsum(lengths + 1)])
    if (starts[:-1] != columns.start).any() or starts[-1] != sum(shard.rows for shard in manifest.shards):
        raise CorruptFileError(f"{path}: its episodes do not fill its shards row by row; restore it or collect again.")
    missing = lengths - whole
    if ((missing < 0) | (missing > 1)).any():
        raise CorruptFileError(
            f"{path}: an episode's whole blocks are not its blocks but the last; restore it or collect again."
        )


def check_spec_types(spec: WorldSpec, path: Path) -> None:
    """Check the types inside a world's description, which was read from the file `path`.

    Raises:
        CorruptFileError: a field has another type; names it.
    """
    try:
        _spec_types.validate_python(spec_to_json(spec))
        for stream in spec.streams:
            np.dtype(stream.dtype)
    except (ValidationError, TypeError, ValueError) as error:  # a name of no type, or of no text at all
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> CorruptFileError:
    if not isinstance(error, ValidationError):
        return CorruptFileError(f"{path} is damaged ({error}); restore it or collect again.")
    first = error.errors()[0]
    field = ".".join(map(str, first["loc"]))
    return CorruptFileError(f"{path} is damaged: '{field}' {first['msg'].lower()}; restore it or collect again.")
