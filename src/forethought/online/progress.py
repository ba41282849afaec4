"""How far a life is, in `RUN/progress.json`: for the page and for people, while it runs and afterwards.

No figure of it comes back into the life: a life with an observer learns the same numbers as one without.
"""

from __future__ import annotations

import datetime
import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from forethought.atomic_io import read_object, write_json
from forethought.errors import CorruptFileError, ForethoughtError
from forethought.online.life import Life
from forethought.online.record import Record

log = logging.getLogger(__name__)
PROGRESS = "progress.json"
READINGS = 100
"""Readings of losses and energies over a life."""
SAMPLE = 256
"""Rows of the replay that one reading looks at."""
EVERY = 60.0
"""Seconds from one page to the next, at least."""
SHARE = 0.02
"""Share of the time that drawing pages may cost: a slow page is drawn less often."""
Z95 = 1.96
Observer = Callable[[Path], object]


@dataclass
class LifeProgress:
    """What is known about a life at one moment.

    Fields:
        total, steps: environment steps asked for, and lived. episodes, lost: lived, lost ones included; and those.
        last_loss: why the last lost episode was lost. random: number of first episodes with random actions.
        seconds: wall time of all processes. written: when, ISO 8601. state: `running`, `finished` or `stopped`.
        stopped_by: the sentence of what ended an unfinished life.
        returns: [steps, return] of each episode, random ones first.
        evaluations: [steps, mean, low, high] of each evaluation of Mode-1, with the 95 % interval over its episodes.
        readings: [steps, name -> value]; losses of the last updates and energies of the replay (`reading`). None: not finite.
        changes: [steps, sentence] of what was changed while it lived.
    """

    total: int
    steps: int = 0
    episodes: int = 0
    lost: int = 0
    last_loss: str = ""
    random: int = 0
    seconds: float = 0.0
    written: str = ""
    state: str = "running"
    stopped_by: str = ""
    returns: list[tuple[int, float]] = field(default_factory=list)
    evaluations: list[tuple[int, float, float, float]] = field(default_factory=list)
    readings: list[tuple[int, dict[str, float | None]]] = field(default_factory=list)
    changes: list[tuple[int, str]] = field(default_factory=list)


def read_progress(run: Path) -> LifeProgress:
    """The progress of a life.

    Raises:
        ForethoughtError: the life has not begun to learn. CorruptFileError: the file is damaged.
    """
    path = run / PROGRESS
    if not path.exists():
        raise ForethoughtError(
            f"The life in {run} has not begun to learn, so there is nothing to show: wait for its first update, or go on with "
            "`forethought live ... --resume`."
        )
    content = read_object(path, "the progress of the life")
    try:
        content["returns"] = [(int(at), float(value)) for at, value in content["returns"]]
        content["evaluations"] = [
            (int(at), float(mean), float(low), float(high)) for at, mean, low, high in content["evaluations"]
        ]
        content["readings"] = [(int(at), _numbers(values)) for at, values in content["readings"]]
        content["changes"] = [(int(at), str(sentence)) for at, sentence in content["changes"]]
        found = LifeProgress(**content)
        for name in ("total", "steps", "episodes", "lost", "random"):
            setattr(found, name, int(getattr(found, name)))
        found.seconds = float(found.seconds)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CorruptFileError(f"{path}: the progress of the life is damaged ({error}); go on with --resume.") from error
    return found


def _numbers(values: Mapping[str, float | None]) -> dict[str, float | None]:
    return {str(name): None if value is None else float(value) for name, value in values.items()}


class ProgressWriter:
    """Keeps the progress of one life, writes it, and lets an observer look at the run's folder: at most once a minute."""

    def __init__(self, run: Path, total: int, observer: Observer | None, clock: Callable[[], float] = time.monotonic) -> None:
        """`observer`: gets the run's folder; whatever it raises is one warning. `clock`: seconds."""
        self._run, self._observer, self._clock = run, observer, clock
        self._started, self._due, self._warned, self._begun = clock(), -math.inf, False, False
        try:
            self.progress = read_progress(run)
        except ForethoughtError:  # a new life, or one whose progress is lost: it is kept from here on
            self.progress = LifeProgress(total)
        self.progress.total, self.progress.state, self.progress.stopped_by = total, "running", ""
        self._before = self.progress.seconds

    def begin(self, random: int, record: Record, life: Life) -> None:
        """The random episodes are lived, or the checkpoint is read: what came after it will come again."""
        now, steps = self.progress, record.steps
        now.random, self._begun = random, True
        now.evaluations = [each for each in now.evaluations if each[0] <= steps]
        now.readings = [each for each in now.readings if each[0] <= steps]
        now.changes = [each for each in now.changes if each[0] <= steps]
        self._read(steps, life)
        self._show(record)

    def lived(self, record: Record, life: Life) -> None:
        """An episode is over: read losses and energies where it is time, and write once a minute."""
        self._read(record.steps, life)
        if self._clock() >= self._due:
            self._show(record)

    def _read(self, steps: int, life: Life) -> None:
        readings = self.progress.readings
        last = readings[-1][0] if readings else -math.inf
        if life.terms and steps > last and steps - last >= self.progress.total / READINGS:
            readings.append((steps, reading(life)))

    def lost(self, why: str) -> None:
        """An episode was lost."""
        self.progress.last_loss = why

    def evaluated(self, steps: int, returns: NDArray[np.float64]) -> None:
        """Mode-1 had these returns in an evaluation."""
        mean = float(returns.mean())
        half = Z95 * float(returns.std(ddof=1)) / len(returns) ** 0.5 if len(returns) > 1 else 0.0
        self.progress.evaluations.append((steps, mean, mean - half, mean + half))

    def changed(self, steps: int, sentence: str) -> None:
        """Something was changed while the agent lived."""
        self.progress.changes.append((steps, sentence))

    def end(self, record: Record, error: BaseException | None = None) -> None:
        """The life is finished, or was stopped by an error; before it begins to learn there is nothing to tell."""
        if not self._begun:
            return
        self.progress.state = "finished" if error is None else "stopped"
        if error is not None:
            self.progress.stopped_by = str(error) or type(error).__name__
        self._show(record)

    def _show(self, record: Record) -> None:
        """Write the file and call the observer. A full disk ends the life at its next checkpoint, not here."""
        begun, now = self._clock(), self.progress
        now.steps, now.episodes, now.lost = record.steps, record.episodes, record.lost
        now.returns = [(int(at), value) for at, value in record.returns]
        now.seconds = self._before + begun - self._started
        now.written = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        try:
            write_json(self._run / PROGRESS, asdict(now))
            if self._observer is not None:
                self._observer(self._run)
        except Exception as error:
            if not self._warned:
                log.warning(
                    "the page of the life could not be drawn, and the life goes on: %s: %s", type(error).__name__, error
                )
                log.debug("the observer failed", exc_info=True)
            self._warned = True
        done = self._clock()
        # The first page also loads what draws it, and tells nothing about the others.
        self._due = done + (EVERY if self._due == -math.inf else max(EVERY, (done - begun) / SHARE))


@torch.no_grad()
def reading(life: Life) -> dict[str, float | None]:
    """Losses of the last updates, and figures of a sample of the replay.

    `state_std`: mean standard deviation of a state's numbers. `future_cost`: the critic's, mean over rows and members, for
    likeliest actions. `largest_cost`: the largest absolute cost of a block, for ever, discounted: no future cost is larger.
    """
    # A generator of its own: the life's random numbers stay what they are.
    windows = life.replay.sample(SAMPLE, 1, torch.Generator().manual_seed(0), life.past)
    networks, settings = life.networks, life.configuration
    assert networks.future_cost is not None
    assert networks.cost_policy is not None
    encoded, actions = life.learner.encoded(windows)
    states, cost = encoded[:, 0], life.learner.block_cost(windows.rewards, windows.drives, actions)
    costs = networks.future_cost.costs(states, networks.cost_policy(states))
    figures = {
        **life.terms,
        "state_std": float(states.flatten(1).std(0).mean()),
        "future_cost": float(costs.mean()),
        "largest_cost": float(cost.abs().max()) / (1 - settings.model.discount),
    }
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}
