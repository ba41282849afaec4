"""Train an agent on a store: configure, then run the phases from the world model to the policy; each phase can be resumed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, nullcontext, suppress
from functools import cache, partial
from pathlib import Path
from typing import Any, SupportsIndex

import torch
from torch import Tensor

from forethought.action_codec import ActionCodec
from forethought.agent import Agent
from forethought.agent_networks import AgentNetworks
from forethought.atomic_io import claimed, make_folder, write_json
from forethought.config import CONFIGURATION, Configuration
from forethought.configurator import Budget, configure
from forethought.data.store import EpisodeStore
from forethought.data_parallel import TrainingProcesses, joined
from forethought.device import default_device, device_name, on_device, tune_glibc_malloc
from forethought.errors import ForethoughtError, require_whole
from forethought.perception import to_tensors
from forethought.training.agent_files import read_configuration, save_agent, untrained_networks
from forethought.training.checkpoint import Checkpoint
from forethought.training.critic_phase import CriticPhase, EncodeOnce
from forethought.training.encoded_dataset import EncodedDataset, encode_store, seconds_to_encode
from forethought.training.fill_memory import populate_memory
from forethought.training.given_up import begin_anew, leave_given_up
from forethought.training.levels_phase import LevelsPhase
from forethought.training.loop import ObjectiveChangedError, run_phases
from forethought.training.measured_speed import measured_on_gpus, with_measured_speed
from forethought.training.phases import Phase
from forethought.training.policy_phase import PolicyPhase, weights_of
from forethought.training.predictor_phase import PredictorPhase
from forethought.training.preflight import checked_options, require_even_shares, require_memory_now, require_own_store
from forethought.training.reachability_phase import DistancesPhase
from forethought.training.record import (
    TRAINING,
    finish_record,
    frames_of,
    training_clock,
    training_record,
    training_threads,
)
from forethought.training.recorded_past import recorded_past_gain
from forethought.training.shared_files import last_checkpoint, shared_by_main, shared_configuration
from forethought.training.stochastic_transitions import stochastic_steps, stochastic_steps_before
from forethought.training.threads import OtherProcesses
from forethought.training.world_model_phase import WorldModelPhase
from forethought.world_model import FirstLevel

log = logging.getLogger(__name__)
SCALE_EPISODES, SCALE_ROWS = 64, 512


MakePhases = Callable[[AgentNetworks, EpisodeStore, Configuration, ActionCodec, EncodeOnce], list[Phase]]
"""Returns the phases in order; `EncodeOnce` returns the encoded training episodes, valid after the first phase."""


def every_phase(
    modules: AgentNetworks, store: EpisodeStore, configuration: Configuration, body: ActionCodec, encode: EncodeOnce
) -> list[Phase]:
    """All phases: world model, predictor, critic, upper levels if there are any, policy."""
    return [WorldModelPhase(modules, store, configuration, body), *after_perception(modules, configuration, body, encode)]


def after_perception(
    modules: AgentNetworks, configuration: Configuration, body: ActionCodec, encode: EncodeOnce
) -> list[Phase]:
    """The phases that train on cached states, whatever encoder made them."""
    return [
        PredictorPhase(modules, configuration, encode),
        CriticPhase(modules, configuration, encode),
        *levels_phases(modules, configuration, encode),
        PolicyPhase(modules, configuration, body, encode),
    ]


def levels_phases(
    modules: AgentNetworks, configuration: Configuration, encode: EncodeOnce, foresight: FirstLevel | None = None
) -> list[Phase]:
    """The phases of the upper levels, if there are any: joint training, then the distance heads alone.

    `foresight`: a level 1 with the same encoder whose model marks stochastic steps; None: the agent's own.
    """
    if not modules.above:
        return []

    @cache
    def stochastic_counts() -> Tensor:
        return stochastic_steps_before(stochastic_steps(foresight or modules.world_model, encode()))

    return [
        LevelsPhase(modules, configuration, encode, stochastic_counts),
        DistancesPhase(modules, configuration, encode, stochastic_counts),
    ]


def train(
    store: EpisodeStore | Path | str,
    *,
    out: Path | str,
    seed: SupportsIndex = 0,
    config: Mapping[str, Any] | None = None,
    budget: Budget | None = None,
    resume: bool = False,
    phases: MakePhases = every_phase,
    success: Mapping[str, Any] | None = None,
    device: str | None = None,
) -> Agent:
    """Train an agent on a store. What can be refused is refused before anything is learned (`preflight`).

    Called in several processes, of torchrun or of a process group that is initialised already, they train one agent together:
    each computes its share of every batch, rank 0 alone writes the run, and every process returns the agent (`data_parallel`).

    Where the world model's state is found dead, the training begins anew with another objective, within the same budget
    (`configurator.recovery`); `configuration.history` says why.

    Args:
        store: a store or its folder.
        out: the run's folder; afterwards it holds the agent, its configuration, checkpoints and logs.
        seed: of weights, batches and noise.
        config: the user's settings, nested or dotted; they override the configurator's. New runs only.
        budget: seconds and memory of training, milliseconds of a decision; None for no limits. New runs only.
        resume: continue from the run's last checkpoint, with the run's own configuration and seed.
        phases: makes the training phases, in order.
        success: options of the success test (`success_distance`, `state_scale`, `success_pixels`) that replace the store's,
            for worlds whose goals come from episodes; None as an option's value derives it from the data. New runs only.
        device: `cpu`, `cuda`, `cuda:1` or `mps`; None for the best of this machine.

    Raises:
        CorruptFileError: a file of the store is damaged.
        ForethoughtError: the run exists and `resume` is not set, or there is nothing to resume, or the configurator refuses, or
            the store has no episode to train on, none that is held out or gives no task, or memory is too small; or another
            process of the training ended, or the processes cannot share the batches evenly or open different stores.
        KeyboardInterrupt: Ctrl-C, after a checkpoint was saved; continue with `resume`.
    """
    started, others = time.monotonic(), OtherProcesses()
    tune_glibc_malloc()
    run = Path(out)
    new = not run.exists()
    with on_device(device), joined(default_device()) as processes, ExitStack() as stack:
        source = store if isinstance(store, EpisodeStore) else EpisodeStore.open(store)
        source.verify()
        source.require_splits()

        def begin() -> Configuration:
            stack.enter_context(claimed(run))
            configuration = _configuration(
                source, run, require_whole(seed, "seed"), config, budget, resume, success, processes.size
            )
            _record(run, source, configuration, budget or Budget(), processes)
            leave_given_up(run, configuration)
            return configuration

        try:
            configuration = shared_configuration(processes, source, begin)
            checkpoint = last_checkpoint(processes, run, resume)
            while True:
                try:
                    return _trained(source, run, configuration, checkpoint, phases, started, others, processes)
                except ObjectiveChangedError as change:
                    configuration = change.configuration
                # Out of the handler, which holds the networks of the training that was given up.
                checkpoint, started = None, time.monotonic()
                processes.from_main(partial(begin_anew, run, configuration))
        except ForethoughtError:
            stack.close()
            if processes.is_main and new and run.is_dir() and not any(run.iterdir()):
                with suppress(OSError):  # the refusal counts: a folder that is read-only by now may stay
                    run.rmdir()  # refused before anything was written
            raise


def _trained(
    source: EpisodeStore, run: Path, configuration: Configuration, checkpoint: Checkpoint | None, phases: MakePhases,
    started: float, others: OtherProcesses, processes: TrainingProcesses,
) -> Agent:  # fmt: skip
    """The agent, trained in a folder that only the main process of this training writes into."""
    chosen = default_device()
    # A launcher gives each process its number of threads; alone on the machine, a training chooses it.
    with nullcontext() if processes.several else training_threads(run, chosen, others, started) as threads:
        modules = untrained_networks(configuration).to(chosen)
        body = ActionCodec(configuration.data, chosen)
        if checkpoint is None and configuration.training.loss.lsuv_init:
            start_at_unit_scale(modules.world_model, source)
        if checkpoint is None:
            configuration = _measured(source, run, configuration, phases, modules, body, processes)
        clock = training_clock(run, configuration, checkpoint, started) if processes.is_main else None

        def episodes_in_time() -> int:
            if clock is None:
                return len(source.train)
            seconds_all = seconds_to_encode(modules.world_model, source, source.train, body) / processes.size
            return clock.episodes(len(source.train), seconds_all)

        episodes = source.train[: processes.from_main(episodes_in_time)]

        @cache
        def encode() -> EncodedDataset:
            encoded = encode_store(modules.world_model, source, episodes, body, processes)
            if clock is not None:
                clock.reserved = 0.0
            return encoded

        to_run = phases(modules, source, configuration, body, encode)
        seconds = run_phases(
            modules, to_run, run, configuration.training, checkpoint, clock, threads, processes, configuration.history
        )
        populate_memory(modules, encode(), configuration)

    def finish() -> None:
        save_agent(run, configuration, modules)
        finish_record(run, configuration, seconds, clock)

    processes.from_main(finish)
    return Agent(configuration, modules, chosen)


def _measured(
    source: EpisodeStore, run: Path, configuration: Configuration, phases: MakePhases, modules: AgentNetworks,
    body: ActionCodec, processes: TrainingProcesses,
) -> Configuration:  # fmt: skip
    """The configuration with what is to be measured, written before the first step, so that a resumed run repeats it."""

    def make(copied: AgentNetworks, candidate: Configuration) -> Phase | None:
        def encode() -> EncodedDataset:
            return encode_store(copied.world_model, source, source.train, body)

        made = phases(copied, source, candidate, body, encode)
        return next((phase for phase in made if isinstance(phase, WorldModelPhase)), None)

    def choose() -> Configuration:
        budget = training_record(run).get("budget")
        chosen = with_measured_speed(
            configuration, modules, make, default_device(), processes.size, None if budget is None else budget["seconds"]
        )
        if chosen != configuration:
            write_json(run / CONFIGURATION, chosen.model_dump(mode="json"))
        return chosen

    return shared_by_main(processes, choose)


@torch.no_grad()
def start_at_unit_scale(level: FirstLevel, store: EpisodeStore) -> None:
    """Scale the untrained states to zero mean and unit variance per dimension on training rows (LSUV).

    Random weights give states of about a hundredth of that scale. The inverse-dynamics gradient grows as states shrink, so it
    would dominate the clipped gradient, and the variance term would have no effect.
    """
    rows = store.rows_of(store.train[:SCALE_EPISODES], whole=True)
    sample = rows[:: max(1, len(rows) // SCALE_ROWS)]
    observation = {stream.name: store.rows(stream.name, sample) for stream in level.perception.streams}
    device = next(level.parameters()).device
    level.perception.start_at_unit_scale(level.encode(to_tensors(observation, level.perception.streams, device)))


def _configuration(
    store: EpisodeStore,
    run: Path,
    seed: int,
    config: Mapping[str, Any] | None,
    budget: Budget | None,
    resume: bool,
    success: Mapping[str, Any] | None,
    processes: int,
) -> Configuration:
    """The stored configuration of a resumed run; else a new one, which is written before training starts."""
    path = run / CONFIGURATION
    if path.exists():
        if not resume:
            raise ForethoughtError(f"{run} already holds a run: add --resume to continue it, or name another folder.")
        if config or success or budget not in (None, Budget()):
            raise ForethoughtError(
                f"{run} is resumed with its own configuration: leave out --set, --config, --success and budgets, or start a "
                "new run."
            )
        configuration = read_configuration(path)
        require_even_shares(configuration, processes)
        require_own_store(run, configuration, store)
        return configuration
    if resume:
        raise ForethoughtError(f"There is no run in {run} to resume: leave out --resume to start one.")
    made = configuration_for(store, config, seed, budget)
    require_even_shares(made, processes)
    require_memory_now(store, made)
    made = measured_on_gpus(made, default_device(), budget is not None and budget.reproducible)
    # The success test of the run's evaluation stands in its configuration: the same tasks can be asked again.
    data = made.data.model_copy(update={"options": checked_options(store, success)})
    configuration = made.model_copy(update={"data": data})
    # Inconsistent sizes and weights of unknown costs are refused before the run's folder exists.
    untrained_networks(configuration).energy.check(weights_of(configuration))
    make_folder(run)
    write_json(path, configuration.model_dump(mode="json"))
    return configuration


def configuration_for(
    store: EpisodeStore, config: Mapping[str, Any] | None, seed: int = 0, budget: Budget | None = None
) -> Configuration:
    """What the configurator chooses for a store, with its measurements; the same for the same store.

    Args:
        config: the user's own settings. seed, budget: as in `configure`.

    Raises:
        ForethoughtError: see `configure`.
    """
    gain = recorded_past_gain(store)
    return configure(
        store.spec, store.block, store.statistics(), budget=budget, unexplained=(gain.without, gain.given),
        overrides=config, seed=seed,
    )  # fmt: skip


def _record(run: Path, store: EpisodeStore, configuration: Configuration, budget: Budget, processes: TrainingProcesses) -> None:
    """Begin the training record, or go on with that of an earlier process."""
    path = run / TRAINING
    earlier = training_record(run) if path.exists() else {}
    begun = {
        "seconds": {}, "threads": torch.get_num_threads(), "device": device_name(default_device()),
        "train_frames": frames_of(configuration, configuration.training.world_model_steps),
    }  # fmt: skip
    if processes.several:
        begun["processes"] = processes.size
    if budget.seconds is not None:
        begun["budget"] = {"seconds": budget.seconds, "reproducible": budget.reproducible}
    write_json(path, begun | earlier | {"store": str(store.path.resolve()), "fingerprint": store.fingerprint})
