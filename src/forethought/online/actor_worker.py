"""Worker process of a life: acts in a copy of the world of its own, round by round, with the weights that the life sends.

`python -m forethought.online.actor_worker`: gets an `ActorSetup` from standard input, then an episode's number and weights for
each round, and answers each with a `RoundReport` on standard output, as objects of `multiprocessing.connection`.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from forethought.action_codec import ActionCodec
from forethought.agent_networks import AgentNetworks
from forethought.data.recorder import seed_of
from forethought.execution.channel import Channel
from forethought.online.actor_process import ActorSetup, RoundReport
from forethought.online.experience import Habitat, Streams
from forethought.online.policy_actor import PolicyActor
from forethought.online.replay import Happened
from forethought.parts import use
from forethought.training.phases import step_generator
from forethought.types import Episode
from forethought.worlds.any_gymnasium.registration import register_again


class RoundActor:
    """A listener of experience (`experience.Listener`) that waits for new weights after each round.

    Its random numbers are functions of the life's seed, the episode's number and the block. Attributes: taken: blocks in the
    present round.
    """

    def __init__(self, setup: ActorSetup, channel: Channel) -> None:
        """`channel`: to the life."""
        self._setup, self._channel, self._number = setup, channel, -1
        self._actor = PolicyActor(AgentNetworks(setup.configuration))
        self._codec = ActionCodec(setup.configuration.data)

    def await_episode(self) -> int:
        """Wait for the first round of an episode; returns its number."""
        self._await_round()
        self._blocks = 0
        return self._number

    def _await_round(self) -> None:
        self._number, weights = self._channel.receive()
        self._actor.load_state_dict({name: torch.from_numpy(values) for name, values in weights.items()})
        self.taken = 0

    def begin(self, observation: Streams) -> None:
        """See `Listener`."""
        self._actor.begin(self._codec)

    def decide(self, observation: Streams) -> NDArray[np.float32]:
        """See `Listener`: after a whole round, with the weights of the next one."""
        if self.taken == self._setup.round_blocks:
            self._channel.say(RoundReport(self.taken))
            self._await_round()
        self._channel.say(None)
        generator = step_generator(self._setup.configuration.training.seed, f"act {self._number}", self._blocks)
        self.taken, self._blocks = self.taken + 1, self._blocks + 1
        return self._actor.decide(observation, generator)

    def happened(self, what: Happened) -> None:
        """See `Listener`."""
        self._actor.took(what.action)


def work() -> None:
    """Act until the parent hangs up."""
    channel = Channel.of_process()
    try:
        setup: ActorSetup = channel.receive()
        register_again(setup.registration)
        use(setup.modules)
        habitat = Habitat(setup.spec, setup.world, setup.options, setup.patience)
        actor = RoundActor(setup, channel)
    except Exception as error:
        channel.say(RoundReport(0, refused=f"{type(error).__name__}: {error}"))
        return
    channel.say(RoundReport(0))
    while True:
        number = actor.await_episode()
        outcome = _outcome(habitat, actor, setup, number)
        channel.say(RoundReport(actor.taken, outcome))


def _outcome(habitat: Habitat, actor: RoundActor, setup: ActorSetup, number: int) -> Episode | str:
    """An episode, or the reason of its loss: also where no copy of the world can be made."""
    try:
        return habitat.live(actor, seed_of(setup.seed, number), setup.configuration.data.block)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    work()
