"""A life as it stands in its folder: an untrained agent, a dataset of random walks, and the progress of some learning."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from forethought.atomic_io import make_folder, write_json
from forethought.config import CONFIGURATION
from forethought.configurator import configure_online
from forethought.online.dataset import LivedDataset
from forethought.online.live import LIFE
from forethought.online.progress import PROGRESS, LifeProgress
from forethought.training.agent_files import save_agent, untrained_networks
from forethought.types import ActionSpace, Episode, StreamSpec, WorldSpec

NUMBERS, PICTURE = 10, (8, 8, 1)
LENGTHS = (6, 9, 14, 20, 40)


def walk_spec(pixels: bool = False, drives: tuple[str, ...] = ()) -> WorldSpec:
    """A world of `NUMBERS` numbers, or of grey pictures."""
    stream = StreamSpec("pixels", PICTURE, "uint8") if pixels else StreamSpec("numbers", (NUMBERS,), "float32")
    return WorldSpec("Walk-v0", {}, (stream,), ActionSpace("discrete", 2), 50, 1, {}, drives)


def walk(spec: WorldSpec, length: int, seed: int) -> Episode:
    """A random walk that ends by itself."""
    random = np.random.default_rng(seed)
    if spec.streams[0].kind == "image":
        observation = {"pixels": random.integers(0, 255, (length + 1, *PICTURE)).astype(np.uint8)}
    else:
        observation = {"numbers": random.normal(size=(length + 1, NUMBERS)).cumsum(0).astype(np.float32)}
    ends = np.arange(length + 1) == length
    return Episode(
        observation=observation,
        actions=np.eye(2, dtype=np.float32)[random.integers(0, 2, length)],
        truth={},
        drives=random.random((length + 1, len(spec.drives))).astype(np.float32),
        seed=seed,
        rewards=np.where(np.arange(length + 1) > 0, 1, 0).astype(np.float32),
        terminated=ends,
    )


def reading(**changed: float | None) -> dict[str, float | None]:
    """A healthy reading."""
    found: dict[str, float | None] = {
        "consistency": 0.1, "reward": 0.5, "ending": 0.1, "value": 0.01, "variance": 0.1, "covariance": 1.0, "policy": -1.0,
        "entropy": 0.5, "state_std": 0.9, "future_cost": -20.0, "largest_cost": 100.0,
    }  # fmt: skip
    return found | changed


def progress_of(**changed: object) -> LifeProgress:
    """A running life: five random episodes of about 20, then better ones."""
    returns = [(100 + 20 * number, float(18 + number)) for number in range(5)]
    returns += [(200 + 100 * number, float(60 + 4 * number)) for number in range(6)]
    readings = [(200 + 100 * number, reading(consistency=1 / (number + 1))) for number in range(6)]
    found = LifeProgress(1000, 700, 11, 0, "", 5, 61.0, "2026-01-31T12:00:00+00:00", "running", "", returns, [], readings, [])
    return dataclasses.replace(found, **changed)


def make_life(run: Path, spec: WorldSpec, progress: LifeProgress | None = None) -> LivedDataset:
    """Write the run; its dataset stays open: the first two episodes are published, the others are being recorded."""
    make_folder(run)
    request = {"world": spec.name, "options": {"size": 3}, "seed": 0}
    write_json(run / LIFE, {"request": request})
    dataset = LivedDataset(run, spec, 1, {"policy": "agent", **request})
    for number, length in enumerate(LENGTHS[:2]):
        dataset.add(number, walk(spec, length, number), number)
    store = dataset.finished()
    dataset.reopen()
    configuration = configure_online(spec, 1, store.statistics(), 1000, 1.0, overrides=None, seed=0)
    write_json(run / CONFIGURATION, configuration.model_dump(mode="json"))
    save_agent(run, configuration, untrained_networks(configuration))
    for number, length in enumerate(LENGTHS[2:], 2):
        dataset.add(number, walk(spec, length, number), number)
    write_json(run / PROGRESS, dataclasses.asdict(progress or progress_of()))
    return dataset
