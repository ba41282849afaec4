"""The agent's side of its life: it decides at each block, and learns from what happened.

All random numbers are functions of the seed and of the step, so a resumed life needs no saved random states.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from forethought.action_codec import ActionCodec
from forethought.agent_networks import AgentNetworks
from forethought.config import Configuration
from forethought.online.learner import Learner
from forethought.online.policy_actor import PolicyActor
from forethought.online.replay import Happened, Replay
from forethought.training.phases import step_generator
from forethought.types import Episode

RECENT = 100


class Life:
    """A listener of experience (`experience.Listener`) that acts by the policy and updates all networks as it goes.

    Attributes:
        steps: blocks lived, random ones included, given ones not. past: blocks before a window that a belief needs.
        found: blocks lived when an episode ended itself, or gave a reward far above these, for the first time; None: not yet.
        terms: name -> the mean of the last updates' loss terms.
    """

    def __init__(
        self,
        networks: AgentNetworks,
        configuration: Configuration,
        codec: ActionCodec,
        total: int,
        usual_rewards: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        """Begin with an empty replay and untrained networks.

        Args: total: environment steps of the life. usual_rewards: lowest and highest of a block in the first episodes.
        """
        self.total = total
        self.found: int | None = None
        self.configuration, self.networks, self.codec, data = configuration, networks, codec, configuration.data
        self.learner = Learner(networks, configuration, codec)
        self.replay = Replay(data.streams, data.recorded_size, len(data.drives), data.block)
        low, high = usual_rewards
        self.replay.notable_above = high + (high - low)
        self.steps = 0
        self.terms: dict[str, float] = {}
        self._owed = 0.0
        self._first_row = 0
        self.actor, self.past = PolicyActor(networks), configuration.training.online.past if networks.belief else 0

    def begin(self, observation: Mapping[str, NDArray[Any]]) -> None:
        """See `Listener`."""
        self._first_row = self.replay.rows
        self.replay.begin(observation)
        self.actor.begin(self.codec)

    def decide(self, observation: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """See `Listener`: a sample of the policy."""
        return self.actor.decide(observation, step_generator(self.configuration.training.seed, "act", self.steps))

    def happened(self, what: Happened) -> None:
        """See `Listener`: it goes into the replay, and the updates that it gives occasion for are made."""
        self.replay.add(what)
        self.actor.took(what.action)
        self.steps += 1
        if self.found is None and (what.terminated or what.reward > self.replay.notable_above):
            self.found = self.steps
        self.learn(self.configuration.training.online.updates_per_step)

    def learn(self, updates: float) -> None:
        """Make updates from the replay; a fraction is kept until it is a whole one."""
        settings = self.configuration.training.online
        self._owed += updates
        while self._owed >= 1:
            generator = step_generator(self.configuration.training.seed, "live", int(self.learner.updates))
            windows = self.replay.sample(settings.batch, settings.window, generator, self.past)
            lived = min(1.0, self._lived)
            terms = self.learner.update(windows, generator, self._interest(), max(0.0, 1 - 2 * lived), lived)
            self._note(terms)
            self._owed -= 1

    @property
    def _lived(self) -> float:
        """Share of the life that is lived."""
        return self.steps * self.configuration.data.block / self.total

    def _interest(self) -> float:
        """Factor of curiosity: whole until something is found, and gone when a quarter as many steps again are lived.

        Where nothing is ever found, it falls in the last quarter: the agent then does best by what it knows.
        """
        if self.found is None:
            return max(0.0, min(1.0, 4 * (1 - self._lived)))
        return max(0.0, 5 - 4 * self.steps / self.found)

    def remember(self, episode: Episode, given: bool = False) -> None:
        """Take an episode into the replay without learning from it; `given`: it was recorded before the life."""
        self.replay.add_episode(episode, given)
        self.steps += 0 if given else len(episode)

    def take(self, episode: Episode) -> None:
        """Take an episode that another process has lived; the updates that it gives occasion for are the caller's."""
        self.remember(episode)
        rewards = episode.rewards[1:]
        if self.found is None and (episode.terminated.any() or (rewards > self.replay.notable_above).any()):
            self.found = self.steps

    def progress(self) -> dict[str, Any]:
        """What a checkpoint holds beside the tensors; `restore` takes it."""
        return {"steps": self.steps, "found": self.found, "owed": self._owed, "terms": self.terms}

    def restore(self, progress: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.steps, self.found = int(progress["steps"]), progress["found"]
        self._owed, self.terms = float(progress["owed"]), dict(progress["terms"])

    def forget_episode(self) -> None:
        """Take the episode in progress, which was lost, out of the replay."""
        self.steps -= max(0, self.replay.rows - self._first_row - 1)
        self.replay.truncate(self._first_row)

    def _note(self, terms: Mapping[str, Tensor]) -> None:
        share = 1 / min(int(self.learner.updates), RECENT)
        self.terms = {name: self.terms.get(name, 0.0) * (1 - share) + share * float(term) for name, term in terms.items()}
