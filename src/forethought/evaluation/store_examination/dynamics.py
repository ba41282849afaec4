"""Findings about dynamics, by quick models on held-out episodes: previous row, action, policy, block length."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from forethought.data.observation_features import ObservationFeatures, Transitions, sample_places
from forethought.data.store import EpisodeStore
from forethought.evaluation.store_examination.findings import Level, StoreFinding, counted, share
from forethought.evaluation.store_examination.quick_model import fit_quick_model

Floats = NDArray[np.float64]

LEAST_ROWS = 50
"""Fewer transitions on either side give no reliable error."""
PREVIOUS_ROW_HELPS, ACTION_HELPS, SURE = 0.2, 0.05, 3.0
"""Shares of the error that the previous row, or the action, must explain to count; least ratio to the standard error."""
POLICY_KNOWN = 0.9
FEW_BLOCKS, COARSE, FINE, SUITABLE = 10, 0.5, 0.0005, 0.1
"""Blocks of an episode; change of the observation in a block, as a share of its variance (1 - autocorrelation): too much, too
little, and about right."""
LAG_ROWS = 1000


def dynamics_findings(fit: Transitions, test: Transitions) -> list[StoreFinding]:
    """Findings about one observation, the effect of actions, and the policy; a note if there are too few transitions."""
    if (rows := min(len(fit), len(test))) < LEAST_ROWS:
        return [
            StoreFinding(
                "effect of actions", "note", "not measured",
                f"Only {counted(rows, 'transition')} of two whole blocks on one side of the split: too few to judge a model.",
                "Record more or longer episodes, or use a smaller block.", {"transitions": rows},
            )
        ]  # fmt: skip
    change, scale = test.after - test.now, float(((test.after - test.now) ** 2).sum(1).mean())
    if scale == 0:
        return []

    # Each model explains what the one before left over, so that more inputs do no harm where they say nothing.
    steps, left = (("now",), ("now", "action"), ("now", "action", "before", "action_before")), [fit.after - fit.now, change]
    errors: list[Floats] = []
    for names in steps:
        inputs = [np.concatenate([getattr(side, name) for name in names], 1) for side in (fit, test)]
        model = fit_quick_model(inputs[0], left[0])
        left = [target - model(given) for target, given in zip(left, inputs, strict=True)]
        errors.append((left[1] ** 2).sum(1) / scale)
    alone, acted, context = errors
    return [
        _one_observation(acted, context, test.episode),
        _action_effect(alone, acted, test.episode, known := policy_share(fit, test)),
        _policy(known),
    ]


def policy_share(fit: Transitions, test: Transitions) -> float:
    """Share of the actions' variance that the observation explains on held-out rows, at most 1; 0 if actions do not vary."""
    variance = float(((test.action - fit.action.mean(0)) ** 2).sum())
    if variance == 0:
        return 0.0
    error = float(((test.action - fit_quick_model(fit.now, fit.action)(test.now)) ** 2).sum())
    return max(0.0, 1 - error / variance)


def gain(before: Floats, after: Floats, groups: NDArray[np.int64]) -> tuple[float, float]:
    """Share of the mean error `before` [M] that `after` [M] saves, and its ratio to the standard error over groups."""
    saved = before - after
    sums = np.array([saved[groups == group].sum() for group in np.unique(groups)])
    spread = float(sums.std(ddof=1) * math.sqrt(len(sums))) if len(sums) > 1 else 0.0
    total, base = float(saved.sum()), float(before.sum())
    return (total / base if base > 0 else 0.0), (total / spread if spread > 0 else 0.0)


def _one_observation(one: Floats, two: Floats, groups: NDArray[np.int64]) -> StoreFinding:
    saved, sure = gain(one, two, groups)
    hidden = saved > PREVIOUS_ROW_HELPS and sure > SURE
    sentence = "The previous row tells something that one observation does not, such as a velocity."
    return StoreFinding(
        "one observation",
        "note" if hidden else "ok",
        f"{share(float(one.mean()))} of the change unexplained from one row, {share(float(two.mean()))} from two",
        sentence if hidden else "One observation tells the state, as far as a quick model can see.",
        "Give the model several rows (`model.predictor.context`), or record velocities or stacked frames." if hidden else "",
        {"error_one_row": float(one.mean()), "error_two_rows": float(two.mean()), "saved": saved, "standard_errors": sure},
    )


def _action_effect(alone: Floats, acted: Floats, groups: NDArray[np.int64], policy: float) -> StoreFinding:
    saved, sure = gain(alone, acted, groups)
    matters = saved > ACTION_HELPS and sure > SURE
    level: Level = "ok"
    sentence, advice = "Actions change what is observed next.", ""
    if not matters and policy > POLICY_KNOWN:
        sentence = "The effect of actions cannot be told: the recording policy's actions follow from the observation."
        advice, level = "Record with noise on the policy's actions, or mix in random ones.", "alarm"
    elif not matters and saved + (SURE * saved / sure if sure else 0.0) > ACTION_HELPS:
        sentence, level = "So few transitions do not show whether actions change what is observed.", "note"
        advice = "Record more episodes."
    elif not matters:
        sentence = "Actions hardly change what is observed in the next row."
        advice, level = "Check that actions are recorded in the row that they were taken from; try a longer block.", "alarm"
    values = {"error_without_action": float(alone.mean()), "error_with_action": float(acted.mean()), "saved": saved}
    figure = f"{share(float(alone.mean()))} of the change unexplained without the action, {share(float(acted.mean()))} with it"
    return StoreFinding("effect of actions", level, figure, sentence, advice, values | {"standard_errors": sure})


def _policy(known: float) -> StoreFinding:
    fixed = known > POLICY_KNOWN
    return StoreFinding(
        "policy",
        "note" if fixed else "ok",
        f"{share(known)} of the actions' variance",
        f"So much of the recorded actions {'follows' if known else 'can be told'} from one observation.",
        "Add noise or other policies: the model sees one action for each observation." if fixed else "",
        {"explained": known},
    )


def block_finding(
    store: EpisodeStore, features: ObservationFeatures, episodes: NDArray[np.int64], random: np.random.Generator
) -> list[StoreFinding]:
    """The finding about the block length; none if no episode has a whole block or nothing varies."""
    lags, changes = change_by_lag(store, features, episodes, random)
    if not len(lags) or changes[0] <= 0:
        return []
    median = float(np.median(store.lengths_with_partial * 1.0))
    steps = float(np.median(steps_of_episodes(store)))
    suitable = suitable_block(lags * store.block, changes, steps)
    too_coarse = median < FEW_BLOCKS or changes[0] > COARSE
    too_fine = changes[0] < FINE and median > FEW_BLOCKS**2
    sentence = "The block suits these episodes."
    if median < FEW_BLOCKS:
        sentence = f"An episode has {median:.0f} blocks: too few to learn distances from."
    elif too_coarse:
        sentence = "Too coarse: after one block the observation has little to do with the one before."
    elif too_fine:
        sentence = "Too fine: one block hardly changes the observation."
    advice = f"Record with a block of {counted(suitable, 'step')}."
    if suitable == store.block or (store.block == 1 and too_coarse):
        advice = "Record longer episodes." if median < FEW_BLOCKS else "The world changes fast: record more of it per row."
    return [
        StoreFinding(
            "block",
            "alarm" if too_coarse else "note" if too_fine else "ok",
            f"{counted(store.block, 'step')}; one block changes {share(min(1.0, float(changes[0])))} of the variance",
            sentence,
            advice if too_coarse or too_fine else "",
            {
                "block": store.block, "suitable_block": suitable, "median_steps": steps,
                "change_by_steps": {str(int(lag) * store.block): float(c) for lag, c in zip(lags, changes, strict=True)},
            },
        )
    ]  # fmt: skip


def steps_of_episodes(store: EpisodeStore) -> NDArray[np.int64]:
    """Executed steps of each episode, int64 [episodes]."""
    steps = store.rows("steps", np.arange(store.num_rows)).astype(np.int64)
    return np.asarray(np.add.reduceat(steps, store.starts), np.int64)


def change_by_lag(
    store: EpisodeStore, features: ObservationFeatures, episodes: NDArray[np.int64], random: np.random.Generator
) -> tuple[Floats, Floats]:
    """Lags in blocks, and the mean squared change over each lag divided by twice the variance (1 - autocorrelation)."""
    lags, changes = [], []
    lag, longest = 1, int(np.median(store.lengths[episodes]))
    while lag <= max(1, longest // 2):
        episode, offset = sample_places(store.lengths, episodes, lag, LAG_ROWS, random)
        if not len(episode):
            break
        row = store.starts[episode] + offset
        now, later = features.rows(store, row), features.rows(store, row + lag)
        both = np.concatenate([now, later])
        variance = float(both.var(0).sum())
        lags.append(float(lag))
        changes.append(float(((later - now) ** 2).sum(1).mean()) / (2 * variance) if variance > 0 else 0.0)
        lag *= 2
    return np.array(lags), np.array(changes)


def suitable_block(steps: Floats, changes: Floats, episode: float) -> int:
    """Block in steps after which the change is about `SUITABLE`, with at least `FEW_BLOCKS` blocks in an episode."""
    limit = max(1, int(episode // FEW_BLOCKS))
    above = np.flatnonzero(changes >= SUITABLE)
    if not len(above):
        return min(limit, max(1, int(steps[-1])))
    index = int(above[0])
    if index == 0:
        # Shorter than one block nothing was measured: change grows with time to the power of 1 (diffusion) to 2 (velocity).
        found = steps[0] * (SUITABLE / changes[0]) ** 0.75
    else:
        position = (math.log(SUITABLE) - math.log(changes[index - 1])) / math.log(changes[index] / changes[index - 1])
        found = steps[index - 1] * (steps[index] / steps[index - 1]) ** position
    return min(limit, max(1, round(float(found))))
