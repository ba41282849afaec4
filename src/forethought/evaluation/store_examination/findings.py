"""Results of an examination: findings with a figure, a sentence and advice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Level = Literal["ok", "note", "alarm"]


@dataclass(frozen=True)
class StoreFinding:
    """One measured property of a store.

    Fields:
        name: identifier, the same in all versions of the output.
        level: `ok`, `note` (worth knowing) or `alarm` (limits what an agent can learn).
        figure: the measured value in short. sentence: what it means. advice: what to do; empty if nothing.
        values: the figures as JSON values.
    """

    name: str
    level: Level
    figure: str
    sentence: str
    advice: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StoreExamination:
    """Findings of a store, in the order of its content.

    Fields: path: folder of the store. world: its world. findings: all findings. seconds: duration of the examination.
    """

    path: str
    world: str
    findings: tuple[StoreFinding, ...]
    seconds: float

    @property
    def alarms(self) -> tuple[StoreFinding, ...]:
        """The findings that limit what an agent can learn."""
        return tuple(finding for finding in self.findings if finding.level == "alarm")

    def __getitem__(self, name: str) -> StoreFinding:
        """The finding of this name; raises KeyError for a name that was not measured."""
        for finding in self.findings:
            if finding.name == name:
                return finding
        raise KeyError(name)

    def as_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


def share(part: float) -> str:
    """Format a share in percent.

    >>> share(0.25), share(0.004), share(0.0001)
    ('25 %', '0.4 %', 'under 0.1 %')
    """
    if 0 < part < 0.001:
        return "under 0.1 %"
    return f"{100 * part:.0f} %" if part == 0 or part >= 0.1 else f"{100 * part:.1f} %"


def named(items: list[Any], limit: int = 8) -> str:
    """The first items, separated by commas, and the number of the others.

    >>> named([1, 2, 3], 2)
    '1, 2 and 1 more'
    """
    text = ", ".join(map(str, items[:limit]))
    return text if len(items) <= limit else f"{text} and {len(items) - limit} more"


def counted(count: int, noun: str) -> str:
    """A count with its noun.

    >>> counted(1, "episode"), counted(2, "episode")
    ('1 episode', '2 episodes')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
