"""What one observation shows of the numbers that a success test compares: a goal is one observation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forethought.data.observation_features import ObservationFeatures
from forethought.data.store import EpisodeStore
from forethought.evaluation.store_examination.findings import StoreFinding, share
from forethought.evaluation.store_examination.quick_model import fit_quick_model
from forethought.types import WorldSpec
from forethought.worlds.goals import start_at_reset

Floats = NDArray[np.float64]

STATE = "state"
FIT_ROWS, TEST_ROWS, LEAST_ROWS = 4000, 2000, 50
PROPRIOCEPTION = "proprioception"
SHOWN = 0.8
"""Share of the success test's distance that one observation must tell."""
OWN_NUMBERS = "--option 'streams=[\"proprioception\"]'"
"""How to record the numbers that success compares."""


@dataclass(frozen=True)
class GoalVisibility:
    """Held-out R2 of each compared number, read from one observation.

    Fields:
        r2: [V], 0 to 1; 1 for a number that never changes. weight: [V], share of each number in the squared distance of the
            success test between two random rows; they sum to 1.
        all_numbers: whether the observation holds the numbers themselves (`proprioception`).
    """

    r2: Floats
    weight: Floats
    all_numbers: bool

    @property
    def shown(self) -> float:
        """Share of the test's squared distance that one observation explains, 0 to 1."""
        return float((self.r2 * self.weight).sum())

    @property
    def hidden(self) -> int:
        """The number that hides most of the distance."""
        return int(np.argmax((1 - self.r2) * self.weight))

    def in_words(self) -> str:
        """The figures as a phrase."""
        changing, hidden = int((self.weight > 0).sum()), self.hidden
        return (
            f"one observation tells {self.shown:.0%} of the distance that the success test measures over {changing} numbers; "
            f"least of number {hidden + 1} (held-out R2 {self.r2[hidden]:.2f})"
        )


def compares_numbers(spec: WorldSpec) -> bool:
    """Whether success in this world compares all numbers of the environment's observation with the goal's."""
    return STATE in spec.truth and start_at_reset(spec)


def goal_visibility(
    store: EpisodeStore,
    read: Callable[[NDArray[np.int64]], Floats],
    fit: NDArray[np.int64],
    test: NDArray[np.int64],
    scale: tuple[float, ...] | None = None,
) -> GoalVisibility | None:
    """Measure by a quick model; None where success compares no numbers, or on too few rows.

    Args:
        store: the dataset. read: row numbers -> what is known of one observation, [M, F].
        fit, test: episodes on both sides. scale: by which the success test divides; None: each number's standard deviation.
    """
    if not compares_numbers(store.spec):
        return None
    rows = [_some(store.rows_of(side, whole=True), most) for side, most in ((fit, FIT_ROWS), (test, TEST_ROWS))]
    if min(len(one) for one in rows) < LEAST_ROWS:
        return None
    truth = [store.rows(f"truth.{STATE}", one).astype(np.float64) for one in rows]
    spread = truth[1].std(0)
    changing = np.flatnonzero(spread > 1e-6 * np.maximum(1e-6, np.abs(truth[1]).max(0)))
    if not len(changing):
        return None
    divisor = spread if scale is None else np.broadcast_to(np.array(scale, np.float64), spread.shape)
    known, asked = (read(one) for one in rows)
    targets = [(side[:, changing] - truth[0][:, changing].mean(0)) / spread[changing] for side in truth]
    error = ((fit_quick_model(known, targets[0])(asked) - targets[1]) ** 2).mean(0)
    variance = targets[1].var(0)
    r2, weight = np.ones(len(spread)), np.zeros(len(spread))
    r2[changing] = np.clip(1 - error / variance, 0, 1)
    weight[changing] = (spread[changing] / divisor[changing]) ** 2
    return GoalVisibility(r2, weight / weight.sum(), PROPRIOCEPTION in {stream.name for stream in store.spec.streams})


def goal_finding(
    store: EpisodeStore, features: ObservationFeatures, fit: NDArray[np.int64], test: NDArray[np.int64]
) -> list[StoreFinding]:
    """The finding about goals; none where success compares no numbers."""
    found = goal_visibility(store, lambda rows: features.rows(store, rows), fit, test)
    if found is None:
        return []
    enough = found.all_numbers or found.shown >= SHOWN
    sentence = f"As far as a quick model can see, a goal, which is one observation, does not tell number {found.hidden + 1}."
    return [
        StoreFinding(
            "goal",
            "ok" if enough else "note",
            f"one observation tells {share(1.0 if found.all_numbers else found.shown)} of what success compares",
            "A goal shows what the success test compares." if enough else sentence,
            "" if enough else f"Record the numbers that the success test compares: collect with {OWN_NUMBERS}.",
            {"shown": found.shown, "r2": found.r2.tolist()},
        )
    ]


def _some(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most `most` rows in random order, always the same ones."""
    return np.random.default_rng(0).permutation(rows)[:most]
