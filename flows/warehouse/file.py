"""A DuckDB file: who works on it, and how another takes its place."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import duckdb
from flows.errors import RunFailedError, WarehouseBusyError
from flows.warehouse.faults import told_in_short


def state(path: Path) -> tuple[int, ...]:
    """What changes when somebody writes to a file."""
    if not path.exists():
        return ()
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _log(path: Path) -> Path:
    return path.with_name(f"{path.name}.wal")


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the file for one run; the system lets go of it whenever the process ends."""
    with told_in_short(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(f".{path.name}.lock").open("a+")
    with lock as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise WarehouseBusyError(
                f"{path}: another run holds the warehouse ({file.read().strip()}); try again later"
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()}, since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def fold_in_log(path: Path) -> None:
    """Let DuckDB finish what a process left in a write-ahead log beside the file."""
    if _log(path).exists():
        duckdb.connect(str(path)).close()
    else:
        _check_no_writer(path)


def _check_no_writer(path: Path) -> None:
    duckdb.connect(str(path), read_only=True).close()


def replace(path: Path, finished: Path, before: tuple[int, ...]) -> None:
    """Put a finished file in place of the one whose state was `before`.

    Raises:
        WarehouseBusyError: somebody has written to it since.
    """
    if _log(finished).exists():
        raise RunFailedError(f"{path}: DuckDB left its new file unfinished")
    if path.exists():
        _check_no_writer(path)
        shutil.copymode(path, finished)
    # DuckDB would replay a log that is there into the new file.
    if state(path) != before or _log(path).exists():
        raise WarehouseBusyError(f"{path}: another process has written to it; run again")
    with finished.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(finished, path)
