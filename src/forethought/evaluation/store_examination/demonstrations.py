"""The finding about demonstrations: how many episodes succeed, by what the recording itself says."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forethought.data.store import EpisodeStore
from forethought.evaluation.store_examination.findings import Level, StoreFinding, share

SUCCESS_NAMES = ("success", "is_success", "succeeded")
GOOD, FEW = 0.5, 0.2


def demonstration_finding(store: EpisodeStore) -> StoreFinding:
    """Share of episodes that succeed, and by which sign; a note if nothing in the store tells.

    The signs in this order: a stream or a true value named as success; a reward that comes at the end only; ends by
    themselves, good or bad by the return of the episodes that end so; the return as a share of the best one.
    """
    for succeeded, sign in (_by_name(store), _by_last_reward(store), _by_end(store)):
        if succeeded is not None:
            return _finding(succeeded, sign)
    returns = _returns(store)
    if np.ptp(returns) == 0:
        sentence = "Neither rewards nor ends tell good episodes from bad ones."
        if returns[0] != 0:
            sentence = f"All episodes have the same return, {returns[0]:.4g}: nothing tells good ones from bad ones."
        return StoreFinding(
            "demonstrations", "note", "unknown", sentence,
            "Record rewards, or a value named `success`, if some episodes are demonstrations.", {"success": None},
        )  # fmt: skip
    best, worst = float(returns.max()), float(returns.min())
    good = returns >= worst + GOOD * (best - worst)
    return _finding(good, f"a return in the upper half of {worst:.4g} to {best:.4g}")


def _finding(succeeded: NDArray[np.bool_], sign: str) -> StoreFinding:
    rate = float(succeeded.mean())
    level: Level = "note" if rate < FEW else "ok"
    return StoreFinding(
        "demonstrations",
        level,
        f"{int(succeeded.sum()):,} of {len(succeeded):,} succeed ({share(rate)})",
        f"Success is {sign}.",
        "Record a better policy beside this one, so that good behaviour is in the data." if level == "note" else "",
        {"success": rate, "sign": sign},
    )


def _returns(store: EpisodeStore) -> NDArray[np.float64]:
    rewards = store.rows("rewards", np.arange(store.num_rows)).astype(np.float64)
    returns: NDArray[np.float64] = np.add.reduceat(rewards, store.starts)
    return returns


def _by_name(store: EpisodeStore) -> tuple[NDArray[np.bool_] | None, str]:
    """A number named as success that is 0 or 1."""
    vectors = [stream.name for stream in store.spec.streams if stream.kind == "vector"]
    columns = {name: name for name in vectors} | {name: f"truth.{name}" for name in store.spec.truth}
    for name in SUCCESS_NAMES:
        if name in columns:
            values = store.rows(columns[name], np.arange(store.num_rows)).reshape(store.num_rows, -1).max(1)
            if np.isin(values, (0, 1)).all():
                return np.maximum.reduceat(values, store.starts) > 0, f"the recorded value `{name}` at any row"
    return None, ""


def _by_last_reward(store: EpisodeStore) -> tuple[NDArray[np.bool_] | None, str]:
    """A positive reward in the last row of some episodes and nowhere else."""
    rewards = store.rows("rewards", np.arange(store.num_rows)).astype(np.float64)
    last = rewards[store.starts + store.lengths_with_partial]
    if (rewards > 0).any() and (rewards > 0).sum() == (last > 0).sum():
        return last > 0, "a positive reward at the end of the episode"
    return None, ""


def _by_end(store: EpisodeStore) -> tuple[NDArray[np.bool_] | None, str]:
    """Ends by themselves where some episodes end so and some do not, if their returns tell which is better."""
    ended, returns = store.rows("terminated", store.starts + store.lengths_with_partial), _returns(store)
    if ended.all() or not ended.any():
        return None, ""
    by_itself, cut = float(returns[ended].mean()), float(returns[~ended].mean())
    if by_itself == cut:
        return None, ""
    figures = f"{by_itself:.4g} against {cut:.4g}"
    if by_itself > cut:
        return ended, f"an end by itself: such episodes have the higher return ({figures})"
    return ~ended, f"no end by itself: episodes that end so have the lower return ({figures})"
