"""First contact with a world: what an agent will see, do and be told there, and what a few random episodes are like."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forethought.errors import ForethoughtError
from forethought.extras import require_extra
from forethought.types import PIXELS, Frame, StreamSpec, WorldSpec
from forethought.worlds import registry
from forethought.worlds.adapter import GymnasiumWorld
from forethought.worlds.contract import ScriptedPolicy, World
from forethought.worlds.env_adapter import SUCCESS
from forethought.worlds.notices import collected_notices

MOST_STEPS = 2000
"""Steps of all random episodes together; the last episode is then cut."""
REPEATED_STEPS = 20
"""Steps that are taken twice from the same seed, to see whether they lead to the same place."""
MOST_BOUNDS = 6
"""Actions whose bounds are written out."""


@dataclass(frozen=True)
class RandomEpisode:
    """What one episode of random actions was like.

    Fields:
        frames: T + 1 frames of one copy. actions: float32 [T, size].
        whole: whether it ran to its end.
        seconds: wall-clock time of its steps, with the reading of every stream.
    """

    frames: tuple[Frame, ...]
    actions: NDArray[np.float32]
    whole: bool
    seconds: float

    @property
    def rewards(self) -> NDArray[np.float64]:
        """Reward of each step, [T]."""
        return np.array([frame.rewards[0] for frame in self.frames[1:]], np.float64)

    def stream(self, name: str) -> NDArray[Any]:
        """Values of a stream, [T + 1, ...]."""
        return np.stack([frame.observation[name][0] for frame in self.frames])


@dataclass(frozen=True)
class WorldSummary:
    """What a look at a world found; `print` it.

    Fields:
        spec: the world from outside.
        facts: (what, found) in the order of printing.
        picture: the file of the picture.
    """

    spec: WorldSpec
    facts: tuple[tuple[str, str], ...]
    picture: Path

    def __str__(self) -> str:
        """One line for each fact."""
        return "\n".join([self.spec.name, *(f"  {what:<10} {found}" for what, found in self.facts)])


def look(
    world: str, *, options: Mapping[str, Any] | None = None, out: Path | str | None = None, episodes: int = 3, seed: int = 0
) -> WorldSummary:
    """Look at a world before anything is collected: spaces, what is left out, random episodes, and a picture.

    Args:
        world: a built-in name or any Gymnasium id, also `package.module:Env-v0`.
        options: of the world.
        out: file of the picture, .png; None: `look-NAME.png` in the current folder.
        episodes: random episodes, at most 2,000 steps together.
        seed: of the first episode.

    Returns:
        The summary, whose text is what `forethought look` prints.

    Raises:
        ForethoughtError: the world cannot be made, or breaks what it declares.
        MissingExtraError: the extra `page` is not installed.
    """
    require_extra("page")
    from forethought.worlds.look_picture import write_picture

    if episodes < 1:
        raise ForethoughtError(f"look: `episodes` is {episodes}; it needs at least one.")
    picture = Path(out) if out is not None else Path(f"look-{re.sub(r'[^A-Za-z0-9.-]+', '-', world)}.png")
    with collected_notices() as notices:
        made = registry.make(world, 1, **(options or {}))
        try:
            policy = registry.policy(world, "random")
            seen = list(_random_episodes(made, policy, episodes, seed))
            same = _same_again(made, policy, seed), len(seen) < 2 or not _equal(seen[0].frames[0], seen[1].frames[0])
            facts = [*_interface(made), *_experience(made, seen), ("seeds", _seeds_in_words(*same, several=len(seen) > 1))]
        finally:
            made.close()
    with collected_notices():
        rendering = None if _images(made.spec) else _rendering(made.spec, seed)
    left_out = made.maker.left_out if isinstance(made, GymnasiumWorld) else ()
    facts += [("note", sentence) for sentence in notices if not any(phrase in sentence for phrase in left_out)]
    write_picture(picture, made.spec, seen[0].frames, rendering)
    return WorldSummary(made.spec, (*facts, ("picture", str(picture))), picture)


def _images(spec: WorldSpec) -> list[StreamSpec]:
    return [stream for stream in spec.streams if stream.kind == "image"]


def _random_episodes(world: World, policy: ScriptedPolicy, number: int, seed: int) -> Iterator[RandomEpisode]:
    left = MOST_STEPS
    for index in range(number):
        episode = _random_episode(world, policy, seed + index, left)
        left -= len(episode.actions)
        yield episode
        if left <= 0:
            return


def _random_episode(world: World, policy: ScriptedPolicy, seed: int, limit: int) -> RandomEpisode:
    frames, actions = [world.reset([seed])], list[NDArray[np.float32]]()
    policy.reset(world, [seed])
    _read(frames[0])
    started = time.perf_counter()
    while len(actions) < limit and not frames[-1].ended[0]:
        actions.append(policy.act(world, frames[-1])[0])
        frames.append(world.step(actions[-1][None]))
        _read(frames[-1])
    seconds = time.perf_counter() - started
    taken = np.array(actions, np.float32).reshape(len(actions), world.spec.action.size)
    return RandomEpisode(tuple(frames), taken, bool(frames[-1].ended[0]), seconds)


def _read(frame: Frame) -> None:
    """Read every stream now: it may be rendered when it is first read."""
    for name in frame.observation:
        frame.observation[name]


def _same_again(world: World, policy: ScriptedPolicy, seed: int) -> tuple[bool, bool]:
    """Whether the same seed gives the same start, and the same actions from there the same end."""
    one, other = (_random_episode(world, policy, seed, REPEATED_STEPS) for _ in range(2))
    return _equal(one.frames[0], other.frames[0]), _equal(one.frames[-1], other.frames[-1])


def _equal(one: Frame, other: Frame) -> bool:
    pairs = [(values, other.observation[name]) for name, values in one.observation.items()]
    pairs += [(values, other.truth[name]) for name, values in one.truth.items()]
    return all(np.array_equal(mine, theirs) for mine, theirs in pairs)


def _seeds_in_words(same: tuple[bool, bool], differ: bool, several: bool) -> str:
    start, end = same
    if not start:
        return "the same seed gives another start: episodes and tasks cannot be repeated; draw all chance from reset(seed=)"
    words = "the same seed gives the same start"
    if several:
        words += ", another seed another" if differ else ", and so does another seed: every episode starts alike"
    return words + ("" if end else "; the same actions then lead elsewhere: chance that the seed does not decide")


def _interface(world: World) -> Iterator[tuple[str, str]]:
    """What the spec says: streams, actions, limit, drives, goals."""
    spec = world.spec
    for stream in spec.streams:
        shape = " x ".join(map(str, stream.shape))
        content = {"image": f"image {shape}, {stream.dtype}", "vector": f"{shape} numbers", "text": "text"}[stream.kind]
        yield "sees", f"{stream.name}: {content}"
    maker = world.maker if isinstance(world, GymnasiumWorld) else None
    for phrase in maker.left_out if maker else ():
        yield "left out", phrase
    action = spec.action
    if action.kind == "discrete":
        yield "does", f"one of {action.size} actions a step, {spec.block} steps a block"
    else:
        shown = [f"{low:g} to {high:g}" for low, high in zip(action.low, action.high, strict=True)]
        more = ", ..." if action.size > MOST_BOUNDS else ""
        bounds = shown[0] if len(set(shown)) == 1 else ", ".join(shown[:MOST_BOUNDS]) + more
        yield "does", f"{action.size} numbers a step, within {bounds}; {spec.block} steps a block"
    yield "limit", f"{spec.max_steps} steps an episode"
    if spec.drives:
        yield "drives", f"{', '.join(spec.drives)}: costs that the body senses"
    yield "goals", _goals_in_words(spec, maker is not None and maker.own_goals)
    if maker:
        yield "success", maker.success


def _goals_in_words(spec: WorldSpec, own_goals: bool) -> str:
    if own_goals:
        exact = "as the stream achieved_goal" if spec.goals else "as the recorded observation nearest to it"
        return f"the world's own: each episode begins with a desired_goal, which the agent is shown {exact}"
    if registry.family_of(spec.name).make_tasks is not None:
        return "the world's own"
    return "taken from held-out episodes: an observation that was recorded some blocks after the start"


def _experience(world: World, seen: Sequence[RandomEpisode]) -> Iterator[tuple[str, str]]:
    """What random episodes showed: ranges, rewards, ends, speed."""
    for stream in world.spec.streams:
        values = np.concatenate([episode.stream(stream.name) for episode in seen])
        yield "range", f"{stream.name}: {_range_in_words(stream, values)}"
    rewards = [episode.rewards for episode in seen]
    every = np.concatenate(rewards)
    if len(every):
        sums = [float(reward.sum()) for reward in rewards]
        none = " (none in these episodes)" if not every.any() else ""
        total = f"{min(sums):.4g} to {max(sums):.4g} an episode"
        yield "reward", f"{every.min():.4g} to {every.max():.4g} a step, {total}{none}"
        felt = np.concatenate([np.stack([frame.drives[0] for frame in episode.frames[1:]]) for episode in seen])
        for at, name in enumerate(world.spec.drives):
            yield "felt", f"{name}: up to {felt[:, at].max():.4g} a step, in {(felt[:, at] > 0).mean():.0%} of random steps"
    whole = [episode for episode in seen if episode.whole]
    lengths = [len(episode.actions) for episode in whole]
    if whole:
        terminated = sum(bool(episode.frames[-1].terminated[0]) for episode in whole)
        how = f"{terminated} terminated, {len(whole) - terminated} truncated"
        yield "episodes", f"{len(whole)} of random actions: {min(lengths)} to {max(lengths)} steps; {how}"
        if min(lengths) < world.spec.block:
            short = f"an episode of {min(lengths)} steps is shorter than a block of {world.spec.block}"
            yield "note", f"{short}: lower the option block"
    else:
        yield "episodes", f"none ended within {len(seen[0].actions)} random steps"
    if SUCCESS in world.spec.truth:
        reached = sum(any(bool(frame.truth[SUCCESS][0, 0]) for frame in episode.frames) for episode in seen)
        yield "reached", f"the world's own goal in {reached} of {len(seen)} random episodes"
    if seconds := sum(episode.seconds for episode in seen):
        yield "speed", f"{len(every) / seconds:,.0f} steps/s, with every stream read at each step"


def _range_in_words(stream: StreamSpec, values: NDArray[Any]) -> str:
    if stream.kind == "text":
        texts = sorted({str(value) for value in values})
        return f"{len(texts)} different, such as {texts[0][:60]!r}"
    words = f"{values.min():.4g} to {values.max():.4g} in random steps"
    if stream.kind == "vector":
        still = int((values == values[0]).all(axis=0).sum())
        return words + (f"; {still} of {values.shape[1]} never changed" if still else "")
    return words


def _rendering(spec: WorldSpec, seed: int) -> NDArray[np.uint8] | None:
    """First picture [h, w, 3] of a world whose agent sees none; None where it draws nothing."""
    try:
        world = registry.make(spec.name, 1, **{**spec.options, "streams": [PIXELS]})
    except ForethoughtError:
        return None
    try:
        return np.asarray(world.reset([seed]).observation[PIXELS][0])
    except ForethoughtError:
        return None
    finally:
        world.close()
