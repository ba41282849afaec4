"""`forethought doctor`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from forethought.cli.console import print_error, print_result, table
from forethought.errors import ForethoughtError


@dataclass(frozen=True)
class Doctor:
    """Check this machine, or a store: what is wrong, and what to do.

    Without a store: versions, device, speed, video, folders, extras. With one: its content, what training ignores, coverage,
    block length, effect of actions, demonstrations.

    For example:
        forethought doctor
        forethought doctor data/rooms
        forethought doctor data/rooms --json
    """

    store: Annotated[Positional[Path | None], arg(metavar="[STORE]")] = None
    """Folder of a store (left out: the machine is checked)."""
    json: bool = False
    """Print the findings about a store as JSON."""

    def run(self) -> int:
        """Print the findings; returns 1 if training cannot run on this machine, or if a finding about the store is an alarm."""
        if self.store is not None:
            return examine(self.store, self.json)
        if self.json:
            raise ForethoughtError("`forethought doctor --json` is for stores: name a store, or leave --json out.")
        return check_machine()


def check_machine() -> int:
    """Print the findings about this machine; 1 if something is broken, else 0."""
    from forethought.doctor import examine

    findings = examine()
    words = {"ok": "ok", "absent": "not there", "broken": "BROKEN"}
    table(("what", "state", "found"), [(f.what, words[f.state], f.found) for f in findings])
    broken = [f for f in findings if f.state == "broken"]
    for finding in broken:
        print_error(f"{finding.what}: {finding.fix}")
    return 1 if broken else 0


def examine(store: Path, as_json: bool) -> int:
    """Print the findings about a store; 1 if one is an alarm, else 0."""
    from forethought.evaluation.store_examination import examine_store

    examination = examine_store(store)
    if as_json:
        print_result(json.dumps(examination.as_json(), indent=2))
        return 1 if examination.alarms else 0
    words = {"ok": "ok", "note": "note", "alarm": "ALARM"}
    rows = [(f.name, words[f.level], f.figure, " ".join([f.sentence, f.advice]).strip()) for f in examination.findings]
    table(("what", "state", "figure", "found"), rows)
    print_result(
        f"{examination.path}: {len(examination.alarms)} alarms in {len(examination.findings)} findings, "
        f"{examination.seconds:.1f} s"
    )
    return 1 if examination.alarms else 0
