"""Live in a world: act, record, learn, from nothing to the world's own task (`forethought live`)."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, SupportsIndex

import numpy as np

from forethought.action_codec import ActionCodec
from forethought.agent import Agent
from forethought.agent_networks import AgentNetworks
from forethought.atomic_io import claimed, make_folder, read_object, write_json
from forethought.config import CONFIGURATION, Configuration
from forethought.configurator import configure_online
from forethought.data.recorder import seed_of
from forethought.device import default_device, one_thread
from forethought.errors import ForethoughtError, require_whole
from forethought.online.dataset import LivedDataset
from forethought.online.experience import Habitat, relive
from forethought.online.life import Life
from forethought.online.practice import Practice
from forethought.online.progress import Observer, ProgressWriter
from forethought.training.agent_files import read_configuration, save_agent, untrained_networks
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
from forethought.worlds.parsing import plain

log = logging.getLogger(__name__)
LIFE = "life.json"
EVALUATION_EPISODES = 10
MOST_STEPS = 10**9


@dataclass
class Record:
    """What a life has come to; it is in every checkpoint, and in `life.json` at the end.

    Fields:
        episodes: lived, lost ones included. steps: environment steps.
        returns: [steps, return] of each episode. evaluations: [steps, mean return] of each evaluation of Mode-1.
        best: the highest of these means; the agent is the one that had it.
    """

    episodes: int = 0
    steps: int = 0
    returns: list[tuple[int, float]] = field(default_factory=list)
    evaluations: list[tuple[int, float]] = field(default_factory=list)
    best: float | None = None


def live(
    world: str | Callable[..., Any],
    *,
    out: Path | str,
    steps: SupportsIndex,
    seed: SupportsIndex = 0,
    options: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    resume: bool = False,
    watch: Observer | None = None,
) -> Agent:
    """Learn a world's own task from nothing: act, record what happens, and learn from it.

    The result depends on the world, its options, `steps`, `seed` and `config` alone; a life that was killed and resumed comes
    to the same numbers, if the world is a function of its seeds and actions.

    Args:
        world: as in `collect`. out: the run's folder; afterwards it holds the agent, the dataset of its life, and its record.
        steps: environment steps of its life, random ones included; more of them may be asked with `resume`.
        seed: of weights, batches, noise and episodes.
        options: of the world. Without `streams` the agent observes the numbers of the observation, or else its pictures.
        config: the user's settings; they override the configurator's. New runs only.
        resume: go on with the run in `out`.
        watch: called with the run's folder at most once a minute, and at the end; whatever it raises is one warning.

    Returns:
        The agent that had the highest return in the evaluations.

    Raises:
        ForethoughtError: the folder holds another run, or the world can't be made, or too many episodes are lost.
    """
    run, name = Path(out), registry.world_name(world)
    request = {"world": name, "options": plain(options or {}), "seed": require_whole(seed, "seed")}
    total = require_whole(steps, "steps", 1, MOST_STEPS)
    if (run / LIFE).exists() != resume:
        raise ForethoughtError(
            f"{run} already holds a life: add --resume to go on, or name another folder."
            if not resume
            else f"There is no life in {run} to resume: leave out --resume to begin one."
        )
    spec, request["options"] = _described(name, request["options"])
    make_folder(run)
    with claimed(run), one_thread(all(stream.kind == "vector" for stream in spec.streams)):
        if not resume:
            write_json(run / LIFE, {"request": request})
        begun = read_object(run / LIFE, "the record of the life")["request"]
        if begun != request:
            raise ForethoughtError(f"The life in {run} was begun with {begun}, not {request}: resume it with the same.")
        return _Run(run, spec, request, total, config, watch).go()


def _described(name: str, options: dict[str, Any]) -> tuple[WorldSpec, dict[str, Any]]:
    """The world's description, and its options with the streams that the agent observes."""
    if "streams" not in options and not registry.built_in(name):
        try:
            numbers = {**options, "streams": ["proprioception"]}
            world = registry.make(name, 1, **numbers)
            world.close()
            return world.spec, numbers
        except ForethoughtError:
            pass  # no numbers: its pictures are observed
    world = registry.make(name, 1, **options)
    world.close()
    return world.spec, options


class _Run:
    """One process's part of a life."""

    def __init__(
        self, run: Path, spec: WorldSpec, request: Mapping[str, Any], steps: int, config: Mapping[str, Any] | None,
        watch: Observer | None,
    ) -> None:  # fmt: skip
        self.run, self.spec, self.total, self.config = run, spec, steps, config
        self.name, self.options, self.seed = str(request["world"]), dict(request["options"]), int(request["seed"])
        self.dataset = LivedDataset(run, spec, 1, {"policy": "agent", **request})
        self.habitat = Habitat(spec, self.name, self.options, 1)
        self.record = Record()
        self.progress = ProgressWriter(run, steps, watch)
        self.started = time.monotonic()

    def go(self) -> Agent:
        """Live until the number of steps is reached."""
        recorded = dict(self.dataset.lived())
        self.dataset.reopen()
        try:
            first = self._random_phase(recorded)
            configuration = self._configuration(first)
            self.codec = ActionCodec(configuration.data, default_device())
            networks = untrained_networks(configuration).to(default_device())
            self.life = Life(networks, configuration, self.codec)
            self.practice = Practice(networks, self.codec, self.name, self.options)
            self._begin(first, recorded)
            self.progress.begin(len(first), self._figures(), self.life)
            self._live_on(recorded)
            return self._end(configuration, networks)
        except (Exception, KeyboardInterrupt) as error:
            self.progress.end(self._figures(), error)
            raise
        finally:
            self.habitat.close()

    def _random_phase(self, recorded: dict[int, Episode | str]) -> list[Episode]:
        """The episodes of random actions, from the dataset or acted now: enough steps, and at least two episodes."""
        needed = self._random_steps()
        actor = _RandomActor(self.spec, self.seed)
        episodes = list[Episode]()
        number = 0
        while sum(len(each) for each in episodes) < needed or len(episodes) < 2:
            episode = recorded.get(number)
            if episode is None:
                actor.number = number
                episode = recorded[number] = self.habitat.live(actor, seed_of(self.seed, number))
                self.dataset.add(number, episode, seed_of(self.seed, number))
            if isinstance(episode, Episode):
                episodes.append(episode)
            else:
                self._count_loss(number, episode, len(episodes))
            number += 1
        self.record.episodes = number
        return episodes

    def _random_steps(self) -> int:
        # The rule needs no data; the configuration itself needs the scale of what these steps observe.
        given = dict(self.config or {}).get("training.online.random_steps")
        return int(given) if given is not None else max(50, min(500, self.total // 10))

    def _configuration(self, episodes: list[Episode]) -> Configuration:
        path = self.run / CONFIGURATION
        if path.exists():
            return read_configuration(path)
        store = self.dataset.finished()
        self.dataset.reopen()
        configuration = configure_online(
            self.spec, 1, store.statistics(), self.total, _reward_size(episodes), overrides=self.config, seed=self.seed
        )
        write_json(path, configuration.model_dump(mode="json"))
        return configuration

    def _begin(self, random: list[Episode], recorded: Mapping[int, Episode | str]) -> None:
        """Fill the replay; restore the last checkpoint, or make the updates that the random steps give occasion for."""
        for first in random:
            self.life.replay.add_episode(first)
            self.life.steps += len(first)
            self._note_episode(first)
        if not has_checkpoint(self.run):
            self.life.learn(self.life.configuration.training.online.updates_per_step * self.record.steps / 2)
            return
        checkpoint = load_checkpoint(self.run)
        progress = checkpoint.progress
        for number in range(self.record.episodes, int(progress["episodes"])):
            episode = recorded[number]
            if isinstance(episode, Episode):
                self.life.replay.add_episode(episode)
        for name, module in (("agent", self.life.networks), ("learner", self.life.learner)):
            match_leaves(checkpoint.tensors[name], module.state_dict(), f"the checkpoint at {checkpoint.path}")
            module.load_state_dict(dict(checkpoint.tensors[name]))
        restore_optimizer(self.life.learner.optimizer, checkpoint.tensors["optimizer"])
        self.life.steps, self.life.updates = int(progress["steps"]), int(progress["updates"])
        self.life._owed = float(progress["owed"])
        best = progress["best"]
        self.record = Record(
            int(progress["episodes"]), int(progress["steps"]),
            [(int(at), float(value)) for at, value in progress["returns"]],
            [(int(at), float(value)) for at, value in progress["evaluations"]],
            None if best is None else float(best),
        )  # fmt: skip
        self._saved = self.record.steps

    _saved = 0

    def _live_on(self, recorded: Mapping[int, Episode | str]) -> None:
        settings = self.life.configuration.training.online
        while self.record.steps < self.total:
            number = self.record.episodes
            episode = recorded.get(number)
            if isinstance(episode, Episode):
                relive(self.life, episode)
            elif episode is None:
                episode = self.habitat.live(self.life, seed_of(self.seed, number))
                self.dataset.add(number, episode, seed_of(self.seed, number))
                if not isinstance(episode, Episode):
                    self.life.forget_episode()
            self.record.episodes += 1
            if isinstance(episode, Episode):
                self._note_episode(episode)
            else:
                self._count_loss(number, episode, len(self.record.returns))
            evaluated = self.record.evaluations[-1][0] if self.record.evaluations else 0
            if self.record.steps - evaluated >= settings.evaluation_steps or self.record.steps >= self.total:
                self._evaluate()
            if self.record.steps - self._saved >= settings.checkpoint_steps:
                self._checkpoint()
            self.progress.lived(self._figures(), self.life)

    def _note_episode(self, episode: Episode) -> None:
        self.record.steps += int(np.sum(episode.steps)) if len(episode.steps) else len(episode)
        self.record.returns.append((self.record.steps, float(np.sum(episode.rewards, dtype=np.float64))))

    def _count_loss(self, number: int, why: str, kept: int) -> None:
        log.warning("episode %d of %s is lost: %s", number, self.name, why)
        self.progress.lost(why)
        lost = self.record.episodes + 1 - kept
        if lost > max(3, 0.1 * (kept + lost)):
            raise ForethoughtError(
                f"{lost} of {kept + lost} episodes of {self.name} were lost, the last because of {why.rstrip('.')}; what was "
                "lived is kept: fix the world, then go on with --resume."
            )

    def _evaluate(self) -> None:
        returns = self.practice.returns(EVALUATION_EPISODES)
        self.progress.evaluated(self.record.steps, returns)
        mean = float(np.mean(returns))
        self.record.evaluations.append((self.record.steps, mean))
        terms = ", ".join(f"{name} {value:.3g}" for name, value in self.life.terms.items())
        log.info(
            "%d of %d steps, %.0f s: Mode-1 returns %.1f (mean of %d episodes); %s",
            self.record.steps, self.total, time.monotonic() - self.started, mean, EVALUATION_EPISODES, terms,
        )  # fmt: skip
        if self.record.best is None or mean >= self.record.best:
            self.record.best = mean
            save_agent(self.run, self.life.configuration, self.life.networks)

    def _checkpoint(self) -> None:
        self.dataset.publish()
        life = self.life
        tensors = {
            "agent": life.networks.state_dict(),
            "learner": life.learner.state_dict(),
            "optimizer": optimizer_tensors(life.learner.optimizer),
        }
        progress = {
            **self._figures(), "updates": life.updates, "owed": life._owed,
        }  # fmt: skip
        save_checkpoint(self.run, self.record.steps, tensors, progress)
        self._saved = self.record.steps

    def _figures(self) -> dict[str, Any]:
        record = self.record
        return {
            "episodes": record.episodes, "steps": record.steps, "returns": record.returns,
            "evaluations": record.evaluations, "best": record.best,
        }  # fmt: skip

    def _end(self, configuration: Configuration, networks: AgentNetworks) -> Agent:
        self._checkpoint()
        self.dataset.finished()
        self.practice.close()
        content = read_object(self.run / LIFE, "the record of the life")
        write_json(self.run / LIFE, {**content, **self._figures()})
        self.progress.end(self._figures())
        from forethought.training.agent_files import load

        return load(self.run)


def _reward_size(episodes: list[Episode]) -> float:
    """Root mean square of the rewards of single blocks."""
    rewards = np.concatenate([episode.rewards[1:] for episode in episodes]).astype(np.float64)
    return float(np.sqrt(np.square(rewards).mean()))


class _RandomActor:
    """Uniform actions; a function of the seed, the episode's number and the step."""

    def __init__(self, spec: WorldSpec, seed: int) -> None:
        self._action, self._seed, self.number = spec.action, seed, 0

    def begin(self, observation: Mapping[str, Any]) -> None:
        self._random = np.random.default_rng((self._seed, self.number))

    def decide(self, observation: Mapping[str, Any]) -> np.ndarray[Any, np.dtype[np.float32]]:
        action = self._action
        if action.kind == "discrete":
            return np.asarray(np.arange(action.size) == self._random.integers(action.size), np.float32)
        low, high = np.array(action.low, np.float32), np.array(action.high, np.float32)
        return np.asarray(self._random.uniform(low, high), np.float32)

    def happened(self, *_: Any) -> None:
        pass
