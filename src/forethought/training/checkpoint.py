"""Checkpoints: safetensors and JSON, published atomically, verified on load; the last two good ones are kept.

Loading never executes the content of a file. Each tensor file carries a digest of its tensors, so that weights copied without
their folder are verified too.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import _TYPES, load, save
from torch import Tensor, nn

from forethought.atomic_io import (
    ASIDE,
    checksums_of,
    make_folder,
    publish_folder,
    read_json,
    verify_folder,
    write_bytes,
    write_json,
    writing,
)
from forethought.errors import CorruptFileError, ForethoughtError
from forethought.training.former_weights import with_present_names

log = logging.getLogger(__name__)

CHECKPOINTS, PROGRESS, TENSORS, FROZEN = "checkpoints", "progress.json", ".safetensors", "frozen.safetensors"
KEEP = 2
ADAM = {"step", "exp_avg", "exp_avg_sq"}
"""State of a parameter in the optimisers of all phases."""

_BUILDING = ".building-"
_LONGEST_HEADER = 2**24
_PUBLISHED = re.compile(rf"(\d+)({re.escape(ASIDE)})?")


@dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint.

    Fields:
        path: its folder.
        step: the step that `save_checkpoint` was called with.
        tensors: group -> name -> tensor, on the CPU.
        progress: JSON values.
        passed_over: one sentence for each newer, damaged checkpoint; empty if the newest one is good.
    """

    path: Path
    step: int
    tensors: Mapping[str, Mapping[str, Tensor]]
    progress: Mapping[str, Any]
    passed_over: tuple[str, ...] = ()


def save_checkpoint(
    run: Path | str, step: int, tensors: Mapping[str, Mapping[str, Tensor]], progress: Mapping[str, Any]
) -> Path:
    """Save a checkpoint. After the return it survives a kill and a power cut; only then are older ones deleted.

    Args:
        run: the run's folder; the checkpoint is `run/checkpoints/STEP/`.
        step: 0 or more; an older checkpoint of the same step is replaced.
        tensors: group -> name -> tensor, one safetensors file a group.
        progress: JSON values (no NaN).

    Returns:
        The checkpoint's folder.

    Raises:
        ForethoughtError: the system refused to write (full disk); the earlier checkpoints are unchanged.
    """
    folder = Path(run) / CHECKPOINTS
    final, building = folder / f"{step:09d}", folder / f"{_BUILDING}{step:09d}"
    make_folder(folder)
    with writing(folder):
        for leftover in folder.glob(f"{_BUILDING}*"):
            shutil.rmtree(leftover)
    try:
        make_folder(building)
        for group, named in tensors.items():
            write_tensors(building / f"{group}{TENSORS}", named)
        write_json(building / PROGRESS, dict(progress))
        publish_folder(building, final)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
    with writing(folder):
        _delete_old(folder)
    return final


@dataclass(frozen=True)
class FrozenWeights:
    """Frozen parameters, stored once per run. Fields: names: of the parameters. digest: of their values; empty if none."""

    names: frozenset[str] = frozenset()
    digest: str = ""


NOTHING_FROZEN = FrozenWeights()


def keep_frozen(run: Path | str, agent: nn.Module) -> FrozenWeights:
    """Store the currently frozen parameters in a file of their own; checkpoints leave them out."""
    frozen = {
        name: value.detach().cpu() for name, value in agent.named_parameters(remove_duplicate=False) if not value.requires_grad
    }
    if not frozen:
        return NOTHING_FROZEN
    folder = Path(run) / CHECKPOINTS
    make_folder(folder)
    digest = _digest(frozen)
    if not (folder / FROZEN).exists() or _digest(read_tensors(folder / FROZEN)) != digest:
        write_tensors(folder / FROZEN, frozen)
    return FrozenWeights(frozenset(frozen), digest)


def restored_weights(run: Path | str, checkpoint: Checkpoint) -> dict[str, Tensor]:
    """All weights of the agent at a checkpoint: the checkpoint's own and the frozen ones.

    Raises:
        CorruptFileError: the file of frozen weights is missing, damaged, or another run's.
    """
    weights, digest = dict(checkpoint.tensors["agent"]), checkpoint.progress.get("frozen")
    if digest is None:
        return weights
    path = Path(run) / CHECKPOINTS / FROZEN
    frozen = read_tensors(path)
    if _digest(frozen) != digest:
        raise CorruptFileError(f"{path} does not hold the frozen weights that {checkpoint.path.name} goes with; restore it.")
    return frozen | weights


def require_position(checkpoint: Checkpoint) -> None:
    """Check what a training resumes from: the phase, its step, the seconds so far, and the digest of frozen weights.

    Raises:
        CorruptFileError: one of them is missing or has another type, or a group of tensors is missing.
    """
    progress = checkpoint.progress
    good = (
        isinstance(progress, dict)
        and isinstance(progress.get("phase"), str)
        and type(progress.get("step")) is int
        and progress["step"] >= 0
        and isinstance(progress.get("seconds"), dict)
        and all(type(seconds) in (int, float) for seconds in progress["seconds"].values())
        and type(progress.get("elapsed", 0.0)) in (int, float)
        and isinstance(progress.get("frozen", ""), str)
        and {"agent", "extras", "optimizer"} <= checkpoint.tensors.keys()
    )
    if not good:
        raise CorruptFileError(f"{checkpoint.path}: the checkpoint's progress is damaged; remove this folder and resume again.")


def has_checkpoint(run: Path | str) -> bool:
    """Whether the run has a published checkpoint, good or damaged; a run without one starts from the first step."""
    return bool(_published(Path(run) / CHECKPOINTS))


def load_checkpoint(run: Path | str) -> Checkpoint:
    """The newest good checkpoint of a run, verified byte by byte; damaged ones are skipped with a warning.

    Raises:
        ForethoughtError: the run has no checkpoint.
        CorruptFileError: none of them is good; names the damaged file of the newest.
    """
    folder = Path(run) / CHECKPOINTS
    published = _published(folder)
    if not published:
        raise ForethoughtError(f"no checkpoint in {run}; train first, or name the folder of another run.")
    damaged: list[str] = []
    for step, path in published:
        try:
            return _read(path, step, tuple(damaged))
        except CorruptFileError as error:
            damaged.append(str(error))
            log.warning("checkpoint %s is damaged, falling back to the one before: %s", path.name, error)
    raise CorruptFileError(f"no good checkpoint is left in {run}: {damaged[0]}")


def _published(folder: Path) -> list[tuple[int, Path]]:
    """Checkpoints with their steps, newest first; of the same step, the published one before the one moved aside."""
    if not folder.is_dir():
        return []
    checkpoints = [(match, path) for path in folder.iterdir() if (match := _PUBLISHED.fullmatch(path.name))]
    checkpoints.sort(key=lambda item: (-int(item[0][1]), item[0][2] is not None))
    return [(int(match[1]), path) for match, path in checkpoints]


def _read(path: Path, step: int, passed_over: tuple[str, ...]) -> Checkpoint:
    verify_folder(path)
    names = [name.removesuffix(TENSORS) for name in checksums_of(path) if name.endswith(TENSORS)]
    tensors = {name: read_tensors(path / f"{name}{TENSORS}") for name in names}
    progress = read_json(path / PROGRESS, "the checkpoint's progress")
    return Checkpoint(path, step, tensors, progress, passed_over)


def _delete_old(folder: Path) -> None:
    """Delete all checkpoints older than the `KEEP` newest good ones; damaged ones do not count as good."""
    good = 0
    for _, path in _published(folder):
        if good < KEEP:
            try:
                verify_folder(path)
            except CorruptFileError:
                continue
            good += 1
        else:
            # Renamed first, so that a kill leaves no half of a checkpoint under its own name.
            shutil.rmtree(path.rename(folder / f"{_BUILDING}{path.name}"))


def write_tensors(path: Path | str, tensors: Mapping[str, Tensor]) -> None:
    """Write named tensors as safetensors, atomically, with their digest in the file's metadata.

    Raises:
        ForethoughtError: the system refused to write.
    """
    # Clones, because safetensors refuses tensors that share memory (tied weights, views).
    copies = {name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
    write_bytes(path, save(copies, metadata={"digest": _digest(copies)}))


def read_tensors(path: Path | str) -> dict[str, Tensor]:
    """Read a file of `write_tensors` (or any safetensors file without a digest) onto the CPU.

    Raises:
        CorruptFileError: the file is missing or truncated, or its content does not match the digest; names the file.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
        tensors: dict[str, Tensor] = load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    except FileNotFoundError:
        raise CorruptFileError(f"{path} is missing; restore it or save it again.") from None
    except (OSError, SafetensorError, ValueError) as error:
        raise CorruptFileError(f"{path} is damaged or no safetensors file ({error}); restore it or save it again.") from error
    digest = (header.get("__metadata__") or {}).get("digest")
    if digest is not None and digest != _digest(tensors):
        raise CorruptFileError(f"{path} does not match its digest (a flipped byte); restore it or save it again.")
    return tensors


def read_leaves(path: Path | str) -> dict[str, Tensor]:
    """Shapes and dtypes of a safetensors file, as tensors on the `meta` device: only the header is read.

    Raises:
        CorruptFileError: the file is missing or no safetensors file, or its length does not match its header.
    """
    path = Path(path)
    leaves: dict[str, Tensor] = {}
    try:
        with path.open("rb") as file:
            length, size = int.from_bytes(file.read(8), "little"), path.stat().st_size
            if length > min(_LONGEST_HEADER, size - 8):
                raise ValueError(f"a header of {length} bytes")
            header, expected = json.loads(file.read(length)), 0
        for name, leaf in header.items():
            if name != "__metadata__":
                dtype, shape = _TYPES[leaf["dtype"]], [int(side) for side in leaf["shape"]]
                leaves[name] = torch.empty(shape, dtype=dtype, device="meta")
                expected += leaves[name].nbytes
        if expected != size - 8 - length:
            raise ValueError(f"the header says {expected} bytes, the file holds {size - 8 - length}")
    except FileNotFoundError:
        raise CorruptFileError(f"{path} is missing; restore it or save it again.") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, OverflowError) as error:
        raise CorruptFileError(f"{path} is damaged or no safetensors file ({error}); restore it or save it again.") from error
    return leaves


def _digest(tensors: Mapping[str, Tensor]) -> str:
    sha256 = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        sha256.update(f"{name} {tensor.dtype} {list(tensor.shape)} ".encode())
        sha256.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return sha256.hexdigest()


def save_module(path: Path | str, module: nn.Module) -> None:
    """Write a module's parameters and buffers (normalisers included) to one safetensors file, atomically."""
    write_tensors(path, module.state_dict())


def load_module(path: Path | str, module: nn.Module) -> None:
    """Load a file of `save_module` into a module of the same structure; on an error the module is unchanged.

    Names of an earlier version are converted.

    Raises:
        CorruptFileError: the file is damaged.
        ForethoughtError: a leaf is missing, unknown, or of another shape or dtype; names it and the expected shape.
    """
    expected = module.state_dict()
    tensors = with_present_names(read_tensors(path), expected)
    match_leaves(tensors, expected, str(path))
    module.load_state_dict(tensors)


def match_leaves(found: Mapping[str, Tensor], expected: Mapping[str, Tensor], where: str) -> None:
    """Compare the names, shapes and dtypes of tensors with those of a module.

    Raises:
        ForethoughtError: names the first leaf that differs, its expected and its actual shape and dtype.
    """
    cause = "it was saved by another configuration or version"
    for name, tensor in expected.items():
        expected_leaf = f"{tensor.dtype}{list(tensor.shape)}"
        if name not in found:
            raise ForethoughtError(f"{where} has no {name!r}, expected {expected_leaf}: {cause}.")
        if found[name].shape != tensor.shape or found[name].dtype != tensor.dtype:
            actual_leaf = f"{found[name].dtype}{list(found[name].shape)}"
            raise ForethoughtError(f"{where}: {name!r} is {actual_leaf}, expected {expected_leaf}: {cause}.")
    unknown = sorted(set(found) - set(expected))
    if unknown:
        raise ForethoughtError(f"{where} holds {unknown[0]!r}, which this module does not have: {cause}.")


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The state of an optimiser as named tensors.

    Names: `state.PARAMETER.NAME` (moments, step counts) and `group.GROUP.NAME` (learning rates and other numbers, float64).
    """
    state = optimizer.state_dict()
    named = {f"state.{i}.{name}": value for i, entry in state["state"].items() for name, value in entry.items()}
    for number, group in enumerate(state["param_groups"]):
        for name in _numbers(group):
            named[f"group.{number}.{name}"] = torch.tensor(group[name], dtype=torch.float64)
    return named


def restore_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Restore the state of `optimizer_tensors`, exactly, in an Adam optimiser of the same parameters.

    Raises:
        ForethoughtError: a number or a moment is missing, or has another shape or type, or a number is not finite.
    """
    target = optimizer.state_dict()
    for number, group in enumerate(target["param_groups"]):
        for name in _numbers(group):
            present = torch.tensor(group[name], dtype=torch.float64)
            saved = tensors.get(f"group.{number}.{name}")
            if saved is None:
                raise ForethoughtError(f"the saved optimiser has no {name!r} in group {number}; it was another optimiser.")
            if saved.shape != present.shape or saved.dtype != present.dtype or not saved.isfinite().all():
                raise ForethoughtError(
                    f"the saved optimiser's {name!r} in group {number} is {saved.dtype}{list(saved.shape)} or not finite, "
                    f"expected {present.dtype}{list(present.shape)}."
                )
            value = saved.tolist()
            group[name] = tuple(value) if isinstance(value, list) else type(group[name])(value)
    target["state"] = _moments(optimizer, tensors)
    optimizer.load_state_dict(target)


def _moments(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    """The saved moments of each parameter that has been optimised, as clones."""
    parameters = {str(i): p for i, p in enumerate(p for group in optimizer.param_groups for p in group["params"])}
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        section, index, leaf = [*name.split(".", 2), "", ""][:3]
        if section != "state":
            continue
        expected, found = "none", f"{tensor.dtype}{list(tensor.shape)}"
        if (parameter := parameters.get(index)) is not None:
            expected = "torch.float32[]" if leaf == "step" else f"{parameter.dtype}{list(parameter.shape)}"
        if found != expected:
            raise ForethoughtError(f"the saved optimiser's {leaf!r} of parameter {index} is {found}, expected {expected}.")
        moments.setdefault(int(index), {})[leaf] = tensor.clone()
    for number, leaves in moments.items():
        if leaves.keys() != ADAM:
            raise ForethoughtError(
                f"the saved optimiser has {', '.join(leaves)} of parameter {number}, expected {', '.join(sorted(ADAM))}."
            )
    return moments


def _numbers(group: Mapping[str, Any]) -> list[str]:
    """Names of a parameter group's entries that are numbers or tuples of numbers; flags come from the configuration."""
    kinds = (int, float, tuple)
    return [name for name, value in group.items() if name != "params" and type(value) in kinds]
