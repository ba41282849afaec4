"""Videos of recorded episodes as H.264 in MP4, small enough to be embedded in the page."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np

from forethought.report.drawing import Canvas, enlargement
from forethought.report.report_data import Picture, RecordedEpisode

SIZE = 384
SECONDS = 10.0
LAST_FRAME_SECONDS = 1.0


def episode_frames(episode: RecordedEpisode, size: int = SIZE) -> Iterator[Picture]:
    """The episode's frames, enlarged to about `size`, with the path so far and the current plan."""
    scale = enlargement(episode.frames[0], size)
    for t in range(len(episode.frames)):
        yield draw_moment(episode, t, scale)


def draw_moment(episode: RecordedEpisode, t: int, scale: int) -> Picture:
    """Frame t with the goal's mark, the path so far, and each level's plan at the last decision."""
    canvas = Canvas(episode.frames[t], scale)
    canvas.goal(episode.goal_xy)
    if episode.path is not None:
        canvas.seen(episode.path[: t + 1])
    decided = int(np.searchsorted(episode.decision_steps, t, side="right")) - 1
    if 0 <= decided < len(episode.ways) and episode.path is not None:
        for above, way in reversed(list(enumerate(episode.ways[decided]))):
            canvas.way(episode.path[episode.decision_steps[decided]], way, above)
    if 0 <= decided < len(episode.imagined):
        canvas.imagined(episode.imagined[decided])
    return canvas.finish()


def poster(episode: RecordedEpisode, size: int = SIZE) -> Picture:
    """Poster of the video: the whole path over the last frame."""
    canvas = Canvas(episode.frames[-1], enlargement(episode.frames[-1], size))
    canvas.goal(episode.goal_xy)
    if episode.path is not None:
        canvas.seen(episode.path)
    return canvas.finish()


def encode_mp4(frames: Iterator[Picture], count: int) -> bytes:
    """Encode frames as an MP4 (H.264, yuv420p); sides are cropped to even lengths, which the codec requires.

    Args:
        frames: uint8 [h, w, 3], all of one size. count: number of frames; it sets the rate (6 to 25 frames a second, about
            ten seconds in all).
    """
    speed = float(np.clip(count / SECONDS, 6, 25))
    first = next(frames)
    height, width = first.shape[0] // 2 * 2, first.shape[1] // 2 * 2
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "episode.mp4"
        writer = imageio_ffmpeg.write_frames(
            str(path), (width, height), fps=speed, codec="libx264", pix_fmt_in="rgb24", pix_fmt_out="yuv420p",
            macro_block_size=2, quality=None, ffmpeg_log_level="error",
            # One thread and bit-exact: the same material makes the same page.
            output_params=["-crf", "20", "-preset", "fast", "-tune", "animation", "-movflags", "+faststart", "-threads", "1",
                           "-fflags", "+bitexact", "-flags:v", "+bitexact"],
        )  # fmt: skip
        writer.send(None)
        last = first
        for frame in _chain(first, frames):
            last = np.ascontiguousarray(frame[:height, :width])
            writer.send(last)
        for _ in range(round(LAST_FRAME_SECONDS * speed)):
            writer.send(last)
        writer.close()
        return path.read_bytes()


def _chain(first: Picture, rest: Iterator[Picture]) -> Iterator[Picture]:
    yield first
    yield from rest
