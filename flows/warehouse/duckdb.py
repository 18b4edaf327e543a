"""A DuckDB file as warehouse, replaced as a whole.

A run works in a file of its own beside the warehouse: a copy, so that the history of
`quality` and whatever people keep in the file comes along. Publishing renames it over the
warehouse, so a reader has the whole old file or the whole new one, whenever the run is killed.
"""

import fcntl
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import ibis
import ibis.expr.datatypes as dt
import pyarrow as pa
import sqlglot.expressions as sge
from ibis import Table
from ibis.backends.duckdb import Backend
from ibis.expr.types import StringValue
from transforms.sources import Source

import duckdb
from flows.errors import InputError, RunFailedError, WarehouseBusyError
from flows.warehouse.folder import ExportFile, check_whole
from flows.warehouse.landing import Landed, land, landed_name
from flows.warehouse.rows import read

SCHEMAS = ("staging", "intermediate", "marts", "quality")
KEPT_SCHEMA = "quality"
SETTINGS = (
    "TimeZone = 'UTC'",
    # What does not fit into memory goes to disk: masked already, and encrypted all the same.
    "temp_file_encryption = true",
    # A fifth less memory for the same speed, and one checkpoint at the end.
    "write_buffer_row_group_count = 1",
    "allocator_flush_threshold = '16MB'",
    "checkpoint_threshold = '10GB'",
)


@ibis.udf.scalar.builtin(name="sha256", signature=((dt.binary,), dt.string))
def _sha256(data):  # type: ignore[no-untyped-def]
    """Hash of bytes, in hex."""


@ibis.udf.scalar.builtin(name="unhex", signature=((dt.string,), dt.binary))
def _unhex(text):  # type: ignore[no-untyped-def]
    """Bytes of a hex text."""


@ibis.udf.scalar.builtin(name="encode", signature=((dt.string,), dt.binary))
def _utf8(text):  # type: ignore[no-untyped-def]
    """Bytes of a text."""


@ibis.udf.scalar.builtin(name="concat", signature=((dt.binary, dt.binary), dt.binary))
def _concat(first, second):  # type: ignore[no-untyped-def]
    """Bytes after bytes."""


@ibis.udf.scalar.builtin(name="getvariable", signature=((dt.string,), dt.binary))
def _variable(variable):  # type: ignore[no-untyped-def]
    """A variable of the session: how the key gets in without being in SQL text."""


def pseudonym(text: StringValue) -> StringValue:
    """HMAC-SHA256 of the text, in hex, with the key that `DuckDBWarehouse.masking` set."""
    inner = _sha256(_concat(_variable("inner_pad"), _utf8(text)))
    hashed = _sha256(_concat(_variable("outer_pad"), _unhex(inner)))
    return ibis.ifelse(text.isnull(), None, hashed)


class DuckDBWarehouse:
    """One run on a DuckDB file: `with warehouse.run(): …; warehouse.publish()`.

    `backend` is the Ibis connection of the run, on a copy of the file; it is for one thread.
    """

    backend: Backend

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()  # a link stays: what it names is replaced
        self._before: tuple[int, ...] = ()
        self._building = self.path.with_name(f".{self.path.name}.building")

    @contextmanager
    def run(self) -> Iterator[None]:
        """Hold the warehouse and work on a copy of it; what is not published is gone at the end.

        Raises:
            WarehouseBusyError: another run, or another process that writes, holds it.
            InputError: the path cannot be used, or is no DuckDB file.
        """
        with _lock(self.path):
            try:
                with _told_in_short(self.path):
                    self._remove_building()  # of a run that was killed
                    if self.path.is_dir():
                        raise InputError(f"{self.path}: is a folder; name a file")
                    if self.path.exists():
                        _fold_in_wal(self.path)
                        shutil.copyfile(self.path, self._building)
                    self._before = _state(self.path)
                    self.backend = ibis.duckdb.connect(str(self._building))
                    self._clear()
                yield
            finally:
                if hasattr(self, "backend"):
                    self.backend.disconnect()
                self._remove_building()

    @contextmanager
    def masking(self, key: bytes) -> Iterator[None]:
        """Make pseudonyms with the key (HMAC, RFC 2104); it is in the session's memory only."""
        block = (sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
        for name, mask in (("inner_pad", 0x36), ("outer_pad", 0x5C)):
            self.backend.con.execute(f"SET VARIABLE {name} = ?", [bytes(b ^ mask for b in block)])
        try:
            yield
        finally:
            for name in ("inner_pad", "outer_pad"):
                self.backend.raw_sql(f"RESET VARIABLE {name}")

    def land(self, file: ExportFile, zone: str) -> Landed:
        """Read a file of the export into a temporary raw table, within `masking`."""
        check_whole(file)
        with _told_in_short(file.path):
            try:
                return land(self.backend, file, zone, pseudonym)
            except (duckdb.OutOfMemoryException, duckdb.IOException):
                raise
            except duckdb.Error as error:
                mixed = "new line" in str(error).lower()
                why = "its lines end in different ways" if mixed else "it is damaged"
                raise InputError(f"{file.path}: cannot be read: {why}; export it again") from None

    def empty(self, source: Source) -> Table:
        """The raw table of a source that the export does not have."""
        return self.backend.create_table(source.raw_name, schema=source.raw_schema, temp=True)

    def build(self, schema: str, name: str, rows: Table | pa.Table) -> Table:
        """Make a table of the rows, in place of the one of that name."""
        with _told_in_short(f"{schema}.{name}"):
            return self.backend.create_table(name, rows, database=schema, overwrite=True)

    def append(self, name: str, rows: Table | pa.Table) -> Table:
        """Add rows to a table of `quality`, which keeps those of earlier runs."""
        with _told_in_short(f"{KEPT_SCHEMA}.{name}"):
            if name in self._tables(KEPT_SCHEMA):
                self.backend.insert(name, rows, database=KEPT_SCHEMA)
            else:
                self.backend.create_table(name, rows, database=KEPT_SCHEMA)
            return self.backend.table(name, database=KEPT_SCHEMA)

    def forget_raw(self, source: Source) -> None:
        """Give back the memory of a raw table."""
        for name in (landed_name(source), source.raw_name):
            self.backend.drop_table(name, force=True)

    def comment(self, schema: str, name: str, text: str, columns: Mapping[str, str]) -> None:
        """Say in the warehouse what a table and its columns are."""
        table = sge.to_table(f"{schema}.{name}")
        comments = [sge.Comment(this=table, kind="TABLE", expression=sge.convert(text))]
        for column, said in columns.items():
            this = sge.column(column, table=name, db=schema, quoted=True)
            comments.append(sge.Comment(this=this, kind="COLUMN", expression=sge.convert(said)))
        self.backend.raw_sql("BEGIN")  # one write to disk, not one for each comment
        for comment in comments:
            self.backend.raw_sql(comment.sql("duckdb"))
        self.backend.raw_sql("COMMIT")

    def publish(self) -> None:
        """Put the run in place of the warehouse; the run is over."""
        with _told_in_short(self.path):
            self.backend.disconnect()
            self._replace_by(self._building)

    def publish_quality(self) -> None:
        """Put only what the run recorded in `quality` into the warehouse; the run is over."""
        with _told_in_short(self.path):
            aside = self._building.with_name(f"{self._building.name}.quality")
            if self.path.exists():
                shutil.copyfile(self.path, aside)
            self.backend.attach(aside, name="aside")
            place = ("aside", KEPT_SCHEMA)
            self.backend.raw_sql(f"CREATE SCHEMA IF NOT EXISTS aside.{KEPT_SCHEMA}")
            for name in self._tables(KEPT_SCHEMA):
                rows = self.backend.table(name, database=KEPT_SCHEMA)
                self.backend.create_table(name, rows, database=place, overwrite=True)
            self.backend.detach("aside")
            self.backend.disconnect()
            self._replace_by(aside)

    def _clear(self) -> None:
        """An empty place for every model; `quality` keeps its rows, and people their views."""
        for setting in SETTINGS:
            self.backend.raw_sql(f"SET {setting}")
        present = self.backend.list_databases()
        for schema in SCHEMAS:
            if schema not in present:
                self.backend.create_database(schema)
            elif schema != KEPT_SCHEMA:
                for name in self._tables(schema):
                    self.backend.drop_table(name, database=schema)
        self.backend.raw_sql("CHECKPOINT")  # frees the space of the dropped tables for the new ones

    def _tables(self, schema: str) -> list[str]:
        tables = self.backend.table("tables", database="information_schema")
        chosen = tables.filter(
            tables.table_catalog == self.backend.current_catalog,
            tables.table_schema == schema,
            tables.table_type == "BASE TABLE",
        )
        return [row["table_name"] for row in read(chosen.select("table_name")).to_pylist()]

    def _replace_by(self, finished: Path) -> None:
        if _wal(finished).exists():
            raise RunFailedError(f"{self.path}: DuckDB left its new file unfinished")
        if self.path.exists():
            _check_no_writer(self.path)
            shutil.copymode(self.path, finished)
        # DuckDB would replay a log that is there into the new file.
        if _state(self.path) != self._before or _wal(self.path).exists():
            raise WarehouseBusyError(f"{self.path}: another process has written to it; run again")
        with finished.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(finished, self.path)

    def _remove_building(self) -> None:
        for leftover in self.path.parent.glob(f"{self._building.name}*"):
            if leftover.is_dir():
                shutil.rmtree(leftover)
            else:
                leftover.unlink()


def _state(path: Path) -> tuple[int, ...]:
    """What changes when somebody writes to a file."""
    if not path.exists():
        return ()
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _wal(path: Path) -> Path:
    return path.with_name(f"{path.name}.wal")


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """One run at a time; the system lets go of the lock when the process ends, however it does."""
    with _told_in_short(path):
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
        yield
        file.truncate(0)


def _fold_in_wal(path: Path) -> None:
    """Let DuckDB finish what a process left in a write-ahead log beside the file."""
    if _wal(path).exists():
        duckdb.connect(str(path)).close()
    else:
        _check_no_writer(path)


def _check_no_writer(path: Path) -> None:
    duckdb.connect(str(path), read_only=True).close()


@contextmanager
def _told_in_short(what: Path | str) -> Iterator[None]:
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
