"""A parser of pages, for tests of what they show."""

from __future__ import annotations

from html.parser import HTMLParser


class Page(HTMLParser):
    """Collects what a page refers to, its headings, ids and pictures without words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.wordless: list[str] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == [], "every element is closed"

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = dict(attributes)
        self.references += [v or "" for k, v in attributes if k in ("src", "href", "xlink:href", "poster", "action", "srcset")]
        self.ids += [found["id"] or ""] if "id" in found else []
        if tag == "img" and not found.get("alt"):
            self.wordless.append(str(found)[:80])
        if tag not in ("meta", "link", "img", "source", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
