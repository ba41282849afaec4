"""On-disk format of a store: names, shapes, the world's description as JSON, the held-out split, shards.

- `recipe.json`: the request of the collection; written first.
- `shards/00000/*.npy`: row-major arrays, one file per stream, with `shard.json` and `checksums.json`. A text stream has two
  files: the span of each row's text, and the UTF-8 bytes.
- `manifest.json`: the index of all files; written last, so that a store without it is unfinished.

Version 2 added `rewards`, `terminated`, `truncated` and `steps`, partial last blocks, and streams with free names and kinds. A
finished store of version 1 is readable: rewards are 0, episodes are truncated at their length, all blocks are whole.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forethought.atomic_io import check_sizes, checksums_of, read_json, read_sealed, write_sealed
from forethought.errors import CorruptFileError, ForethoughtError, NonFiniteError, require_whole
from forethought.types import ActionSpace, Episode, StreamSpec, WorldSpec

SCHEMA = 2
READABLE = (1, SCHEMA)
SHARD_EPISODES = 64
MANIFEST, RECIPE, SHARDS, SHARD = "manifest.json", "recipe.json", "shards", "shard.json"
BUILDING, RECORDING = ".building-", ".recording-"
"""Prefixes of the folders of unpublished shards: written at once, or episode by episode."""

_SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_STREAM_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
OUTCOME: Mapping[str, np.dtype[Any]] = MappingProxyType(
    {
        "rewards": np.dtype(np.float32),
        "terminated": np.dtype(np.bool_),
        "truncated": np.dtype(np.bool_),
        "steps": np.dtype(np.int32),
    }
)
"""Columns of one value per row, added in version 2."""


@dataclass(frozen=True)
class Failure:
    """An episode that could not be recorded. Fields: number: in the collection. seed: of the episode. reason: a sentence."""

    number: int
    seed: int
    reason: str


@dataclass(frozen=True)
class ShardIndex:
    """Content of shard.json.

    Fields:
        lengths, whole: blocks of each episode, with and without a partial last one. seeds: of the episodes, in order.
        failures: the episodes that could not be recorded.
    """

    lengths: tuple[int, ...]
    whole: tuple[int, ...]
    seeds: tuple[int, ...]
    failures: tuple[Failure, ...]


def spec_to_json(spec: WorldSpec) -> dict[str, Any]:
    """The world's description as a JSON object; `spec_from_json` is its inverse."""
    return {**asdict(spec), "options": dict(spec.options), "truth": dict(spec.truth)}


def spec_from_json(value: Mapping[str, Any], path: Path) -> WorldSpec:
    """The world's description from a JSON object.

    Raises:
        CorruptFileError: a field is missing or unknown; names the file `path`.
    """
    try:
        if not all(isinstance(value[part], Mapping) for part in ("options", "truth")):
            raise TypeError("options and truth are no objects")
        streams = tuple(StreamSpec(s["name"], tuple(s["shape"]), s["dtype"], s.get("kind", "")) for s in value["streams"])
        action = {**value["action"], "low": tuple(value["action"]["low"]), "high": tuple(value["action"]["high"])}
        rest = {**value, "streams": streams, "action": ActionSpace(**action), "drives": tuple(value["drives"])}
        rest["goals"] = tuple(value.get("goals", ()))
        return WorldSpec(**rest)
    except (KeyError, TypeError, AttributeError) as error:
        raise CorruptFileError(f"{path}: the description of the world is damaged ({error}); collect again.") from error


@dataclass(frozen=True)
class Recipe:
    """Content of recipe.json.

    Fields: spec: the world. block: environment steps per row. held_out: share of held-out episodes. asked: request of the
    collection (JSON values; policy, seed, ...). schema: version of the format.
    """

    spec: WorldSpec
    block: int
    held_out: float
    asked: Mapping[str, Any]
    schema: int = SCHEMA

    def require_current(self, store: Path) -> None:
        """Raise a `ForethoughtError` for an unfinished store of an earlier version, which can't be continued."""
        if self.schema != SCHEMA:
            raise ForethoughtError(
                f"the unfinished store at {store} was begun in version {self.schema} of the format, and this one writes "
                f"{SCHEMA}; collect it anew in another folder."
            )


def write_recipe(store: Path, recipe: Recipe) -> None:
    """Write recipe.json; `read_recipe` is its inverse."""
    value = {"schema": SCHEMA, "world": spec_to_json(recipe.spec), "block": recipe.block}
    write_sealed(store / RECIPE, {**value, "held_out": recipe.held_out, "asked": dict(recipe.asked)})


def read_recipe(store: Path) -> Recipe:
    """Read the recipe of a finished or unfinished store.

    Raises:
        CorruptFileError: recipe.json is missing or damaged.
        ForethoughtError: it has another schema.
    """
    value = read_sealed(store / RECIPE, "the store's recipe")
    check_schema(value, store)
    spec = spec_from_json(value["world"], store / RECIPE)
    return Recipe(spec, value["block"], value["held_out"], value["asked"], value["schema"])


def check_schema(value: Mapping[str, Any], store: Path) -> None:
    """Raise a `ForethoughtError` for a store of an unknown schema version."""
    if value.get("schema") not in READABLE:
        raise ForethoughtError(
            f"the store at {store} has schema {value.get('schema')} and this version reads "
            f"{' and '.join(map(str, READABLE))}; collect it again."
        )


def arrays_of(spec: WorldSpec, block: int, schema: int = SCHEMA) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Name -> (shape of one row, dtype) of each array in a store of this world; for a text stream, of its spans.

    Raises:
        ForethoughtError: a stream's or truth's name cannot be a file name, or a stream's kind, shape and dtype don't match.
    """
    float32 = np.dtype(np.float32)
    arrays: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {
        "actions": ((block * spec.action.size,), float32),
        "drives": ((len(spec.drives),), float32),
    }
    if schema > 1:
        arrays |= {name: ((), dtype) for name, dtype in OUTCOME.items()}
        _check_streams(spec, arrays)
    streams = {
        stream.name: ((2,), np.dtype(np.int64)) if stream.kind == "text" else (stream.shape, np.dtype(stream.dtype))
        for stream in spec.streams
    }
    arrays = {**streams, **arrays, **{f"truth.{name}": ((size,), float32) for name, size in spec.truth.items()}}
    for name in arrays:
        if not _SAFE_NAME.fullmatch(name):
            raise ForethoughtError(f"world {spec.name}: {name!r} cannot name a file; use letters, digits, _ . and -.")
    return arrays


def _check_streams(spec: WorldSpec, reserved: Collection[str]) -> None:
    """Raise a `ForethoughtError` for streams with invalid names or with a kind that does not match shape and dtype."""
    names = [stream.name for stream in spec.streams]
    for stream in spec.streams:
        where = f"world {spec.name}, stream {stream.name!r}"
        if not _STREAM_NAME.fullmatch(stream.name) or stream.name in reserved or names.count(stream.name) > 1:
            raise ForethoughtError(
                f"{where}: the name is taken or cannot name a file; give it one of its own, of letters, digits, _ and -."
            )
        if stream.kind == "image" and (len(stream.shape) != 3 or stream.dtype != "uint8"):
            raise ForethoughtError(
                f"{where}: an image is uint8 [height, width, channels], not {stream.dtype}{list(stream.shape)}; convert it, "
                "or make its kind 'vector'."
            )
        if stream.kind == "text" and (stream.shape != () or stream.dtype != "str"):
            raise ForethoughtError(f"{where}: a text is one string a row; give it the shape () and the dtype 'str'.")
        if stream.kind == "vector" and not stream.shape:
            raise ForethoughtError(f"{where}: a vector has at least one axis; give a single number the shape (1,).")


def short_seed(seed: int) -> int:
    """A seed as an int64: itself where it fits, else a hash of it (a world's own may have 128 bits)."""
    if -(2**63) <= seed < 2**63:
        return seed
    return int.from_bytes(hashlib.blake2b(f"seed {seed}".encode(), digest_size=8).digest(), "big") >> 1


def held_out_by_seed(seeds: Sequence[int] | NDArray[np.int64], fraction: float) -> NDArray[np.bool_]:
    """Which episodes are held out, bool [episodes]: a hash of the seed, so that equal seeds are in the same split.

    If one split would be empty (few episodes), the episode nearest to the threshold changes its split.
    """
    digests = [hashlib.blake2b(f"split {seed}".encode(), digest_size=8).digest() for seed in map(int, seeds)]
    uniform = np.array([int.from_bytes(digest, "big") / 2**64 for digest in digests])
    held_out = uniform < fraction
    one_sided = held_out.all() or not held_out.any()
    if one_sided and len(set(map(int, seeds))) > 1 and 0 < fraction < 1:
        nearest = uniform.max() if held_out.all() else uniform.min()
        held_out = np.where(uniform == nearest, ~held_out, held_out)
    return held_out


def columns_of(episode: Episode, block: int) -> dict[str, NDArray[Any]]:
    """An episode as named arrays of T + 1 rows; the action of the last row is zeros, of 0 steps."""
    last = np.zeros((1, episode.actions.shape[1]), np.float32)
    steps = episode.steps if episode.steps.size else np.full(len(episode), block, np.int32)
    return {
        **episode.observation,
        "actions": np.concatenate([episode.actions, last]),
        "drives": episode.drives,
        "rewards": episode.rewards,
        "terminated": episode.terminated,
        "truncated": episode.truncated,
        "steps": np.concatenate([steps, np.zeros(1, steps.dtype)]),
        **{f"truth.{name}": values for name, values in episode.truth.items()},
    }


def check_episode(episode: Episode, spec: WorldSpec, block: int) -> None:
    """Validate an episode against its world's description.

    Raises:
        ForethoughtError: a stream is missing, or has another shape or dtype; the episode has no block; an action lies outside
            its bounds; a partial block or an end of the episode comes before the last block.
        NonFiniteError: NaN or infinity; names array, row and episode.
    """
    where = f"world {spec.name}, episode with seed {episode.seed}"
    _check_types(episode, where)
    require_whole(episode.seed, f"{where}: the seed")
    if episode.actions.ndim != 2:
        raise ForethoughtError(f"{where}: actions have shape {episode.actions.shape} instead of [T, A].")
    if len(episode) < 1:
        raise ForethoughtError(f"{where}: no block of actions; leave it out.")
    if episode.steps.ndim != 1:
        raise ForethoughtError(f"{where}: steps have shape {episode.steps.shape} instead of [T].")
    columns = columns_of(episode, block)
    expected = arrays_of(spec, block)
    texts = {stream.name for stream in spec.streams if stream.kind == "text"}
    if columns.keys() != expected.keys():
        raise ForethoughtError(
            f"{where}: recorded {', '.join(sorted(columns))} where its description says {', '.join(sorted(expected))}."
        )
    for name, (shape, dtype) in expected.items():
        values, rows = columns[name], len(episode) + 1
        if name in texts:
            _check_text(name, values, rows, where)
            continue
        if values.shape != (rows, *shape) or values.dtype != dtype:
            raise ForethoughtError(
                f"{where}: {name} is {values.dtype}{list(values.shape)} instead of {dtype}{[rows, *shape]}; "
                "correct the world's description or what it returns."
            )
        if dtype.kind == "f" and not np.isfinite(values).all():
            row = int(np.argwhere(~np.isfinite(values))[0, 0])
            raise NonFiniteError(f"{where}: NaN or infinity in {name} at row {row}; the world must return finite numbers.")
    _check_end(columns, block, where)
    check_actions(columns["actions"][:-1], columns["steps"][:-1], spec.action, where)


def _check_types(episode: Episode, where: str) -> None:
    """Raise a `ForethoughtError` unless all parts are NumPy arrays."""
    parts = {**episode.observation, **{f"truth.{name}": values for name, values in episode.truth.items()}}
    parts |= {name: getattr(episode, name) for name in ("actions", "drives", "rewards", "terminated", "truncated", "steps")}
    for name, values in parts.items():
        if not isinstance(values, np.ndarray):
            raise ForethoughtError(f"{where}: {name} is a {type(values).__name__}; give a NumPy array.")


def _check_text(name: str, values: NDArray[Any], rows: int, where: str) -> None:
    """Raise a `ForethoughtError` unless these are `rows` strings of valid Unicode."""
    if values.shape != (rows,) or values.dtype.kind != "U":
        raise ForethoughtError(
            f"{where}: {name} is {values.dtype}{list(values.shape)} instead of {rows} strings; give an np.array of "
            "strings, one per row."
        )
    try:
        "".join(values.tolist()).encode()
    except UnicodeEncodeError as error:
        raise ForethoughtError(f"{where}: the text {name} is not valid Unicode ({error.reason}); correct it.") from error


def check_actions(actions: NDArray[Any], steps: NDArray[Any], space: ActionSpace, where: str) -> None:
    """Check recorded actions against the action space: a model of actions that can't be taken is of no use to a planner.

    Args:
        actions: [T, A]. steps: [T], executed steps of each block; the rest of a block is not checked. space: of one step.
        where: the beginning of the message.

    Raises:
        ForethoughtError: an action lies outside its bounds, or a discrete one is not one-hot; gives the range found.
    """
    taken = actions.reshape(len(actions), -1, space.size)
    executed = taken[np.arange(taken.shape[1]) < steps[:, None]]
    if not len(executed):
        return
    low, high = executed.min(axis=0), executed.max(axis=0)
    if space.kind == "discrete":
        if low.min() < 0 or high.max() > 1 or executed.sum(axis=1).max() > 1.001:
            raise ForethoughtError(
                f"{where}: the actions are not one-hot (their values range from {low.min():g} to {high.max():g}); a discrete "
                f"action is a row of {space.size} numbers, 1 for the choice and 0 for the others."
            )
    elif space.kind == "continuous" and len(space.low) == len(space.high) == space.size:
        bounds = np.array([space.low, space.high])
        # Half a float32's digits: a bound such as 0.1 is not a float32, and recordings are rounded.
        margin = 1e-5 * np.maximum(1e-3, np.abs(bounds).max(axis=0))
        outside = (low < bounds[0] - margin) | (high > bounds[1] + margin)
        if outside.any():
            entry = int(np.argmax(outside))
            raise ForethoughtError(
                f"{where}: the actions range from {low[entry]:g} to {high[entry]:g} in entry {entry}, outside the bounds "
                f"{bounds[0, entry]:g} to {bounds[1, entry]:g} of the world's description; correct the bounds (ActionSpace low "
                "and high) or bring the actions into their units."
            )


def _check_end(columns: Mapping[str, NDArray[Any]], block: int, where: str) -> None:
    """Raise a `ForethoughtError` for a block of too few or too many steps, or an end flag before the last row."""
    steps = columns["steps"][:-1]
    invalid = (steps < 1) | (steps > block) | ((steps < block) & (np.arange(len(steps)) < len(steps) - 1))
    if invalid.any():
        row = int(np.argmax(invalid))
        raise ForethoughtError(
            f"{where}: block {row} of {len(steps)} has {int(steps[row])} steps; give {block}, or, in the last one alone, fewer."
        )
    for name in ("terminated", "truncated"):
        if columns[name][:-1].any():
            row = int(np.argmax(columns[name]))
            raise ForethoughtError(f"{where}: {name} at row {row}, before its last; make what follows an episode of its own.")


def shard_path(store: Path, shard: int) -> Path:
    """Folder of a shard."""
    return store / SHARDS / f"{shard:05d}"


def read_shard_index(folder: Path) -> ShardIndex:
    """Read the index of a published shard, after a cheap check of the file sizes.

    Raises:
        CorruptFileError: a file is missing or truncated, or the index is damaged.
    """
    check_sizes(folder, checksums_of(folder))
    value = read_json(folder / SHARD, "the shard's index")
    try:
        failures = tuple(Failure(**failure) for failure in value["failures"])
        return ShardIndex(tuple(value["lengths"]), tuple(value["whole"]), tuple(value["seeds"]), failures)
    except (KeyError, TypeError) as error:
        raise CorruptFileError(f"{folder / SHARD}: the shard's index is damaged ({error}); collect again.") from error


def open_array(path: Path, shape: tuple[int, ...] | None, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Open a memory-mapped array and check its shape and dtype.

    Args:
        path: the file. shape: the expected shape; None: one axis of any length (bytes of a text). dtype: the expected dtype.

    Raises:
        CorruptFileError: the file is missing or damaged, or has another shape or dtype.
    """
    try:
        values = np.load(path, mmap_mode="r" if shape is None or 0 not in shape else None, allow_pickle=False)
    except Exception as error:  # NumPy reads the header as Python literals, so there are many ways in which it can fail
        raise CorruptFileError(f"{path} is missing or damaged ({error}); restore it or collect again.") from error
    shape = values.shape[:1] if shape is None else shape
    if values.shape != shape or values.dtype != dtype or not values.flags.c_contiguous:
        raise CorruptFileError(
            f"{path} holds {values.dtype}{list(values.shape)} instead of {dtype}{list(shape)}; restore it or collect again."
        )
    return np.asarray(values)
