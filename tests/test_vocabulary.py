"""The package speaks the field's language: retired names stay retired, and every class name stands once."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
# A changelog names what a thing was called before, and the glossary lists retired names beside the present ones.
HISTORY = {"CHANGELOG.md", "glossary.md"}

RETIRED = set(
    """
    Modules Body BodySettings Deliberation Outlook Guidance Hierarchy Trunks Parting Branching Trees Handful Joint RandomStreams
    Survivors CandidateBank Refusals DeadEnds Choices Executive Direction EncodedStates Journal Voice Sign Tally EnvironmentCopy
    CopyMaker OwnChance LentStreams Prospects Numbers NearBlend DriveReadout Luck Explained AssociativeMemory
    standardise keep_large_blocks climb look_ahead imagine_habit prospects imagined_in weighed_in futures_for trust_of
    one_in_each_part lookalikes left_open open_steps open_before share_of_price bits_told predict_anew told_apart rows_with_room
    record_with_crew memory_fits strangeness headed_for how_to_go_on heeds_refusals complain may_be critic_from_memory dread
    drawn_anew adapted_policies make_adapted_tasks draws_goals
    ActorSettings SpaceSettings PerceptionSettings WorldModelSettings HierarchySettings CostSettings
    MemorySettings LearningSettings
    ContingencyPlanner HierarchicalPlanner
    wary sureness filler luck count_luck lucky lucky_steps_to foresee foreseen unforeseen blame BLAME priced trust measure_near
    seed_interval wary_distance
    """.split()  # noqa: SIM905
)
"""Identifiers of version 0.1.0; `docs/glossary.md` or the changelog says what each is called now."""


RETIRED_WORDS = re.compile(r"\b(wary|sureness|lucky|luck|foresees?|foreseen|unforeseen|blamed?|priced)\b", re.IGNORECASE)
"""Words of retired names, also in comments, docstrings and documents; the field says pessimistic or worst case, inverse
temperature, favorable or random, predict, penalize, weighted."""
CONVERSIONS = {"former_weights.py", "upgrade.py"}
"""Files that list former names to convert them."""


def identifiers(source: str) -> set[str]:
    """Every name in a source text, whatever it is bound to; strings and comments are not looked at."""
    return {token.string for token in tokenize.generate_tokens(io.StringIO(source).readline) if token.type == tokenize.NAME}


def test_no_source_uses_a_retired_identifier() -> None:
    told = {str(path.relative_to(ROOT)): sorted(identifiers(path.read_text()) & RETIRED) for path in SOURCES}
    assert not {path: names for path, names in told.items() if names}


def test_no_source_or_document_uses_a_retired_word() -> None:
    told = {}
    for path in [*SOURCES, *DOCUMENTS]:
        history = path.name in HISTORY | CONVERSIONS or "lab-notes" in path.parts
        if not history and (words := {match[0] for match in RETIRED_WORDS.finditer(path.read_text())}):
            told[str(path.relative_to(ROOT))] = sorted(words)
    assert not told


def test_no_document_shows_a_retired_identifier() -> None:
    told = {}
    for document in DOCUMENTS:
        if document.name not in HISTORY:
            shown = " ".join(re.findall(r"`([^`\n]+)`", document.read_text()))
            if names := sorted(set(re.findall(r"\w+", shown)) & RETIRED):
                told[document.name] = names
    assert not told


def test_the_search_finds_a_retired_identifier() -> None:
    assert identifiers("import x\nx.strangeness(states)  # Modules\n") & RETIRED == {"strangeness"}


def test_no_class_name_stands_twice() -> None:
    names = Counter(
        node.name for path in SOURCES for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)
    )
    assert not [name for name, count in names.items() if count > 1]


def test_the_glossary_names_things_that_exist() -> None:
    """Each row's last column is a place in the code that a reader can open."""
    rows = re.findall(r"^\|.*\| `(src/[\w/.]+)` \|$", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE)
    assert len(rows) > 30
    assert not [place for place in rows if not (ROOT / place).exists()]
