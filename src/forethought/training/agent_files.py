"""Saving and loading agents: `RUN/agent/` with weights, configuration and checksums; published atomically, verified on load."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch.overrides import TorchFunctionMode
from torch.utils._device import _device_constructors

from forethought.agent import Agent
from forethought.agent_networks import AgentNetworks
from forethought.atomic_io import ASIDE, make_folder, publish_folder, read_json, verify_folder, write_json
from forethought.config import CONFIGURATION, Configuration
from forethought.config.upgrade import upgraded
from forethought.device import memory_of_machine
from forethought.errors import CorruptFileError, ForethoughtError
from forethought.parts import Kind, is_built_in
from forethought.training.checkpoint import load_module, match_leaves, read_leaves, save_module
from forethought.training.former_weights import with_present_names
from forethought.world_model.losses import TrainingHeads

log = logging.getLogger(__name__)
AGENT, WEIGHTS = "agent", "weights.safetensors"

_MOST_TENSORS, _COPIES = 20_000, 4
"""Limits of untrained networks: tensors, and copies of each in a training (weights, gradients, two moments)."""
_MEMORY_MARGIN = 2**28
"""Bytes that the construction of a custom part may allocate beyond twice the size of the weights file."""


def save_agent(run: Path, configuration: Configuration, modules: AgentNetworks) -> Path:
    """Write `RUN/agent/` atomically; an older agent is replaced only when the new one is complete.

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
    """Read a configuration file.

    Raises:
        CorruptFileError: the file is no configuration of this version; names the setting.
    """
    stored = read_json(path, "configuration")
    try:
        content = upgraded(stored, path)
    except (TypeError, AttributeError, KeyError, ValueError, RecursionError) as error:
        raise CorruptFileError(f"{path} is not a configuration of any version ({error}); restore it or train again.") from error
    try:
        return Configuration.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        setting = ".".join(str(part) for part in first["loc"])
        raise CorruptFileError(f"{path} is not a configuration of this version: '{setting}' {first['msg'].lower()}.") from error


def load(run: Path | str, device: torch.device | str | None = None) -> Agent:
    """Load the trained agent of a run. Import the modules that register its custom parts first, if it has any.

    Args:
        run: the run's folder. device: where to put the agent; None for the machine's best.

    Raises:
        ForethoughtError: the configuration names a part that is not registered.
        ForethoughtError: there is no agent (never trained, or training is not finished).
        ForethoughtError: the weights do not match the configuration; checked before memory is allocated for them.
        CorruptFileError: a file does not match its checksum; names the file.
    """
    folder = _published(Path(run))
    if not folder.is_dir():
        raise ForethoughtError(
            f"There is no trained agent in {run}: run `forethought train STORE --out {run}` (with --resume if it was stopped)."
        )
    verify_folder(folder)
    configuration = read_configuration(folder / CONFIGURATION)
    modules = _build_networks(configuration, folder)
    load_module(folder / WEIGHTS, modules)
    return Agent(configuration, modules, torch.device(device) if device is not None else None)


def _published(run: Path) -> Path:
    """`RUN/agent/`, or the older agent that a process moved aside before it was killed."""
    folder, aside = run / AGENT, run / f"{AGENT}{ASIDE}"
    if folder.is_dir() or not aside.is_dir():
        return folder
    log.warning("%s was being replaced when its process ended: the older agent at %s is loaded.", folder, aside)
    return aside


def _build_networks(configuration: Configuration, folder: Path) -> AgentNetworks:
    """Untrained networks, built only after their shapes match the weights file, because neither file is trusted.

    The shapes are first computed on the `meta` device. A custom part that can't be built there is built under a memory limit.
    """
    path = folder / WEIGHTS
    leaves = read_leaves(path)
    size = path.stat().st_size
    message = f"{folder / CONFIGURATION} asks for another size of agent than {path} holds; restore both or train it again."
    try:
        with _AllocationLimit(2 * len(leaves), None):
            expected = AgentNetworks(configuration).state_dict()
        if any(not tensor.is_meta for tensor in expected.values()):
            raise _NotOnMeta
    except ForethoughtError:
        raise
    except (_LimitExceeded, OverflowError, MemoryError) as error:
        raise ForethoughtError(message) from error
    except Exception as error:
        if not has_own_networks(configuration):
            raise ForethoughtError(message) from error
        try:
            with _AllocationLimit(2 * len(leaves), 2 * size + _MEMORY_MARGIN):
                modules = AgentNetworks(configuration)
        except (_LimitExceeded, OverflowError, MemoryError) as limit_error:
            raise ForethoughtError(message) from limit_error
        expected = modules.state_dict()
        match_leaves(with_present_names(leaves, expected), expected, str(path))
        return modules
    match_leaves(with_present_names(leaves, expected), expected, str(path))
    return AgentNetworks(configuration)


def untrained_networks(configuration: Configuration) -> AgentNetworks:
    """New networks, after their sizes and those of the training heads were found to fit into the machine's memory.

    Raises:
        ForethoughtError: they do not, or the settings contradict one another.
    """
    loss = configuration.training.loss
    own = has_own_networks(configuration) or bool(loss.extra)
    try:
        with _AllocationLimit(_MOST_TENSORS, None):
            modules = AgentNetworks(configuration)
            heads = TrainingHeads(modules.world_model, configuration.data, loss)
            size = sum(tensor.nbytes for part in (modules, heads) for tensor in part.state_dict().values())
        if not own and _COPIES * size > memory_of_machine():
            raise _LimitExceeded(f"{_COPIES * size / 2**30:.1f} GiB with gradients and the optimiser's state")
    except ForethoughtError:
        raise
    except Exception as error:
        if not own:
            raise ForethoughtError(
                f"The settings ask for networks that can't be built here ({str(error) or 'too many tensors'}): lower the sizes "
                "in `model`, or training.loss.expander."
            ) from error
    return AgentNetworks(configuration)


def has_own_networks(configuration: Configuration) -> bool:
    """Whether some of the weights belong to custom parts."""
    model = configuration.model
    parts: tuple[tuple[Kind, str], ...] = (
        ("encoder", model.encoder.kind), ("predictor", model.predictor.kind), ("world_model", model.kind),
        *(("cost", name) for name in configuration.planner.cost.extra),
    )  # fmt: skip
    return not all(is_built_in(kind, name) for kind, name in parts)


class _NotOnMeta(Exception):
    """A part makes real tensors where the device is `meta`."""


class _LimitExceeded(Exception):
    """More tensors or bytes are created than the weights file accounts for."""


class _AllocationLimit(TorchFunctionMode):
    """Creates new tensors on the `meta` device (whatever device is asked for), or within a limit of bytes."""

    def __init__(self, leaves: int, bytes_left: int | None) -> None:
        """`leaves`: number of tensors, plus a margin of 1000. `bytes_left`: limit of bytes; None: `meta` tensors only."""
        super().__init__()
        self.tensors_left, self.bytes_left = leaves + 1000, bytes_left

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func not in _device_constructors():
            return func(*args, **kwargs)
        self.tensors_left -= 1
        if self.tensors_left < 0:
            raise _LimitExceeded
        meta_kwargs = {name: value for name, value in kwargs.items() if name not in ("generator", "pin_memory", "out")}
        if self.bytes_left is None:
            return func(*args, **{**meta_kwargs, "device": "meta"})
        try:
            self.bytes_left -= func(*args, **{**meta_kwargs, "device": "meta"}).nbytes
        except (RuntimeError, TypeError) as error:
            raise _LimitExceeded from error
        if self.bytes_left < 0:
            raise _LimitExceeded
        return func(*args, **kwargs)
