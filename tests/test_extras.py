"""What is base and what is an extra: the table, `pyproject.toml`, and the sentence for who lacks an extra."""

from __future__ import annotations

from typing import get_args

import pytest

from forethought import extras
from forethought.errors import ForethoughtError
from forethought.extras import EXTRAS, ExtraName, MissingExtraError, lacking, require_extra
from installed import PROJECT, named

BASE = {"torch", "numpy", "safetensors", "pydantic", "jaxtyping"}
OPTIONAL = PROJECT["optional-dependencies"]


def test_the_base_is_what_acting_needs() -> None:
    """Each package here is one more that a robot installs: `test_lean_install.py` acts with these alone."""
    assert named(PROJECT["dependencies"]) == BASE


@pytest.mark.parametrize("extra", get_args(ExtraName))
def test_the_table_is_that_of_the_project(extra: ExtraName) -> None:
    assert set(EXTRAS[extra].packages.values()) == named(OPTIONAL[extra]) - {"forethought"}


def test_the_page_brings_what_it_stands_on() -> None:
    """A page shows an evaluation; whoever asks for the page alone gets all that draws one."""
    assert "forethought[train]" in OPTIONAL["page"]


def test_all_brings_what_the_commands_need_on_one_machine() -> None:
    assert OPTIONAL["all"] == [f"forethought[{','.join(extra for extra in EXTRAS if extra != 'cluster')}]"]
    assert "forethought[all,cluster]" in OPTIONAL["dev"]


@pytest.mark.parametrize("extra", ["worlds", "baselines"])
def test_who_measures_has_everything(extra: str) -> None:
    assert "forethought[all]" in OPTIONAL[extra]


@pytest.mark.parametrize("extra", get_args(ExtraName))
def test_nothing_lacks_here(extra: ExtraName) -> None:
    assert lacking(extra) == ""
    require_extra(extra)


def test_what_lacks_is_one_sentence_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name in {"matplotlib", "PIL"} else "found")
    with pytest.raises(MissingExtraError) as found:
        require_extra("page")
    assert str(found.value) == (
        "The page of a run and pictures of a world need packages that are not installed (matplotlib, pillow): "
        'pip install "forethought[page]".'
    )
    assert isinstance(found.value, ForethoughtError)
    assert isinstance(found.value, ImportError)
