"""Other levels above the same level 1: for comparing depths, strides and latents without learning to see again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from forethought.agent import Agent
from forethought.body import Body
from forethought.configurator.configure import require_room_above
from forethought.data.store import EpisodeStore
from forethought.durable import make_folder, write_json
from forethought.learning.agent_files import AGENT, CONFIGURATION, load, save_agent
from forethought.learning.levels_phase import LevelsPhase
from forethought.learning.loop import run_phases
from forethought.learning.remembering import remember
from forethought.learning.states import EncodedStates, encode_store
from forethought.learning.train import TRAINING, training_record
from forethought.modules import Modules
from forethought.settings import Configuration, HierarchySettings

ABOVE = ("stages.", "graph.")
"""Weights of the levels above."""


def grow(base: Path, store: EpisodeStore, out: Path, hierarchy: Mapping[str, Any]) -> Agent:
    """A run whose level 1 is that of another run, with levels above of its own; loaded if it is there already.

    Args:
        base: a finished run. store: the episodes that it was trained on. out: the new run's folder.
        hierarchy: settings of the section `hierarchy` that differ from the base's.

    Raises:
        ForethoughtError: too few training episodes are long enough for the highest level.
    """
    if (out / AGENT).is_dir():
        return load(out)
    below = load(base)
    settings = HierarchySettings.model_validate(below.configuration.hierarchy.model_dump() | dict(hierarchy))
    configuration = below.configuration.model_copy(update={"hierarchy": settings})
    require_room_above(configuration, store.statistics())
    modules = Modules(configuration).to(below.device)
    kept = {name: value for name, value in below.modules.state_dict().items() if not name.startswith(ABOVE)}
    modules.load_state_dict(kept | {k: v for k, v in modules.state_dict().items() if k.startswith(ABOVE)})
    states = encode_store(modules.world_model, store, store.train, Body(configuration.body, below.device))
    make_folder(out)
    write_json(out / CONFIGURATION, configuration.model_dump(mode="json"))
    spent = _learn(modules, configuration, states, out)
    remember(modules, states, configuration)
    record = training_record(base)
    seconds = {name: value for name, value in record["seconds"].items() if name != LevelsPhase.name}
    write_json(out / TRAINING, record | {"seconds": seconds | spent})
    save_agent(out, configuration, modules)
    return Agent(configuration, modules, below.device)


def _learn(modules: Modules, configuration: Configuration, states: EncodedStates, out: Path) -> dict[str, float]:
    """Seconds by phase; a graph learns nothing."""
    if not modules.above:
        return {}
    phase = LevelsPhase(modules, configuration, lambda: states)
    return run_phases(modules, [phase], out, configuration.learning, None)
