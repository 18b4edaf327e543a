"""One line per step, wherever the run is watched: the Prefect UI, a worker's log, a terminal."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from prefect.context import TaskRunContext
from prefect.logging import get_run_logger

from flows import signals
from flows.errors import InterruptedRunError, SalesFunnelError
from flows.unforeseen import told_in_short
from flows.watching.progress import announce


@dataclass
class Outcome:
    """What a step says of itself when it is over."""

    rows: int | None = None
    status: str = "ok"

    @property
    def in_words(self) -> str:
        """As in the list of task runs: "2,000 rows, 3 rejected"."""
        return f"{self.rows:,} rows" + (f", {self.status}" if self.status != "ok" else "")


@contextmanager
def step(name: str, *, tag: str | None = None, only_if_notable: bool = False) -> Iterator[Outcome]:
    """Run a step of a task and log its name, rows, seconds and status.

    `tag`: for the task run. For a tag of the task itself Prefect first asks its server whether it
    limits such runs, and a server on SQLite, busy with the run before, now and then makes it wait
    for two seconds.
    `only_if_notable`: a step that ends "ok" is logged for debugging only.

    Raises:
        RunFailedError: in place of any error that is not ours, because its text can quote the data.
    """
    signals.watch()
    announce(name)
    if tag is not None and (context := TaskRunContext.get()):
        context.task_run.tags = [tag]
    if signals.received:
        raise InterruptedRunError(f"{name}: interrupted")
    outcome = Outcome()
    started = time.monotonic()
    try:
        with told_in_short(name):
            yield outcome
    except InterruptedRunError:
        raise
    except SalesFunnelError:
        outcome.status = "failed"
        raise
    finally:
        rows = "" if outcome.rows is None else f"{outcome.rows:,} rows"
        seconds = time.monotonic() - started
        line = f"{name:<40} {rows:>15} {seconds:>8.2f} s  {outcome.status}"
        level = logging.DEBUG if only_if_notable and outcome.status == "ok" else logging.INFO
        tell(line, level)


def tell(line: str, level: int = logging.WARNING) -> None:
    """Log a line that shows wherever the run is watched."""
    get_run_logger().log(level, line, extra={"is_step": True})
