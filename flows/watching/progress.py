"""Progress on a terminal: the step lines, and below them the step that is running."""

import logging
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


class StepLines(logging.Handler):
    """Prints the step lines of a run, and no other log line, to stderr."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record if it is a step line."""
        if getattr(record, "is_step", False):
            self._console.print(
                record.getMessage(), markup=False, emoji=False, highlight=False, soft_wrap=True
            )


@contextmanager
def showing_steps(wanted: bool) -> Iterator[None]:
    """Show the steps of the runs in this process while it lasts, if wanted."""
    global _running
    if not wanted:
        yield
        return
    console = Console(stderr=True)
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
