"""The benchmark `reliability`: its parts, and the result file that they share."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType

from forethought.atomic_io import make_folder, read_json, write_bytes
from forethought.errors import ForethoughtError, did_you_mean
from forethought.evaluation.result_rows import write_results
from forethought_benchmarks.reliability import contention, crafted, damage, generated, interruptions, leaks
from forethought_benchmarks.reliability.outcomes import OutcomeCounts

log = logging.getLogger(__name__)
NAME = "reliability"
CRAFTED_EVERY = 8
"""Every eighth of 34,000 crafted files: 4,000 and more."""
PARTS: Mapping[str, Callable[[Path], list[OutcomeCounts]]] = MappingProxyType(
    {
        "kill": partial(interruptions.run_part, "kill", ("kill", "torn")),
        "disk": partial(interruptions.run_part, "disk", ("full", "read-only")),
        "damage": partial(damage.run_part, "damage"),
        "crafted": partial(crafted.run_part, "crafted", every=CRAFTED_EVERY),
        "generated": partial(generated.run_part, "generated"),
        "leaks": partial(leaks.run_part, "leaks"),
        "contention": partial(contention.run_part, "contention"),
    }
)
"""Each part: folder of the campaign -> its counts."""


def run(out: Path, parts: Sequence[str] = ()) -> Path:
    """Run parts of the campaign (none: all); the rows of the others stay in the result file.

    Each fault goes into the log and into `reliability/PART/faults.txt`.

    Raises:
        ForethoughtError: no such part.
    """
    for part in parts:
        if part not in PARTS:
            raise ForethoughtError(f"The reliability campaign has no part '{part}': {did_you_mean(part, PARTS)}")
    path = out / f"{NAME}.json"
    command = shlex.join(["forethought", "bench", NAME])
    for part in parts or PARTS:
        make_folder(out / NAME / part)
        tallies = PARTS[part](out / NAME)
        faults = [f"{tally.subject}: {fault}" for tally in tallies for fault in tally.faults]
        write_bytes(out / NAME / part / "faults.txt", "\n".join([*faults, ""]).encode(errors="backslashreplace"))
        for fault in faults:
            log.warning("%s: %s", part, fault)
        rows = [row for tally in tallies for row in tally.rows()]
        kept = read_json(path, "the rows of the other parts")["rows"] if path.exists() else []
        write_results(out, NAME, [row for row in kept if row["world"] != part] + rows, command)
    return path
