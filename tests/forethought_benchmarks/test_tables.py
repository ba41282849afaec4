"""Tables from result files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from forethought.errors import ForethoughtError
from forethought_benchmarks.tables import PENDING, main, rewrite

ROW = {"world": "w", "agent": "plan", "metric": "success_rate", "value": 0.97, "low": 0.915, "high": 0.99, "n": 100}
OTHER = {"world": "w", "agent": "plan", "metric": "probe_position_r2", "value": 0.99871, "low": None, "high": None}
HEAD = {"bench": "b", "command": "forethought bench b", "version": "0.1.0", "machine": "2 cores", "date": "2026-01-01"}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    (folder / "b.json").write_text(json.dumps({**HEAD, "rows": [ROW, OTHER]}))
    return folder


def region(words: str) -> str:
    return f"before\n<!-- table {words} -->\nold\n<!-- /table -->\nafter\n"


def test_values_intervals_and_origin(results: Path) -> None:
    text = rewrite(region("b columns=agent,metric,value,interval,floor"), results)
    assert "| plan | success_rate | 97.0 % | 91.5 to 99.0 % | – |" in text
    assert "| plan | probe_position_r2 | 0.999 | – | – |" in text
    assert "`forethought bench b`, version 0.1.0, 2 cores, 2026-01-01" in text
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text


def test_each_seed_is_shown(results: Path) -> None:
    several = {**ROW, "agent": "several", "seeds": [0, 1, 2], "by_seed": [0.85, 0.74, 0.525]}
    rows = [{**ROW, "seeds": [4]}, several, {**several, "agent": "older", "by_seed": None}]
    (results / "b.json").write_text(
        json.dumps({**HEAD, "rows": [*rows, {**several, "metric": "loss", "by_seed": [0.1234, 2.0, 3.0]}]})
    )
    text = rewrite(region("b columns=agent,by_seed"), results)
    for line in (
        "| plan | one seed |",
        "| several | 85, 74, 52.5 % |",
        "| older | not recorded |",
        "| several | 0.123, 2, 3 |",
    ):
        assert line in text


def test_rows_of_several_days_say_so(results: Path) -> None:
    rows = [{**ROW, "date": "2026-01-03"}, {**OTHER, "date": "2026-01-02"}, ROW]
    (results / "b.json").write_text(json.dumps({**HEAD, "rows": rows}))
    assert "2 cores, 2026-01-01 to 2026-01-03.*" in rewrite(region("b"), results)
    assert "2 cores, 2026-01-02.*" in rewrite(region("b metric=probe_position_r2"), results)


def test_rows_are_chosen(results: Path) -> None:
    text = rewrite(region("b columns=metric,value metric=success_rate"), results)
    assert "success_rate" in text
    assert "probe_position_r2" not in text


def test_rows_of_several_agents_come_in_the_order_of_their_names(results: Path) -> None:
    rows = [{**ROW, "agent": name} for name in ("flat", "deep", "deeper")]
    (results / "b.json").write_text(json.dumps({**HEAD, "rows": rows}))
    text = rewrite(region("b columns=agent,value agent=deep,flat"), results)
    assert "| deep | 97.0 % |\n| flat | 97.0 % |\n\n" in text
    with pytest.raises(ForethoughtError, match="no row of b has the agent 'flatt': did you mean 'flat'"):
        rewrite(region("b agent=flatt"), results)


def test_a_line_per_agent_and_a_column_per_metric(results: Path) -> None:
    rows = [ROW, OTHER, {**OTHER, "value": 0.5}, {**OTHER, "agent": "react"}]
    (results / "b.json").write_text(json.dumps({**HEAD, "rows": rows}))
    text = rewrite(region("b across=probe_position_r2,success_rate"), results)
    assert "| agent | probe_position_r2 | success_rate |\n|---|---|---|" in text
    assert "| plan | 0.999, 0.5 | 97.0 % |" in text
    assert "| react | 0.999 | – |" in text
    assert "`forethought bench b`, version 0.1.0, 2 cores, 2026-01-01" in text
    with pytest.raises(ForethoughtError, match="did you mean 'success_rate'"):
        rewrite(region("b across=succes_rate"), results)


def test_twice_is_once(results: Path) -> None:
    once = rewrite(region("b"), results)
    assert rewrite(once, results) == once


def test_two_regions_are_two(results: Path) -> None:
    text = rewrite(region("b") + region("c"), results)
    assert text.count("before") == text.count("after") == 2
    assert PENDING in text


def test_an_unknown_column(results: Path) -> None:
    with pytest.raises(ForethoughtError, match="did you mean 'value'"):
        rewrite(region("b columns=valeu"), results)


@pytest.mark.parametrize("content", ["{", "{}"])
def test_a_broken_result_file(results: Path, content: str) -> None:
    (results / "b.json").write_text(content)
    with pytest.raises(ForethoughtError, match=r"b\.json"):
        rewrite(region("b"), results)


def test_documents_are_rewritten_once(results: Path) -> None:
    root = results.parent
    (root / "README.md").write_text(region("b"))
    assert main(root) == [root / "README.md"]
    assert main(root) == []


def test_a_table_across_keeps_the_rows_that_match(tmp_path: Path) -> None:
    rows = [{"world": world, "agent": "a", "metric": "bits", "value": value} for world, value in (("one", 1.5), ("two", 2.5))]
    bench = {"bench": "b", "command": "c", "version": "0", "machine": "m", "date": "d", "rows": rows}
    (tmp_path / "b.json").write_text(json.dumps(bench))
    text = rewrite("<!-- table b world=two across=bits -->\n<!-- /table -->", tmp_path)
    assert "| a | 2.5 |" in text
    assert "1.5" not in text
