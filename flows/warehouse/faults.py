"""Errors of the engine and of files, in our words: the engine's own can quote the data."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
from flows.errors import InputError, RunFailedError, WarehouseBusyError


@contextmanager
def told_in_short(what: Path | str) -> Iterator[None]:
    """Engine and file errors in our words: the engine's own can quote the data."""
    try:
        yield
    except duckdb.Error as error:
        text = str(error)
        holder = re.search(r"PID (\d+)", text)
        if holder or "different configuration" in text:
            by = f"process {holder[1]}" if holder else "this process"
            raise WarehouseBusyError(f"{what}: {by} has it open for writing; close it") from None
        if "not a valid DuckDB database file" in text:
            raise InputError(f"{what}: not a DuckDB file; name another file") from None
        if "No space left" in text:
            raise RunFailedError(f"{what}: the disk is full") from None
        if isinstance(error, duckdb.OutOfMemoryException):
            raise RunFailedError(f"{what}: not enough memory, or disk to spill to") from None
        raise RunFailedError(f"{what}: DuckDB failed ({type(error).__name__})") from None
    except OSError as error:
        raise InputError(f"{what}: cannot be used: {error.strerror}") from None
