from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from forethought.data.frame_checks import check_episodes_differ, check_frames
from forethought.errors import ForethoughtError
from forethought.types import Episode, WorldSpec

Maker = Callable[..., Episode]


def showing(episode: Episode, pixels: np.ndarray, **truth: np.ndarray) -> Episode:
    return replace(
        episode, observation={**episode.observation, "pixels": pixels.astype(np.uint8)}, truth={**episode.truth, **truth}
    )


def test_good_frames_pass(spec: WorldSpec, make_episode: Maker) -> None:
    check_frames(make_episode(1), spec)


@pytest.mark.parametrize("blank", [np.zeros((6, 8, 8, 3)), np.full((6, 8, 8, 3), 200), np.arange(192) % 9])
def test_blank_frames_are_refused(spec: WorldSpec, make_episode: Maker, blank: np.ndarray) -> None:
    pixels = np.broadcast_to(blank.reshape(-1, 8, 8, 3), (6, 8, 8, 3))
    with pytest.raises(ForethoughtError, match="world toy, episode with seed 2: 6 of 6 frames are blank"):
        check_frames(showing(make_episode(2), pixels), spec)


def test_a_blink_is_no_fault(spec: WorldSpec, make_episode: Maker) -> None:
    pixels = make_episode(2).observation["pixels"].copy()
    pixels[2:4] = 0
    check_frames(showing(make_episode(2), pixels), spec)


def frozen(episode: Episode, way: float) -> Episode:
    pixels = np.repeat(episode.observation["pixels"][:1], 6, axis=0)
    return showing(episode, pixels, position=np.linspace([10, 10], [10, 10 + way], 6, dtype=np.float32))


def test_a_frozen_picture_of_a_moving_body_is_refused(spec: WorldSpec, make_episode: Maker) -> None:
    with pytest.raises(ForethoughtError, match="seed 2: all 6 frames are the same while the body moved"):
        check_frames(frozen(make_episode(2), 2.0), spec)


def test_a_body_that_stands_still_is_no_fault(spec: WorldSpec, make_episode: Maker) -> None:
    check_frames(frozen(make_episode(2), 0.1), spec)


def test_proprioception_tells_when_the_truth_does_not(spec: WorldSpec, make_episode: Maker) -> None:
    episode = replace(frozen(make_episode(2), 0.0), truth={})
    with pytest.raises(ForethoughtError, match="the same while the body moved"):
        check_frames(episode, spec)
    unknown = replace(episode, observation={"pixels": episode.observation["pixels"]})
    check_frames(unknown, spec)


def test_episodes_that_all_show_one_frame_are_refused(spec: WorldSpec, make_episode: Maker) -> None:
    one = frozen(make_episode(2), 0.0)
    with pytest.raises(ForethoughtError, match="world toy: 3 episodes show one and the same frame"):
        check_episodes_differ(lambda name: np.concatenate([one.observation[name]] * 3), 3, spec)
    check_episodes_differ(lambda name: one.observation[name], 1, spec)
    several = np.concatenate([one.observation["pixels"], make_episode(1).observation["pixels"]])
    check_episodes_differ(lambda name: several, 2, spec)


def test_a_world_may_be_meant_to_look_so(spec: WorldSpec, make_episode: Maker) -> None:
    black = showing(make_episode(2), np.zeros((6, 8, 8, 3)))
    check_frames(black, replace(spec, options={"check_frames": False}))
    check_frames(black, replace(spec, streams=spec.streams[1:]))
