"""An agent on disk: `RUN/agent/` with weights, configuration and checksums; published whole, verified on load."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch.overrides import TorchFunctionMode
from torch.utils._device import _device_constructors

from forethought.agent import Agent
from forethought.agent_networks import AgentNetworks
from forethought.atomic_io import make_folder, publish_folder, read_json, verify_folder, write_json
from forethought.config import CONFIGURATION, Configuration
from forethought.config.upgrade import upgraded
from forethought.errors import CorruptFileError, ForethoughtError
from forethought.parts import Kind, is_built_in
from forethought.training.checkpoint import load_module, match_leaves, read_leaves, save_module

AGENT, WEIGHTS = "agent", "weights.safetensors"

_ROOM = 2**28
"""Bytes that an untrained agent may take beyond what its weights do, where it can't be built without memory."""


def save_agent(run: Path, configuration: Configuration, modules: AgentNetworks) -> Path:
    """Write `RUN/agent/` atomically; an older agent gives way only when the new one is complete.

    Raises:
        ForethoughtError: the system refused to write.
    """
    building = run / ".building-agent"
    shutil.rmtree(building, ignore_errors=True)
    make_folder(building)
    save_module(building / WEIGHTS, modules)
    write_json(building / CONFIGURATION, configuration.model_dump(mode="json"))
    publish_folder(building, run / AGENT)
    return run / AGENT


def read_configuration(path: Path) -> Configuration:
    """A configuration file.

    Raises:
        CorruptFileError: not a configuration of this version; names the setting.
    """
    content = upgraded(read_json(path, "configuration"), path)
    try:
        return Configuration.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CorruptFileError(f"{path} is not a configuration of this version: '{where}' {first['msg'].lower()}.") from error


def load(run: Path | str, device: torch.device | str | None = None) -> Agent:
    """The trained agent of a run. Import the modules that register its own parts first, if it has any.

    Args:
        run: the run's folder. device: where to put it; None for the machine's best.

    Raises:
        ForethoughtError: it names a part that is not registered.
        ForethoughtError: no agent there (never trained, or training is not finished).
        ForethoughtError: the weights are not those of the configuration; found before memory is taken for them.
        CorruptFileError: a file does not match its checksum; names it.
    """
    folder = Path(run) / AGENT
    if not folder.is_dir():
        raise ForethoughtError(
            f"There is no trained agent in {run}: run `forethought train STORE --out {run}` (with --resume if it was stopped)."
        )
    verify_folder(folder)
    configuration = read_configuration(folder / CONFIGURATION)
    modules = _built(configuration, folder)
    load_module(folder / WEIGHTS, modules)
    return Agent(configuration, modules, torch.device(device) if device is not None else None)


def _built(configuration: Configuration, folder: Path) -> AgentNetworks:
    """Untrained weights, built only once they are known to be as large as those in the file: a stranger wrote both.

    A part of one's own that can't be built without memory is watched while it takes some.
    """
    path = folder / WEIGHTS
    leaves = read_leaves(path)
    size = path.stat().st_size
    refusal = f"{folder / CONFIGURATION} asks for another size of agent than {path} holds; restore both or train it again."
    try:
        with _Weighing(2 * len(leaves), None):
            expected = AgentNetworks(configuration).state_dict()
        if any(not tensor.is_meta for tensor in expected.values()):
            raise NotImplementedError
    except ForethoughtError:
        raise
    except (_TooMuch, OverflowError, MemoryError) as error:
        raise ForethoughtError(refusal) from error
    except Exception as error:
        if not has_own_networks(configuration):
            raise ForethoughtError(refusal) from error
        try:
            with _Weighing(2 * len(leaves), 2 * size + _ROOM):
                modules = AgentNetworks(configuration)
        except (_TooMuch, OverflowError, MemoryError) as large:
            raise ForethoughtError(refusal) from large
        match_leaves(leaves, modules.state_dict(), str(path))
        return modules
    match_leaves(leaves, expected, str(path))
    return AgentNetworks(configuration)


def has_own_networks(configuration: Configuration) -> bool:
    """Whether some of the weights are those of parts that are not Forethought's own."""
    model = configuration.model
    named: tuple[tuple[Kind, str], ...] = (
        ("encoder", model.encoder.kind), ("predictor", model.predictor.kind), ("world_model", model.kind),
    )  # fmt: skip
    return bool(configuration.planner.cost.extra) or not all(is_built_in(kind, name) for kind, name in named)


class _TooMuch(Exception):
    """More than the weights account for."""


class _Weighing(TorchFunctionMode):
    """New tensors take no memory (whatever device they ask for), or no more than there is room for."""

    def __init__(self, leaves: int, room: int | None) -> None:
        """Tensors of the file, with some to spare; bytes, None for none."""
        super().__init__()
        self.left, self.room = leaves + 1000, room

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func not in _device_constructors():
            return func(*args, **kwargs)
        self.left -= 1
        if self.left < 0:
            raise _TooMuch
        light = {name: value for name, value in kwargs.items() if name not in ("generator", "pin_memory", "out")}
        if self.room is None:
            return func(*args, **{**light, "device": "meta"})
        try:
            self.room -= func(*args, **{**light, "device": "meta"}).nbytes
        except (RuntimeError, TypeError) as error:
            raise _TooMuch from error
        if self.room < 0:
            raise _TooMuch
        return func(*args, **kwargs)
