"""The configurator's settings and reasons, as the pages show them."""

from __future__ import annotations

from itertools import groupby

from forethought.config import Configuration, Reason
from forethought.report import labels


def grouped_reasons(configuration: Configuration) -> list[tuple[str, list[Reason]]]:
    """The configurator's reasons, grouped by part of the configuration: (name of the part, its reasons)."""

    def group(reason: Reason) -> str:
        """`model.encoder` of `model.encoder.width`, `planner` of `planner.horizon`."""
        lifetime, first, *rest = reason.setting.split(".")
        return f"{lifetime}.{first}" if rest else lifetime

    reasons = sorted(configuration.reasons, key=lambda reason: (group(reason), reason.setting))
    return [(labels.plain(name.replace(".", ": ")), list(members)) for name, members in groupby(reasons, key=group)]


def settings_text(configuration: Configuration) -> str:
    """All settings as indented JSON."""
    return configuration.model_dump_json(indent=2, exclude={"reasons"})
