"""`forethought live`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, UseAppendAction, arg

from forethought.cli.console import print_error, print_result
from forethought.cli.values import options_of, overrides_of


@dataclass(frozen=True)
class Live:
    """Learn a world's own task by acting in it, from nothing: act, record, learn; then evaluate it.

    The page, report.html in the run's folder, is drawn every minute while it learns; open it at any moment.

    For example:
        forethought live CartPole-v1 --out runs/cartpole --steps 3000
        forethought live CartPole-v1 --out runs/cartpole --steps 3000 --resume
        forethought live CartPole-v1 --from demonstrations --out runs/cartpole --steps 2000
        forethought live Pendulum-v1 --out runs/pendulum --steps 2000 --set training.online.updates_per_step=4
    """

    world: Annotated[Positional[str], arg(metavar="WORLD")]
    """Name of the world: any Gymnasium id (`forethought worlds` lists others)."""
    out: Path
    """Folder of the run: the agent, the dataset of its life, and its record."""
    steps: int = 10_000
    """Environment steps of its life, random ones included."""
    until: float | None = None
    """The life ends at the first evaluation with this mean return (None: after all steps)."""
    block: int | None = None
    """Environment steps over which one action is repeated (None: by how fast the world changes in the first, random steps)."""
    actors: int = 1
    """Processes that act in parallel, 1 to 64, each in a copy of the world, while this one learns (1: this one acts, too)."""
    cluster: str | None = None
    """Ray cluster whose CPUs the actors use, one each: auto (this machine's) or HOST:PORT of its head (None: this machine)."""
    seed: int = 0
    """Seed of weights, batches, noise and episodes."""
    option: UseAppendAction[tuple[str, ...]] = ()
    """World option as key=value; may be repeated. Without `streams` the agent observes numbers where there are any."""
    config: Path | None = None
    """JSON file of overrides; the configurator chooses all other settings."""
    override: Annotated[UseAppendAction[tuple[str, ...]], arg(name="set")] = ()
    """One override as dotted.name=value (`forethought settings` lists all); may be repeated; takes precedence over --config."""
    resume: bool = False
    """Go on with the life in the folder, from its last checkpoint; --steps may be more than before."""
    recorded: Annotated[Path | None, arg(name="from")] = None
    """Store of this world from which it learns before it acts; then it takes no random actions."""
    use: UseAppendAction[tuple[str, ...]] = ()
    """Module that registers your own worlds or parts; searched in the current folder, too; may be repeated."""

    def run(self) -> int:
        """Live, then print the return and where the agent is; without the extra `page` no page is drawn."""
        from forethought.evaluation.returns import evaluate_return
        from forethought.extras import lacking
        from forethought.online.live import live

        no_page = lacking("page")
        agent = live(
            self.world,
            out=self.out,
            steps=self.steps,
            seed=self.seed,
            until=self.until,
            block=self.block,
            actors=self.actors,
            cluster=self.cluster,
            options=options_of(self.option) or None,
            recorded=self.recorded,
            config=overrides_of(self.config, self.override),
            resume=self.resume,
            watch=None if no_page else _draw_page,
        )
        score = evaluate_return(agent, out=self.out)
        print_result(score.sentence)
        if no_page:
            print_result(f"No page is drawn. {no_page}")
        else:
            self._draw()
        print_result(f"The agent: {self.out} (in words: forethought show {self.out})")
        return 0

    def _draw(self) -> None:
        """The page of the finished life; one that can't be drawn costs neither the agent nor the result."""
        try:
            print_result(f"The page: {_draw_page(self.out)}")
        except Exception as error:
            print_error(f"The page could not be drawn ({type(error).__name__}: {error}): try `forethought report {self.out}`.")


def _draw_page(run: Path) -> Path:
    """The page of a life as it is now."""
    from forethought.report.life_page import write_life_page

    return write_life_page(run)
