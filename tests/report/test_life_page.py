from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from forethought.atomic_io import write_json
from forethought.cli.report import Report
from forethought.data.growing import GrowingStore
from forethought.errors import ForethoughtError
from forethought.evaluation.returns import METRICS
from forethought.online.dataset import DATASET
from forethought.online.progress import PROGRESS
from forethought.report.latest_episode import MOST_NUMBERS, latest_episode
from forethought.report.life_charts import running
from forethought.report.life_page import changes, write_life_page
from forethought.report.page import rebuild_report
from forethought.training.agent_files import AGENT, load
from life_fixtures import LENGTHS, make_life, progress_of, walk_spec
from page_parser import Page


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("lives") / "run"
    make_life(run, walk_spec(drives=("pain",)), progress_of(evaluations=[(400, 30.0, 25.0, 35.0), (600, 70.0, 60.0, 80.0)]))
    return run


def test_the_page_of_a_running_life(run: Path) -> None:
    text = write_life_page(run).read_text()
    page = Page(text)
    assert set(page.ids) >= {
        "how-far",
        "headline",
        "learning",
        "energies",
        "latest",
        "health",
        "changes",
        "configuration",
        "made",
    }
    assert "It is learning now: 700 of 1\u202f000 steps (70\u00a0%), 11 episodes (none lost), 1 min 1 s." in page.text
    assert "It is above random actions: return 70 [60, 80] in the latest evaluation" in page.text
    assert "Pain" in page.text
    assert "Critic's future cost" in page.text
    assert "Episode 4: 40 blocks, return 40, it ended by itself." in page.text
    assert 'http-equiv="refresh" content="60"' in text
    assert all(not reference or reference.startswith(("#", "data:")) for reference in page.references)
    assert page.wordless == []
    assert "script" not in page.tags
    assert not (run / "material").exists()


def test_every_command_that_rebuilds_a_page_knows_a_life(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "report.html").unlink(missing_ok=True)
    assert rebuild_report(run) == run / "report.html"
    assert Report(run).run() == 0
    assert "The page: " in capsys.readouterr().out


def test_a_finished_life_shows_its_final_evaluation(tmp_path: Path) -> None:
    make_life(tmp_path, walk_spec(), progress_of(state="finished", evaluations=[(900, 70.0, 60.0, 80.0)]))
    agent = {"mean": 12.0, "low": 10.0, "high": 14.0, "length": 12.0, "episodes": 20}
    random = {**agent, "mean": 20.0, "low": 18.0, "high": 22.0}
    write_json(tmp_path / METRICS, {"agent": agent, "random": random, "drives": {}, "total": [agent, random]})
    page = Page(write_life_page(tmp_path).read_text())
    assert "It is not above random actions: return 12 [10, 14] in 20 episodes of the final evaluation" in page.text
    assert 'http-equiv="refresh"' not in (tmp_path / "report.html").read_text()
    # Metrics from before the life went on say nothing about the agent of now.
    os.utime(tmp_path / METRICS, (1.0, 1.0))
    assert "in the latest evaluation" in Page(write_life_page(tmp_path).read_text()).text


def test_pictures_are_shown_above_those_of_the_nearest_states(tmp_path: Path) -> None:
    make_life(tmp_path, walk_spec(pixels=True))
    page = Page(write_life_page(tmp_path).read_text())
    assert page.tags.count("img") >= 8
    found = latest_episode(load(tmp_path, "cpu"), GrowingStore(tmp_path / DATASET))
    assert not found.numbers
    # The first cell is no prediction: the nearest picture to an encoded state is its own.
    np.testing.assert_array_equal(found.strips[0].real[0], found.strips[0].decoded[0])
    assert found.strips[0].real.shape[-1] == 3


def test_predictions_begin_in_the_episode_and_stay_in_it(run: Path) -> None:
    found = latest_episode(load(run, "cpu"), GrowingStore(run / DATASET))
    assert (found.number, found.blocks, found.terminated) == (len(LENGTHS) - 1, LENGTHS[-1], True)
    assert found.starts[0] == 0
    assert found.starts[-1] + found.horizon == found.blocks
    assert len(found.numbers) == MOST_NUMBERS
    for trace in (*found.numbers, *found.outcomes):
        assert len(trace.predicted) == len(found.starts)
    assert all(len(values) == found.horizon + 1 for values in found.numbers[0].predicted)
    rewards, pain, going = found.outcomes
    assert pain.name == "pain"
    assert rewards.happened.tolist() == [1.0] * 40
    assert going.happened.tolist() == [1.0] * 39 + [0.0]
    discount = load(run, "cpu").configuration.model.discount
    np.testing.assert_allclose(found.future_cost.happened[0], -(1 - discount**40) / (1 - discount), rtol=1e-6)


def test_a_part_that_cannot_be_drawn_leaves_the_rest(tmp_path: Path) -> None:
    make_life(tmp_path, walk_spec())
    weights = tmp_path / AGENT / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    page = Page(write_life_page(tmp_path).read_text())
    assert "The latest episode can't be drawn: CorruptFileError" in page.text
    assert "learning" in page.ids
    (tmp_path / AGENT).rename(tmp_path / "moved")
    assert "The agent is saved at its first evaluation" in Page(write_life_page(tmp_path).read_text()).text


def test_hostile_names_are_text(tmp_path: Path) -> None:
    make_life(tmp_path, walk_spec(), progress_of(state="stopped", stopped_by="<script>alert(1)</script>"))
    assert "<script" not in write_life_page(tmp_path).read_text()


def test_a_life_that_has_not_begun_is_one_sentence(tmp_path: Path) -> None:
    make_life(tmp_path, walk_spec())
    (tmp_path / PROGRESS).unlink()
    with pytest.raises(ForethoughtError, match="has not begun to learn"):
        rebuild_report(tmp_path)


def test_a_life_with_almost_nothing_has_a_page(tmp_path: Path) -> None:
    make_life(tmp_path, walk_spec(), progress_of(returns=[], readings=[], steps=0, episodes=0))
    page = Page(write_life_page(tmp_path).read_text())
    assert "not known yet: too few episodes" in page.text
    assert "learning" not in page.ids


def test_changes_name_each_replacement_of_the_saved_agent() -> None:
    evaluations = [(100, 5.0, 4.0, 6.0), (200, 3.0, 2.0, 4.0), (300, 9.0, 8.0, 10.0)]
    found = changes(progress_of(evaluations=evaluations, changes=[(250, "blocks of 2 steps")]))
    assert [steps for steps, _ in found] == [300, 250, 100]
    assert "instead of 5" in found[0][1]


def test_the_running_mean_looks_back_only() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 100.0])
    mean, low, high = running(values)
    assert mean[:3].tolist() == [1.0, 1.5, 2.0]
    assert mean[5] == pytest.approx(np.mean(values[1:]))
    assert (low <= mean).all()
    assert (high >= low).all()


def test_the_command_goes_on_with_the_life(run: Path) -> None:
    text = Page(write_life_page(run).read_text()).text
    assert f"forethought live Walk-v0 --out {run} --steps 1000 --seed 0 --option size=3 --resume" in text
    assert json.loads((run / "life.json").read_text())["request"]["options"] == {"size": 3}
