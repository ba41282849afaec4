"""`examine_store`: all findings of a store, from samples of its rows; seconds on two cores."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from forethought.data.observation_features import fit_features, sample_places, sample_transitions
from forethought.data.store import EpisodeStore
from forethought.evaluation.store_examination.actions import action_findings
from forethought.evaluation.store_examination.coverage import coverage_findings
from forethought.evaluation.store_examination.demonstrations import demonstration_finding
from forethought.evaluation.store_examination.dynamics import block_finding, dynamics_findings
from forethought.evaluation.store_examination.episodes import episode_findings
from forethought.evaluation.store_examination.findings import StoreExamination, StoreFinding
from forethought.evaluation.store_examination.goal_visibility import goal_finding
from forethought.evaluation.store_examination.streams import stream_findings

FIT_ROWS, TEST_ROWS, FEATURE_ROWS = 4000, 2000, 2000
LEAST_HELD_OUT, OWN_SHARE = 5, 0.3
"""Held-out episodes below which the examination makes its own split, and the share that it holds out then."""


def examine_store(store: EpisodeStore | Path | str, seed: int = 0) -> StoreExamination:
    """Examine a store: its content, what training ignores, coverage, block length, effect of actions, demonstrations.

    Numbers are read completely, images from a sample of rows; models are fitted on training episodes and judged on held-out
    ones. The same store and seed give the same findings.

    Args:
        store: a store, or its folder. seed: of the samples.

    Raises:
        ForethoughtError: there is no finished store. CorruptFileError: a file is damaged.
    """
    started = time.perf_counter()
    store = EpisodeStore.open(store) if isinstance(store, (str, Path)) else store
    findings = [*episode_findings(store), *stream_findings(store), *action_findings(store), demonstration_finding(store)]
    findings += _findings_of_models(store, np.random.default_rng(seed))
    return StoreExamination(str(store.path), store.spec.name, tuple(findings), time.perf_counter() - started)


def split_episodes(store: EpisodeStore, random: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Episodes with a whole block on two sides: the store's own split, or a random one if it holds out too few."""
    usable = store.lengths > 0
    train, heldout = (side[usable[side]] for side in (store.train, store.heldout))
    if len(heldout) >= LEAST_HELD_OUT and len(train):
        return train, heldout
    episodes = random.permutation(np.flatnonzero(usable))
    cut = len(episodes) - round(OWN_SHARE * len(episodes))
    return np.sort(episodes[:cut]), np.sort(episodes[cut:])


def _findings_of_models(store: EpisodeStore, random: np.random.Generator) -> list[StoreFinding]:
    """Findings that need two sides of episodes and an observation that varies; none otherwise."""
    fit, test = split_episodes(store, random)
    if not len(fit) or not len(test):
        return [_too_few(len(fit) + len(test))]
    episode, offset = sample_places(store.lengths_with_partial, fit, 0, FEATURE_ROWS, random)
    features = fit_features(store, store.starts[episode] + offset)
    if not features.size:
        return []
    findings = coverage_findings(store, features, fit, test, random)
    findings += block_finding(store, features, np.concatenate([fit, test]), random)
    sides = [
        sample_transitions(store, features, episodes, count, random) for episodes, count in ((fit, FIT_ROWS), (test, TEST_ROWS))
    ]
    return findings + goal_finding(store, features, fit, test) + dynamics_findings(*sides)


def _too_few(episodes: int) -> StoreFinding:
    return StoreFinding(
        "coverage", "alarm", f"{episodes} episodes with a whole block",
        "Coverage and dynamics need two episodes or more.", "Record more episodes.", {"episodes": episodes},
    )  # fmt: skip
