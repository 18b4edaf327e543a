"""Files into raw tables: what a DuckDB connection does for every warehouse."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from tempfile import TemporaryDirectory

import duckdb
import ibis
from ibis.backends.duckdb import Backend

from flows.errors import InputError
from flows.warehouse.export_file import ExportFile
from flows.warehouse.faults import told_in_short
from flows.warehouse.landing import Landed, land_file, table_names
from flows.warehouse.limits import USUAL, Limits, keep_within
from flows.warehouse.masking import pseudonym
from flows.warehouse.rows import read_scalar
from transforms.sources import Source

SETTINGS = (
    "TimeZone = 'UTC'",
    "allocator_flush_threshold = '16MB'",
    "enable_progress_bar = true",
    "enable_progress_bar_print = false",
)
# Enough to be quick; of a larger file, rows are spilled to disk, masked and typed already.
MEMORY = 128_000_000


@contextmanager
def opened(limits: Limits = USUAL) -> Iterator[Backend]:
    """A DuckDB in memory that reads for a warehouse elsewhere, within narrow bounds."""
    with TemporaryDirectory() as spill:
        backend = ibis.duckdb.connect(threads=2, temp_directory=spill)
        try:
            keep_within(backend, replace(limits, memory=limits.memory or MEMORY))
            for setting in SETTINGS:
                backend.raw_sql(f"SET {setting}")
            yield backend
        finally:
            backend.disconnect()


def land(backend: Backend, file: ExportFile, zone: str, forgotten: Collection[int]) -> Landed:
    """Read a file of the export into the tables of a raw table, within `masking_with`.

    Raises:
        InputError: the file is damaged, or its lines end in different ways.
    """
    with told_in_short(file.name, backend):
        try:
            return land_file(backend, file, zone, pseudonym, forgotten)
        except (duckdb.OutOfMemoryException, duckdb.IOException):
            raise
        except duckdb.Error as error:
            # The one state that it has no name for: behind a carriage return.
            mixed = "reached an invalid state" in str(error)
            why = "its lines end in different ways" if mixed else "it is damaged"
            raise InputError(f"{file.name}: cannot be read: {why}; export it again") from None


def knows_zone(backend: Backend, name: str) -> bool:
    """Whether months can be cut in a time zone."""
    zones = backend.sql("FROM pg_timezone_names()")
    return bool(read_scalar((zones.name == name).any()))


def progress(backend: Backend) -> float:
    """How far the query at hand is, in percent; any thread may ask."""
    return max(float(backend.con.query_progress()), 0.0)


def forget(backend: Backend, source: Source) -> None:
    """Give back the room of what was landed."""
    for name in table_names(source):
        backend.drop_table(name, force=True)
