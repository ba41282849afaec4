from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np

from forethought.report.palette import ABOVE, GOAL, IMAGINED, SEEN, rgb
from forethought.report.report_data import Picture, ReportMaterial
from forethought.report.video import draw_moment, encode_mp4, episode_frames, poster


def pixels(picture: Picture, colour: str) -> int:
    return int((np.abs(picture.astype(int) - rgb(colour)).sum(-1) < 20).sum())


def test_what_is_drawn_over_each_frame(material: ReportMaterial) -> None:
    episode = material.episodes[0]
    first, last = draw_moment(episode, 0, 6), draw_moment(episode, len(episode.frames) - 1, 6)
    assert pixels(first, IMAGINED) > 100
    assert pixels(first, GOAL) > 50
    assert pixels(last, SEEN) > pixels(first, SEEN) + 100
    bare = dataclasses.replace(episode, path=None, imagined=(), decision_steps=(), goal_xy=None)
    np.testing.assert_array_equal(draw_moment(bare, 3, 2), bare.frames[3].repeat(2, 0).repeat(2, 1))


def test_the_plan_shown_is_the_last_decided_one(material: ReportMaterial) -> None:
    episode = material.episodes[0]
    only = dataclasses.replace(episode, imagined=episode.imagined[1:2], decision_steps=(5,))
    assert pixels(draw_moment(only, 4, 6), IMAGINED) == 0
    assert pixels(draw_moment(only, 5, 6), IMAGINED) > 100
    np.testing.assert_array_equal(draw_moment(episode, 7, 6), draw_moment(only, 7, 6))


def test_the_way_of_the_level_above_is_drawn(material: ReportMaterial) -> None:
    episode = material.episodes[0]
    ways = tuple((np.array([[20.0, 20.0], [50.0, 20.0]]),) for _ in episode.decision_steps)
    assert pixels(draw_moment(episode, 0, 6), ABOVE) == 0
    assert pixels(draw_moment(dataclasses.replace(episode, ways=ways), 0, 6), ABOVE) > 20


def test_the_still_shows_the_whole_path(material: ReportMaterial) -> None:
    assert pixels(poster(material.episodes[0]), SEEN) > 300


def test_the_video_can_be_read_back(material: ReportMaterial, tmp_path: Path) -> None:
    episode = material.episodes[0]
    content = encode_mp4(episode_frames(episode), len(episode.frames))
    assert content == encode_mp4(episode_frames(episode), len(episode.frames)), "the same episode makes the same bytes"
    path = tmp_path / "video.mp4"
    path.write_bytes(content)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    result = subprocess.run(command, capture_output=True, check=True)
    frames = np.frombuffer(result.stdout, np.uint8).reshape(-1, 384, 384, 3)
    assert b"h264" in result.stderr
    assert b"yuv420p" in result.stderr
    assert len(frames) >= len(episode.frames)
    assert np.abs(frames[0].astype(int) - draw_moment(episode, 0, 6)).mean() < 4


def test_odd_sizes_are_cut_to_even_ones() -> None:
    content = encode_mp4(iter(np.zeros((3, 33, 47, 3), np.uint8)), 3)
    assert content[4:8] == b"ftyp"
