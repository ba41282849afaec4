"""An agent acts in a process in which only some of the installed packages can be found.

`python lean_process.py REQUEST.json` reads {"refused": [names to import], "runs": [folders], "out": file}, acts with the agent
of each run, and writes the actions.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from importlib.metadata import MetadataPathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

DECISIONS, EPISODES = 3, 2
TESTS = Path(__file__).parent


class Refusing:
    """Finds what the other finders find, except the refused packages: they are as if they were not installed."""

    def __init__(self, refused: Sequence[str]) -> None:
        self.refused, self.finders = frozenset(refused), list(sys.meta_path)

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name.partition(".")[0] in self.refused:
            return None
        found = (finder.find_spec(name, path, target) for finder in self.finders if hasattr(finder, "find_spec"))
        return next((spec for spec in found if spec is not None), None)

    # Packages look up their own versions.
    find_distributions = staticmethod(MetadataPathFinder.find_distributions)


def refuse(packages: Sequence[str]) -> None:
    """From now on these packages are not found."""
    assert not set(packages) & set(sys.modules), "refuse before anything is imported"
    sys.meta_path[:] = [Refusing(packages)]


def run_lean(*words: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the source and the tests on its path."""
    path = os.pathsep.join([str(TESTS.parent / "src"), str(TESTS)])
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path}
    )


def run_script(script: str, refused: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a script where these packages are not found."""
    return run_lean("-c", f"import lean_process\nlean_process.refuse({list(refused)!r})\n{script}")


def actions_of(run: Path | str) -> dict[str, Any]:
    """What the agent of a run does in some decisions of every mode, on observations made from a seed."""
    import numpy as np

    import forethought as ft

    agent = ft.load(run, "cpu")
    random = np.random.default_rng(0)

    def see() -> dict[str, Any]:
        return {
            stream.name: random.integers(0, 256, (EPISODES, *stream.shape)).astype(np.uint8)
            if stream.kind == "image"
            else random.normal(size=(EPISODES, *stream.shape)).astype(np.float32)
            for stream in agent.configuration.data.streams
        }

    task = ft.Task.world(EPISODES) if agent.configuration.model.learns_reward else ft.Task.reach(see())
    actions: dict[str, Any] = {}
    for mode in ("plan", "react", "auto"):
        agent.reset(task, seeds=range(EPISODES))
        steps = DECISIONS * agent.configuration.data.block
        actions[mode] = np.stack([agent.act(see(), mode) for _ in range(steps)])
    return actions


def main(request: dict[str, Any]) -> None:
    """Act without the refused packages."""
    refuse(request["refused"])
    import numpy as np
    import torch

    torch.set_num_threads(1)
    found = {f"{number} {mode}": acts for number, run in enumerate(request["runs"]) for mode, acts in actions_of(run).items()}
    np.savez(request["out"], **found)


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
