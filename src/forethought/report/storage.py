"""Report data on disk: a JSON index and .npy arrays, from which `forethought report RUN` renders the page again.

The name of an array file is a hash of its content. The index holds the names and checksums and is replaced last, atomically:
a crash at any moment leaves either the old or the new report data complete.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from forethought.atomic_io import make_folder, write_bytes, writing
from forethought.config import Configuration
from forethought.errors import CorruptFileError, ForethoughtError, NonFiniteError
from forethought.evaluation.baselines import EpisodeReturn
from forethought.evaluation.diagnosis import Gate
from forethought.report import report_data as parts
from forethought.report.report_data import ReportMaterial

INDEX = "material.json"
VERSION = 1
REPAIR = "write the report data again with `show_run(RUN)`"
_KINDS: dict[str, type[Any]] = {
    kind.__name__: kind
    for kind in (
        parts.ReportMaterial, parts.ModeScore, parts.Imagining, parts.FuturePictures, parts.Fan, parts.RecordedEpisode,
        parts.HeatMap, parts.LandscapePicture, parts.HorizonError, parts.Curve, parts.Alarm, parts.Making, EpisodeReturn, Gate,
        parts.LostVariation,
    )
}  # fmt: skip


def save_material(folder: Path, material: ReportMaterial) -> Path:
    """Write the report data into `folder` (created if missing); returns the path of the index.

    Raises:
        NonFiniteError: a number outside an array is NaN or infinite; use None for a value that does not apply.
    """
    make_folder(folder)
    used: set[str] = set()
    text = json.dumps({"version": VERSION, "material": _encode(material, folder, used, "material")}, indent=1, allow_nan=False)
    write_bytes(folder / INDEX, text.encode())
    with writing(folder):
        for stale in folder.glob("*.npy"):
            if stale.name not in used:
                stale.unlink()
    return folder / INDEX


def load_material(folder: Path) -> ReportMaterial:
    """Read the report data that `save_material` wrote.

    Raises:
        ForethoughtError: `folder` has no report data, or they have another format version.
        CorruptFileError: an array does not match its checksum, or the index is damaged.
    """
    index = folder / INDEX
    if not index.is_file():
        raise ForethoughtError(f"no report data in {folder}: give the folder of a run that `forethought train` has finished.")
    try:
        stored = json.loads(index.read_text(encoding="utf-8"))
        version = stored["version"]
    except (ValueError, KeyError, TypeError, RecursionError, OSError) as error:
        raise CorruptFileError(f"{index} is damaged ({error}); {REPAIR}.") from error
    if version != VERSION:
        raise ForethoughtError(f"{index} has format version {version}, but this release reads {VERSION}; {REPAIR}.")
    try:
        decoded = _decode(stored["material"], folder)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as error:
        raise CorruptFileError(f"{index} is damaged ({error}); {REPAIR}.") from error
    if not isinstance(decoded, ReportMaterial):
        raise CorruptFileError(f"{index} holds no report data; {REPAIR}.")
    return decoded


def _encode(value: Any, folder: Path, used: set[str], where: str) -> Any:
    """A value as JSON; each array is written to a file and replaced by its name."""
    if isinstance(value, np.ndarray):
        return _write_array(value, folder, used)
    if isinstance(value, Configuration):
        return {"$kind": "Configuration", "fields": value.model_dump(mode="json")}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [f.name for f in dataclasses.fields(value)]
        fields = {n: _encode(getattr(value, n), folder, used, f"{where}.{n}") for n in names}
        return {"$kind": type(value).__name__, "fields": fields}
    if isinstance(value, Mapping):
        return {"$map": {str(k): _encode(v, folder, used, f"{where}.{k}") for k, v in value.items()}}
    if isinstance(value, list | tuple):
        return [_encode(v, folder, used, f"{where}[{i}]") for i, v in enumerate(value)]
    if isinstance(value, float | np.floating):
        return _number(float(value), where)
    return value.item() if isinstance(value, np.generic) else value


def _number(value: float, where: str) -> Any:
    """A finite number unchanged; NaN is allowed only for probes, where it means undefined."""
    if np.isfinite(value):
        return value
    if np.isnan(value) and where.startswith("material.probes."):
        return {"$nan": True}
    raise NonFiniteError(f"{where} is {value}; use None for a value that does not apply.")


def _decode(value: Any, folder: Path) -> Any:
    """The inverse of `_encode`; all sequences become tuples."""
    if isinstance(value, list):
        return tuple(_decode(v, folder) for v in value)
    if not isinstance(value, dict):
        return value
    if "$array" in value:
        return _read_array(value, folder)
    if "$map" in value:
        return {k: _decode(v, folder) for k, v in value["$map"].items()}
    if "$nan" in value:
        return float("nan")
    if value["$kind"] == "Configuration":
        return Configuration.model_validate(value["fields"])
    return _KINDS[value["$kind"]](**{k: _decode(v, folder) for k, v in value["fields"].items()})


def _write_array(array: np.ndarray[Any, Any], folder: Path, used: set[str]) -> dict[str, str]:
    """Write an array to a file that is named by the hash of its content."""
    stream = io.BytesIO()
    np.save(stream, np.ascontiguousarray(array), allow_pickle=False)
    checksum = hashlib.sha256(stream.getvalue()).hexdigest()
    name = f"{checksum[:20]}.npy"
    used.add(name)
    # Always written, even if the file exists: the existing file may be damaged.
    write_bytes(folder / name, stream.getvalue())
    return {"$array": name, "sha256": checksum}


def _read_array(entry: dict[str, str], folder: Path) -> np.ndarray[Any, Any]:
    """Read an array and verify its checksum."""
    name = entry["$array"]
    if Path(name).name != name:
        raise ValueError(f"array name {name!r} is a path outside the folder")
    path = folder / name
    if not path.is_file():
        raise CorruptFileError(f"{path} is missing; {REPAIR}.")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise CorruptFileError(f"{path} does not match its checksum; {REPAIR}.")
    array: np.ndarray[Any, Any] = np.load(io.BytesIO(content), allow_pickle=False)
    return array
