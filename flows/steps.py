"""One line per step, wherever the run is watched: the Prefect UI, a worker's log, a terminal."""

import logging
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prefect.context import TaskRunContext
from prefect.logging import get_run_logger

from flows import signals
from flows.errors import InterruptedRunError, RunFailedError, SalesFunnelError
from flows.progress import announce
from flows.warehouse import in_our_words


@dataclass
class Outcome:
    """What a step says of itself when it is over."""

    rows: int | None = None
    status: str = "ok"


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
        yield outcome
    except SalesFunnelError:
        outcome.status = "failed"
        raise
    except Exception as error:
        if signals.received:  # whatever the engine makes of it
            raise InterruptedRunError(f"{name}: interrupted") from None
        outcome.status = "failed"
        if (known := in_our_words(name, error)) is not None:
            raise known from None
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(frame.filename).name}:{frame.lineno}"
        raise RunFailedError(f"{name}: {type(error).__name__} in {place}") from None
    finally:
        rows = "" if outcome.rows is None else f"{outcome.rows:,} rows"
        seconds = time.monotonic() - started
        line = f"{name:<40} {rows:>15} {seconds:>8.2f} s  {outcome.status}"
        level = logging.DEBUG if only_if_notable and outcome.status == "ok" else logging.INFO
        get_run_logger().log(level, line, extra={"is_step": True})
