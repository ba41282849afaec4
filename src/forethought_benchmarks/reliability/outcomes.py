"""Outcomes of attempts, counted: a result, one sentence, or a fault."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from forethought.errors import ForethoughtError
from forethought.evaluation.result_rows import row

RESULT, SENTENCE, FAULT = "result", "sentence", "fault"
LONGEST_SENTENCE = 1000
METRICS = ("tried", "results", "sentences", "faults")


@dataclass(frozen=True)
class Outcome:
    """One attempt. Fields: kind: result, sentence or fault. text: the sentence or the fault. value: of a result, JSON."""

    kind: str
    text: str = ""
    value: Any = None


def attempt(work: Callable[[], Any]) -> Outcome:
    """Do something. A `ForethoughtError` with one readable sentence is an accepted outcome; any other exception is a fault."""
    try:
        return Outcome(RESULT, value=work())
    except ForethoughtError as error:
        text = str(error)
        return Outcome(SENTENCE if is_one_sentence(text) else FAULT, text[: 2 * LONGEST_SENTENCE])
    except (Exception, SystemExit) as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"
        return Outcome(FAULT, f"{type(error).__name__} in {where}: {str(error)[:200]}")


def is_one_sentence(text: str) -> bool:
    r"""Whether a message is one line of bounded length that ends as a sentence does.

    >>> is_one_sentence("The store is gone: collect it again."), is_one_sentence("Traceback:\n ..."), is_one_sentence("")
    (True, False, False)
    """
    return len(text) <= LONGEST_SENTENCE and len(text.splitlines()) == 1 and text.rstrip().endswith((".", "?", "!"))


@dataclass
class OutcomeCounts:
    """Counts of one subject in one part of the campaign.

    Fields:
        part, subject: names in the rows. results, sentences: accepted outcomes. faults: one line each, with what was tried.
        more: other figures, by metric.
    """

    part: str
    subject: str
    results: int = 0
    sentences: int = 0
    faults: list[str] = field(default_factory=list)
    more: dict[str, float] = field(default_factory=dict)

    def add(self, outcome: Outcome, tried: str) -> None:
        """Count one attempt; `tried` says what it was."""
        if outcome.kind == RESULT:
            self.results += 1
        elif outcome.kind == SENTENCE:
            self.sentences += 1
        else:
            self.faults.append(f"{tried}: {outcome.text}")

    @property
    def tried(self) -> int:
        """Number of attempts."""
        return self.results + self.sentences + len(self.faults)

    def rows(self) -> list[dict[str, Any]]:
        """Result rows: a metric per count, and the other figures."""
        counts = (self.tried, self.results, self.sentences, len(self.faults))
        figures = dict(zip(METRICS, counts, strict=True)) | self.more
        return [row(self.part, self.subject, name, value, n=self.tried) for name, value in figures.items()]
