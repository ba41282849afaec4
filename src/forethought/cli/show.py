"""`forethought show`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, UseAppendAction, arg

from forethought.cli.console import figures, print_result, table
from forethought.errors import ForethoughtError

if TYPE_CHECKING:
    from forethought.config import Configuration
    from forethought.data.store import EpisodeStore


@dataclass(frozen=True)
class Show:
    """Print a summary of a store or a run; for a run, all settings with their reasons.

    For example:
        forethought show data/rooms
        forethought show runs/demo
    """

    path: Annotated[Positional[Path], arg(metavar="STORE|RUN")]
    """Folder of a store or of a run."""
    use: UseAppendAction[tuple[str, ...]] = ()
    """Module that registers your own parts, for runs that use them; searched in the current folder, too; may be repeated."""

    def run(self) -> int:
        """Print the summary."""
        from forethought.config import CONFIGURATION
        from forethought.data.store import EpisodeStore
        from forethought.data.store_format import MANIFEST, RECIPE
        from forethought.training.agent_files import read_configuration

        if (self.path / MANIFEST).exists() or (self.path / RECIPE).exists():
            for line in words_of_store(EpisodeStore.open(self.path)):
                print_result(line)
            return 0
        if not (self.path / CONFIGURATION).exists():
            raise ForethoughtError(
                f"{self.path} is neither a store nor a run: name a folder made by `forethought collect` or `train`."
            )
        show_run(self.path, read_configuration(self.path / CONFIGURATION))
        return 0


def words_of_store(store: EpisodeStore) -> Iterator[str]:
    """Summary of a store, line by line."""
    spec = store.spec
    recipe = store.recipe
    options = ", ".join(f"{name}={value}" for name, value in spec.options.items()) or "no options"
    yield f"{store.path}: {store.num_episodes} episodes of {spec.name} ({options})"
    shortest, longest = int(store.lengths_with_partial.min()), int(store.lengths_with_partial.max())
    yield f"  rows        {store.num_rows:,}, {shortest} to {longest} blocks an episode"
    yield f"  split       {len(store.train)} to train on, {len(store.heldout)} held out"
    for stream in spec.streams:
        yield f"  stream      {stream.name}, {stream.dtype} {list(stream.shape)}"
    bounds = f" within {list(spec.action.low)} to {list(spec.action.high)}" if spec.action.kind == "continuous" else ""
    yield f"  action      {spec.action.kind}, {spec.action.size} a step{bounds}, {store.block} steps a block"
    ended, last = store.starts + store.lengths_with_partial, int((store.lengths_with_partial > store.lengths).sum())
    terminated = int(store.rows("terminated", ended).sum())
    if terminated or last:
        yield f"  endings     {terminated} terminated, {store.num_episodes - terminated} truncated; {last} within a block"
    if spec.truth:
        yield f"  truth       {', '.join(spec.truth)} (for probes; the agent never sees it)"
    if spec.drives:
        yield f"  drives      {', '.join(spec.drives)}"
    yield f"  collected   by the policy {recipe['policy']}, seed {recipe['seed']}"
    if store.failures:
        yield f"  left out    {len(store.failures)} episodes; the first: {store.failures[0].reason}"


def show_run(run: Path, configuration: Configuration) -> None:
    """Print the metrics of a run, then all settings with their reasons."""
    from forethought.atomic_io import read_object
    from forethought.training.agent_files import AGENT

    body = configuration.data
    state = "trained" if (run / AGENT).is_dir() else f"not finished: go on with `forethought train STORE --out {run} --resume`"
    print_result(f"{run}: an agent for {body.world}, {state}")
    metrics = run / "metrics.json"
    if metrics.is_file():
        values = read_object(metrics, "the run's figures")
        figures({name: value for name, value in values.items() if isinstance(value, int | float)})
    for change in configuration.history:
        print_result(str(change))
    rows = [
        (reason.setting, reason.value, ("yours: " if reason.overridden else "") + reason.because)
        for reason in configuration.reasons
    ]
    table(("setting", "value", "because"), rows)
