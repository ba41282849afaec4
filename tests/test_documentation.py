"""Nothing shown is unexecuted: docstring examples, the documents' Python, their commands, links and tables."""

from __future__ import annotations

import doctest
import importlib
import importlib.util
import re
import shlex
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import gymnasium
import pytest

from forethought.cli.main import main, parse
from forethought_benchmarks.tables import rewrite
from runtime_types import modules

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
MODULES = list(modules())
BLOCK = re.compile(r"^(?P<mark><!-- [^\n]* -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)[^)]*\)")
ON_A_CLUSTER = "<!-- run on a cluster -->\n"
NAMES = {document: str(document.relative_to(ROOT)) for document in DOCUMENTS}


@dataclass(frozen=True)
class Block:
    """A fenced block; `mark` is the comment on the line above it."""

    kind: str
    text: str
    line: int
    mark: str


def blocks(document: Path, kind: str) -> list[Block]:
    """The fenced blocks of one kind, in order."""
    text = document.read_text()
    return [
        Block(m["kind"], m["text"], text.count("\n", 0, m.start("text")), m["mark"] or "")
        for m in BLOCK.finditer(text)
        if m["kind"] == kind
    ]


def commands(block: Block) -> list[list[str]]:
    """The words of each line that begins with `$ `, continued lines joined."""
    lines = block.text.replace("\\\n", " ").splitlines()
    return [shlex.split(line.removeprefix("$ "), comments=True) for line in lines if line.startswith("$ ")]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name: str) -> None:
    module = importlib.import_module(name)
    finder = doctest.DocTestFinder(exclude_empty=True)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    said: list[str] = []
    for test in finder.find(module, name):
        runner.run(test, out=said.append)
    assert not runner.failures, "".join(said)


def with_blocks(kind: str) -> list[Path]:
    """Documents that hold such blocks."""
    return [document for document in DOCUMENTS if blocks(document, kind)]


@pytest.fixture
def own_worlds() -> Iterator[None]:
    """Worlds that a document registers are forgotten after it."""
    before = dict(gymnasium.registry)
    yield
    gymnasium.registry.clear()
    gymnasium.registry.update(before)


@pytest.mark.usefixtures("own_worlds")
@pytest.mark.parametrize("document", with_blocks("python"), ids=NAMES.get)
def test_python_of_the_documents(
    document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    """A document's blocks run in order, in one namespace, in an empty folder."""
    if "from ray" in document.read_text():
        # A test before may have connected this process to another cluster than the document's.
        pytest.importorskip("ray", reason="needs the [cluster] extra").shutdown()
        warnings.simplefilter("ignore")  # Ray's own
        monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": f"blocks of {document.name}"}
    for block in blocks(document, "python"):
        code = "\n" * block.line + block.text
        exec(compile(code, str(document), "exec"), namespace)


@pytest.mark.parametrize("script", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_examples(script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(script.read_text(), str(script), "exec"), {"__name__": "__main__"})


def test_examples_are_there_and_short() -> None:
    """Without scripts `test_examples` would have nothing to run, and could not fail."""
    lengths = {script.name: len(script.read_text().splitlines()) for script in (ROOT / "examples").glob("*.py")}
    assert len(lengths) >= 5
    assert max(lengths.values()) <= 60, lengths


@pytest.mark.parametrize("document", with_blocks("console"), ids=NAMES.get)
def test_commands_of_the_documents(
    document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Every `forethought` command is one that the command line takes; those marked `run` are run, and succeed."""
    monkeypatch.chdir(tmp_path)
    there = importlib.util.find_spec("ray") is not None
    if there and any(block.mark == ON_A_CLUSTER for block in blocks(document, "console")):
        request.getfixturevalue("cluster")
    for block in blocks(document, "console"):
        for words in commands(block):
            if words[0] == "make":
                target = next((word for word in words[1:] if "=" not in word), "help")
                assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), f"no make {target}"
            if words[0] != "forethought":
                continue
            if block.mark == "<!-- run -->\n" or (there and block.mark == ON_A_CLUSTER):
                assert main(words[1:]) == 0, shlex.join(words)
            elif "--help" not in words and "--version" not in words:
                parse(words[1:])


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES.get)
def test_links_lead_somewhere(document: Path) -> None:
    for target in LINK.findall(document.read_text()):
        assert (document.parent / target).exists(), f"{document.name} links to {target}, which is not there"


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES.get)
def test_tables_are_made_from_the_result_files(document: Path) -> None:
    text = document.read_text()
    assert rewrite(text, ROOT / "benchmarks") == text, "run: make tables"


def test_documents_are_short() -> None:
    """The README is one page, and so is each lesson of the course."""
    lessons = sorted((ROOT / "docs" / "course").glob("*.md"))
    assert len(lessons) == 6
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120
    assert {lesson.name: count for lesson in lessons if (count := len(lesson.read_text().splitlines())) > 80} == {}
    assert all(blocks(lesson, "python") for lesson in lessons)


def test_each_table_of_results_is_of_one_date() -> None:
    """Newer rows supersede older ones, which then move to the lab notes."""
    origins = re.findall(r"^\*Made by .*\*$", (ROOT / "docs" / "results.md").read_text(), re.MULTILINE)
    assert len(origins) > 20
    assert not [origin for origin in origins if len(re.findall(r"\d{4}-\d\d-\d\d", origin)) != 1]


def test_the_site_has_every_document() -> None:
    """`mkdocs.yml` names each page, and each name is a page; `make docs` itself needs an extra that tests don't."""
    named = re.findall(r"[\w./-]+\.md$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    from_the_root = {"index.md", "architecture.md", "contributing.md", "changes.md", "security.md"}
    assert sorted(named) == sorted([*pages, *from_the_root])


def test_the_reference_covers_the_package() -> None:
    """Every folder and file right below the package has a directive on some page."""
    shown = re.findall(
        r"^::: forethought\.(\w+)$", "".join(p.read_text() for p in (ROOT / "docs" / "reference").glob("*.md")), re.MULTILINE
    )
    package = ROOT / "src" / "forethought"
    there = [*(path.stem for path in package.glob("*.py")), *(path.parent.name for path in package.glob("*/__init__.py"))]
    assert sorted(shown) == sorted(name for name in there if not name.startswith("__"))
    assert "::: forethought_benchmarks\n" in (ROOT / "docs" / "reference" / "benchmarks.md").read_text()


def test_what_the_continuous_integration_runs_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
