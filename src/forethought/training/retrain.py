"""Retrain parts of an agent above the same encoder: compare hierarchies, latents and predictors without new perception."""

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
from forethought.training.record import TRAINING, training_record
from forethought.training.train import levels_phases

ABOVE = ("stages.", "graph.")
"""Prefixes of the weights of the upper levels."""
FORESIGHT = ("world_model.predictor.", "world_model.latent.")
"""Prefixes of the weights of the dynamics of level 1."""
ASKED = "asked for above what another run perceives"
Phases = Callable[[AgentNetworks, Callable[[], EncodedDataset]], list[Phase]]


def retrain_hierarchy(
    base: Path, store: EpisodeStore, out: Path, hierarchy: Mapping[str, Any], wiser: Path | None = None
) -> Agent:
    """Train new upper levels above level 1 of a finished run; a run that is already in `out` is loaded.

    Args:
        base: a finished run. store: the episodes that it was trained on. out: the new run's folder.
        hierarchy: settings of `model.hierarchy` that differ from the base's. If goals show some streams only, the upper levels
            serve imagination alone; the agent plans without them.
        wiser: a run with the same encoder whose model marks the stochastic steps that distances ignore; None: the base.

    Raises:
        ForethoughtError: too few training episodes are long enough for the highest level; or `wiser` has another encoder; or
            the base was trained on other episodes.
    """
    _require_same_store(base, store)
    below = load(base)
    configuration = below.configuration.changed({"model": {"hierarchy": hierarchy}}, ASKED)
    require_room_above(configuration, store.statistics())
    if (out / AGENT).is_dir():
        return _load_existing(out, configuration, below, ABOVE, wiser)
    stochasticity_from = None if wiser is None else load(wiser).modules.world_model
    if stochasticity_from is not None and not _same_weights(
        stochasticity_from.perception, below.modules.world_model.perception
    ):
        raise ForethoughtError(
            f"{wiser} has another encoder than {base}, so it can't mark stochastic steps: give a run with the same encoder."
        )

    def phases(modules: AgentNetworks, encode: Callable[[], EncodedDataset]) -> list[Phase]:
        return levels_phases(modules, configuration, encode, stochasticity_from)

    return _retrained(base, below, store, out, configuration, ABOVE, phases, wiser)


def _require_same_store(base: Path, store: EpisodeStore) -> None:
    if (record := training_record(base))["fingerprint"] != store.fingerprint:
        raise ForethoughtError(f"{base} was trained on the store {record['store']}, not on {store.path}: give that store.")


def _same_weights(first: nn.Module, second: nn.Module) -> bool:
    first_state, second_state = first.state_dict(), second.state_dict()
    return first_state.keys() == second_state.keys() and all(
        value.equal(second_state[name]) for name, value in first_state.items()
    )


def retrain_predictor(base: Path, store: EpisodeStore, out: Path, changes: Mapping[str, Any]) -> Agent:
    """Train a new predictor with the encoder, critic and policy of a finished run; a run that is already in `out` is loaded.

    Args:
        base: a finished run. store: the episodes that it was trained on. out: the new run's folder.
        changes: settings that differ from the base's, nested or dotted: of `model.predictor` and `model.latent` only.

    Raises:
        ForethoughtError: `changes` ask for a latent variable and the base has none; or it was trained on other episodes.
    """
    _require_same_store(base, store)
    below = load(base)
    configuration = below.configuration.changed(changes, ASKED)
    if configuration.model.stochastic and not below.configuration.model.stochastic:
        raise ForethoughtError(
            f"The critic of {base} was trained with a deterministic model, so a latent variable can't be added: train a base "
            "with, for example, model.latent.kind = codes."
        )
    if (out / AGENT).is_dir():
        return _load_existing(out, configuration, below, FORESIGHT)

    def phases(modules: AgentNetworks, encode: Callable[[], EncodedDataset]) -> list[Phase]:
        return [PredictorPhase(modules, configuration, encode)]

    return _retrained(base, below, store, out, configuration, FORESIGHT, phases)


def _load_existing(
    out: Path, configuration: Configuration, below: Agent, fresh: tuple[str, ...], wiser: Path | None = None
) -> Agent:
    """The agent of a run that is already in `out`.

    Raises:
        ForethoughtError: it has other settings, other weights than `below` apart from the `fresh` ones (prefixes), or its
            stochastic steps were marked by another run than `wiser`.
    """
    existing = load(out)
    base_weights, weights = below.modules.state_dict(), existing.modules.state_dict()
    shared = [name for name in base_weights.keys() & weights.keys() if not name.startswith((*fresh, "bank_"))]
    same_settings = not existing.configuration.differing(configuration)
    same = same_settings and all(base_weights[name].equal(weights[name]) for name in shared)
    if not same or training_record(out).get("wiser") != (wiser and wiser.name):
        raise ForethoughtError(
            f"{out} holds a run of other settings, or above another run than this one: name another folder, or remove that one."
        )
    return existing


def _retrained(
    base: Path,
    below: Agent,
    store: EpisodeStore,
    out: Path,
    configuration: Configuration,
    fresh: tuple[str, ...],
    phases: Phases,
    wiser: Path | None = None,
) -> Agent:
    """Copy the weights of `below`, the agent of `base`, train the `fresh` ones (prefixes) by these phases, and save the run."""
    modules = AgentNetworks(configuration).to(below.device)
    fresh_weights = modules.state_dict()
    # Weights of the base that the new networks lack are dropped (such as the worst-case critic without a latent variable).
    copied = {
        name: value
        for name, value in below.modules.state_dict().items()
        if name in fresh_weights and not name.startswith(fresh)
    }
    modules.load_state_dict(copied | {name: value for name, value in fresh_weights.items() if name.startswith(fresh)})
    states = encode_store(modules.world_model, store, store.train, ActionCodec(configuration.data, below.device))
    make_folder(out)
    write_json(out / CONFIGURATION, configuration.model_dump(mode="json"))
    seconds_spent = run_phases(modules, phases(modules, lambda: states), out, configuration.training, None)
    populate_memory(modules, states, configuration)
    record = training_record(base)
    # The base's seconds of these phases belong to weights that are replaced.
    retrained = (LevelsPhase.name, DistancesPhase.name) if fresh == ABOVE else (PredictorPhase.name,)
    seconds = {name: value for name, value in record["seconds"].items() if name not in retrained}
    write_json(out / TRAINING, record | {"seconds": seconds | seconds_spent, "wiser": wiser and wiser.name})
    save_agent(out, configuration, modules)
    return Agent(configuration, modules, below.device)
