"""From a template and its contents to one HTML file that needs no network and no script."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from forethought import __version__
from forethought.atomic_io import make_folder, write_bytes
from forethought.report import labels


def write_page(template: str, contents: Mapping[str, Any], path: Path, package: str = "forethought.report") -> Path:
    """Fill a template with `contents`, the common style and the version, and write it to `path`, whole or not at all.

    Args:
        template: a file's name in the folder `templates` of `package`. contents: its variables. path: of the page.
        package: a dotted name.

    Returns:
        `path`. The same contents always make the same bytes.
    """
    environment = Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=labels.number, percent=labels.percent, duration=labels.duration)
    style = files("forethought.report").joinpath("templates/style.css").read_text(encoding="utf-8")
    known = {"style": Markup(style), "version": __version__}  # noqa: S704 - our own file
    text = environment.get_template(template).render({**known, **contents})
    make_folder(path.parent)
    write_bytes(path, text.encode())
    return path
