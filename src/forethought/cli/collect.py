"""`forethought collect`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, UseAppendAction, arg

from forethought.cli.console import print_result
from forethought.cli.show import words_of_store
from forethought.cli.values import options_of


@dataclass(frozen=True)
class Collect:
    """Record episodes of a world into a store (the dataset).

    For example:
        forethought collect forethought/Rooms-v0 --out data/rooms --episodes 1000
        forethought collect forethought/Rooms-v0 --out data/four --episodes 500 --option layout=four
        forethought collect gym_pusht/PushT-v0 --out data/pusht --episodes 200 --workers 2
        forethought collect forethought/Rooms-v0 --out /shared/rooms --episodes 100000 --cluster auto
        forethought collect Pendulum-v1 --out data/mine --policy my_policies:swing_up
        forethought collect forethought/Rooms-v0 --out data/by-agent --policy runs/rooms
    """

    world: Annotated[Positional[str], arg(metavar="WORLD")]
    """A built-in world or any Gymnasium id, also package.module:Env-v0."""
    out: Path
    """Folder of the store."""
    episodes: int = 500
    """Number of episodes."""
    policy: str = "default"
    """Name of a scripted policy of the world, or random (default: the world's default policy); module:function, a policy of
    your own, observation -> action; or the folder of a run, whose agent acts."""
    seed: int = 0
    """Base seed; the seed of each episode is derived from it."""
    option: UseAppendAction[tuple[str, ...]] = ()
    """World option as key=value; may be repeated."""
    workers: int | None = None
    """Number of parallel worker processes (None: 1, or all CPUs of the cluster); 0: in this process."""
    cluster: str | None = None
    """Ray cluster whose nodes record: auto (the one of this machine) or HOST:PORT of its head; all need the folder `out`."""
    block: int | None = None
    """Environment steps per block (action chunk); None: the world's default."""
    resume: bool = False
    """Continue an interrupted collection."""
    max_lost: float = 0.1
    """Share of the episodes that may be lost (crash, hang, NaN, blank frames) before the collection stops."""
    use: UseAppendAction[tuple[str, ...]] = ()
    """Module that registers your own parts, for runs that use them; searched in the current folder, too; may be repeated."""

    def run(self) -> int:
        """Collect, then print a summary of the store."""
        from forethought.collecting import collect

        store = collect(
            self.world,
            out=self.out,
            episodes=self.episodes,
            policy=self.policy,
            seed=self.seed,
            options=options_of(self.option),
            workers=self.workers,
            cluster=self.cluster,
            block=self.block,
            resume=self.resume,
            max_lost=self.max_lost,
        )
        for line in words_of_store(store):
            print_result(line)
        return 0
