"""A base install acts: everything that it lacks is hidden from a process, which loads agents and acts as this process does."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

import tiny
from installed import beyond
from lean_process import TESTS, actions_of, run_lean, run_script
from life_fixtures import make_life, walk_spec


def test_the_search_hides_what_it_should() -> None:
    hidden = beyond()
    assert {"gymnasium", "rich", "tyro", "matplotlib", "tensorboard", "PIL", "imageio_ffmpeg", "pytest"} <= set(hidden)
    assert not {"torch", "numpy", "pydantic_core", "typing_extensions", "forethought"} & set(hidden)
    assert run_script("import gymnasium", hidden).stderr.endswith("ModuleNotFoundError: No module named 'gymnasium'\n")


def test_an_agent_acts_in_a_base_install_as_it_does_here(tmp_path: Path) -> None:
    """Pixels, numbers and choices, landmarks, levels with codes, and the agent of a life."""
    make_life(tmp_path / "life", walk_spec())
    runs = [
        *(tiny.rooms_run(), tiny.point_run(False), tiny.point_run(True), tiny.two_level_run(), tiny.uncertain_run()),
        tmp_path / "life",
    ]
    request = tmp_path / "request.json"
    out = tmp_path / "actions.npz"
    request.write_text(json.dumps({"refused": beyond(), "runs": list(map(str, runs)), "out": str(out)}))
    process = run_lean(str(TESTS / "lean_process.py"), str(request))
    assert process.returncode == 0, process.stderr
    with np.load(out) as found:
        for number, run in enumerate(runs):
            for mode, actions in actions_of(run).items():
                np.testing.assert_array_equal(found[f"{number} {mode}"], actions, err_msg=f"{run.name} {mode}", strict=True)


def test_every_module_imports_or_says_which_extra_it_needs() -> None:
    process = run_script(
        "import importlib, pathlib, forethought\n"
        "from forethought.extras import MissingExtraError\n"
        "root = pathlib.Path(forethought.__file__).parent\n"
        "for path in sorted(root.rglob('*.py')):\n"
        "    name = '.'.join(('forethought', *path.relative_to(root).with_suffix('').parts)).removesuffix('.__init__')\n"
        "    try:\n"
        "        importlib.import_module(name)\n"
        "    except MissingExtraError:\n"
        "        print(name)\n",
        beyond(),
    )
    assert process.returncode == 0, process.stderr
    rooms = {name.split(".")[1] for name in process.stdout.split()}
    assert {"worlds", "cli", "report", "demo", "collecting"} <= rooms
    assert not {"agent", "planning", "perception", "world_model", "cost", "actor", "memory", "configurator"} & rooms


@pytest.mark.parametrize("name", ["collect", "train", "live", "evaluate", "look", "make_world", "rebuild_report"])
def test_what_needs_an_extra_says_so(name: str) -> None:
    script = f"import forethought\ntry:\n    forethought.{name}\nexcept forethought.ForethoughtError as e:\n    print(e)"
    process = run_script(script, beyond())
    assert process.stdout.endswith(f'pip install "forethought[{"page" if name == "rebuild_report" else "train"}]".\n')
    assert len(process.stdout.splitlines()) == 1, process.stderr


def test_the_command_says_so_in_one_sentence() -> None:
    process = run_script("import sys\nfrom forethought.__main__ import main\nsys.exit(main())", beyond())
    assert process.returncode == 2
    assert process.stderr.startswith("forethought: Recording, training, evaluating and the command line need packages")
    assert process.stderr.endswith('pip install "forethought[train]".\n')
    assert len(process.stderr.splitlines()) == 1


def test_importing_forethought_imports_nothing_else() -> None:
    """What makes `import forethought` fast: torch and pydantic wait for the first name."""
    script = "import sys\nbefore = set(sys.modules)\nimport forethought\nprint(*set(sys.modules) - before)"
    loaded = {name.split(".")[0] for name in run_lean("-c", script).stdout.split()}
    assert "forethought" in loaded
    assert loaded - set(sys.stdlib_module_names) == {"forethought"}
