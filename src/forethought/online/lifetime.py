"""One process's part of a life: episodes, evaluations, checkpoints; exact after a kill.

A checkpoint is of the end of an episode. What was recorded after it is lived again from the dataset, not from the world.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from forethought.action_codec import ActionCodec
from forethought.atomic_io import write_json
from forethought.config import CONFIGURATION, Configuration
from forethought.configurator import configure_online
from forethought.configurator.config_builder import ConfigBuilder
from forethought.configurator.online_rules import random_steps
from forethought.data.recorder import seed_of
from forethought.data.store import EpisodeStore
from forethought.device import default_device
from forethought.errors import ForethoughtError
from forethought.online.dataset import LivedDataset
from forethought.online.experience import Habitat, RandomActor, relive
from forethought.online.first_look import drive_sizes, nothing_found, reward_range, reward_size
from forethought.online.life import Life
from forethought.online.past_gain import past_gain
from forethought.online.practice import Practice, planning_pays
from forethought.online.progress import Observer, ProgressWriter
from forethought.online.record import Record
from forethought.online.recorded import FIRST_UPDATES, episodes_of
from forethought.training.agent_files import load, read_configuration, save_agent, untrained_networks
from forethought.training.checkpoint import (
    has_checkpoint,
    load_checkpoint,
    match_leaves,
    optimizer_tensors,
    restore_optimizer,
    save_checkpoint,
)
from forethought.types import Episode, WorldSpec

log = logging.getLogger(__name__)
BLOCK = 1
EVALUATION_EPISODES = 10
ALWAYS_LOST, MOST_LOST = 3, 0.1
"""Episodes that may always be lost, and the share of them from which the life stops."""

Outcome = Episode | str
"""An episode, or the reason of its loss."""


class Lifetime:
    """Lives until the number of steps, or the return, is reached."""

    def __init__(
        self,
        run: Path,
        spec: WorldSpec,
        request: Mapping[str, Any],
        recorded: EpisodeStore | None,
        steps: int,
        until: float | None,
        watch: Observer | None,
        patience: float,
    ) -> None:
        """`request`: world, options, seed, config and recorded. The others as in `live`."""
        self.run, self.spec, self.request, self.total, self.until = run, spec, request, steps, until
        self.recorded = recorded
        self.world, self.options, self.seed = str(request["world"]), dict(request["options"]), int(request["seed"])
        asked = {"policy": "agent", **{name: value for name, value in request.items() if name not in ("config", "steps")}}
        self.dataset = LivedDataset(run, spec, BLOCK, asked)
        self.habitat = Habitat(spec, self.world, self.options, BLOCK, patience)
        self.record, self.saved = Record(), 0
        self.progress = ProgressWriter(run, steps, watch)
        self.started = time.monotonic()

    @property
    def planned(self) -> int:
        """Environment steps for which the configuration was made; a resumed life may go on for longer."""
        return int(self.request["steps"])

    def go(self) -> None:
        """Live to the end; afterwards the run holds the agent, a finished dataset and the record."""
        lived = dict(self.dataset.lived())
        self.dataset.reopen()
        try:
            first = self._random_episodes(lived) if self.recorded is None else episodes_of(self.recorded)
            configuration = self._configuration(first)
            self.codec = ActionCodec(configuration.data, default_device())
            networks = untrained_networks(configuration).to(default_device())
            self.life = Life(networks, configuration, self.codec, self.planned, reward_range(first))
            self.practice = Practice(self.life.learner.averaged, self.codec, self.world, self.options)
            try:
                self._begin(first, lived)
                self.progress.begin(len(first) if self.recorded is None else 0, self.record, self.life)
                if self.recorded is not None and not self.record.evaluations:
                    self._evaluate()
                    self._checkpoint()
                self._live_on(lived)
                self._end()
            finally:
                self.practice.close()
        except (Exception, KeyboardInterrupt) as error:
            self.progress.end(self.record, error)
            raise
        finally:
            self.habitat.close()

    def _random_episodes(self, lived: dict[int, Outcome]) -> list[Episode]:
        """The first episodes, of random actions: enough steps, and two episodes at least; lived before or now."""
        asked = ConfigBuilder(self.request["config"])
        own = asked.asked("training.online.random_steps")
        needed = int(asked.training.online.random_steps) if own else random_steps(self.planned)
        actor, episodes = RandomActor(self.spec, self.seed), list[Episode]()
        while sum(map(len, episodes)) < needed or len(episodes) < 2:
            number = self.record.episodes
            if number not in lived:
                actor.number = number
                lived[number] = self._lived(actor, number)
            outcome = lived[number]
            self._count(outcome, number)
            if isinstance(outcome, Episode):
                episodes.append(outcome)
        return episodes

    def _lived(self, listener: RandomActor | Life, number: int) -> Outcome:
        """One episode in the world, recorded."""
        outcome = self.habitat.live(listener, seed_of(self.seed, number))
        self.dataset.add(number, outcome, seed_of(self.seed, number))
        return outcome

    def _configuration(self, episodes: list[Episode]) -> Configuration:
        path = self.run / CONFIGURATION
        if path.exists():
            return read_configuration(path)
        store = self.recorded
        if store is None:
            store = self.dataset.finished()
            self.dataset.reopen()
        gain = past_gain(store)
        configuration = configure_online(
            self.spec, BLOCK, store.statistics(), self.planned, reward_size(episodes),
            drive_sizes=drive_sizes(episodes, self.spec.drives), curious=self.recorded is None and nothing_found(episodes),
            unexplained=(gain.without, gain.given), recorded=0 if self.recorded is None else store.num_episodes,
            overrides=self.request["config"], seed=self.seed,
        )  # fmt: skip
        write_json(path, configuration.model_dump(mode="json"))
        return configuration

    def _begin(self, first: list[Episode], lived: Mapping[int, Outcome]) -> None:
        """Fill the replay; restore the last checkpoint, or make the updates that the first episodes give occasion for."""
        for episode in first:
            self.life.remember(episode, self.recorded is not None)
        if not has_checkpoint(self.run):
            updates = self.life.configuration.training.online.updates_per_step * self.life.replay.blocks / 2
            if self.recorded is not None:
                updates = min(updates, FIRST_UPDATES)
                log.info("%d updates from %d recorded episodes, before the first step", updates, len(first))
            self.life.learn(updates)
            return
        checkpoint = load_checkpoint(self.run)
        progress = checkpoint.progress
        for number in range(self.record.episodes, int(progress["episodes"])):
            if isinstance(outcome := lived[number], Episode):
                self.life.remember(outcome)
        for name, module in (("agent", self.life.networks), ("learner", self.life.learner)):
            match_leaves(checkpoint.tensors[name], module.state_dict(), f"the checkpoint at {checkpoint.path}")
            module.load_state_dict(dict(checkpoint.tensors[name]))
        restore_optimizer(self.life.learner.optimizer, checkpoint.tensors["optimizer"])
        self.life.restore(progress["life"])
        self.record = Record.of(progress)
        self.saved = self.record.steps

    def _live_on(self, lived: Mapping[int, Outcome]) -> None:
        settings = self.life.configuration.training.online
        while self.record.steps < self.total and self.record.reached is None:
            number = self.record.episodes
            outcome = lived.get(number)
            if outcome is None:
                outcome = self._lived(self.life, number)
                if not isinstance(outcome, Episode):
                    self.life.forget_episode()
            elif isinstance(outcome, Episode):
                relive(self.life, outcome)
            self._count(outcome, number)
            if self.record.steps - self.record.evaluated >= settings.evaluation_steps or self.record.steps >= self.total:
                self._evaluate()
            if self.record.steps - self.saved >= settings.checkpoint_steps:
                self._checkpoint()
            self.progress.lived(self.record, self.life)
        if self.record.evaluated < self.record.steps:
            self._evaluate()

    def _count(self, outcome: Outcome, number: int) -> None:
        """Take an episode into the record.

        Raises:
            ForethoughtError: too many were lost.
        """
        record = self.record
        record.episodes += 1
        if isinstance(outcome, Episode):
            record.steps += int(outcome.steps.sum()) if len(outcome.steps) else BLOCK * len(outcome)
            record.returns.append([record.steps, float(np.sum(outcome.rewards, dtype=np.float64))])
            return
        record.lost += 1
        log.warning("episode %d of %s is lost: %s", number, self.world, outcome)
        self.progress.lost(outcome)
        if record.lost > max(ALWAYS_LOST, MOST_LOST * record.episodes):
            raise ForethoughtError(
                f"{record.lost} of {record.episodes} episodes of {self.world} were lost, the last because of "
                f"{outcome.rstrip('.')}; what was lived is kept: fix the world, then go on with --resume."
            )

    def _evaluate(self) -> None:
        record = self.record
        found, drives = self.practice.run(EVALUATION_EPISODES), self.spec.drives
        self.progress.evaluated(record.steps, found.returns)
        mean = float(np.mean(found.returns))
        total = float(np.mean(found.total(self.life.configuration.planner.cost, drives)))
        felt = found.energies.mean(0).tolist()
        record.energies += [[record.steps, *felt]] if drives else []
        record.evaluations.append([record.steps, mean])
        terms = ", ".join(f"{name} {value:.3g}" for name, value in self.life.terms.items())
        seconds = time.monotonic() - self.started
        felt_words = "".join(f", {name} {value:.3g}" for name, value in zip(drives, felt, strict=True))
        told = "%d of %d steps, %.0f s: mean return of Mode-1 %.1f%s; %s"
        log.info(told, record.steps, self.total, seconds, mean, felt_words, terms)
        if record.best is None or total >= record.best:
            record.best = total
            save_agent(self.run, self.life.configuration, self.life.learner.averaged)
        if self.until is not None and record.steps and mean >= self.until:
            record.reached = record.steps
        record.write(self.run, self.request)

    def _checkpoint(self) -> None:
        self.dataset.publish()
        tensors = {
            "agent": self.life.networks.state_dict(),
            "learner": self.life.learner.state_dict(),
            "optimizer": optimizer_tensors(self.life.learner.optimizer),
        }
        save_checkpoint(self.run, self.record.steps, tensors, {**asdict(self.record), "life": self.life.progress()})
        self.saved = self.record.steps

    def _end(self) -> None:
        self._checkpoint()
        self.dataset.finished()
        self._choose_mode()
        self.record.write(self.run, self.request)
        self.progress.end(self.record)

    def _choose_mode(self) -> None:
        """Measure whether planning pays for the agent that is kept; `auto` does what was better."""
        agent = load(self.run)
        pays, why = planning_pays(agent, self.world, self.options)
        log.info("auto: %s", why)
        configuration = agent.configuration.changed({"planner.reward_mode": "plan" if pays else "react"}, why)
        save_agent(self.run, configuration, agent.modules)
