"""`forethought settings`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional, arg

from forethought.cli.console import table


@dataclass(frozen=True)
class ListSettings:
    """List every setting with its values, default and meaning, as `forethought train --set NAME=VALUE` takes them.

    For example:
        forethought settings
        forethought settings planner.search
    """

    prefix: Annotated[Positional[str], arg(metavar="PREFIX")] = ""
    """What the settings' names begin with (none: all)."""

    def run(self) -> int:
        """Print them."""
        from forethought.config.reference import every_setting

        rows = [
            (info.name, info.values, info.default, info.sentence + (f" ({', '.join(info.kinds)})" if info.kinds else ""))
            for info in every_setting(self.prefix)
        ]
        table(("setting", "values", "default", "what it does"), rows)
        return 0
