"""Imports run downwards. This table is the house's plan; ARCHITECTURE.md shows it, and a test holds the two equal."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "forethought"
BENCHMARKS = ROOT / "src" / "forethought_benchmarks"

GROUND = (
    *("errors", "extras", "parts", "config", "types", "atomic_io", "action_codec", "device", "goals", "layers", "states"),
    *("two_hot", "whitening", "data_parallel", "acceleration"),
)
SIX = ("perception", "world_model", "cost", "actor", "memory", "configurator")

# The few names that one of the six takes from another that are not its contract, and why.
SHARED = {
    "perception.Encoder": "a level owns its encoder: x and y go through the same one (the paper, fig. 12)",
    "perception.make_encoder": "and makes the one that the settings name",
    "perception.vit.TransformerBlock": "one transformer block for the ViT and the transformer predictor",
}

# A room -> what its files may import besides GROUND and their own room. `x.contract` means that one file of x only,
# `x.Name` that one name.
ALLOWED: dict[str, tuple[str, ...]] = {
    "errors": (),
    "extras": (),
    "parts": (),
    "config": (),
    "types": (),
    "atomic_io": (),
    "action_codec": (),
    "device": (),
    "acceleration": (),
    "data_parallel": (),
    "goals": (),
    "states": (),
    "two_hot": (),
    "layers": (),
    "whitening": (),
    "execution": (),
    "doctor": (),
    "worlds": (),
    "perception": (),
    "world_model": ("perception.Encoder", "perception.make_encoder", "perception.vit.TransformerBlock"),
    "cost": (),
    "actor": ("cost.contract",),
    "memory": (),
    "data": ("execution", "worlds"),
    "configurator": ("data",),
    "readout": (),
    "agent_networks": ("world_model", "cost", "actor", "memory"),
    "planning": ("agent_networks", "world_model", "cost", "actor", "memory", "configurator"),
    "sensing": ("agent_networks", "perception"),
    "inspection": ("sensing", "planning", "agent_networks", "perception", "world_model", "actor"),
    "decision": ("planning", "actor"),
    "agent": ("decision", "inspection", "sensing", "planning", "agent_networks", *SIX),
    "training": ("agent", "planning", "agent_networks", *SIX, "data", "worlds", "readout"),
    "conformance": ("training", "agent", "agent_networks", *SIX, "data"),
    "evaluation": (
        "training",
        "agent",
        "decision",
        "planning",
        "agent_networks",
        *SIX,
        "data",
        "worlds",
        "execution",
        "readout",
    ),
    "collecting": ("evaluation", "training", "agent", "data", "worlds"),
    "online": ("evaluation", "training", "agent", "agent_networks", *SIX, "data", "worlds", "execution", "readout"),
    "tuning": ("evaluation", "training", "agent", "agent_networks", *SIX, "data", "worlds", "execution", "readout"),
    "report": ("tuning", "online", "evaluation", "training", "agent", *SIX, "data", "worlds", "execution", "readout"),
    "demo": ("report", "evaluation", "training", "agent", "configurator", "data", "worlds"),
    "cli": (
        *("doctor", "demo", "collecting", "report", "tuning", "online", "evaluation", "training", "agent", "configurator"),
        "data",
        "worlds",
    ),
    "__main__": ("cli",),
}


def room_of(path: Path) -> str:
    """The folder of the package that a file lives in, or the file's own name where it stands alone."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imports_of(path: Path) -> list[tuple[int, str]]:
    """Every import of ours in a file, wherever it stands: (line, dotted name below `forethought`)."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            # `from forethought.cost import contract` reaches a module too.
            found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return [(line, name.removeprefix("forethought.")) for line, name in found if name.startswith("forethought.")]


def packages_of(path: Path) -> set[str]:
    """The first part of every name that a file imports."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    direct = {alias.name.split(".")[0] for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return direct | {(node.module or "").split(".")[0] for node in nodes if isinstance(node, ast.ImportFrom)}


def breaches(path: Path) -> list[str]:
    """Imports of a file that the table does not allow, as sentences."""
    room = room_of(path)
    told = []
    for line, name in imports_of(path):
        target = name.split(".")[0]
        ground = ("errors", "parts", "config", "types", "states", room)
        open_doors = ground if room in GROUND else (*GROUND, room, *ALLOWED[room])
        if target == "__version__":
            continue
        if not any(name == door or name.startswith(f"{door}.") for door in open_doors):
            told.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    return told


FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("room", sorted({room_of(path) for path in FILES}))
def test_imports_run_downwards(room: str) -> None:
    assert room in ALLOWED, f"{room} is not in the plan: add it to the table here and to ARCHITECTURE.md"
    told = [sentence for path in FILES if room_of(path) == room for sentence in breaches(path)]
    assert not told, "\n".join(told)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_library_never_imports_the_benchmarks(path: Path) -> None:
    """The command line finds `forethought bench` as an entry point."""
    assert BENCHMARKS.name not in packages_of(path)


def test_the_benchmarks_use_what_stands_below_the_commands() -> None:
    told = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in sorted(BENCHMARKS.rglob("*.py"))
        # The reliability campaign calls the commands themselves.
        if path.name != "generated_calls.py"
        for line, name in imports_of(path)
        if name.split(".")[0] in {"demo", "doctor", "cli"} and not name.startswith("cli.console.")
    ]
    assert not told, "\n".join(told)


def test_the_search_finds_the_benchmarks() -> None:
    assert {"forethought", BENCHMARKS.name} <= packages_of(BENCHMARKS / "command.py") | packages_of(BENCHMARKS / "registry.py")


def test_the_table_itself_runs_downwards() -> None:
    order = list(ALLOWED)
    for room, below in ALLOWED.items():
        for door in below:
            below_it = order.index(door.split(".")[0]) < order.index(room)
            assert below_it, f"{room} may not import {door}, which stands above"


def test_the_six_modules_know_no_insides() -> None:
    for room in SIX:
        for door in ALLOWED[room]:
            public = door.split(".")[0] not in SIX or door.endswith(".contract") or door in SHARED
            assert public, f"{room} imports the insides of {door}"


def test_importing_the_package_is_light() -> None:
    """`forethought --help` must not wait for torch: the package itself imports nothing heavy."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    heavy = {"torch", "numpy", "gymnasium", "matplotlib"}
    at_top = {
        name.split(".")[0]
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
    }
    assert not at_top & heavy


def test_architecture_shows_this_table() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    for room, below in ALLOWED.items():
        if room in GROUND:
            continue
        row = f"| `{room}` | {', '.join(f'`{door}`' for door in below) or 'the ground only'} |"
        assert row in text, f"ARCHITECTURE.md lacks this row of the import table:\n{row}"
