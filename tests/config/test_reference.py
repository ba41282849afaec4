"""The list of all settings, in the terminal and in the documents."""

from __future__ import annotations

from pathlib import Path

import pytest

from forethought.config import Configuration
from forethought.config.configuration import LIFETIMES, exists
from forethought.config.reference import every_setting, markdown, rewrite
from forethought.errors import ForethoughtError

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "config.md"


def leaves(content: dict[str, object], path: str = "") -> set[str]:
    found: set[str] = set()
    for name, value in content.items():
        where = f"{path}{name}"
        inner = value if isinstance(value, dict) and not where.endswith(("extra", "drive_weights")) else None
        found |= {where} if inner is None else leaves(inner, f"{where}.")
    return found


def test_every_setting_of_a_configuration_is_listed_once(configuration: Configuration) -> None:
    names = [info.name for info in every_setting()]
    assert len(set(names)) == len(names)
    content = configuration.model_dump()
    assert leaves({name: content[name] for name in LIFETIMES}) <= set(names)
    # What the present kinds lack belongs to others.
    others = [info for info in every_setting() if not exists(configuration, info.name)]
    assert others
    assert all(info.kinds for info in others)


def test_a_setting_shows_its_values_default_and_kinds() -> None:
    by_name = {info.name: info for info in every_setting()}
    assert by_name["training.seed"].values == "integer >= 0 < 9.22337e+18"
    assert (by_name["planner.horizon"].values, by_name["planner.horizon"].default) == ("integer >= 1", "5")
    assert by_name["model.hierarchy.upper_stride"].values == "integer >= 2, or null"
    assert by_name["planner.upper.search.num_samples"].default == "100", "the group's own default"
    assert by_name["planner.search.temperature"].kinds == ("mppi",)
    assert by_name["model.latent.kind"].values == "none, codes, gaussian, sparse, noisy"


def test_a_prefix_picks_a_group_and_a_wrong_one_is_refused() -> None:
    assert {info.name.rpartition(".")[0] for info in every_setting("planner.risk")} == {"planner.risk"}
    with pytest.raises(ForethoughtError, match=r"No setting begins with 'planner.risc': did you mean 'planner.risk'"):
        every_setting("planner.risc")


def test_the_page_shows_the_settings_as_they_are(tmp_path: Path) -> None:
    assert markdown() in PAGE.read_text(), "make tables"
    copy = tmp_path / "page.md"
    copy.write_text(PAGE.read_text())
    rewrite(copy)
    assert copy.read_text() == PAGE.read_text()
