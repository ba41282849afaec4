from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from forethought.atomic_io import write_sealed
from forethought.data.shard_writer import publish_shard
from forethought.data.store_format import (
    Failure,
    Recipe,
    arrays_of,
    check_episode,
    held_out_by_seed,
    open_array,
    read_recipe,
    read_shard_index,
    shard_path,
    spec_from_json,
    spec_to_json,
    write_recipe,
)
from forethought.errors import CorruptFileError, ForethoughtError, NonFiniteError
from forethought.types import Episode, WorldSpec


def test_a_world_survives_json(spec: WorldSpec) -> None:
    assert spec_from_json(json.loads(json.dumps(spec_to_json(spec))), Path("x")) == spec


@pytest.mark.parametrize("change", [{"streams": None}, {"surprise": 1}, {"action": {}}])
def test_a_damaged_description_names_its_file(spec: WorldSpec, change: dict[str, object]) -> None:
    with pytest.raises(CorruptFileError, match="x.json: the description of the world is damaged"):
        spec_from_json({**spec_to_json(spec), **change}, Path("x.json"))


def test_a_recipe_comes_back(tmp_path: Path, spec: WorldSpec) -> None:
    recipe = Recipe(spec, 2, 0.2, {"policy": "random"})
    write_recipe(tmp_path, recipe)
    assert read_recipe(tmp_path) == recipe


def test_another_schema_is_refused(tmp_path: Path) -> None:
    write_sealed(tmp_path / "recipe.json", {"schema": 0})
    with pytest.raises(ForethoughtError, match="has schema 0 and this version reads 1 and 2; collect it again"):
        read_recipe(tmp_path)


def test_names_that_leave_the_folder_are_refused(spec: WorldSpec) -> None:
    with pytest.raises(ForethoughtError, match="'truth.../evil' cannot name a file"):
        arrays_of(replace(spec, truth={"../evil": 1}), 2)


def test_the_split_is_a_function_of_the_seed_alone() -> None:
    seeds = np.arange(5000, dtype=np.int64)
    held_out = held_out_by_seed(seeds, 0.1)
    assert 0.08 < held_out.mean() < 0.12
    order = np.random.default_rng(0).permutation(5000)
    np.testing.assert_array_equal(held_out_by_seed(seeds[order], 0.1), held_out[order])
    np.testing.assert_array_equal(held_out_by_seed(seeds[:100], 0.1), held_out[:100])


def test_both_sides_of_a_small_split_have_something() -> None:
    for first in range(40):
        for fraction in (0.1, 0.9):
            held_out = held_out_by_seed(np.arange(first, first + 3, dtype=np.int64), fraction)
            assert 0 < held_out.sum() < 3
    assert not held_out_by_seed(np.array([7, 7], np.int64), 0.0001).any()
    assert not held_out_by_seed(np.arange(50, dtype=np.int64), 0.0).any()


def spoiled(episode: Episode, **pixels: object) -> Episode:
    return replace(episode, observation={**episode.observation, **pixels})


def test_an_episode_that_does_not_fit_is_refused(spec: WorldSpec, make_episode: Callable[..., Episode]) -> None:
    good = make_episode(3, 5)
    check_episode(good, spec, 2)
    with pytest.raises(ForethoughtError, match="world toy, episode with seed 3: no block of actions"):
        check_episode(make_episode(3, 0), spec, 2)
    with pytest.raises(ForethoughtError, match=r"steps have shape \(5, 1\) instead of \[T\]"):
        check_episode(replace(good, steps=np.full((5, 1), 2, np.int32)), spec, 2)
    with pytest.raises(ForethoughtError, match=r"actions is float32\[6, 4\] instead of float32\[6, 6\]"):
        check_episode(good, spec, 3)
    with pytest.raises(ForethoughtError, match=r"pixels is float32\[6, 8, 8, 3\] instead of uint8\[6, 8, 8, 3\]"):
        check_episode(spoiled(good, pixels=good.observation["pixels"].astype(np.float32)), spec, 2)
    with pytest.raises(ForethoughtError, match="recorded .*extra.* where its description says"):
        check_episode(spoiled(good, extra=np.zeros(6, np.float32)), spec, 2)
    with pytest.raises(ForethoughtError, match=r"actions have shape \(5,\)"):
        check_episode(replace(good, actions=good.actions[:, 0]), spec, 2)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_is_found_where_it_is(spec: WorldSpec, make_episode: Callable[..., Episode], value: float) -> None:
    episode = make_episode(3, 5)
    values = episode.observation["proprioception"].copy()
    values[4, 1] = value
    with pytest.raises(NonFiniteError, match="seed 3: NaN or infinity in proprioception at row 4"):
        check_episode(spoiled(episode, proprioception=values), spec, 2)


def test_a_shard_comes_back(tmp_path: Path, spec: WorldSpec, make_episode: Callable[..., Episode]) -> None:
    failure = Failure(2, 9, "it crashed")
    publish_shard(tmp_path, 4, spec, 2, [make_episode(7, 3), make_episode(8, 5)], [failure])
    folder = shard_path(tmp_path, 4)
    index = read_shard_index(folder)
    assert (index.lengths, index.seeds, index.failures) == ((3, 5), (7, 8), (failure,))
    actions = open_array(folder / "actions.npy", (10, 4), np.dtype(np.float32))
    np.testing.assert_array_equal(actions[:3], make_episode(7, 3).actions)
    assert not actions[[3, 9]].any()
    assert [path.name for path in folder.parent.iterdir()] == ["00004"]


def test_a_shard_without_episodes_keeps_its_failures(tmp_path: Path, spec: WorldSpec) -> None:
    publish_shard(tmp_path, 0, spec, 2, [], [Failure(0, 9, "it crashed")])
    assert read_shard_index(shard_path(tmp_path, 0)).lengths == ()


def test_a_bad_episode_leaves_nothing_behind(tmp_path: Path, spec: WorldSpec, make_episode: Callable[..., Episode]) -> None:
    with pytest.raises(ForethoughtError):
        publish_shard(tmp_path, 0, spec, 3, [make_episode(1)])
    assert not list(tmp_path.iterdir())


def test_a_damaged_index_is_named(tmp_path: Path, spec: WorldSpec, make_episode: Callable[..., Episode]) -> None:
    publish_shard(tmp_path, 0, spec, 2, [make_episode(1)])
    path = shard_path(tmp_path, 0) / "shard.json"
    path.write_text(path.read_text().replace("lengths", "lengthy"))
    with pytest.raises(CorruptFileError, match="shard.json: the shard's index is damaged"):
        read_shard_index(path.parent)


def test_an_array_of_another_shape_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.zeros((3, 2), np.float32))
    with pytest.raises(CorruptFileError, match=r"a.npy holds float32\[3, 2\] instead of float32\[4, 2\]"):
        open_array(path, (4, 2), np.dtype(np.float32))
    np.save(path, np.asfortranarray(np.zeros((3, 2), np.float32)))
    with pytest.raises(CorruptFileError, match="a.npy holds"):
        open_array(path, (3, 2), np.dtype(np.float32))
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(CorruptFileError, match="a.npy is missing or damaged"):
        open_array(path, (3, 2), np.dtype(np.float32))


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(CorruptFileError, match="a.npy is missing or damaged"):
        open_array(tmp_path / "a.npy", (1,), np.dtype(np.float32))


@pytest.mark.parametrize("part", ["options", "truth"])
def test_a_description_whose_parts_are_no_objects_is_damaged(part: str, spec: WorldSpec) -> None:
    with pytest.raises(CorruptFileError, match="options and truth are no objects"):
        spec_from_json({**spec_to_json(spec), part: "/etc"}, Path("manifest.json"))
