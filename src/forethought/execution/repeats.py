"""Units whose results come as they are, each done again where its worker was lost."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Generator, Iterable
from typing import Any

from forethought.errors import ForethoughtError
from forethought.execution.contract import Executor, Hear, Unit, UnitOutcome

log = logging.getLogger(__name__)
ATTEMPTS = 3
"""Attempts at a unit whose own process died or hung."""
GONE = 20
"""Attempts at a unit whose machine was taken away, which is no fault of the unit."""


class Attempts:
    """Counts the lost attempts at each unit, by its name."""

    def __init__(self, attempts: int = ATTEMPTS) -> None:
        """`attempts`: at a unit whose process died or hung."""
        self._attempts, self._lost = attempts, Counter[tuple[str, bool]]()

    def again(self, outcome: UnitOutcome) -> bool:
        """Whether to do the unit of a lost attempt again; it is logged."""
        gone = outcome.fault == "gone"
        self._lost[outcome.unit.name, gone] += 1
        if self._lost[outcome.unit.name, gone] >= (GONE if gone else self._attempts):
            return False
        log.warning("%s is done again: %s", outcome.unit.name, outcome.lost)
        return True


def run_units(
    executor: Executor, units: Iterable[Unit], *, hear: Hear = lambda unit, message: None, patience: float | None = None
) -> Generator[tuple[Any, Any], None, None]:
    """Do units and yield each with its result, as they come.

    A unit whose worker was lost is done again, a bounded number of times. Close the generator to drop what is not done.

    Args:
        executor: where. units: what. hear, patience: see `Executor.open`.

    Raises:
        ForethoughtError: a unit raised one, or was lost too often.
    """
    attempts = Attempts()
    with executor.open(hear, patience) as crew:
        for unit in units:
            crew.add(unit)
        for outcome in crew:
            if not outcome.lost:
                yield outcome.unit, outcome.result
            elif attempts.again(outcome):
                crew.add(outcome.unit)
            else:
                raise ForethoughtError(f"{outcome.unit.name} was lost again and again: {outcome.lost}; see above why.")
