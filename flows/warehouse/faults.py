"""Errors of the engine and of files, in our words: the engine's own can quote the data."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EDQUOT, EFBIG, ENOSPC
from pathlib import Path

import duckdb
from flows.errors import InputError, RunFailedError, WarehouseBusyError, of_file


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
        for number in (ENOSPC, EDQUOT, EFBIG):
            if os.strerror(number) in text:
                raise of_file(what, OSError(number, "")) from None
        if isinstance(error, duckdb.OutOfMemoryException):
            raise RunFailedError(f"{what}: not enough memory, or disk to spill to") from None
        raise RunFailedError(f"{what}: DuckDB failed ({type(error).__name__})") from None
    except OSError as error:
        raise of_file(what, error) from None
