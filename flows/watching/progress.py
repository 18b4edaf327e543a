"""Progress on a terminal: the step lines, and below them the step that is running."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status

_running: Status | None = None


def announce(name: str) -> None:
    """Show that a step begins, where somebody watches."""
    if _running is not None:
        _running.update(name)
        _running.start()


class PatientConsole(Console):
    """Goes on without a word where nobody reads any more, or there is no room for what is said."""

    def on_broken_pipe(self) -> None:
        """Rich would end the process."""
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


class StepLines(logging.Handler):
    """Prints the step lines of a run, and no other log line, to stderr."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record if it is a step line."""
        if getattr(record, "is_step", False):
            try:
                self._console.print(
                    record.getMessage(), markup=False, emoji=False, highlight=False, soft_wrap=True
                )
            except OSError:
                self._console.on_broken_pipe()


@contextmanager
def showing_steps(wanted: bool) -> Iterator[None]:
    """Show the steps of the runs in this process while it lasts, if wanted."""
    global _running
    if not wanted:
        yield
        return
    console = PatientConsole(stderr=True)
    lines = StepLines(console)
    loggers = [logging.getLogger(f"prefect.{kind}_runs") for kind in ("flow", "task")]
    for logger in loggers:
        logger.addHandler(lines)
    _running = console.status("starting") if console.is_terminal else None
    try:
        yield
    finally:
        if _running is not None:
            _running.stop()
            _running = None
        for logger in loggers:
            logger.removeHandler(lines)
