"""From a store to an agent, through interruptions, deaths and damaged files: the same agent, bit for bit."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import forethought.training.checkpoint as checkpoint
import forethought.training.train as training
import tiny
from child_processes import dies
from forethought.agent_networks import AgentNetworks
from forethought.configurator import Budget
from forethought.data import EpisodeStore, StoreWriter
from forethought.errors import ForethoughtError, NonFiniteError
from forethought.perception import to_tensors
from forethought.training.agent_files import load
from forethought.training.checkpoint import CHECKPOINTS, load_checkpoint, read_tensors
from forethought.training.critic_phase import CriticPhase
from forethought.training.phases import Phase
from forethought.training.policy_phase import PolicyPhase
from forethought.training.predictor_phase import PredictorPhase
from forethought.training.train import every_phase, start_at_unit_scale, train, training_record
from forethought.training.world_model_phase import WorldModelPhase
from forethought.types import Episode
from forethought.world_model.jepa import JEPALevel

PHASES: dict[str, type[Phase]] = {
    "world model": WorldModelPhase, "predictor": PredictorPhase, "critic": CriticPhase, "policy": PolicyPhase,
}  # fmt: skip
# An EMA teacher and a transformer with a past make sure that what a phase keeps for itself is kept, too.
CONFIG = tiny.SMALL | {
    "training.loss.ema": 0.9, "training.loss.masked_prediction": 1.0, "training.loss.sigreg": 0.1,
    "model.predictor.kind": "transformer", "model.predictor.context": 2, "model.predictor.heads": 2, "model.predictor.depth": 1,
    "training.loss.lsuv_init": True,
}  # fmt: skip


def weights(run: Path) -> dict[str, Tensor]:
    """What the agent ends with, and what the last phase kept for itself."""
    last = load_checkpoint(run)
    kept = {f"{group}/{name}": tensor for group in ("extras", "optimizer") for name, tensor in last.tensors[group].items()}
    return read_tensors(run / "agent" / "weights.safetensors") | kept


def assert_same(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    different = [name for name in first if not torch.equal(first[name], second[name])]
    assert not different


def learn(run: Path, resume: bool = False) -> None:
    train(tiny.point_store(False), out=run, config=None if resume else CONFIG, resume=resume)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    """An undisturbed run's weights."""
    run = tmp_path_factory.mktemp("whole") / "run"
    learn(run)
    return weights(run)


def at(monkeypatch: pytest.MonkeyPatch, phase: str, step: int, act: Callable[[], object]) -> None:
    """Do something in the middle of one step of one phase."""
    plain = PHASES[phase].step

    def taken(self: Phase, now: int, generator: torch.Generator) -> Any:
        found = plain(self, now, generator)
        if now == step:
            act()
        return found

    monkeypatch.setattr(PHASES[phase], "step", taken)


def test_the_same_seed_gives_the_same_agent(whole: dict[str, Tensor], tmp_path: Path) -> None:
    learn(tmp_path / "run")
    assert_same(weights(tmp_path / "run"), whole)


@pytest.mark.parametrize(("phase", "step"), [*((phase, 7) for phase in PHASES), ("critic", 0)])
def test_ctrl_c_then_resume_is_bit_for_bit(
    whole: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phase: str, step: int
) -> None:
    with monkeypatch.context() as patched:
        at(patched, phase, step, lambda: signal.raise_signal(signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            learn(tmp_path / "run")
    assert not (tmp_path / "run" / "agent").exists(), "a half-trained agent is not offered"
    learn(tmp_path / "run", resume=True)
    assert_same(weights(tmp_path / "run"), whole)


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed(run: Path, monkeypatch: pytest.MonkeyPatch, phase: str, step: int, resume: bool = False) -> None:
    """It is killed in the middle of a step."""
    dies(lambda: at(monkeypatch, phase, step, die), lambda: learn(run, resume))


@pytest.mark.parametrize(("phase", "step"), [("world model", 3), ("policy", 11)])
def test_kill_9_then_resume_is_bit_for_bit(
    whole: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phase: str, step: int
) -> None:
    killed(tmp_path / "run", monkeypatch, phase, step)
    learn(tmp_path / "run", resume=True)
    assert_same(weights(tmp_path / "run"), whole)


def test_killed_again_and_again(whole: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    killed(run, monkeypatch, "predictor", 6)
    killed(run, monkeypatch, "critic", 6, resume=True)
    killed(run, monkeypatch, "critic", 8, resume=True)
    learn(run, resume=True)
    assert_same(weights(run), whole)


def test_a_run_that_was_killed_at_its_first_checkpoint_begins_anew(
    whole: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    dies(lambda: monkeypatch.setattr(checkpoint, "write_tensors", die), lambda: learn(run))
    assert [path.name[:1] for path in (run / CHECKPOINTS).iterdir()] == ["."], "begun, and not published"
    learn(run, resume=True)
    assert_same(weights(run), whole)


def test_a_damaged_checkpoint_is_passed_over_and_costs_steps_only(
    whole: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    killed(run, monkeypatch, "critic", 11)
    newest = max((run / CHECKPOINTS).iterdir())
    damaged = newest / "agent.safetensors"
    content = bytearray(damaged.read_bytes())
    content[-5] ^= 1
    damaged.write_bytes(content)
    begun = load_checkpoint(run)
    assert begun.path != newest
    assert len(begun.passed_over) == 1
    learn(run, resume=True)
    assert_same(weights(run), whole)


def test_resuming_a_finished_run_changes_nothing(whole: dict[str, Tensor], tmp_path: Path) -> None:
    learn(tmp_path / "run")
    learn(tmp_path / "run", resume=True)
    assert_same(weights(tmp_path / "run"), whole)


def test_another_seed_is_another_agent(whole: dict[str, Tensor], tmp_path: Path) -> None:
    train(tiny.point_store(False), out=tmp_path / "run", config=CONFIG, seed=1)
    other = weights(tmp_path / "run")
    assert not torch.equal(other["world_model.perception.fuse.weight"], whole["world_model.perception.fuse.weight"])


def test_a_resumed_run_keeps_its_own_settings_and_says_so(tmp_path: Path) -> None:
    learn(tmp_path / "run")
    for wishes in ({"config": {"training.batch": 8}}, {"budget": Budget(seconds=60.0)}):
        with pytest.raises(ForethoughtError, match="is resumed with its own configuration: leave out --set"):
            train(tiny.point_store(False), out=tmp_path / "run", resume=True, **wishes)


def test_another_store_is_refused_at_a_resume(tmp_path: Path) -> None:
    run = tmp_path / "run"
    learn(run)
    before = (run / "training.json").read_bytes()
    with pytest.raises(ForethoughtError, match="was started with the store at .*, and .* holds other episodes"):
        train(tiny.point_store(True), out=run, resume=True)
    assert (run / "training.json").read_bytes() == before
    copied = shutil.copytree(tiny.point_store(False).path, tmp_path / "copy")
    train(EpisodeStore.open(copied), out=run, resume=True)


def test_a_run_is_resumed_by_its_own_phases_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, "world model", 7, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        learn(tmp_path / "run")

    with pytest.raises(ForethoughtError, match="stopped in phase 'world model', which this training lacks"):
        train(tiny.point_store(False), out=tmp_path / "run", resume=True, phases=lambda *given: every_phase(*given)[1:])

    class Larger(JEPALevel):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            self.more = torch.nn.Linear(2, 2)

    monkeypatch.setattr("forethought.agent_networks.make_world_model", Larger)
    with pytest.raises(ForethoughtError, match=r"has no 'world_model\.more.* another configuration or version"):
        train(tiny.point_store(False), out=tmp_path / "run", resume=True)


def test_a_run_is_never_overwritten_and_nothing_cannot_be_resumed(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(ForethoughtError, match="no run in .* to resume"):
        learn(run, resume=True)
    assert not run.exists()
    run.mkdir()
    (run / "configuration.json").write_text("{}")
    with pytest.raises(ForethoughtError, match="already holds a run: add --resume"):
        learn(run)
    assert (run / "configuration.json").read_text() == "{}"


@pytest.mark.parametrize(
    "wrong",
    [
        {"planner.horizn": 3},
        {"model.predictor.kind": "transformer", "model.predictor.heads": 7},
        {"training.sequence_length": 99},
        {"planner.cost.extra": {"mine": 1.0}},
    ],
)
def test_a_refused_configuration_leaves_no_run_behind(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ForethoughtError):
        train(tiny.point_store(False), out=tmp_path / "run", config=CONFIG | wrong)
    assert not (tmp_path / "run").exists()


def test_a_refusal_is_told_where_the_folder_cannot_be_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that is read-only by now: the sentence, and no traceback from the clean-up."""

    def refuse(path: Path) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "rmdir", refuse)
    with pytest.raises(ForethoughtError, match="horizn"):
        train(tiny.point_store(False), out=tmp_path / "run", config=CONFIG | {"planner.horizn": 3})


def test_what_a_run_holds(tmp_path: Path) -> None:
    run = tiny.point_run(False)
    agent, record = load(run, "cpu"), training_record(run)
    training = agent.configuration.training
    assert set(record["seconds"]) == set(PHASES)
    assert record["train_frames"] == training.world_model_steps * training.batch * (training.sequence_length + 2)
    assert Path(record["store"]) == tiny.point_store(False).path.resolve()
    assert json.loads((run / "configuration.json").read_text()) == json.loads(agent.configuration.model_dump_json())
    phases = [json.loads(line)["phase"] for line in (run / "log.jsonl").read_text().splitlines()]
    assert list(dict.fromkeys(phases)) == list(PHASES)


def test_the_bank_holds_lived_sequences_and_the_blend_its_scale() -> None:
    modules, store = tiny.point_agent(False).modules, tiny.point_store(False)
    lived = {
        np.concatenate(actions[start : start + 3]).tobytes()
        for actions in (
            tiny.point_agent(False).body.to_model(torch.from_numpy(store.read(int(e)).actions)).numpy() for e in store.train
        )
        for start in range(len(actions) - 2)
    }
    assert {sequence.flatten().numpy().tobytes() for sequence in modules.bank_actions} <= lived
    assert modules.blend.scale > 0
    assert modules.blend.scale != 1


def test_training_starts_at_unit_scale() -> None:
    store, configuration = tiny.point_store(False), tiny.point_agent(False).configuration
    level = AgentNetworks(configuration).world_model
    start_at_unit_scale(level, store)
    rows = np.concatenate([store.starts[e] + np.arange(store.lengths_with_partial[e] + 1) for e in store.train])
    with torch.no_grad():
        states = level.encode(to_tensors({"proprioception": store.rows("proprioception", rows)}, configuration.data.streams))
    assert torch.allclose(states.mean(0), torch.zeros(16), atol=0.2)
    assert torch.allclose(states.std(0), torch.ones(16), atol=0.2)


def test_the_teacher_starts_as_the_encoder_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[WorldModelPhase] = []
    plain = WorldModelPhase.start

    def start(self: WorldModelPhase) -> None:
        plain(self)
        made.append(self)
        assert self.heads.teacher is not None
        for slow, fast in zip(self.heads.teacher.parameters(), self.level.perception.parameters(), strict=True):
            assert torch.equal(slow, fast)

    monkeypatch.setattr(WorldModelPhase, "start", start)
    learn(tmp_path / "run")
    assert made


def broken_store(path: Path, change: Callable[[Episode], None]) -> EpisodeStore:
    store = tiny.point_store(False)
    writer = StoreWriter(path, store.spec, store.block, {})
    episodes = [tiny.point_episode(seed, 5, False) for seed in range(30)]
    for episode in episodes:
        change(episode)
    writer.append(episodes)
    return writer.finalise()


def test_nan_in_the_data_stops_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the store, the statistics or the batch notices first: one sentence, and no agent."""

    def spoil(episode: Episode) -> None:
        episode.observation["proprioception"][2, 1] = np.nan

    with pytest.raises(NonFiniteError, match="NaN"):
        train(broken_store(tmp_path / "store", spoil), out=tmp_path / "run", config=CONFIG)
    assert not (tmp_path / "run" / "agent").exists()


def test_episodes_of_one_seed_are_refused(tmp_path: Path) -> None:
    """The seed decides which episodes are held out: of seed 0 all are trained on, of seed 13 all are held out."""
    for seed in (0, 13):
        writer = StoreWriter(tmp_path / f"store{seed}", tiny.point_store(False).spec, tiny.point_store(False).block, {})
        writer.append([replace(tiny.point_episode(number, 5, False), seed=seed) for number in range(20)])
        with pytest.raises(ForethoughtError, match=r"all 20 episodes .* carry the seed"):
            train(writer.finalise(), out=tmp_path / "run", config=CONFIG)
    assert not (tmp_path / "run").exists()


def test_nan_in_the_actions_stops_with_its_place(tmp_path: Path) -> None:
    def spoil(episode: Episode) -> None:
        episode.actions[1, 0] = np.nan

    with pytest.raises(NonFiniteError):
        train(broken_store(tmp_path / "store", spoil), out=tmp_path / "run", config=CONFIG)


def test_a_nan_in_the_loss_stops_with_its_place_and_can_be_resumed(
    whole: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    plain = training.CriticPhase.step

    def poisoned(self: CriticPhase, step: int, generator: torch.Generator) -> Any:
        loss, terms = plain(self, step, generator)
        return (loss * torch.nan, dict(terms) | {"temporal_distance": loss * torch.nan}) if step == 7 else (loss, terms)

    with monkeypatch.context() as patched:
        patched.setattr(CriticPhase, "step", poisoned)
        with pytest.raises(NonFiniteError, match=r"phase 'critic' at step 7, in temporal_distance"):
            learn(run)
    learn(run, resume=True)
    assert_same(weights(run), whole)
