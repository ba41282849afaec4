"""Other parts above the same perception: for comparing depths, latents and predictors without learning to see again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from forethought.action_codec import ActionCodec
from forethought.agent import Agent
from forethought.agent_networks import AgentNetworks
from forethought.atomic_io import make_folder, write_json
from forethought.config import CONFIGURATION, Configuration
from forethought.configurator.configure import require_room_above
from forethought.data.store import EpisodeStore
from forethought.errors import ForethoughtError
from forethought.training.agent_files import AGENT, load, save_agent
from forethought.training.encoded_dataset import EncodedDataset, encode_store
from forethought.training.fill_memory import populate_memory
from forethought.training.levels_phase import LevelsPhase
from forethought.training.loop import run_phases
from forethought.training.phases import Phase
from forethought.training.predictor_phase import PredictorPhase
from forethought.training.reachability_phase import DistancesPhase
from forethought.training.train import TRAINING, levels_phases, training_record

ABOVE = ("stages.", "graph.")
"""Weights of the levels above."""
FORESIGHT = ("model.predictor.kind.", "model.latent.kind.")
"""Weights of what predicts at level 1."""
ASKED = "asked for above what another run perceives"
Phases = Callable[[AgentNetworks, Callable[[], EncodedDataset]], list[Phase]]


def retrain_hierarchy(
    base: Path, store: EpisodeStore, out: Path, hierarchy: Mapping[str, Any], wiser: Path | None = None
) -> Agent:
    """A run whose level 1 is that of another run, with levels above of its own; loaded if it is there already.

    Args:
        base: a finished run. store: the episodes that it was trained on. out: the new run's folder.
        hierarchy: settings of `model.hierarchy` that differ from the base's. Where goals show a part of what is seen,
            levels can be grown to imagine with; the agent plans without them.
        wiser: a run of the same perception, from whose foresight distances learn which ways were luck; None for the base's.

    Raises:
        ForethoughtError: too few training episodes are long enough for the highest level; or `wiser` sees otherwise; or the
            base was trained on other episodes.
    """
    _require_its_store(base, store)
    below = load(base)
    configuration = below.configuration.changed({"model": {"hierarchy": hierarchy}}, ASKED)
    require_room_above(configuration, store.statistics())
    if (out / AGENT).is_dir():
        return _kept(out, configuration, below, ABOVE, wiser)
    foresight = None if wiser is None else load(wiser).modules.world_model
    if foresight is not None and not _alike(foresight.perception, below.modules.world_model.perception):
        raise ForethoughtError(f"{wiser} sees otherwise than {base}, so it can't tell which of these ways were luck.")

    def phases(modules: AgentNetworks, encode: Callable[[], EncodedDataset]) -> list[Phase]:
        return levels_phases(modules, configuration, encode, foresight)

    return _regrown(base, below, store, out, configuration, ABOVE, phases, wiser)


def _require_its_store(base: Path, store: EpisodeStore) -> None:
    if (record := training_record(base))["fingerprint"] != store.fingerprint:
        raise ForethoughtError(f"{base} learned from the episodes of {record['store']}, not of {store.path}: give them.")


def _alike(one: nn.Module, other: nn.Module) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(value.equal(theirs[name]) for name, value in ours.items())


def retrain_predictor(base: Path, store: EpisodeStore, out: Path, changes: Mapping[str, Any]) -> Agent:
    """A run that sees, judges and reacts like another one, but has learned anew what follows what; loaded if it is there.

    Args:
        base: a finished run. store: the episodes that it was trained on. out: the new run's folder.
        changes: settings that differ from the base's, nested or dotted: of `model.predictor` and `model.latent` only.

    Raises:
        ForethoughtError: a latent variable was asked for, and the base has none; or it was trained on other episodes.
    """
    _require_its_store(base, store)
    below = load(base)
    found = below.configuration
    configuration = found.changed(changes, ASKED)
    if configuration.model.stochastic and not found.model.stochastic:
        raise ForethoughtError(
            f"The critic of {base} has learned that nothing is left to chance, so no latent variable can stand on it: train a "
            "base with model.latent.kind = codes, say."
        )
    if (out / AGENT).is_dir():
        return _kept(out, configuration, below, FORESIGHT)

    def phases(modules: AgentNetworks, encode: Callable[[], EncodedDataset]) -> list[Phase]:
        return [PredictorPhase(modules, configuration, encode)]

    return _regrown(base, below, store, out, configuration, FORESIGHT, phases)


def _kept(out: Path, configuration: Configuration, below: Agent, fresh: tuple[str, ...], wiser: Path | None = None) -> Agent:
    """The run that is there already.

    Raises:
        ForethoughtError: it has other settings than these, other weights than `below` beside the `fresh` ones (prefixes), or
            was told of luck by another run than `wiser`.
    """
    found = load(out)
    ours, theirs = below.modules.state_dict(), found.modules.state_dict()
    shared = [name for name in ours.keys() & theirs.keys() if not name.startswith((*fresh, "bank_"))]
    same = not found.configuration.differing(configuration) and all(ours[name].equal(theirs[name]) for name in shared)
    if not same or training_record(out).get("wiser") != (wiser and wiser.name):
        raise ForethoughtError(
            f"{out} holds a run of other settings, or above another run than this one: name another folder, or remove that one."
        )
    return found


def _regrown(
    base: Path,
    below: Agent,
    store: EpisodeStore,
    out: Path,
    configuration: Configuration,
    fresh: tuple[str, ...],
    phases: Phases,
    wiser: Path | None = None,
) -> Agent:
    """All weights from `below`, the agent of `base`, but the `fresh` ones (prefixes), which these phases teach."""
    modules = AgentNetworks(configuration).to(below.device)
    fresh_weights = modules.state_dict()
    # What the base has beyond these modules (a wary critic, say, where there is no chance any more) stays behind.
    kept = {
        name: value
        for name, value in below.modules.state_dict().items()
        if name in fresh_weights and not name.startswith(fresh)
    }
    modules.load_state_dict(kept | {name: value for name, value in fresh_weights.items() if name.startswith(fresh)})
    states = encode_store(modules.world_model, store, store.train, ActionCodec(configuration.data, below.device))
    make_folder(out)
    write_json(out / CONFIGURATION, configuration.model_dump(mode="json"))
    taught = phases(modules, lambda: states)
    spent = run_phases(modules, taught, out, configuration.training, None)
    populate_memory(modules, states, configuration)
    record = training_record(base)
    # The same phases of the base were for weights that are not there any more.
    own = (LevelsPhase.name, DistancesPhase.name) if fresh == ABOVE else (PredictorPhase.name,)
    seconds = {name: value for name, value in record["seconds"].items() if name not in own}
    write_json(out / TRAINING, record | {"seconds": seconds | spent, "wiser": wiser and wiser.name})
    save_agent(out, configuration, modules)
    return Agent(configuration, modules, below.device)
