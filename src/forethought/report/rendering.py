"""Rendering of a template to one HTML file that needs no network and no script."""

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

PAGE = "report.html"


def write_page(template: str, contents: Mapping[str, Any], path: Path, package: str = "forethought.report") -> Path:
    """Render a template with `contents`, the common style and the version, and write it to `path` atomically.

    Args:
        template: file name in the folder `templates` of `package`. contents: variables of the template. path: of the page.
        package: dotted name of a Python package.

    Returns:
        `path`. The output is a deterministic function of the contents.
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
    defaults = {"style": Markup(style), "version": __version__, "refresh": 0}  # noqa: S704 - our own file
    text = environment.get_template(template).render({**defaults, **contents})
    make_folder(path.parent)
    write_bytes(path, text.encode())
    return path
