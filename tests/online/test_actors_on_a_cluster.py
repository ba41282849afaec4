"""Actors on two nodes of a Ray cluster live the life of actors on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lived_worlds import SLOPE
from test_live import TINY, record_of, same_weights

import forethought as ft
from forethought.data.store import EpisodeStore
from forethought.errors import ForethoughtError

pytestmark = [pytest.mark.cluster, pytest.mark.filterwarnings("ignore")]


def lived(out: Path, world: str = SLOPE, actors: int = 2, **more: Any) -> ft.Agent:
    return ft.live(world, out=out, actors=actors, **{"config": TINY, "steps": 140} | more)


def test_the_same_life(cluster: Any, tmp_path: Path) -> None:
    """Weights, record and dataset."""
    here = lived(tmp_path / "here")
    there = lived(tmp_path / "there", cluster=cluster.address)
    assert same_weights(here, there)
    assert record_of(tmp_path / "here") == record_of(tmp_path / "there")
    stores = [EpisodeStore.open(tmp_path / name / "dataset") for name in ("here", "there")]
    rows = np.arange(stores[0].num_rows)
    assert (stores[0].rows("actions", rows) == stores[1].rows("actions", rows)).all()


@pytest.mark.parametrize("world", ["lived_worlds:Deadly", pytest.param("lived_worlds:Silent", marks=pytest.mark.slow)])
def test_a_process_that_dies_or_hangs_costs_its_episode(cluster: Any, tmp_path: Path, world: str) -> None:
    how: dict[str, Any] = {"world": world, "steps": 220, "seed": 5, "patience": 0.5}
    here, there = lived(tmp_path / "here", **how), lived(tmp_path / "there", cluster="auto", **how)
    assert record_of(tmp_path / "there")["lost"] >= 1
    assert record_of(tmp_path / "here") == record_of(tmp_path / "there")
    assert same_weights(here, there)


@pytest.mark.parametrize(("actors", "why"), [(1, "give --actors 2 or more"), (5, "5 actors need a CPU each.* has 4")])
def test_what_no_cluster_can_do_is_said_before_the_first_step(cluster: Any, tmp_path: Path, actors: int, why: str) -> None:
    with pytest.raises(ForethoughtError, match=why):
        lived(tmp_path / "run", actors=actors, cluster=cluster.address)
    assert not (tmp_path / "run").exists()
