"""Processes that tests start and must not leave."""

from __future__ import annotations

from pathlib import Path


def children() -> set[int]:
    """Processes that this one started and that are not gone, those that other tests keep included."""
    lists = Path("/proc/self/task").glob("*/children")
    return {int(child) for children in lists for child in children.read_text().split()}
