"""The program of a worker process: it does the units that its parent sends, one after the other.

`python -m forethought.execution.worker_program` reads units from standard input and writes messages to standard output, as
packed objects (`wire`): each a pair (kind, value), or None as a sign of life.

| kind | value |
|---|---|
| `ready` | None; the process can take a unit |
| `begun` | None; the unit and its modules are loaded |
| `said` | what the unit emits |
| `logged` | (logger, level, text) |
| `done` | the unit's result |
| `raised` | the sentence of the unit's error |
"""

from __future__ import annotations

import logging
import traceback
from typing import Any

from forethought.errors import ForethoughtError
from forethought.execution.channel import Channel


class ForwardedLog(logging.Handler):
    """Sends what is logged here to the driver, so that a run has one log."""

    def __init__(self, channel: Channel) -> None:
        """`channel`: to the parent."""
        super().__init__(logging.INFO)
        self._channel = channel

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        self._channel.say(("logged", (record.name, record.levelno, record.getMessage())))


def work(channel: Channel) -> None:
    """Do units until the parent hangs up."""
    logging.basicConfig(level=logging.INFO, handlers=[ForwardedLog(channel)])
    channel.say(("ready", None))
    while True:
        channel.say(_done(channel))


def _done(channel: Channel) -> tuple[str, Any]:
    """The last message about the next unit."""

    def emit(message: Any) -> None:
        channel.say(None if message is None else ("said", message))

    try:
        unit = channel.receive()
        channel.say(("begun", None))
        return "done", unit.run(emit)
    except ForethoughtError as error:
        return "raised", str(error)
    except Exception as error:
        # A mistake in a program: where it is cannot be read from the sentence that crosses to the driver.
        traceback.print_exc()
        return "raised", f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    work(Channel.of_process())
