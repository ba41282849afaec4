"""Findings about recorded actions: range used, saturation, choices never made."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forethought.data.store import EpisodeStore
from forethought.evaluation.store_examination.findings import Level, StoreFinding, counted, named, share

Floats = NDArray[np.float64]

MOST_ROWS = 200_000
NARROW, SATURATED, EDGE = 0.2, 0.9, 1e-3
"""Share of the bounds' range below which a column is hardly used; share of saturated steps; share of the range at a bound."""
RARE = 0.01


def action_findings(store: EpisodeStore) -> list[StoreFinding]:
    """The finding about actions, or none if the store holds no executed step."""
    steps = executed_steps(store)
    if not len(steps):
        return []
    return [_choices(steps) if store.spec.action.kind == "discrete" else _ranges(store, steps)]


def executed_steps(store: EpisodeStore) -> Floats:
    """Actions [steps, size] that were executed, of every n-th row if there are many."""
    rows = np.arange(0, store.num_rows, max(1, store.num_rows // MOST_ROWS))
    blocks = store.rows("actions", rows).reshape(len(rows), store.block, store.spec.action.size)
    executed = np.arange(store.block) < store.rows("steps", rows)[:, None]
    return blocks[executed].astype(np.float64)


def _choices(steps: Floats) -> StoreFinding:
    frequency = steps.mean(0)
    rare, never = np.flatnonzero(frequency < RARE).tolist(), np.flatnonzero(frequency == 0).tolist()
    taken = frequency[frequency > 0]
    effective = float(np.exp(-(taken * np.log(taken)).sum()))
    level: Level = "alarm" if never else "note" if rare else "ok"
    sentence = f"Choices never made: {named(never)}." if never else f"Choices made in under 1 % of the steps: {named(rare)}."
    return StoreFinding(
        "actions",
        level,
        f"{effective:.1f} of {len(frequency)} choices in effect",
        sentence if rare else f"The rarest choice is made in {share(float(frequency.min()))} of the steps.",
        "Record with a policy that makes each choice: the model knows nothing about the others." if rare else "",
        {"frequency": frequency.tolist(), "effective_choices": effective, "never": never},
    )


def _ranges(store: EpisodeStore, steps: Floats) -> StoreFinding:
    low, high = np.array(store.spec.action.low), np.array(store.spec.action.high)
    width = high - low
    used = (np.quantile(steps, 0.99, axis=0) - np.quantile(steps, 0.01, axis=0)) / width
    saturated = ((steps <= low + EDGE * width) | (steps >= high - EDGE * width)).mean(0)
    outside = float(((steps < low - EDGE * width) | (steps > high + EDGE * width)).any(1).mean())
    narrow, stuck = np.flatnonzero(used < NARROW).tolist(), np.flatnonzero(saturated > SATURATED).tolist()
    level: Level = "alarm" if narrow or outside else "note" if stuck else "ok"
    told, advice = [], []
    if outside:
        told.append(f"{share(outside)} of the steps lie outside the bounds")
        advice.append("set the bounds that the actions have, or clip the actions when recording")
    if narrow:
        told.append(f"{counted(len(narrow), 'number')} of the action use under {share(NARROW)} of the bounds ({named(narrow)})")
        advice.append("tighten the bounds, or record with wider actions: planning searches the whole range")
    if stuck:
        told.append(f"{counted(len(stuck), 'number')} are at a bound in over {share(SATURATED)} of the steps ({named(stuck)})")
        advice.append("record some actions between the bounds")
    text, cure = ("; ".join(parts) for parts in (told, advice))
    return StoreFinding(
        "actions",
        level,
        f"{share(float(used.min()))} to {share(float(used.max()))} of the bounds, {share(float(saturated.mean()))} saturated",
        f"{text[:1].upper()}{text[1:]}." if told else "The actions use their bounds.",
        f"{cure[:1].upper()}{cure[1:]}." if advice else "",
        {"used": used.tolist(), "saturated": saturated.tolist(), "outside": outside},
    )
