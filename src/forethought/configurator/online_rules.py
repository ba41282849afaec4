"""Rules for an agent that learns by acting: each reads the world, the first data or the number of steps, and gives a reason."""

from __future__ import annotations

import math
from collections.abc import Mapping

from forethought.config import DataSpec
from forethought.configurator.config_builder import ConfigBuilder

SHORTEST, LONGEST = 0.95, 0.995
LEAST_REWARD = 0.01
CURIOSITY = 5.0
CLONING = 2.0
PAST_GAIN, PAST_LEFT, PICTURES_LEFT = 0.08, 0.25, 0.85
"""Share of variance that one more past block must explain, and the largest part of what was unexplained that may stay so.

Of numbers, ten worlds that show velocities left 0.37 or more of it, and two that hide them 0.03 or less, in 300 to 600 random
steps. Of pictures the measurement reads a coarse summary only: two worlds with hidden velocities left 0.1 and 0.4."""
BELIEF, PAST, PAST_PICTURES, REWARD_WITH_BELIEF = 64, 12, 4, 1.0
LONGEST_BLOCK, MOST_CHANGE, SHORTEST_EPISODE = 5, 0.25, 20
"""Steps in a block at most, change of the observation in a block at most (a share of its spread), and fewest blocks in an
episode. Cartpole-swingup at 100 decisions a second reached 750 in 30,000 steps, at 25 a second 865."""
MANY_BLOCKS = 20_000
REACH = 5.0
"""The discount's horizon is this part of an episode (TD-MPC2, 2310.16828, appendix: 1 - REACH / length)."""


def reward_networks(builder: ConfigBuilder, data: DataSpec) -> None:
    """Reads the observation: sizes the networks that learn from the agent's own acting."""
    images = data.has_images
    with builder.because("two members allow a pessimistic read at the least time of an update"):
        builder.model.reward.critics = 2
    with builder.because("pictures need wider networks" if images else "a few numbers need no wide networks"):
        builder.model.reward.hidden = 256 if images else 128
        builder.model.predictor.hidden = 256 if images else 128
        builder.model.encoder.hidden = 256 if images else 128
        builder.model.encoder.state_dim = 64 if images else 32
    if images:
        with builder.because("pictures are encoded in every update: half the channels take a third of the time"):
            builder.model.encoder.width = 16


def drives(builder: ConfigBuilder, reward_size: float, sizes: Mapping[str, float]) -> None:
    """Reads how large rewards and the costs of drives are (root mean squares): sets the weights u of the energy."""
    weights = {name: float(f"{(reward_size or 1.0) / size:.3g}") if size else 1.0 for name, size in sizes.items()}
    because = "the world's reward tells what effort costs"
    if sizes:
        because = f"each of {', '.join(sizes)} weighs as much as the reward did in the random episodes; 1 where it was not felt"
    with builder.because(because):
        builder.planner.cost.drive_weights = {"effort": 0.0, **weights}


def discount(builder: ConfigBuilder, max_blocks: float, reward_size: float, sizes: Mapping[str, float]) -> None:
    """Reads the length of an episode and the size of rewards and drives: sets the discount of future cost, and its scale."""
    cost = builder.planner.cost
    weighted = [cost.reward * reward_size, *(cost.drive_weights.get(name, 0.0) * size for name, size in sizes.items())]
    length = max_blocks / REACH
    value = min(LONGEST, max(SHORTEST, (length - 1) / length if length > 1 else 0.0))
    with builder.because(f"episodes have up to {max_blocks:g} blocks: the critic looks a {1 / REACH:.0%} of one ahead"):
        builder.model.discount = value
    size = math.hypot(*weighted)
    told = f"rewards{' and drives' if sizes else ''} of size {size:.3g}" if size else "rewards, not seen yet, of size 1"
    with builder.because(f"{told} for ever, discounted"):
        builder.model.reward.scale = (max(size, LEAST_REWARD) if size else 1.0) / (1 - float(builder.model.discount))


def random_steps(steps: int) -> int:
    """Environment steps of random actions in a life of `steps`."""
    return max(50, min(500, steps // 10))


def block_length(change: float, length: float) -> tuple[int, str]:
    """Reads how fast the world is: environment steps in an action block, of 1 to `LONGEST_BLOCK`, and why.

    `change`: of the observation in one step, as a share of its spread. `length`: steps of an episode.
    """
    most = min(LONGEST_BLOCK, int(length / SHORTEST_EPISODE))
    steps = max(1, min(most, int(MOST_CHANGE / change) if change else 1))
    told = f"in one step the observation changes by {change:.0%} of its spread"
    return steps, f"{told}: {'each step is decided' if steps == 1 else f'an action is repeated for {steps} steps'}"


def schedule(builder: ConfigBuilder, data: DataSpec, steps: int) -> None:
    """Reads the number of steps and the kind of actions: sets how much is learned from each block."""
    online = builder.training.online
    with builder.because(f"a tenth of {steps} steps, at most 500, to see the scale of observations"):
        online.random_steps = random_steps(steps)
    if data.has_images:
        with builder.because("pictures take long to encode"):
            online.batch = 64
    blocks = steps // data.block
    few = f"{blocks} blocks are {'few: each is used more often' if blocks <= MANY_BLOCKS else 'many'}"
    updates = 2 if blocks <= MANY_BLOCKS else 1
    with builder.because(few if updates >= data.block else f"one for each of the {data.block} steps of a block"):
        online.updates_per_step = float(max(updates, data.block))
    with builder.because("twenty evaluations draw a learning curve"):
        online.evaluation_steps = max(250, steps // 20)
    with builder.because("at most this much is lived again after a kill"):
        online.checkpoint_steps = max(500, min(5000, steps // 10))


def curiosity(builder: ConfigBuilder, curious: bool) -> None:
    """Reads the random episodes: weighs novelty where they tell nothing of the reward."""
    why = "nothing ended and nothing observed explains the reward: what is new is sought until something is found"
    with builder.because(why if curious else "the random episodes tell where the reward is"):
        builder.training.online.curiosity = CURIOSITY if curious else 0.0


def cloning(builder: ConfigBuilder, recorded: int) -> None:
    """Reads how many episodes were recorded before the life: lets Mode-1 copy them at first."""
    why = f"{recorded} recorded episodes: what they do is copied until half of the steps are lived"
    with builder.because(why if recorded else "nothing was recorded before"):
        builder.training.online.cloning = CLONING if recorded else 0.0


def belief(builder: ConfigBuilder, data: DataSpec, without: float, given: float) -> None:
    """Reads how well one step is predicted: adds a memory where the block before the present one tells what comes next.

    `without`, `given`: shares of variance that stay unexplained on held-out rows without that block, and given it.
    """
    numbers = any(stream.kind == "vector" for stream in data.streams)
    helps = without - given >= PAST_GAIN and given <= (PAST_LEFT if numbers else PICTURES_LEFT) * without
    told = f"of what changes in a step, {without:.0%} stays unexplained by the present observation, {given:.0%} given one more"
    with builder.because(f"{told}: {'memory is needed' if helps else 'no memory is needed'}"):
        builder.model.belief_dim = BELIEF if helps else 0
    if helps:
        with builder.because("long enough to form a belief" if numbers else "pictures take long to encode"):
            builder.training.online.past = PAST if numbers else PAST_PICTURES
        with builder.because("what only the reward tells must be worth remembering"):
            builder.training.online.reward = REWARD_WITH_BELIEF


def search(builder: ConfigBuilder, data: DataSpec) -> None:
    """Reads the action space: sizes Mode-2's search, which begins with the policy's plans and ends with the critic."""
    with builder.because("the critic judges what follows a short plan"):
        builder.planner.horizon = 5
    with builder.because("the search begins from the policy's plans"):
        builder.planner.search.num_samples = 128
        builder.planner.search.num_iterations = 3
        if builder.planner.search.kind in ("cem", "icem", "categorical"):
            setattr(builder.planner.search, "num_elites", 16)  # noqa: B010 - not every kind has elites
    if data.action_kind == "continuous":
        with builder.because("fine corrections of the policy's plans"):
            builder.planner.search.init_std = 0.5
