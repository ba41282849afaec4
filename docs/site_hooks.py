"""Hooks of the documentation site: pages from the repository's root, and links that lead out of `docs/`.

On the site, a link to a source file leads to the reference page of its room, and a link to another file of the repository
becomes plain text. In the repository every link keeps its target, which `tests/test_documentation.py` checks.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PAGES = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changes.md",
    "SECURITY.md": "security.md",
}
LINK = re.compile(
    r"(?<!!)\[(?P<text>[^\]\n]*(?:\n[^\]\n]+)?)\]"
    r"\((?P<target>(?!https?:|mailto:|#)[^)#\s]+)(?P<anchor>#[^)\s]*)?\)"
)
IMAGE = re.compile(r"(!\[[^\]]*\]\()([^)\s]+)(\))")
MARK = re.compile(r"^<!-- /?(?:table|settings)[^\n]*-->\n", re.MULTILINE)


def on_files(files: Files, config: Any) -> Files:
    """The root's documents become pages of the site."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """A page without the marks of generated tables, and with links that lead somewhere on the site."""
    here = page.file.src_uri
    source = next((name for name, known in PAGES.items() if known == here), f"docs/{here}")

    def link(match: re.Match[str]) -> str:
        place = posixpath.normpath(posixpath.join(posixpath.dirname(source), match["target"]))
        if not (ROOT / place).exists():
            return match[0]
        to = site_page(place)
        if to is None:
            return match["text"]
        return f"[{match['text']}]({posixpath.relpath(to, posixpath.dirname(here) or '.')}{match['anchor'] or ''})"

    def image(match: re.Match[str]) -> str:
        place = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[2]))
        return f"{match[1]}{posixpath.relpath(place.removeprefix('docs/'), posixpath.dirname(here) or '.')}{match[3]}"

    return IMAGE.sub(image, LINK.sub(link, MARK.sub("\n", markdown)))


def site_page(place: str) -> str | None:
    """Where a file of the repository is on the site; None if nowhere."""
    if place in PAGES:
        return PAGES[place]
    if place.startswith("docs/"):
        return place.removeprefix("docs/")
    if place.startswith("src/forethought_benchmarks/"):
        return "reference/benchmarks.md"
    if place.startswith("src/forethought/") and place.endswith(".py"):
        room = place.split("/")[2].removesuffix(".py")
        page = f"reference/{room}.md"
        return page if (ROOT / "docs" / page).exists() else "reference/agent.md"
    return None
