"""`forethought doctor`."""

from __future__ import annotations

from dataclasses import dataclass

from forethought.cli.console import print_error, table


@dataclass(frozen=True)
class Doctor:
    """Check this machine: versions, device, speed, video, folders, extras; print what is missing and how to install it.

    For example:
        forethought doctor
    """

    def run(self) -> int:
        """Print the findings; returns 0 if training can run here, else 1."""
        from forethought.doctor import examine

        findings = examine()
        words = {"ok": "ok", "absent": "not there", "broken": "BROKEN"}
        table(("what", "state", "found"), [(f.what, words[f.state], f.found) for f in findings])
        broken = [f for f in findings if f.state == "broken"]
        for finding in broken:
            print_error(f"{finding.what}: {finding.fix}")
        return 1 if broken else 0
