"""Part `damage`: truncated files and flipped bits in agents, checkpoints and stores."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from forethought.data.store import EpisodeStore
from forethought.errors import ForethoughtError
from forethought.training.agent_files import AGENT, load
from forethought.training.checkpoint import CHECKPOINTS, load_checkpoint
from forethought_benchmarks.reliability.outcomes import FAULT, RESULT, Outcome, OutcomeCounts, attempt
from forethought_benchmarks.reliability.sandbox import Sandbox, fresh_folder, over

NEAR = 64
"""Every offset that is this near to a file's start or end is tried."""
STRIDE = 4096
SUBJECTS = ("agent", "checkpoint", "store")


@dataclass(frozen=True)
class Damage:
    """One damage of one file. Fields: file: path; at: the byte where it is cut, or the bit that is flipped; cut: which."""

    file: Path
    at: int
    cut: bool

    def apply(self) -> Callable[[], object]:
        """Damage the file; returns what undoes it."""
        content = self.file.read_bytes()
        damaged = bytearray(content)
        if self.cut:
            del damaged[self.at :]
        else:
            damaged[self.at // 8] ^= 1 << self.at % 8
        self.file.write_bytes(damaged)
        return lambda: self.file.write_bytes(content)


def cuts(file: Path, stride: int = STRIDE, near: int = NEAR) -> list[int]:
    """Lengths to which a file is truncated: multiples of `stride`, and all near its start and end.

    >>> import tempfile; file = Path(tempfile.mkdtemp()) / "x"; _ = file.write_bytes(bytes(5000))
    >>> cuts(file, 4096, 2)
    [0, 1, 4096, 4998, 4999]
    """
    size = file.stat().st_size
    return sorted({*range(0, size, stride), *range(min(near, size)), *range(max(0, size - near), size)})


def flips(files: list[Path], count: int, seed: int = 0) -> Iterator[tuple[Path, int]]:
    """`count` bits: a random file, weighted by the root of its size so that small ones get their share, and a bit of it."""
    generator = random.Random(seed)  # noqa: S311 - no secret
    weights = [file.stat().st_size ** 0.5 for file in files]
    for file in generator.choices(files, weights, k=count):
        yield file, generator.randrange(8 * file.stat().st_size)


def run_part(part: str, out: Path, bits: int = 2000, every: int = 1) -> list[OutcomeCounts]:
    """Truncate and flip. `bits`: flipped bits of each subject. `every`: each `every`-th truncation; 1 is all."""
    folder = fresh_folder(out / part)
    with Sandbox(folder / "first.log") as one, Sandbox(folder / "second.log") as two:
        store, run = one.run("make", seconds=600, out=str(out)).outcome.value
        jobs = [(subject, kind) for subject in SUBJECTS for kind in ("truncated", "flipped")]

        def damage(box: Sandbox, job: tuple[str, str]) -> OutcomeCounts:
            subject, kind = job
            copy = folder / f"{subject}-{kind}"
            shutil.copytree(store if subject == "store" else run, copy)
            arguments: dict[str, Any] = {"subject": subject, "folder": str(copy), "kind": kind, "bits": bits, "every": every}
            ended = box.run("damage", seconds=3600, **arguments)
            tally = OutcomeCounts(part, f"{subject}, {'truncated files' if kind == 'truncated' else 'flipped bits'}")
            if ended.outcome.kind != RESULT:
                tally.add(Outcome(FAULT, ended.outcome.text), "the whole")
                return tally
            for tried, outcome in ended.outcome.value:
                tally.add(Outcome(**outcome), tried)
            return tally

        return over([one, two], damage, jobs)


def damage(subject: str, folder: str, kind: str, bits: int, every: int) -> list[tuple[str, dict[str, Any]]]:
    """In a child: every damage of one subject, with its outcome; the file is restored after each."""
    root = Path(folder)
    part = {"agent": root / AGENT, "checkpoint": root / CHECKPOINTS, "store": root}[subject]
    files = sorted(path for path in part.rglob("*") if path.is_file())
    whole = content_of(subject, root)
    if kind == "truncated":
        damages = [Damage(file, at, True) for file in files for at in cuts(file)][::every]
    else:
        damages = [Damage(file, at, False) for file, at in flips(files, bits)]
    found = []
    for one in damages:
        undo = one.apply()
        outcome = attempt(lambda: content_of(subject, root))
        undo()
        if outcome.kind == RESULT and outcome.value != whole:
            outcome = Outcome(FAULT, "it opens with another content and no word")
        found.append((f"{one.file.relative_to(root)} at {one.at}", asdict(Outcome(outcome.kind, outcome.text))))
    return found


def content_of(subject: str, root: Path) -> Any:
    """What a user gets of a subject, as a value to compare: an agent's weights, a checkpoint, a verified store.

    Raises:
        ForethoughtError: it is damaged; a damaged checkpoint that is passed over for the one before counts as such.
    """
    if subject == "agent":
        agent = load(root, "cpu")
        sums = {name: float(value.double().sum()) for name, value in agent.modules.state_dict().items()}
        return sums, agent.configuration.model_dump(mode="json")
    if subject == "checkpoint":
        checkpoint = load_checkpoint(root)
        if checkpoint.passed_over:
            raise ForethoughtError(checkpoint.passed_over[0])
        tensors = {
            f"{group}/{name}": sha256(tensor.reshape(-1).view(torch.uint8).numpy().tobytes()).hexdigest()
            for group, named in checkpoint.tensors.items()
            for name, tensor in named.items()
        }
        # Not the files' bytes: a list of checksums that lost its last line break says the same.
        return checkpoint.step, checkpoint.progress, tensors
    store = EpisodeStore.open(root)
    store.verify()
    return [float(store.rows(name, store.rows_of(store.train)).astype("float64").sum()) for name in ("actions", "pixels")]
