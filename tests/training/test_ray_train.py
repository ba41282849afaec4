"""Ray Train's workers train one agent, by the block that the guide shows; needs `pip install "ray[train]"`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import tiny
from forethought.training.agent_files import load

pytest.importorskip("ray.train", reason="needs ray[train]", exc_type=ImportError)
GUIDE = Path(__file__).parents[2] / "docs" / "training-on-many-processes.md"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_block_of_the_guide_trains_with_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    (block,) = re.findall(r"^```py\n(.*?)^```$", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
    run = tmp_path / "run"
    ray.init(num_cpus=2, include_dashboard=False)
    try:
        exec(block, {"store": str(tiny.point_store(False).path), "out": str(run), "settings": dict(tiny.SMALL)})
    finally:
        ray.shutdown()
    assert json.loads((run / "training.json").read_text())["processes"] == 2
    assert load(run, "cpu").configuration.training.batch == tiny.SMALL["training.batch"]
