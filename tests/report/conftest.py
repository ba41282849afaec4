"""A synthetic run: two rooms, a dot that walks through the door, everything that a page can show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from forethought.config import Configuration, DataSpec, Reason, StreamSettings
from forethought.evaluation.baselines import EpisodeReturn
from forethought.report.page import write_report
from forethought.report.report_data import (
    Alarm,
    Curve,
    FuturePictures,
    HeatMap,
    HorizonError,
    Imagining,
    LandscapePicture,
    Making,
    ModeScore,
    RecordedEpisode,
    ReportMaterial,
)

SIZE = 64
GOAL = (52.0, 50.0)


def room() -> NDArray[np.uint8]:
    frame = np.full((SIZE, SIZE, 3), (236, 233, 226), np.uint8)
    frame[:2] = frame[-2:] = frame[:, :2] = frame[:, -2:] = (70, 76, 92)
    frame[:, 31:33] = (70, 76, 92)
    frame[18:28, 31:33] = (236, 233, 226)
    return frame


def at(x: float, y: float, colour: tuple[int, int, int] = (214, 58, 48)) -> NDArray[np.uint8]:
    ys, xs = np.mgrid[:SIZE, :SIZE] + 0.5
    cover = np.clip(2.8 - np.hypot(xs - x, ys - y), 0, 1)[..., None]
    return (room() * (1 - cover) + np.array(colour) * cover).astype(np.uint8)


def walk(steps: int, start: tuple[float, float] = (12.0, 48.0)) -> NDArray[np.float64]:
    corners = np.array([start, (26.0, 26.0), (32.0, 23.0), (40.0, 28.0), GOAL])
    return np.stack([np.interp(np.linspace(0, 4, steps), range(5), corners[:, axis]) for axis in range(2)], 1)


def episode(steps: int = 12, succeeded: bool = True, mode: str = "plan", every: int = 5) -> RecordedEpisode:
    path = walk(2 * steps)[: 2 * steps if succeeded else steps][:: 2 if succeeded else 1]
    decisions = tuple(range(0, len(path), every))
    imagined = tuple(walk(2 * steps)[2 * t : 2 * t + 16 : 3] + np.random.default_rng(t).normal(0, 0.5, 2) for t in decisions)
    felt = np.hypot(*(path - GOAL).T) / 5
    return RecordedEpisode(
        np.stack([at(*p) for p in path]),
        at(*GOAL),
        path,
        imagined,
        decisions,
        succeeded,
        mode,
        {"critic": felt},
        GOAL,
        "task 7",
    )


def heat(name: str) -> HeatMap:
    ticks = np.linspace(4, 60, 24)
    xs, ys = np.meshgrid(ticks, ticks)
    grid = np.hypot(xs - GOAL[0], ys - GOAL[1])
    if name == "critic":
        door = np.hypot(32 - GOAL[0], 23 - GOAL[1])
        grid = np.where(xs < 32, np.hypot(xs - 32, ys - 23) + door, grid)
    grid = np.where((np.abs(xs - 32) < 2) & (np.abs(ys - 23) > 5), np.nan, grid / 5)
    return HeatMap(name, grid, room(), GOAL, (2.8, 61.2, 2.8, 61.2), 0.97 if name == "critic" else 0.61)


def landscape() -> LandscapePicture:
    ticks = np.linspace(4, 60, 24)
    xs, ys = np.meshgrid(ticks, ticks)
    ways = [np.hypot(xs - x, ys - 30) for x in (20.0, 44.0)]
    grid = np.where((np.abs(xs - 32) < 2) & (np.abs(ys - 23) > 5), np.nan, np.minimum(*ways) ** 2 / 100)
    return LandscapePicture(grid, at(20, 48), (2.8, 61.2, 2.8, 61.2), (20.0, 48.0), (20.0, 30.0), 2, "task 0")


def curve(name: str, phase: str, start: float, end: float, **more: float) -> Curve:
    steps = np.arange(0, 1001, 25)
    values = end + (start - end) * np.exp(-steps / 200) + 0.02 * np.random.default_rng(len(name)).normal(size=len(steps))
    return Curve(name, steps, values, phase, **more)


def configuration() -> Configuration:
    body = DataSpec(
        world="forethought/Rooms-v0", action_kind="continuous", action_size=2, low=(-1.0, -1.0), high=(1.0, 1.0), block=5,
        streams=(StreamSettings(name="pixels", shape=(64, 64, 3), mean=(1.0,) * 3, std=(1.0,) * 3),),
    )  # fmt: skip
    reasons = (
        Reason(
            setting="model.encoder.image",
            value="conv",
            because="a stride-4 convolution keeps positions and is the fastest on a CPU",
        ),
        Reason(
            setting="training.loss.inverse_dynamics",
            value="10",
            because="without it the state keeps the background and drops the agent",
        ),
        Reason(setting="planner.search.num_samples", value="200", because="fills 30 ms a decision", overridden=True),
    )
    return Configuration(data=body, reasons=reasons)


def full() -> ReportMaterial:
    path = walk(7)
    rng = np.random.default_rng(1)
    ends = rng.uniform(6, 58, (30, 2))
    shares = np.linspace(1 / 6, 1, 6)[:, None]
    start = np.array([12.0, 48.0])
    candidates = start + (ends[:, None] - start) * shares * 0.6 + rng.normal(0, 0.8, (30, 6, 2))
    candidates[4] = path[1:]
    energies = np.hypot(*(candidates[:, -1] - GOAL).T)
    blurred = np.stack([(0.8 * at(x + 0.5, y).astype(float) + 0.2 * room()).astype(np.uint8) for x, y in path])
    real = np.stack([at(*p) for p in path])
    horizon = np.arange(1, 11)
    return ReportMaterial(
        title="Rooms",
        world="forethought/Rooms-v0",
        task="The agent must reach a place in another room, shown as a picture.",
        metrics={
            "success_rate": 0.97,
            "success_low": 0.915,
            "success_high": 0.99,
            "random_floor": 0.08,
            "expert_ceiling": 1.0,
            "mode1_success_rate": 0.91,
            "ms_per_decision_mode1": 0.41,
            "ms_per_decision_mode2": 31.7,
            "model_calls_per_decision": 4000,
            "train_frames": 480_000,
            "train_seconds": 284.0,
            "probe_position_r2": 0.994,
            "seed": 0,
        },
        configuration=configuration(),
        scores=(
            ModeScore("Mode-2 (plans)", "agent", 0.97, 0.915, 0.99, 100, 31.7, 38.2, 4000),
            ModeScore("Mode-1 (reacts)", "agent", 0.91, 0.838, 0.952, 100, 0.41, 0.5, 0),
            ModeScore("auto", "agent", 0.95, 0.888, 0.978, 100, 9.2, 33.0, 1210),
            ModeScore("cloned", "baseline", 0.5, 0.4, 0.6, 100, episodes=EpisodeReturn(161.5, 150.25, 172.75, 161.5, 20)),
            ModeScore("random", "floor", 0.08, 0.041, 0.15, 100),
            ModeScore("expert", "ceiling", 1.0, 0.963, 1.0, 100),
        ),
        imagining=Imagining(at(*start), at(*GOAL), candidates, energies, 4, (12.0, 48.0), GOAL),
        futures=(
            FuturePictures(real, blurred, np.linspace(9, 1, 6), at(*GOAL), "episode 12"),
            FuturePictures(real[::-1], blurred[::-1]),
        ),
        episodes=(episode(), episode(succeeded=False), episode(mode="react", every=1)),
        heat_maps=(heat("latent distance"), heat("critic")),
        landscapes=(landscape(),),
        error_by_horizon=(
            HorizonError(horizon, 0.02 * horizon**1.2, 1 - np.exp(-horizon / 3), "share of the states' variance"),
            HorizonError(horizon, 0.4 * horizon, 3.0 * horizon**0.8, "pixels", 0.3 * horizon, 0.5 * horizon),
        ),
        monitors=(
            curve("batch_std", "world model", 0.2, 1.0, low=0.1),
            curve("within_episode_std", "world model", 0.02, 0.5, low=0.05),
            curve("rankme", "world model", 3, 22, low=6.4),
            curve("inverse_dynamics_r2", "world model", 0, 0.93, low=0.1),
            curve("probe_position_0_r2", "world model", 0.1, 0.99),
            curve("probe_doors_0_r2", "world model", 0, 0.93),
        ),
        alarms=(
            Alarm(50, "Slow-feature collapse: the state keeps what is constant.", "Raise training.loss.inverse_dynamics."),
        ),
        curves=(
            curve("one_step", "world model", 2, 0.05),
            curve("multi_step", "world model", 3, 0.1),
            curve("variance", "world model", 0.8, 0.03),
            curve("critic", "critic", 4, 0.3),
            curve("policy", "mode-1", 0.5, 0.08),
        ),
        probes={"position": 0.994, "doors": 0.93, "constant": float("nan")},
        making=Making(
            "forethought demo --seed 0", 0, "2 cores, x86_64, no GPU", {"forethought": "0.1.0", "torch": "2.13.0"}, "2026-01-31"
        ),
    )


@pytest.fixture(scope="session")
def material() -> ReportMaterial:
    return full()


@pytest.fixture(scope="session")
def page_path(material: ReportMaterial, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(material, tmp_path_factory.mktemp("page") / "new" / "report.html")
