"""Every run is known to `quality.runs`: also one that failed, was stopped by a signal, or killed.

A run leaves an entry before it begins, and writes there what became of it. The next run that
records anything copies it into `quality.runs`; an entry without an end is of a run that crashed.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from flows import signals
from flows.errors import InputError, SalesFunnelError
from flows.run import Run, now
from flows.version import code_version
from flows.warehouse import Entry
from flows.warehouse.address import shown

CRASHED = {"status": "crashed", "reason": "it was killed, or the machine stopped"}


@contextmanager
def known(run: Run) -> Iterator[None]:
    """Let the warehouse know of the run, and of its end if it is not published."""
    entry = {
        "run_id": run.run_id,
        "started_at": run.started_at.isoformat(),
        "source": shown(run.settings.source),
        "code_version": code_version(),
    }
    try:  # a signal can come while the entry is being written
        run.earlier = [{**CRASHED, **earlier} for earlier in run.warehouse.begin(entry)]
        yield
    except BaseException as error:
        with suppress(SalesFunnelError):  # or else it counts as crashed
            run.warehouse.end({**entry, "finished_at": now().isoformat(), **_how_it_ended(error)})
        raise


def _how_it_ended(error: BaseException) -> Entry:
    # After a signal, Prefect can raise an error of its own.
    if signals.received or not isinstance(error, Exception):
        by = "a signal" if signals.received else type(error).__name__
        return {"status": "interrupted", "reason": by}
    said = str(error) if isinstance(error, SalesFunnelError) else type(error).__name__
    return {"status": "refused" if isinstance(error, InputError) else "failed", "reason": said}
