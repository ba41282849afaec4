"""Rules of the house that a linter does not hold: banned calls, the length of files, what committed text may say."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import runtime_types
from forethought import parts

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
TEXT_ENDINGS = {".py", ".md", ".toml", ".txt", ".json", ".html", ".css", ".js", ".yml", ".yaml", ".cfg", ""}

BANNED_CALLS = {"eval", "exec", "compile", "__import__"}
BANNED_ATTRIBUTES = {
    ("torch", "load"): "weights live in safetensors",
    ("torch", "save"): "weights live in safetensors",
    ("yaml", "load"): "configuration is JSON",
    ("np", "nan_to_num"): "a guard raises and says where; a score is never patched",
    ("torch", "nan_to_num"): "a guard raises and says where; a score is never patched",
}
BANNED_MODULES = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal", "yaml"}


def dotted(node: ast.AST) -> tuple[str, ...]:
    """`a.b.c` as a tuple of names; empty where the expression is not of that form."""
    if isinstance(node, ast.Name):
        return (node.id,)
    if isinstance(node, ast.Attribute) and (base := dotted(node.value)):
        return (*base, node.attr)
    return ()


def faults(source: str, in_cli: bool) -> list[str]:
    """Banned things in a source text, as sentences with their line."""
    told = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            told += [f"{node.lineno}: imports {name}" for name in names if name.split(".")[0] in BANNED_MODULES]
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func)
        if len(name) == 1 and name[0] in BANNED_CALLS:
            told.append(f"{node.lineno}: calls {name[0]}")
        if name == ("print",) and not in_cli:
            told.append(f"{node.lineno}: prints outside the command line")
        if name[-2:] in BANNED_ATTRIBUTES:
            told.append(f"{node.lineno}: calls {'.'.join(name)}: {BANNED_ATTRIBUTES[name[-2:]]}")
        if len(name) > 1 and name[-1] == "nan_to_num":
            told.append(f"{node.lineno}: calls nan_to_num")
        for keyword in node.keywords:
            plainly_false = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
            if keyword.arg in {"allow_pickle", "shell"} and not plainly_false:
                told.append(f"{node.lineno}: passes {keyword.arg}")
    return told


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_source(path: Path) -> None:
    text = path.read_text()
    assert not faults(text, in_cli="cli" in path.parts)
    lines = text.count("\n")
    assert lines <= 400, f"{lines} lines: this is asking to be two files"


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "torch.load('x')",
        "np.load('x', allow_pickle=True)",
        "eval('1')",
        "exec('1')",
        "yaml.load('x')",
        "torch.nan_to_num(x)",
        "x.nan_to_num()",
        "print('hello')",
        "subprocess.run('ls', shell=True)",
    ],
)
def test_the_search_finds(source: str) -> None:
    assert faults(source, in_cli=False)


def committed() -> list[Path]:
    """Text files under version control; all text files outside the ignored folders where there is no git."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0 and listed.stdout:
        names = [ROOT / name for name in listed.stdout.split("\0") if name]
    else:
        folders = ("src", "tests", "docs", "examples", "benchmarks")
        names = [path for folder in folders for path in (ROOT / folder).rglob("*")]
    return [path for path in names if path.is_file() and path.suffix in TEXT_ENDINGS]


# Somebody's home, a scratch folder with a name in it, a build machine's tree: true on one machine only.
LOCAL_PATH = re.compile(r"(?<![\w.:/])/(?:home|Users|root|work|mnt)/[\w.-]+")


def test_no_committed_text_names_somebodys_machine() -> None:
    told = []
    for path in committed():
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1):
            if LOCAL_PATH.search(line):
                told.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}")
    assert not told, "\n".join(told)


def test_the_search_finds_local_paths() -> None:
    assert LOCAL_PATH.search("see /" + "home/somebody/data")
    assert not LOCAL_PATH.search("https://example.org/" + "home/page")


def test_every_package_says_what_it_is() -> None:
    for path in SOURCES:
        if path.name == "__init__.py":
            docstring = ast.get_docstring(ast.parse(path.read_text()))
            assert docstring, f"{path.relative_to(ROOT)} has no docstring"
            assert len(docstring) > 30, f"{path.relative_to(ROOT)} says only {docstring!r}"


def test_the_folders_of_the_tests_mirror_the_source() -> None:
    """`tests/ROOM` is of `src/forethought/ROOM`, `tests/forethought_benchmarks` of the other package, `tests/field` of all."""
    packages = {path.parent for path in (ROOT / "src").glob("*/__init__.py")}
    assert {package.name for package in packages} == {"forethought", "forethought_benchmarks"}
    rooms = {path.parent.name for path in (ROOT / "src" / "forethought").glob("*/__init__.py")} | {"forethought_benchmarks"}
    tested = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")}
    assert tested - {"field"} <= rooms, f"tests of no room: {sorted(tested - rooms)}"


# Annotations that beartype cannot read: a protocol that is not made for run-time checks, a recursive type.
KNOWN_UNCHECKED = {
    "evaluation.episodes.run_tasks",
    *(f"cost.check.{name}" for name in ("check_cost", "_check_axes", "_check_gradient", "_fail")),
    "cost.composition.Composition._active",
    "cost.composition._term_energy",
    *("report.storage._read_array", "report.storage._write_array"),
    "world_model.check.check_world_model",
    "worlds.frames.LazyObservation.__reduce__",
    *(f"worlds.goals.{name}" for name in ("_candidates", "_gap", "_states", "_task_set", "goal_observations")),
    *(f"worlds.goals.{name}" for name in ("measure_success", "tasks_from_episodes", "with_success_test")),
    "worlds.pointmaze_policies.maze_world",
}


def test_every_other_annotation_is_checked_at_each_call() -> None:
    script = Path(runtime_types.__file__)
    told = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    names = {name.removeprefix("forethought.") for name in told.split()}
    assert names
    assert names <= KNOWN_UNCHECKED


def test_of_functions_inside_functions_the_first_is_checked() -> None:
    first, second = (parts.register("planner", "mine") for _ in range(2))
    with pytest.raises(TypeError):
        first(3)
    assert "beartype" in first.__code__.co_filename
    assert "beartype" not in second.__code__.co_filename


# Records that count, or that are filled as something goes on.
THAT_CHANGE = {
    "forethought.actor.deadline.SearchDeadline",
    "forethought.evaluation.episodes.Recording", "forethought.online.progress.LifeProgress", "forethought.online.record.Record",
    "forethought.training.clock.TrainingClock", "forethought_benchmarks.control.measured.Stopwatch",
    "forethought_benchmarks.reliability.outcomes.OutcomeCounts",
}  # fmt: skip


def test_records_do_not_change() -> None:
    """Dataclasses are frozen, but for the known few."""
    free = set()
    for name in runtime_types.modules():
        for one in vars(importlib.import_module(name)).values():
            if isinstance(one, type) and one.__module__ == name and "__dataclass_params__" in vars(one):
                free |= set() if one.__dataclass_params__.frozen else {f"{name}.{one.__qualname__}"}  # type: ignore[attr-defined]
    assert free == THAT_CHANGE
