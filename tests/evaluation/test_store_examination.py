"""The examination of stores: each fault of a made-up store is found, and a healthy store raises no alarm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny
from forethought.data import EpisodeStore, Failure, StoreWriter
from forethought.data.observation_features import flat_numbers
from forethought.errors import ForethoughtError
from forethought.evaluation.store_examination import StoreExamination, examine_store
from forethought.evaluation.store_examination.coverage import effective_states, nearest_distances
from forethought.evaluation.store_examination.dynamics import suitable_block
from forethought.evaluation.store_examination.quick_model import fit_quick_model
from forethought.types import ActionSpace, Episode, StreamSpec, WorldSpec

BLOCK, BLOCKS, EPISODES = 2, 40, 40
Change = Callable[[Episode], Episode]


def point(seed: int, blocks: int = BLOCKS, policy: str = "random") -> Episode:
    """A point in a square that its actions push, seen with its velocity."""
    random = np.random.default_rng(seed)
    at, velocity, actions, rows = random.uniform(-1, 1, 2), np.zeros(2), [], []
    rows.append(np.concatenate([at, velocity]))
    for step in range(blocks * BLOCK):
        action = np.clip(-3 * at - 2 * velocity, -1, 1) if policy == "fixed" else random.uniform(-1, 1, 2)
        velocity = np.clip(0.9 * velocity + 0.1 * action, -0.3, 0.3)
        at = at + velocity
        velocity = np.where(np.abs(at) > 1, -velocity, velocity)
        at = np.clip(at, -1, 1)
        actions.append(action)
        if step % BLOCK == BLOCK - 1:
            rows.append(np.concatenate([at, velocity]))
    observation = {"proprioception": np.stack(rows).astype(np.float32)}
    taken = np.stack(actions).astype(np.float32).reshape(blocks, -1)
    return Episode(observation, taken, {}, np.zeros((blocks + 1, 0), np.float32), seed)


def spec_of(*streams: StreamSpec, action: ActionSpace | None = None) -> WorldSpec:
    chosen = action or ActionSpace("continuous", 2, (-1.0, -1.0), (1.0, 1.0))
    return WorldSpec("toy", {}, streams or (StreamSpec("proprioception", (4,), "float32"),), chosen, 200, BLOCK)


def written(
    folder: Path, episodes: list[Episode], spec: WorldSpec | None = None, failures: tuple[Failure, ...] = (), **asked: Any
) -> EpisodeStore:
    writer = StoreWriter(folder / "store", spec or spec_of(), BLOCK, {"policy": "random", "seed": 0, **asked}, held_out=0.25)
    writer.append(episodes, failures)
    return writer.finalise()


def seen(episode: Episode, column: int, values: Any) -> Episode:
    """The episode with another column in its observation."""
    rows = episode.observation["proprioception"].copy()
    rows[:, column] = values
    return replace(episode, observation={"proprioception": rows})


def examined(folder: Path, change: Change = lambda episode: episode, **how: Any) -> StoreExamination:
    return examine_store(written(folder, [change(point(seed)) for seed in range(EPISODES)], **how))


def test_a_healthy_store_has_no_alarm_and_the_same_findings_again(tmp_path: Path) -> None:
    store = written(tmp_path, [point(seed) for seed in range(EPISODES)])
    found = examine_store(store)
    assert not found.alarms
    assert {finding.level for finding in found.findings} == {"ok", "note"}
    assert [finding.name for finding in found.findings if finding.level == "note"] == ["demonstrations"]
    assert found["effect of actions"].values["saved"] > 0.3
    assert found["coverage"].values["near"] > 0.7
    assert examine_store(store.path).findings == found.findings


def test_every_finding_has_a_figure_and_a_sentence_and_an_alarm_says_what_to_do(tmp_path: Path) -> None:
    found = examined(tmp_path, lambda episode: seen(episode, slice(None), 1.0))
    assert found.alarms
    for finding in found.findings:
        assert finding.figure
        assert finding.sentence.endswith(".")
        assert finding.level != "alarm" or finding.advice.endswith(".")


def test_constant_rare_and_far_columns_are_named(tmp_path: Path) -> None:
    def change(episode: Episode) -> Episode:
        flag = np.zeros(BLOCKS + 1)
        flag[-1] = episode.seed < 4
        changed = seen(seen(episode, 1, 7.5), 2, flag)
        return seen(changed, 3, 1e6 + 10 * changed.observation["proprioception"][:, 0])

    values = examined(tmp_path, change)["stream proprioception"].values
    assert values["constant"] == [1]
    assert values["rare_flags"] == [2]
    assert values["far_from_zero"] == [3]


def test_a_flag_that_is_often_up_is_not_rare(tmp_path: Path) -> None:
    """In 5 % of the rows."""
    values = examined(tmp_path, lambda episode: seen(episode, 2, np.arange(BLOCKS + 1) % 20 == 0))[
        "stream proprioception"
    ].values
    assert values["rare_flags"] == []


def test_the_three_most_frequent_reasons_of_failure_are_told(tmp_path: Path) -> None:
    counts = {"it fell": 4, "it froze": 3, "no picture": 2, "a rare one": 1}
    reasons = [reason for reason, number in counts.items() for _ in range(number)]
    failures = tuple(Failure(EPISODES + number, 1000 + number, reason) for number, reason in enumerate(reasons))
    found = examine_store(written(tmp_path, [point(seed) for seed in range(EPISODES)], failures=failures))["recording"]
    assert found.level == "alarm"
    assert all(f"{number} x {reason}" in found.sentence for reason, number in list(counts.items())[:3])
    assert "a rare one" not in found.sentence


def test_an_examination_does_not_change(tmp_path: Path) -> None:
    found = examined(tmp_path, lambda episode: episode)
    with pytest.raises(FrozenInstanceError):
        found.seconds = 0.0  # type: ignore[misc]


def test_the_quick_model_finds_a_line_and_a_curve_and_nothing_in_noise() -> None:
    """Its penalty is chosen by rows that it was not fitted to."""
    random = np.random.default_rng(0)
    inputs = random.normal(size=(3000, 3))
    line, curve, noise = inputs @ np.array([[1.0], [-2.0], [0.5]]), np.sin(2 * inputs[:, :1]), random.normal(size=(3000, 1))
    for targets, least, most in ((line, 0.9999, 1.0), (curve, 0.98, 1.0), (noise, -0.05, 0.05)):
        model = fit_quick_model(inputs[:2000], targets[:2000])
        error = ((model(inputs[2000:]) - targets[2000:]) ** 2).mean() / targets[2000:].var()
        assert least <= 1 - error <= most


def test_a_stream_that_never_changes_is_an_alarm(tmp_path: Path) -> None:
    assert examined(tmp_path, lambda episode: seen(episode, slice(None), 1.0))["stream proprioception"].level == "alarm"


def test_an_observation_that_is_frozen_within_episodes_is_an_alarm(tmp_path: Path) -> None:
    found = examined(tmp_path, lambda e: seen(e, slice(None), e.observation["proprioception"][:1]))
    assert found["distinct states"].level == "alarm"


def test_actions_without_effect_are_an_alarm(tmp_path: Path) -> None:
    def elsewhere(episode: Episode) -> Episode:
        other = np.random.default_rng(1000 + episode.seed).uniform(-1, 1, episode.actions.shape)
        return replace(episode, actions=other.astype(np.float32))

    finding = examined(tmp_path, elsewhere)["effect of actions"]
    assert finding.level == "alarm"
    assert "hardly change" in finding.sentence


def test_a_policy_without_noise_hides_the_effect_of_actions(tmp_path: Path) -> None:
    found = examine_store(written(tmp_path, [point(seed, policy="fixed") for seed in range(EPISODES)]))
    assert found["policy"].values["explained"] > 0.9
    assert found["policy"].level == "note"


def test_a_hidden_velocity_is_noticed(tmp_path: Path) -> None:
    assert examined(tmp_path / "whole")["one observation"].level == "ok"
    hidden = examined(tmp_path / "hidden", lambda episode: seen(episode, slice(2, 4), 0.0))["one observation"]
    assert hidden.level == "note"
    assert hidden.values["saved"] > 0.2


def test_too_short_episodes_ask_for_a_smaller_block(tmp_path: Path) -> None:
    finding = examine_store(written(tmp_path, [point(seed, blocks=6) for seed in range(EPISODES)]))["block"]
    assert finding.level == "alarm"
    assert "a block of 1 step" in finding.advice
    assert finding.values["suitable_block"] == 1


def test_a_block_after_which_nothing_is_as_before_is_too_coarse(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    finding = examined(tmp_path, lambda episode: seen(episode, slice(None), random.standard_normal((BLOCKS + 1, 4))))["block"]
    assert finding.level == "alarm"
    assert "Too coarse" in finding.sentence


def test_the_suitable_block_lies_where_a_tenth_has_changed() -> None:
    steps = np.array([2.0, 4.0, 8.0, 16.0])
    assert suitable_block(steps, np.array([0.025, 0.05, 0.1, 0.2]), 1000.0) == 8
    assert suitable_block(steps, np.array([0.025, 0.05, 0.1, 0.2]), 40.0) == 4
    assert suitable_block(steps, np.array([0.4, 0.6, 0.8, 0.9]), 1000.0) == 1


def test_unused_range_and_actions_outside_the_bounds(tmp_path: Path) -> None:
    narrow = examined(tmp_path / "narrow", lambda episode: replace(episode, actions=0.05 * episode.actions))["actions"]
    assert (narrow.level, narrow.values["outside"]) == ("alarm", 0)
    stuck = examined(tmp_path / "stuck", lambda episode: replace(episode, actions=np.sign(episode.actions)))["actions"]
    assert (stuck.level, stuck.values["saturated"]) == ("note", [1.0, 1.0])


def test_a_choice_that_is_never_made(tmp_path: Path) -> None:
    def choose(episode: Episode) -> Episode:
        chosen = np.random.default_rng(episode.seed).integers(2, size=BLOCKS * BLOCK)
        return replace(episode, actions=np.eye(3, dtype=np.float32)[chosen].reshape(BLOCKS, -1))

    finding = examined(tmp_path, choose, spec=spec_of(action=ActionSpace("discrete", 3)))["actions"]
    assert finding.level == "alarm"
    assert finding.values["never"] == [2]


def test_copies_and_repeated_seeds(tmp_path: Path) -> None:
    same = point(0)
    episodes = [replace(same, seed=seed) for seed in range(EPISODES)]
    found = examine_store(written(tmp_path / "copies", episodes))["copies"]
    assert found.level == "alarm"
    assert found.values["copies"] == EPISODES - 1
    assert found.values["heldout_copies"] > 0
    repeated = [replace(point(seed), seed=seed // 2) for seed in range(EPISODES)]
    assert examine_store(written(tmp_path / "seeds", repeated))["seeds"].values["repeated"] == EPISODES // 2


def test_episodes_that_all_begin_alike_are_noted(tmp_path: Path) -> None:
    """They differ in what happens next, so none is a copy."""

    def begun(episode: Episode) -> Episode:
        rows = episode.observation["proprioception"].copy()
        rows[0] = 0.5
        return replace(episode, observation={"proprioception": rows})

    alike, other = examined(tmp_path / "alike", begun)["copies"], examined(tmp_path / "other")["copies"]
    assert (alike.level, alike.values["copies"], alike.values["different_starts"]) == ("note", 0, 1)
    assert (other.level, other.values["different_starts"]) == ("ok", EPISODES)


def test_failures_with_their_reasons(tmp_path: Path) -> None:
    found = examined(tmp_path, failures=tuple(Failure(number, 900 + number, "it crashed") for number in range(10)))
    assert found["recording"].level == "alarm"
    assert "10 x it crashed" in found["recording"].sentence


def test_partial_blocks_are_counted(tmp_path: Path) -> None:
    steps = np.full(BLOCKS, BLOCK, np.int32)
    steps[-1] = 1
    found = examined(tmp_path, lambda episode: replace(episode, steps=steps))["ignored rows"]
    assert found.values["partial_blocks"] == EPISODES
    assert found.level == "note"


def ending(episode: Episode, terminated: bool, rewards: float) -> Episode:
    last = np.arange(BLOCKS + 1) == BLOCKS
    given = np.where(np.arange(BLOCKS + 1) > 0, rewards, 0).astype(np.float32)
    return replace(episode, rewards=given, terminated=last & terminated, truncated=last & (not terminated))


def test_ends_and_rewards_tell_demonstrations(tmp_path: Path) -> None:
    falls = examined(tmp_path / "falls", lambda e: ending(e, e.seed % 4 == 0, 0.5 if e.seed % 4 == 0 else 1.0))
    assert falls["ends"].values["terminated"] == 0.25
    assert falls["demonstrations"].values["success"] == 0.75
    assert falls["rewards"].level == "note"
    goals = examined(tmp_path / "goals", lambda e: ending(e, e.seed % 4 == 0, 1.0 if e.seed % 4 == 0 else 0.5))
    assert goals["demonstrations"].values["success"] == 0.25
    alike = examined(tmp_path / "alike", lambda e: ending(e, False, 1.0))
    assert alike["demonstrations"].values["success"] is None
    assert "same return, 40" in alike["demonstrations"].sentence


def test_a_value_named_success_is_believed(tmp_path: Path) -> None:
    streams = (StreamSpec("proprioception", (4,), "float32"), StreamSpec("success", (1,), "float32"))

    def change(episode: Episode) -> Episode:
        flag = np.full((BLOCKS + 1, 1), episode.seed < 10, np.float32)
        return replace(episode, observation={**episode.observation, "success": flag})

    assert examined(tmp_path, change, spec=spec_of(*streams))["demonstrations"].values["success"] == 0.25


def test_text_is_ignored_and_blank_images_are_an_alarm(tmp_path: Path) -> None:
    streams = (
        StreamSpec("proprioception", (4,), "float32"),
        StreamSpec("note", (), "str"),
        StreamSpec("pixels", (8, 8, 3), "uint8"),
    )

    def change(episode: Episode) -> Episode:
        extra = {"note": np.array(["push"] * (BLOCKS + 1)), "pixels": np.zeros((BLOCKS + 1, 8, 8, 3), np.uint8)}
        return replace(episode, observation={**episode.observation, **extra})

    found = examined(tmp_path, change, spec=spec_of(*streams))
    assert found["stream note"].level == "note"
    assert found["stream pixels"].level == "alarm"
    assert found["effect of actions"].level == "ok"


def test_pixels_show_the_effect_of_actions() -> None:
    found = examine_store(tiny.long_store())
    assert found["effect of actions"].values["saved"] > 0.1
    assert not found.alarms


def test_one_episode_is_too_few(tmp_path: Path) -> None:
    found = examine_store(written(tmp_path, [point(0)]))
    assert found["coverage"].level == "alarm"


def test_no_store(tmp_path: Path) -> None:
    with pytest.raises(ForethoughtError, match="no store"):
        examine_store(tmp_path / "nowhere")


def test_nearest_distances_and_effective_states() -> None:
    known = np.array([[0.0, 0.0], [3.0, 0.0]])
    np.testing.assert_allclose(nearest_distances(np.array([[0.0, 1.0], [5.0, 0.0]]), known), [1.0, 2.0])
    assert effective_states(np.repeat(np.arange(5.0), 3)[:, None], 0.5) == pytest.approx(5)
    assert effective_states(np.zeros((9, 2)), 0.5) == pytest.approx(1)


def test_the_quick_model_fits_a_curve_and_ignores_a_constant_input() -> None:
    random = np.random.default_rng(0)
    inputs = np.concatenate([random.uniform(-2, 2, (600, 1)), np.ones((600, 1))], 1)
    targets = np.sin(2 * inputs[:, :1])
    model = fit_quick_model(inputs[:400], targets[:400])
    assert float(((model(inputs[400:]) - targets[400:]) ** 2).mean()) < 0.01


def test_episodes_with_other_actions_are_no_copies(tmp_path: Path) -> None:
    same = point(0)
    episodes = [replace(same, seed=seed, actions=point(seed).actions) for seed in range(EPISODES)]
    assert examine_store(written(tmp_path, episodes))["copies"].values["copies"] == 0


def test_low_frequencies_of_a_picture_keep_its_mean() -> None:
    """The first is the mean brightness; a grating of the second frequency is in no other."""
    stream = StreamSpec("pixels", (16, 16, 1), "uint8")
    grating = 100 + 50 * np.cos(np.pi * (np.arange(16) + 0.5) / 16)
    pictures = np.broadcast_to(grating[None, None, :, None], (1, 16, 16, 1)).round().astype(np.uint8)
    found = flat_numbers(stream, pictures).reshape(4, 4)
    assert found[0, 0] == pytest.approx(100, abs=0.5)
    assert found[0, 1] == pytest.approx(25, abs=0.5)
    assert np.abs(found.flatten()[2:]).max() < 0.5


def test_pictures_of_one_colour_are_told_by_their_share(tmp_path: Path) -> None:
    streams = (StreamSpec("proprioception", (4,), "float32"), StreamSpec("pixels", (8, 8, 3), "uint8"))

    def pictured(episode: Episode, blank: int) -> Episode:
        pictures = np.random.default_rng(episode.seed).integers(0, 255, (BLOCKS + 1, 8, 8, 3)).astype(np.uint8)
        pictures[:blank] = 7
        return replace(episode, observation={**episode.observation, "pixels": pictures})

    half, none = (
        examined(tmp_path / str(blank), partial(pictured, blank=blank), spec=spec_of(*streams))["stream pixels"]
        for blank in (BLOCKS // 2, 0)
    )
    assert half.level == "alarm"
    assert 0.4 < half.values["blank"] < 0.6
    assert "% of these images have one colour" in half.sentence
    assert none.level == "ok"
    assert "one colour" not in none.sentence
