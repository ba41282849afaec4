"""`forethought bench side-by-side`: planner, training step and whole decision against other libraries, in one run each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from forethought.atomic_io import read_json
from forethought.errors import ForethoughtError
from forethought.evaluation.result_rows import write_results
from forethought_benchmarks.selection import require_known
from forethought_benchmarks.side_by_side.decisions import THEIR_WORLDS, DecisionProtocol, decision_rows
from forethought_benchmarks.side_by_side.peers import PeerMissingError, Peers
from forethought_benchmarks.side_by_side.planners import PlannerProtocol, planner_rows
from forethought_benchmarks.side_by_side.training_step import StepProtocol, step_rows

log = logging.getLogger(__name__)
NAME = "side-by-side"


def _decisions(out: Path, peers: Peers, worlds: Sequence[str]) -> Iterator[dict[str, Any]]:
    return decision_rows(out, peers, DecisionProtocol(worlds=worlds or tuple(THEIR_WORLDS)))


PARTS: Mapping[str, Callable[[Path, Peers, Sequence[str]], Iterator[dict[str, Any]]]] = MappingProxyType(
    {
        "planner": lambda out, peers, worlds: planner_rows(peers, PlannerProtocol()),
        "training-step": lambda out, peers, worlds: step_rows(out / NAME, peers, StepProtocol()),
        "decision": _decisions,
    }
)
"""Each part: folder, checkouts, worlds -> its rows."""


def run(out: Path, peers: Path | None, parts: Sequence[str] = (), worlds: Sequence[str] = ()) -> Path:
    """Measure parts (none: all); the rows of the others stay in the result file.

    Args:
        out: folder; `decision` uses the runs of the benchmark `standard` in it. peers: the folder of the checkouts.
        worlds: of `decision` (none: two rooms and Push-T).

    Raises:
        ForethoughtError: no folder of checkouts, or no such part or world.
    """
    if peers is None:
        raise ForethoughtError(
            f"The benchmark '{NAME}' needs --peers DIR: a folder with git clones of stable-worldmodel and eb_jepa."
        )
    require_known(NAME, "part", parts, PARTS)
    require_known(NAME, "world", worlds, THEIR_WORLDS)
    path = out / f"{NAME}.json"
    for part in parts or PARTS:
        rows = read_json(path, "the rows of the other parts")["rows"] if path.exists() else []
        rows = [row for row in rows if row["part"] != part or (worlds and row["world"] not in worlds)]
        try:
            for row in PARTS[part](out, Peers(peers), worlds):
                log.info("%s, %s: %s %s", row["world"], row["agent"], row["metric"], row["value"])
                rows.append(row | {"part": part})
                write_results(out, NAME, rows, f"forethought bench {NAME} --peers PEERS")
        except PeerMissingError as error:
            log.warning("The rest of the part '%s' is left out: %s", part, error)
    if not path.exists():
        raise ForethoughtError(f"The benchmark '{NAME}' has measured nothing: see the warnings above.")
    return path
