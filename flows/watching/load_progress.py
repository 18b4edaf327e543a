"""How far a long load is, in the Prefect UI: a progress artifact of its task."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from threading import Event, Thread
from typing import cast
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

PATIENCE = 5.0  # seconds after which a load is long
EVERY = 5.0  # seconds


@contextmanager
def progress_shown(table: str, percent: Callable[[], float]) -> Iterator[None]:
    """Show how much of a table of the export is loaded, if that takes a while.

    `percent`: what is done by now, 0 to 100; it is asked by another thread.
    """
    over, done = Event(), Event()
    watching = Thread(
        target=copy_context().run, args=(_watch, table, percent, over, done), daemon=True
    )
    watching.start()
    try:
        yield
        done.set()
    finally:
        over.set()
        watching.join()


def _watch(table: str, percent: Callable[[], float], over: Event, done: Event) -> None:
    if over.wait(PATIENCE):
        return
    with suppress(Exception):  # a run does not fail because it cannot be watched
        farthest = percent()
        key = f"load-{table.replace('_', '-')}"
        made = create_progress_artifact(farthest, key=key, description=f"{table} is being loaded")
        shown = cast(UUID, made)  # not a coroutine: we are in none
        while not over.wait(EVERY):
            farthest = max(farthest, percent())
            update_progress_artifact(shown, farthest)
        if done.is_set():
            update_progress_artifact(shown, 100.0)
