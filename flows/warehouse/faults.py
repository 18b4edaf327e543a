"""Errors of the engine and of files, in our words: the engine's own can quote the data."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EACCES, EDQUOT, EFBIG, EIO, ENOSPC, EROFS
from pathlib import Path

import duckdb
import pyarrow as pa
from ibis.backends.duckdb import Backend

from flows.errors import (
    InputError,
    RunFailedError,
    SalesFunnelError,
    WarehouseBusyError,
    of_file,
)

_OF_THE_SYSTEM = (ENOSPC, EDQUOT, EFBIG, EACCES, EROFS, EIO)
# Words of DuckDB -> what is wrong with the file, and what to do.
_UNUSABLE = {
    "created with a newer version": "made by a newer DuckDB than this one; name another file",
    "created with an older": "made by a DuckDB too old for this one; name another file",
    "Corrupt database file": "the file is damaged; restore a copy of it, or name another file",
    "Could not read enough bytes": "the file was cut off; restore a copy of it, or name another",
}


@contextmanager
def told_in_short(what: Path | str, backend: Backend | None = None) -> Iterator[None]:
    """Engine and file errors in our words; `backend`: works on it, and may have to spill."""
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise in_our_words(what, error, backend) from None


def in_our_words(
    what: Path | str, error: Exception, backend: Backend | None = None
) -> SalesFunnelError:
    """What an error of DuckDB means, or of a file; Arrow hands on what DuckDB says as its own."""
    if isinstance(error, OSError) and error.errno is not None:
        return of_file(what, error)
    text = str(error)
    holder = re.search(r"PID (\d+)", text)
    if holder or "different configuration" in text:
        by = f"process {holder[1]}" if holder else "this process"
        return WarehouseBusyError(f"{what}: {by} has it open for writing; close it")
    for words, said in _UNUSABLE.items():
        if words in text:
            return InputError(f"{what}: {said}")
    for number in _OF_THE_SYSTEM:
        if os.strerror(number) in text:
            file = re.search(r'file "([^"]+)"', text)
            return of_file(file[1] if file else what, OSError(number, os.strerror(number)))
    if text.startswith("Out of Memory Error"):
        return RunFailedError(f"{what}: {_what_is_short(text, backend)}")
    return RunFailedError(f"{what}: DuckDB failed ({type(error).__name__})")


def _what_is_short(text: str, backend: Backend | None) -> str:
    limit = re.search(r"/([\d.]+ \w+) used\)", text)
    if limit is None:
        return "the machine has not enough memory; lower FUNNEL_MEMORY_LIMIT"
    if "max_temp_directory_size" not in text:
        return f"not enough memory; raise FUNNEL_MEMORY_LIMIT (now {limit[1]})"
    where = f" to spill to in {_place_of_spilling(backend)}" if backend else " to spill to"
    return f"not enough disk{where}; raise FUNNEL_TEMP_LIMIT (now {limit[1]})"


def _place_of_spilling(backend: Backend) -> Path:
    """Where DuckDB's folder for that is; the folder itself is gone after the run."""
    [(folder,)] = backend.raw_sql("SELECT current_setting('temp_directory')").fetchall()
    return Path(folder).absolute().parent
