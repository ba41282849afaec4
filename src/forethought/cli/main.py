"""Entry point of the command line. Exit codes: 0 success, 1 failed check, 2 user error (one sentence), 130 interrupted."""

from __future__ import annotations

import inspect
import os
import shlex
import sys
from collections.abc import Sequence
from typing import Annotated, Any, Union

import tyro

from forethought import __version__
from forethought.cli.collect import Collect
from forethought.cli.commands import Verb, installed_commands, load_command
from forethought.cli.console import configure_logging, print_error, print_result
from forethought.cli.demo import Demo
from forethought.cli.doctor import Doctor
from forethought.cli.evaluate import Evaluate
from forethought.cli.live import Live
from forethought.cli.look import Look
from forethought.cli.report import Report
from forethought.cli.settings import ListSettings
from forethought.cli.show import Show
from forethought.cli.train import Train
from forethought.cli.tune import Tune
from forethought.cli.worlds import Worlds
from forethought.errors import ForethoughtError, MainProcessError
from forethought.parts import use

VERBS: dict[str, type[Verb]] = {
    "demo": Demo,
    "worlds": Worlds,
    "look": Look,
    "doctor": Doctor,
    "collect": Collect,
    "train": Train,
    "tune": Tune,
    "live": Live,
    "evaluate": Evaluate,
    "report": Report,
    "show": Show,
    "settings": ListSettings,
}
"""The commands of this package; `cli/commands.py` finds the commands of other packages (`bench`)."""

DESCRIPTION = """An agent that learns a world model, predicts the outcomes of its actions, and takes those of lowest cost.

Start with `forethought demo`; `forethought VERB --help` shows examples."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: arguments after `forethought`; None: the arguments of this process.

    Returns:
        The exit code. Invalid arguments raise SystemExit(2), as in argparse. An exception other than ForethoughtError is a bug
        in Forethought and keeps its traceback.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if words == ["--version"]:
        print_result(__version__)
        return 0
    configure_logging("forethought")
    try:
        verb = parse(words)
        configure_logging(type(verb).__module__.split(".")[0])
        use(getattr(verb, "use", ()))
        return verb.run()
    except ForethoughtError as error:
        if not isinstance(error, MainProcessError):  # the main process prints that one
            print_error(f"forethought: {' '.join(str(error).split())}")
        return 2
    except KeyboardInterrupt:
        if os.environ.get("RANK", "0") == "0":  # of several processes of a launcher the first one speaks
            print_error(resume_hint(words))
        return 130


def parse(words: Sequence[str]) -> Verb:
    """Parse the arguments to a command with its options; raises SystemExit if they name no command."""
    flags = (tyro.conf.FlagCreatePairsOff,)
    if words and not words[0].startswith("-"):
        kind = VERBS.get(words[0]) or load_command(words[0], VERBS)
        verb: Verb = tyro.cli(kind, prog=f"forethought {words[0]}", args=words[1:], config=flags)
        return verb
    # No command: the overview, one line per command; each command's own help has examples.
    kinds = all_verbs()
    summaries = {name: str(inspect.getdoc(kind)).split("\n\n")[0] for name, kind in kinds.items()}
    choices: Any = Union[  # noqa: UP007 - made from a tuple
        tuple(Annotated[kinds[name], tyro.conf.subcommand(name, description=line)] for name, line in summaries.items())
    ]
    verb = tyro.cli(choices, prog="forethought", description=DESCRIPTION, args=words)
    return verb


def all_verbs() -> dict[str, type[Verb]]:
    """All commands by name, the built-in ones first; a command that cannot be loaded is omitted and reported on stderr."""
    kinds = dict(VERBS)
    for name in installed_commands():
        try:
            kinds.setdefault(name, load_command(name, VERBS))
        except ForethoughtError as error:
            print_error(f"forethought: {error}")
    return kinds


def resume_hint(words: Sequence[str]) -> str:
    """Message after Ctrl-C, with the command that continues the work.

    >>> resume_hint(["collect", "forethought/Rooms-v0", "--out", "data/rooms"])
    'Interrupted; what was finished is kept. Go on with: forethought collect forethought/Rooms-v0 --out data/rooms --resume'
    """
    verb = parse(words)
    resume_words = None
    if isinstance(verb, Collect):
        resume_words = [*words, *([] if verb.resume else ["--resume"])]
    if isinstance(verb, Live):
        resume_words = [*words, *([] if verb.resume else ["--resume"])]
    if isinstance(verb, Train | Tune) and verb.begun():
        resume_words = verb.resuming()
    if resume_words is None:
        return f"Interrupted. Start again with: forethought {shlex.join(words)}"
    return f"Interrupted; what was finished is kept. Go on with: forethought {shlex.join(resume_words)}"
