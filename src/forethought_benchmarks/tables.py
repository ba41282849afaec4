"""Tables in the documents, made from `benchmarks/*.json` by `python -m forethought_benchmarks.tables`, never typed.

A document marks where a table goes, and which rows and columns it shows:

    <!-- table rooms-demo columns=agent,metric,value,interval,floor -->
    ...
    <!-- /table -->

    <!-- table collapse across=success_rate,rank_me -->
    ...
    <!-- /table -->

    <!-- table control summary=control -->
    ...
    <!-- /table -->

The second kind has a line per agent and a column per metric; `lines=situation` beside it gives the first column another
heading. The third kind is a benchmark's own summary of all its rows. Everything between the marks is rewritten.
`rooms-demo` names `benchmarks/rooms-demo.json`; a word `agent=flat,levels-2` beside it keeps the rows whose `agent` is one
of these, in this order. `interval` is `low` to `high`; `by_seed` is the figure of each training seed, in the order of `seeds`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from forethought.errors import CorruptFileError, ForethoughtError, did_you_mean
from forethought.evaluation.result_rows import FIELDS
from forethought_benchmarks.control.control_table import control_table
from forethought_benchmarks.scaling.protocol import faults_table, scaling_table

REGION = re.compile(r"(<!-- table (?P<bench>[\w.-]+)(?P<words>[^>]*?) -->\n).*?(<!-- /table -->)", re.DOTALL)
PENDING = "*Not measured yet.*"
DOCUMENTS = ("README.md", "ARCHITECTURE.md", "docs/*.md")
DEFAULT_COLUMNS = ("world", "agent", "metric", "value", "interval", "by_seed", "n", "seeds", "floor", "ceiling")
COLUMNS = (*FIELDS, "interval")
SUMMARIES: Mapping[str, Callable[[Sequence[Mapping[str, Any]]], str]] = {
    "control": control_table,
    "scaling": scaling_table,
    "faults": faults_table,
}
"""Name -> table of all rows of a benchmark."""
RATES = ("_rate", "success", "success_difference")
"""Ends of the names of metrics that are shares, shown in per cent."""
HEADINGS = {
    "interval": "95 % interval",
    "by_seed": "by seed",
    "floor": "random floor",
    "model_calls": "model calls a decision",
    "gflops_per_decision": "GFLOPs a decision",
    "ms_per_decision": "ms a decision (median, p95)",
    "train_frames": "training frames",
    "train_cpu_minutes": "CPU minutes",
}


def read_bench(file: Path) -> dict[str, Any]:
    """One result file.

    Returns:
        `{"bench", "command", "version", "machine", "date", "rows": [...]}`.

    Raises:
        CorruptFileError: it is not JSON or lacks one of these.
    """
    try:
        bench = json.loads(file.read_text())
    except ValueError as error:
        raise CorruptFileError(f"the result file {file} is not JSON: {error}.") from error
    missing = [key for key in ("bench", "command", "version", "machine", "date", "rows") if key not in bench]
    if missing:
        raise CorruptFileError(f"the result file {file} lacks {', '.join(missing)}; run its benchmark again.")
    return dict(bench)


def cell(row: Mapping[str, Any], column: str) -> str:
    """One cell: shares as per cent, other figures with three significant digits, what does not apply as a dash.

    >>> cell({"metric": "success_rate", "value": 0.97, "low": 0.915, "high": 0.99}, "interval")
    '91.5 to 99.0 %'
    >>> cell({"metric": "probe_position_r2", "value": 0.9987}, "value")
    '0.999'
    >>> cell({"metric": "auroc", "value": 0.99986}, "value")
    '0.9999'
    """
    if column == "interval":
        low, high = row.get("low"), row.get("high")
        return "–" if low is None or high is None else f"{number(low, row, '')} to {number(high, row)}"
    if column == "by_seed":
        return _by_seed(row)
    value = row.get(column)
    if column in {"value", "low", "high", "floor", "ceiling"}:
        return number(value, row)
    return plain(value)


def _by_seed(row: Mapping[str, Any]) -> str:
    """The figure of each training seed; older files did not record it."""
    seeds, values = row.get("seeds"), row.get("by_seed")
    if not isinstance(seeds, list):
        return "–"
    if len(seeds) == 1:
        return "one seed"
    if values is None:
        return "not recorded"
    rate = str(row.get("metric", "")).endswith(RATES)
    return ", ".join(f"{100 * value if rate else value:.3g}" for value in values) + (" %" if rate else "")


def number(value: float | None, row: Mapping[str, Any], unit: str = " %") -> str:
    """A figure in the unit of its row's metric: rates in per cent, areas close to 1 in full, the rest as they are."""
    if value is None:
        return "–"
    if str(row.get("metric", "")).startswith("auroc"):
        return f"{value:.4f}"
    if str(row.get("metric", "")).endswith(RATES):
        return f"{100 * value:.1f}{unit}"
    return plain(value)


def plain(value: Any) -> str:
    """A figure, a word, or several.

    >>> plain([0.1234, 123.4, -1157.56, 4.0, 12345])
    '0.123, 123, -1,158, 4, 12,345'
    """
    if value is None:
        return "–"
    if isinstance(value, list | tuple):
        return ", ".join(plain(item) for item in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {plain(item)}" for name, item in value.items())
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.3g}" if abs(value) < 999.5 else f"{value:,.0f}"
    return f"{value:,.0f}" if isinstance(value, int | float) and abs(value) >= 10_000 else str(value).removesuffix(".0")


def render(bench: Mapping[str, Any], columns: Sequence[str], keep: Mapping[str, str]) -> str:
    """A markdown table of the rows that match, and the command that made them."""
    rows = _kept(bench, columns, keep)
    lines = [
        "| " + " | ".join(HEADINGS.get(column, column) for column in columns) + " |",
        "|" + "---|" * len(columns),
        *("| " + " | ".join(cell(row, column).replace("|", "\\|") for column in columns) + " |" for row in rows),
    ]
    return "\n".join([*lines, "", _origin(bench, rows)])


def _kept(bench: Mapping[str, Any], columns: Sequence[str], keep: Mapping[str, str]) -> list[Mapping[str, Any]]:
    """The rows that match; every column must be one, and what rows are to have must be found in some."""
    for column in (*columns, *keep):
        if column not in COLUMNS:
            raise ForethoughtError(f"there is no column '{column}' in a result file: {did_you_mean(column, COLUMNS)}")
    wanted = {name: values.split(",") for name, values in keep.items()}
    for name, values in wanted.items():
        known = {str(row.get(name)) for row in bench["rows"]}
        for value in values:
            if value not in known:
                raise ForethoughtError(f"no row of {bench['bench']} has the {name} '{value}': {did_you_mean(value, known)}")
    kept = [row for row in bench["rows"] if all(str(row.get(name)) in values for name, values in wanted.items())]
    return sorted(kept, key=lambda row: [values.index(str(row.get(name))) for name, values in wanted.items()])


def render_across(bench: Mapping[str, Any], metrics: Sequence[str], keep: Mapping[str, str], lines_are: str = "agent") -> str:
    """A markdown table with a line per agent and a column per metric, of the rows that match.

    Values of several training seeds stand side by side. `lines_are`: heading of the first column.
    """
    kept = _kept(bench, (), keep)
    known = {row["metric"] for row in kept}
    for metric in metrics:
        if metric not in known:
            raise ForethoughtError(f"there is no metric '{metric}' in {bench['bench']}: {did_you_mean(metric, known)}")
    lines = [f"| {lines_are} | " + " | ".join(metrics) + " |", "|---|" + "---|" * len(metrics)]
    for agent in dict.fromkeys(row["agent"] for row in kept if row["metric"] in metrics):
        found = [[row for row in kept if (row["agent"], row["metric"]) == (agent, metric)] for metric in metrics]
        cells = [", ".join(cell(row, "value") for row in rows) or "–" for rows in found]
        lines.append(f"| {agent} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", _origin(bench, kept)])


def _origin(bench: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """The command that made a result file, where, and when these rows of it."""
    days = sorted({row.get("date") or bench["date"] for row in rows})
    when = " to ".join(dict.fromkeys((days[0], days[-1])))
    lent = sorted({name for row in rows for name in (row.get("device") or "cpu").split(", ")} - {"cpu"})
    where = ", ".join((bench["machine"], *(f"in part on an {name}" for name in lent)))
    return f"*Made by `{bench['command']}`, version {bench['version']}, {where}, {when}.*"


def rewrite(text: str, benchmarks: Path) -> str:
    """The document with every marked region made anew; a bench that was not run yet says so."""

    def replace(match: re.Match[str]) -> str:
        words = dict(word.split("=", 1) for word in match["words"].split())
        file = benchmarks / f"{match['bench']}.json"
        body = _body(read_bench(file), words) if file.is_file() else PENDING
        return f"{match[1]}{body}\n{match[4]}"

    return REGION.sub(replace, text)


def _body(bench: Mapping[str, Any], words: dict[str, str]) -> str:
    if summary := words.pop("summary", ""):
        return "\n".join([SUMMARIES[summary](bench["rows"]), "", _origin(bench, bench["rows"])])
    if across := words.pop("across", ""):
        lines_are = words.pop("lines", "agent")
        return render_across(bench, across.split(","), words, lines_are)
    columns = tuple(words.pop("columns", ",".join(DEFAULT_COLUMNS)).split(","))
    return render(bench, columns, words)


def main(root: Path) -> list[Path]:
    """Rewrite every document below `root` whose tables are not up to date; returns those."""
    changed = []
    for document in sorted({path for pattern in DOCUMENTS for path in root.glob(pattern)}):
        text = document.read_text()
        new = rewrite(text, root / "benchmarks")
        if new != text:
            document.write_text(new)
            changed.append(document)
    return changed


if __name__ == "__main__":
    for path in main(Path.cwd()):
        sys.stdout.write(f"{path}\n")
