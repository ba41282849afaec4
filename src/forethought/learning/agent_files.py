"""An agent on disk: `RUN/agent/` with weights, configuration and checksums; published whole, verified on load."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from pydantic import ValidationError

from forethought.agent import Agent
from forethought.durable import make_folder, publish_folder, read_json, verify_folder, write_json
from forethought.errors import CorruptFileError, ForethoughtError
from forethought.learning.checkpoint import load_module, save_module
from forethought.modules import Modules
from forethought.settings import CONFIGURATION, Configuration

AGENT, WEIGHTS = "agent", "weights.safetensors"


def save_agent(run: Path, configuration: Configuration, modules: Modules) -> Path:
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
    content = read_json(path, "configuration")
    try:
        return Configuration.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CorruptFileError(f"{path} is not a configuration of this version: '{where}' {first['msg'].lower()}.") from error


def load(
    run: Path | str, device: torch.device | str | None = None, build: Callable[[Configuration], Modules] = Modules
) -> Agent:
    """The trained agent of a run.

    Args:
        run: the run's folder. device: where to put it; None for the machine's best.
        build: untrained weights of its configuration, as in the `Method` that it was trained by.

    Raises:
        ForethoughtError: no agent there (never trained, or training is not finished).
        CorruptFileError: a file does not match its checksum; names it.
    """
    folder = Path(run) / AGENT
    if not folder.is_dir():
        raise ForethoughtError(
            f"There is no trained agent in {run}: run `forethought train STORE --out {run}` (with --resume if it was stopped)."
        )
    verify_folder(folder)
    configuration = read_configuration(folder / CONFIGURATION)
    modules = build(configuration)
    load_module(folder / WEIGHTS, modules)
    return Agent(configuration, modules, torch.device(device) if device is not None else None)
