"""Part `generated`: 100,000 generated arguments against the public functions."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from forethought.errors import ForethoughtError
from forethought_benchmarks.reliability.outcomes import FAULT, RESULT, SENTENCE, Outcome, OutcomeCounts, attempt
from forethought_benchmarks.reliability.sandbox import Sandbox, fresh_folder, over

CHUNK = 1000
KEPT = 5
"""Examples that are kept of each kind of fault in a chunk."""


def generated(call: str, count: int, seed: int, store: str, run: str) -> dict[str, Any]:
    """In a child: `count` generated calls; numbers of results and of sentences, and the faults."""
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded

    from forethought_benchmarks.reliability.generated_calls import CALLS, Material

    material = Material(Path(store), Path(run))
    work, examples = CALLS[call][0](material)
    found: Counter[str] = Counter()
    faults: list[tuple[str, str]] = []

    @seeded(seed)
    @settings(
        max_examples=count, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
    )
    @given(examples)
    def one(example: Any) -> None:
        outcome = attempt(lambda: work(example) and None)
        found[outcome.kind] += 1
        if outcome.kind == FAULT:
            faults.append((repr(example)[:300], outcome.text))

    try:
        one()
    finally:
        shutil.rmtree(material.folder, ignore_errors=True)
    return {"results": found[RESULT], "sentences": found[SENTENCE], "faults": faults}


def run_part(part: str, out: Path, every: int = 1) -> list[OutcomeCounts]:
    """Call every function. `every`: that share of the numbers in `CALLS`; 1 is all.

    Raises:
        ForethoughtError: Hypothesis is not installed.
    """
    try:
        from forethought_benchmarks.reliability.generated_calls import CALLS
    except ImportError as error:
        raise ForethoughtError("This part needs Hypothesis: pip install 'forethought[dev]'.") from error
    folder = fresh_folder(out / part)
    chunks = [
        (call, min(CHUNK, count // every - first), first)
        for call, (_, count) in CALLS.items()
        for first in range(0, count // every, CHUNK)
    ]
    tallies = {call: OutcomeCounts(part, call) for call in CALLS}
    with Sandbox(folder / "first.log") as one, Sandbox(folder / "second.log") as two:
        store, run = one.run("make", seconds=600, out=str(out)).outcome.value

        def call_them(box: Sandbox, chunk: tuple[str, int, int]) -> Outcome:
            call, count, first = chunk
            return box.run("generated", seconds=900, call=call, count=count, seed=first, store=store, run=run).outcome

        for (call, _, first), outcome in zip(chunks, over([one, two], call_them, chunks), strict=True):
            tally = tallies[call]
            if outcome.kind != RESULT:
                tally.add(Outcome(FAULT, outcome.text), f"calls from {first}")
                continue
            tally.results += outcome.value["results"]
            tally.sentences += outcome.value["sentences"]
            tally.faults += [f"{example}: {text}" for example, text in outcome.value["faults"]]
    return list(tallies.values())
