from __future__ import annotations

import json
import logging
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from crashing_env import KILLED, in_child
from forethought.errors import CorruptFileError, ForethoughtError
from forethought.training.checkpoint import (
    Checkpoint,
    load_checkpoint,
    load_module,
    match_leaves,
    optimizer_tensors,
    read_tensors,
    require_position,
    restore_optimizer,
    save_checkpoint,
    save_module,
    write_tensors,
)

EVERY = 16


def groups(step: int) -> dict[str, dict[str, Tensor]]:
    return {
        "weights": {"a": torch.full((3,), float(step)), "b.c": torch.arange(4).reshape(2, 2) + step},
        "random": {"torch": torch.tensor([step, 1, 2], dtype=torch.uint8)},
    }


def save(run: Path, step: int) -> Path:
    return save_checkpoint(run, step, groups(step), {"step": step, "phase": "critic"})


def assert_is(found: Checkpoint, step: int) -> None:
    assert found.step == found.progress["step"] == step
    for group, tensors in groups(step).items():
        assert found.tensors[group].keys() == tensors.keys()
        for name, tensor in tensors.items():
            assert found.tensors[group][name].dtype == tensor.dtype
            assert torch.equal(found.tensors[group][name], tensor)


def test_a_checkpoint_comes_back(tmp_path: Path) -> None:
    assert save(tmp_path, 7) == tmp_path / "checkpoints" / "000000007"
    found = load_checkpoint(tmp_path)
    assert_is(found, 7)
    assert found.passed_over == ()


def test_empty_groups_and_empty_tensors_come_back(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 0, {"none": {}, "void": {"a": torch.zeros(0, 3)}}, {})
    found = load_checkpoint(tmp_path)
    assert found.tensors["none"] == {}
    assert found.tensors["void"]["a"].shape == (0, 3)


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    for step in (1, 2, 30, 4_000_000_000):
        save_checkpoint(tmp_path, step, {}, {})
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["000000030", "4000000000"]
    assert load_checkpoint(tmp_path).step == 4_000_000_000


def test_the_last_two_good_ones_are_kept(tmp_path: Path) -> None:
    save(tmp_path, 1)
    path = save(tmp_path, 2)
    (path / "progress.json").write_text("{}")
    save(tmp_path, 3)
    assert (tmp_path / "checkpoints" / "000000001").exists()
    shutil.rmtree(tmp_path / "checkpoints" / "000000003")
    assert_is(load_checkpoint(tmp_path), 1)


def test_the_same_step_is_replaced(tmp_path: Path) -> None:
    path = save(tmp_path, 5)
    (path / "weights.safetensors").write_bytes(b"")
    save(tmp_path, 5)
    assert_is(load_checkpoint(tmp_path), 5)


def test_falling_back_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save(tmp_path, 1)
    path = save(tmp_path, 2)
    (path / "weights.safetensors").write_bytes(b"rubbish")
    with caplog.at_level(logging.WARNING):
        found = load_checkpoint(tmp_path)
    assert_is(found, 1)
    assert "000000002/weights.safetensors" in found.passed_over[0]
    assert "falling back to the one before" in caplog.text


def test_no_good_checkpoint_left(tmp_path: Path) -> None:
    with pytest.raises(ForethoughtError, match="no checkpoint in .*; train first"):
        load_checkpoint(tmp_path)
    for step in (1, 2):
        (save(tmp_path, step) / "random.safetensors").unlink()
    with pytest.raises(CorruptFileError, match=r"no good checkpoint is left in .*000000002/random.safetensors is missing"):
        load_checkpoint(tmp_path)


def test_every_truncation_and_every_flipped_byte(tmp_path: Path) -> None:
    """Whatever happens to one byte of the newest checkpoint, what is loaded is exactly it or exactly the one before."""
    save(tmp_path, 1)
    counts = {"the newest, unharmed": 0, "the one before": 0}
    for path in sorted(save(tmp_path, 2).iterdir()):
        whole = path.read_bytes()
        for place in range(0, len(whole), 9):
            for damaged in (whole[:place], whole[:place] + bytes([whole[place] ^ 0x04]) + whole[place + 1 :]):
                path.write_bytes(damaged)
                found = load_checkpoint(tmp_path)
                assert_is(found, found.step)
                counts["the newest, unharmed" if found.step == 2 else "the one before"] += 1
                assert (found.step == 1) == (len(found.passed_over) == 1)
        path.write_bytes(whole)
    assert_is(load_checkpoint(tmp_path), 2)
    assert counts["the one before"] > 200
    # White space in the list of checksums is all that may change unseen.
    assert counts["the newest, unharmed"] < 0.2 * counts["the one before"]


@pytest.mark.parametrize("first", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, EVERY))])
def test_killed_at_any_operation_nothing_reported_is_lost(tmp_path: Path, first: int) -> None:
    """A new checkpoint, one of the same step, and one that makes an old one go, killed at the n-th operation on files."""
    kills, loaded = 0, set()
    save(tmp_path, 1)
    for moment in range(1 + first, 1000, EVERY):
        run = tmp_path / f"run{moment}"
        shutil.copytree(tmp_path / "checkpoints", run / "checkpoints")
        code = in_child(lambda run=run: (save(run, 2), save(run, 2), save(run, 3)), kill_at=moment)
        found = load_checkpoint(run)
        assert_is(found, found.step)
        loaded.add(found.step)
        # The run goes on: leftovers do not stand in the way.
        save(run, 4)
        assert_is(load_checkpoint(run), 4)
        assert not [path for path in (run / "checkpoints").iterdir() if path.name.startswith(".")]
        if code == 0:
            break
        assert code == KILLED
        kills += 1
    assert code == 0
    assert kills * EVERY > 50
    assert loaded == {1, 2, 3}


def test_a_full_disk_keeps_the_earlier_checkpoint(tmp_path: Path) -> None:
    save(tmp_path, 1)
    for largest in (0, 1, 8, 30, 60, 100, 200, 300):
        assert in_child(lambda: save(tmp_path, 2), largest_file=largest) == 1
        assert_is(load_checkpoint(tmp_path), 1)
        assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["000000001"]
    save(tmp_path, 2)
    assert_is(load_checkpoint(tmp_path), 2)


def test_kill_9_while_saving_in_a_loop(tmp_path: Path) -> None:
    """A real process, really killed; each save is reported on a pipe only after it returned."""
    script = (
        "import sys, torch\n"
        "from forethought.training.checkpoint import save_checkpoint\n"
        "for step in range(1, 10**6):\n"
        "    tensors = {'weights': {'a': torch.full((2000,), float(step))}}\n"
        "    save_checkpoint(sys.argv[1], step, tensors, {'step': step})\n"
        "    sys.stdout.write(f'{step}\\n'); sys.stdout.flush()\n"
    )
    reported = []
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while len(reported) < 8:
            reported.append(int(process.stdout.readline()))
        process.send_signal(signal.SIGKILL)
        reported += [int(line) for line in process.stdout if line.endswith("\n")]
    found = load_checkpoint(tmp_path)
    assert found.step in (reported[-1], reported[-1] + 1)
    assert torch.equal(found.tensors["weights"]["a"], torch.full((2000,), float(found.step)))


# -- tensor files and modules --------------------------------------------------------------------------------------------


def module() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def test_a_module_comes_back_with_its_buffers(tmp_path: Path) -> None:
    trained, fresh = module(), module()
    trained(torch.randn(8, 3))
    save_module(tmp_path / "m.safetensors", trained)
    load_module(tmp_path / "m.safetensors", fresh)
    for name, value in trained.state_dict().items():
        assert torch.equal(fresh.state_dict()[name], value)


def test_weights_that_share_memory_are_saved(tmp_path: Path) -> None:
    tensor = torch.arange(6.0)
    write_tensors(tmp_path / "t", {"a": tensor, "b": tensor, "view": tensor.reshape(2, 3).T, "wide": tensor[:1].expand(4)})
    found = read_tensors(tmp_path / "t")
    assert torch.equal(found["view"], tensor.reshape(2, 3).T)
    assert torch.equal(found["wide"], torch.zeros(4))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64, torch.bool, torch.int64])
def test_kinds_of_numbers(tmp_path: Path, dtype: torch.dtype) -> None:
    write_tensors(tmp_path / "t", {"a": torch.ones((), dtype=dtype)})
    found = read_tensors(tmp_path / "t")["a"]
    assert found.dtype == dtype
    assert found.shape == ()


def test_a_lone_file_finds_every_flipped_byte(tmp_path: Path) -> None:
    path, tensors = tmp_path / "t", {"a": torch.arange(3.0), "b": torch.ones(2, dtype=torch.int32)}
    write_tensors(path, tensors)
    whole, unseen = path.read_bytes(), 0
    for place in range(len(whole)):
        for damaged in (whole[:place], whole[:place] + bytes([whole[place] ^ 0x01]) + whole[place + 1 :]):
            path.write_bytes(damaged)
            try:
                found = read_tensors(path)
            except CorruptFileError as error:
                assert str(path) in str(error)
                continue
            # Only the words around the tensors may change unseen: then the tensors are what they were.
            assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items())
            unseen += 1
    assert unseen < 40
    with pytest.raises(CorruptFileError, match="none is missing"):
        read_tensors(tmp_path / "none")


def test_a_file_of_other_peoples_is_read(tmp_path: Path) -> None:
    save_file({"a": torch.ones(2)}, tmp_path / "t")
    assert torch.equal(read_tensors(tmp_path / "t")["a"], torch.ones(2))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"0.weight": None}, r"m.safetensors has no '0.weight', expected torch.float32\[4, 3\]"),
        ({"0.bias": torch.ones(5)}, r"'0.bias' is torch.float32\[5\], expected torch.float32\[4\]"),
        ({"0.bias": torch.ones(4).double()}, r"'0.bias' is torch.float64\[4\], expected torch.float32\[4\]"),
        ({"2.bias": torch.ones(4)}, "holds '2.bias', which this module does not have"),
    ],
)
def test_a_leaf_that_does_not_fit_is_named(tmp_path: Path, change: dict[str, Tensor | None], sentence: str) -> None:
    state = {**module().state_dict(), **change}
    write_tensors(tmp_path / "m.safetensors", {name: value for name, value in state.items() if value is not None})
    target = module()
    before = {name: value.clone() for name, value in target.state_dict().items()}
    with pytest.raises(ForethoughtError, match=sentence):
        load_module(tmp_path / "m.safetensors", target)
    match_leaves(target.state_dict(), before, "it")
    assert all(torch.equal(target.state_dict()[name], value) for name, value in before.items())


# -- optimisers ----------------------------------------------------------------------------------------------------------


def learn(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.randn(8, 3, generator=generator)).square().mean().backward()
        optimizer.step()


def adamw(model: nn.Module, rate: float = 0.1) -> torch.optim.AdamW:
    first, second = list(model.parameters())[:2], list(model.parameters())[2:]
    return torch.optim.AdamW(
        [{"params": first}, {"params": second, "lr": rate / 3, "betas": (0.5, 0.7)}], lr=rate, foreach=True
    )


def test_learning_goes_on_bit_for_bit(tmp_path: Path) -> None:
    straight = module()
    optimizer = adamw(straight)
    learn(straight, optimizer, 3, seed=1)
    optimizer.param_groups[0]["lr"] = 0.0123456789
    save_checkpoint(tmp_path, 3, {"weights": straight.state_dict(), "optimizer": optimizer_tensors(optimizer)}, {})
    learn(straight, optimizer, 5, seed=2)

    resumed = module()
    again, found = adamw(resumed, rate=0.7), load_checkpoint(tmp_path)
    learn(resumed, again, 2, seed=9)
    resumed.load_state_dict(found.tensors["weights"])
    restore_optimizer(again, found.tensors["optimizer"])
    assert again.param_groups[0]["lr"] == 0.0123456789
    assert again.param_groups[1]["betas"] == (0.5, 0.7)
    learn(resumed, again, 5, seed=2)
    for name, value in straight.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name
    for name, value in optimizer_tensors(optimizer).items():
        assert torch.equal(optimizer_tensors(again)[name], value), name


def test_an_optimiser_that_has_not_begun(tmp_path: Path) -> None:
    fresh, used = adamw(module()), adamw(model := module())
    learn(model, used, 1, seed=1)
    restore_optimizer(used, optimizer_tensors(fresh))
    assert used.state_dict()["state"] == {}


def test_an_optimiser_of_something_else_is_refused() -> None:
    model = module()
    optimizer = adamw(model)
    learn(model, optimizer, 1, seed=1)
    tensors = optimizer_tensors(optimizer)
    with pytest.raises(ForethoughtError, match="the saved optimiser has no 'weight_decay' in group 1"):
        restore_optimizer(optimizer, {name: t for name, t in tensors.items() if name != "group.1.weight_decay"})
    with pytest.raises(ForethoughtError, match=r"'exp_avg' of parameter 0 is .*\[4, 4\], expected .*\[4, 3\]"):
        restore_optimizer(optimizer, {**tensors, "state.0.exp_avg": torch.zeros(4, 4)})
    with pytest.raises(ForethoughtError, match=r"'exp_avg' of parameter 9 is .*, expected none"):
        restore_optimizer(optimizer, {**tensors, "state.9.exp_avg": torch.zeros(4, 4)})
    with pytest.raises(ForethoughtError, match="has step, exp_avg of parameter 0, expected exp_avg, exp_avg_sq, step"):
        restore_optimizer(optimizer, {name: t for name, t in tensors.items() if name != "state.0.exp_avg_sq"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("state.0.exp_avg", torch.tensor(1.0)),
        ("state.0.exp_avg", torch.zeros(4, 3, dtype=torch.int64)),
        ("state.0.step", torch.zeros(4, 3)),
        (f"state.{'9' * 5000}.step", torch.tensor(1.0)),
        ("state.x.step", torch.tensor(1.0)),
        ("group.0.betas", torch.zeros(3, dtype=torch.float64)),
        ("group.0.betas", torch.zeros(2, 1, dtype=torch.float64)),
        ("group.0.lr", torch.zeros(1, dtype=torch.float64)),
        ("group.0.lr", torch.tensor(1)),
        ("group.0.eps", torch.tensor(float("nan"), dtype=torch.float64)),
    ],
)
def test_a_crafted_optimiser_is_refused(name: str, value: Tensor) -> None:
    model = module()
    optimizer = adamw(model)
    learn(model, optimizer, 1, seed=1)
    tensors = optimizer_tensors(optimizer)
    restore_optimizer(optimizer, tensors)
    with pytest.raises(ForethoughtError, match="the saved optimiser's"):
        restore_optimizer(optimizer, {**tensors, name: value})


def test_a_file_whose_metadata_are_null_is_read(tmp_path: Path) -> None:
    """Safetensors takes null for no metadata."""
    header = b'{"__metadata__":null,"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    (tmp_path / "a.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    assert torch.equal(read_tensors(tmp_path / "a.safetensors")["a"], torch.zeros(2))


def test_nothing_but_safetensors_and_json_is_written(tmp_path: Path) -> None:
    for path in save(tmp_path, 1).iterdir():
        if path.suffix == ".json":
            json.loads(path.read_text())
        else:
            assert path.suffix == ".safetensors"
            read_tensors(path)


@pytest.mark.parametrize(
    "change",
    [{"step": -1}, {"step": "3"}, {"phase": None}, {"seconds": [1]}, {"seconds": {"a": "b"}}, {"elapsed": "1"}, {"frozen": 3}],
)
def test_a_crafted_position_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    progress = {"phase": "critic", "step": 3, "seconds": {"critic": 1.5}}
    groups: dict[str, dict[str, Tensor]] = {"agent": {}, "extras": {}, "optimizer": {}}
    require_position(Checkpoint(tmp_path, 3, groups, progress))
    for crafted in (Checkpoint(tmp_path, 3, groups, progress | change), Checkpoint(tmp_path, 3, {"agent": {}}, progress)):
        with pytest.raises(CorruptFileError, match="progress is damaged"):
            require_position(crafted)


def test_a_kill_while_an_old_checkpoint_is_deleted_leaves_no_half_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in (1, 2):
        save_checkpoint(tmp_path, step, {"agent": {"a": torch.zeros(2)}}, {})

    def die(path: Path, **_: object) -> None:
        if path.name.startswith(".building"):
            raise KeyboardInterrupt

    monkeypatch.setattr("forethought.training.checkpoint.shutil.rmtree", die)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path, 3, {"agent": {"a": torch.zeros(2)}}, {})
    assert not (tmp_path / "checkpoints" / "000000001").exists()
