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
from forethought.configurator.online_rules import block_length, random_steps
from forethought.data.recorder import seed_of
from forethought.data.store import EpisodeStore
from forethought.data.store_format import RECIPE, read_recipe
from forethought.device import default_device
from forethought.errors import ForethoughtError
from forethought.execution import Executor
from forethought.online.actor_process import ActorSetup
from forethought.online.actors import ROUND, Actors
from forethought.online.blocks import change_in_a_step, in_blocks, repeats_actions
from forethought.online.dataset import DATASET, LivedDataset
from forethought.online.experience import Habitat, RandomActor, relive
from forethought.online.first_look import drive_sizes, nothing_found, reward_range, reward_size
from forethought.online.life import Life
from forethought.online.past_gain import past_gain
from forethought.online.practice import Practice, planning_pays
from forethought.online.progress import Observer, ProgressWriter
from forethought.online.record import Record
from forethought.online.recorded import FIRST_UPDATES, episodes_of
from forethought.parts import own_modules
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
from forethought.worlds import registry

log = logging.getLogger(__name__)
EVALUATION_EPISODES = 10
LOOK_STEPS = 100
"""Environment steps, of whole episodes, after which the length of a block is chosen."""
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
        executor: Executor,
    ) -> None:
        """`request`: world, options, seed, config, recorded and actors. executor: where actors act. The others as in `live`."""
        self.run, self.spec, self.request, self.total, self.until = run, spec, request, steps, until
        self.recorded, self.patience, self.executor = recorded, patience, executor
        self.world, self.options, self.seed = str(request["world"]), dict(request["options"]), int(request["seed"])
        self.habitat = Habitat(spec, self.world, self.options, patience)
        self.record, self.saved = Record(), 0
        self.progress = ProgressWriter(run, steps, watch)
        self.started = time.monotonic()

    @property
    def planned(self) -> int:
        """Environment steps for which the configuration was made; a resumed life may go on for longer."""
        return int(self.request["steps"])

    def go(self) -> None:
        """Live to the end; afterwards the run holds the agent, a finished dataset and the record."""
        try:
            lived = self._open_dataset()
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
                if self.request["actors"] == 1:
                    self._live_on(lived)
                else:
                    self._live_in_rounds(lived)
                self._end()
            finally:
                self.practice.close()
        except (Exception, KeyboardInterrupt) as error:
            self.progress.end(self.record, error)
            raise
        finally:
            self.habitat.close()

    def _open_dataset(self) -> dict[int, Outcome]:
        """Begin the dataset or go on with it; what was lived before by number, or a first look in blocks of chosen length."""
        asked = {"policy": "agent"} | {name: self.request[name] for name in ("world", "options", "seed", "recorded")}
        path = self.run / DATASET
        look, block, self.why_block = dict[int, Outcome](), self.request["block"], "you asked for it"
        if self.recorded is not None:
            block, self.why_block = self.recorded.block, "the recorded experience has it"
        elif (path / RECIPE).exists():
            block, self.why_block = read_recipe(path).block, "the life was begun with it"
        elif block is None:
            look = self._look()
            episodes = [outcome for outcome in look.values() if isinstance(outcome, Episode)]
            lengths = float(np.mean([len(episode) for episode in episodes]))
            block, self.why_block = block_length(change_in_a_step(episodes, self.spec), lengths)
            log.info("blocks of %d: %s", block, self.why_block)
        self.block = int(block)
        self.dataset = LivedDataset(self.run, self.spec, self.block, asked)
        if look:
            return {number: self._recorded(outcome, number, single=True) for number, outcome in look.items()}
        lived = dict(self.dataset.lived())
        self.dataset.reopen()
        return lived

    def _look(self) -> dict[int, Outcome]:
        """The first random episodes, of single steps: on the disk only once the length of a block is chosen."""
        look = dict[int, Outcome]()
        while sum(len(outcome) for outcome in look.values() if isinstance(outcome, Episode)) < self._look_steps:
            look[len(look)] = self._random_outcome(len(look), 1)
            lost = [outcome for outcome in look.values() if not isinstance(outcome, Episode)]
            self._require_few_lost(len(lost), len(look), lost[-1] if lost else "")
        return look

    @property
    def _look_steps(self) -> int:
        """Environment steps that the look takes at least; 0 where the length of a block is asked for."""
        return 0 if self.request["block"] is not None else min(LOOK_STEPS, self._random_steps)

    def _random_outcome(self, number: int, block: int) -> Outcome:
        """An episode of random actions, each repeated over a block."""
        actor = RandomActor(self.spec, self.seed)
        actor.number, actor.block = number, block
        return self.habitat.live(actor, seed_of(self.seed, number), block)

    @property
    def _random_steps(self) -> int:
        """Environment steps of random actions, by the user's setting or by the rule."""
        asked = ConfigBuilder(self.request["config"])
        own = asked.asked("training.online.random_steps")
        return int(asked.training.online.random_steps) if own else random_steps(self.planned)

    def _random_episodes(self, lived: dict[int, Outcome]) -> list[Episode]:
        """The first episodes, of random actions: enough steps, and two episodes at least; lived before or now."""
        episodes = list[Episode]()
        while self.record.steps < self._random_steps or len(episodes) < 2:
            number = self.record.episodes
            if number not in lived:
                # A look that was killed while it was recorded goes on as it was: in single steps.
                single = self.record.steps < self._look_steps
                lived[number] = self._recorded(self._random_outcome(number, 1 if single else self.block), number, single)
            outcome = lived[number]
            self._count(outcome, number)
            if isinstance(outcome, Episode):
                episodes.append(outcome)
        return episodes

    def _lived(self, listener: Life, number: int) -> Outcome:
        """One episode in the world, recorded."""
        return self._recorded(self.habitat.live(listener, seed_of(self.seed, number), self.block), number)

    def _recorded(self, outcome: Outcome, number: int, single: bool = False) -> Outcome:
        """An episode, or the reason of its loss, as it is in the dataset; `single`: it was lived in single steps."""
        kept = in_blocks(outcome, self.block) if single and isinstance(outcome, Episode) else outcome
        self.dataset.add(number, kept, seed_of(self.seed, number))
        return kept

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
            self.spec, self.block, store.statistics(), self.planned, reward_size(episodes),
            action_repeat=self.block > 1 and (self.recorded is None or repeats_actions(store)), why_block=self.why_block,
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
        for number, outcome in lived.items():
            if self.record.episodes <= number < int(progress["episodes"]) and isinstance(outcome, Episode):
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
                relive(self.life, outcome, self.block)
            self._count(outcome, number)
            if self.record.steps - self.record.evaluated >= settings.evaluation_steps or self.record.steps >= self.total:
                self._evaluate()
            if self.record.steps - self.saved >= settings.checkpoint_steps:
                self._checkpoint()
            self.progress.lived(self.record, self.life)

    def _live_in_rounds(self, lived: Mapping[int, Outcome]) -> None:
        """The same with several actors; checkpoints are of moments at which no episode is in progress."""
        settings, record = self.life.configuration.training.online, self.record
        self.habitat.open(seed_of(self.seed, record.episodes))  # says whether the world follows its seed
        self.habitat.close()
        count = int(self.request["actors"])
        actors = Actors(self.life, self._actor_setup(), self.executor, count, lived, record.episodes)
        try:
            while True:
                ended = record.reached is not None or record.steps >= self.total
                pause = ended or record.steps - self.saved >= settings.checkpoint_steps
                if pause and not actors.busy:
                    actors.learn()
                    if ended:
                        break
                    self._checkpoint()
                    pause = False
                for number, outcome in actors.round(0 if pause else self.total - record.steps):
                    if number not in lived:
                        self._recorded(outcome, number)
                    self._count(outcome, number)
                if record.reached is None and record.steps - record.evaluated >= settings.evaluation_steps:
                    self._evaluate()
                self.progress.lived(record, self.life)
        finally:
            actors.close()

    def _actor_setup(self) -> ActorSetup:
        world = self.world, self.options, self.spec, registry.registration(self.world)
        return ActorSetup(*world, self.seed, own_modules(), self.life.configuration, ROUND, self.patience)

    def _count(self, outcome: Outcome, number: int) -> None:
        """Take an episode into the record.

        Raises:
            ForethoughtError: too many were lost.
        """
        record = self.record
        record.episodes += 1
        if isinstance(outcome, Episode):
            record.steps += int(outcome.steps.sum()) if len(outcome.steps) else self.block * len(outcome)
            record.returns.append([record.steps, float(np.sum(outcome.rewards, dtype=np.float64))])
            return
        record.lost += 1
        log.warning("episode %d of %s is lost: %s", number, self.world, outcome)
        self.progress.lost(outcome)
        self._require_few_lost(record.lost, record.episodes, outcome)

    def _require_few_lost(self, lost: int, episodes: int, why: str) -> None:
        if lost > max(ALWAYS_LOST, MOST_LOST * episodes):
            raise ForethoughtError(
                f"{lost} of {episodes} episodes of {self.world} were lost, the last because of {why.rstrip('.')}; what was "
                "lived is kept: fix the world, then go on with --resume."
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
        if self.record.reached is None and self.record.evaluated < self.record.steps:
            self._evaluate()
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
