"""A DuckDB file as warehouse, replaced as a whole.

A run works in a file of its own beside the warehouse: a copy, so that the history of
`quality` and whatever people keep in the file comes along. Publishing renames it over the
warehouse, so a reader has the whole old file or the whole new one, whenever the run is killed.
"""

import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from glob import escape
from pathlib import Path
from typing import Any

import duckdb
import ibis
import sqlglot.expressions as sge
from ibis import Table
from ibis.backends.duckdb import Backend
from sqlglot import ErrorLevel

from flows.errors import RunFailedError
from flows.files.folders import check_can_write
from flows.warehouse import LANDED, QUALITY, SCHEMAS, Entry, reader
from flows.warehouse.export_file import ExportFile
from flows.warehouse.faults import told_in_short
from flows.warehouse.file import Lock, check_file, check_free, fold_in_log, held, replace, state
from flows.warehouse.landing import Landed
from flows.warehouse.limits import USUAL, Limits, keep_within, memory_of
from flows.warehouse.masking import masking_with
from flows.warehouse.rows import (
    read,
    read_one,
    read_scalar,
    recorded_run_ids,
    table_of,
    with_columns,
)
from flows.warehouse.writing import write_files, write_months
from transforms.sources import RAW_TABLES, Source

SETTINGS = (
    *reader.SETTINGS,
    # A fifth less memory for the same speed, and one checkpoint at the end.
    "write_buffer_row_group_count = 1",
    "checkpoint_threshold = '10GB'",
)
# Of what does not fit, not all goes to disk: windows are computed in memory. Measured: the history
# of a million deals, of 13 million rows in all, takes 2.1 GB, and is a tenth slower in four parts.
BYTES_PER_ROW = 300
MOST_AT_ONCE = 16_000_000
# Until a checkpoint, DuckDB holds in memory which rows of a table are gone: measured, so many bytes
# for each row that is there. So much of the memory may go into that.
BYTES_PER_ROW_OF_A_DELETE, SHARE_OF_DELETES = 10, 1 / 8
# What is attached beside the file of the run is called so: no warehouse will be.
ASIDE, AFRESH = "_funnel_aside", "_funnel_afresh"


class DuckDBWarehouse:
    """One run on a DuckDB file: `with warehouse.held(), warehouse.run(): …; warehouse.publish()`.

    `backend` is the Ibis connection of the run, on a copy of the file; it is for one thread.
    """

    backend: Backend
    _lock: Lock
    _catalog: str

    def __init__(self, path: Path, limits: Limits = USUAL) -> None:
        self.path = path.resolve()  # a link stays: what it names is replaced
        self._limits = limits
        self._before: tuple[int, ...] = ()
        self._there: set[tuple[str, str]] = set()  # schema and name of the tables
        self._recorded: set[str] = set()  # tables of `quality` that the run wrote
        self._rows_held = 0  # of tables of which rows were replaced, since a checkpoint
        self._said: dict[tuple[str, str], tuple[str, Mapping[str, str]]] = {}  # comments
        self._building = self.path.with_name(f".{self.path.name}.building")

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other runs away.

        Raises:
            WarehouseBusyError: another run holds it.
            InputError: the path cannot be used.
        """
        with told_in_short(self.path):
            check_file(self.path)
        with held(self.path) as self._lock:
            yield

    @contextmanager
    def looking(self) -> Iterator[str]:
        """Look at the file, or at none if it is not there yet.

        Raises:
            WarehouseBusyError: another run holds it, or another process writes to it.
            InputError: the path cannot be used.
        """
        with told_in_short(self.path):
            check_can_write(self.path.parent, "cannot make the warehouse")
            check_file(self.path)
            if not hasattr(self, "_lock"):
                check_free(self.path)
            if self.path.exists():
                self.backend = ibis.duckdb.connect(self.path, read_only=True, temp_directory="")
            else:
                self.backend = ibis.duckdb.connect()
            self._there = self._tables()
        try:
            yield f"DuckDB {duckdb.__version__}" + ("" if self.path.exists() else ", not there yet")
        finally:
            self.backend.disconnect()

    def knows_zone(self, name: str) -> bool:
        """Whether months can be cut in a time zone."""
        return reader.knows_zone(self.backend, name)

    @contextmanager
    def run(self) -> Iterator[None]:
        """Work on a copy of the warehouse, which is held; what is not published is gone at the end.

        Raises:
            WarehouseBusyError: another process writes to it.
        """
        try:
            with told_in_short(self.path):
                self._remove_building()  # of a run that was killed
                if self.path.exists():
                    fold_in_log(self.path)
                    shutil.copyfile(self.path, self._building)
                self._before = state(self.path)
                self.backend = ibis.duckdb.connect(str(self._building))
                keep_within(self.backend, self._limits)
                for setting in SETTINGS:
                    self.backend.raw_sql(f"SET {setting}")
                self._catalog = self.backend.current_catalog
                present = self.backend.list_databases()
                for schema in SCHEMAS:
                    if schema not in present:
                        self.backend.create_database(schema)
                self._there = self._tables()
            yield
        finally:
            if hasattr(self, "backend"):
                self.backend.disconnect()
            self._remove_building()

    def begin(self, entry: Entry) -> list[Entry]:
        """Keep an entry about this run, in the file of the lock; gives those of earlier ones."""
        with told_in_short(self.path):
            return self._lock.begin(entry, recorded_run_ids(self.kept("runs")))

    def end(self, entry: Entry) -> None:
        """Put this entry in place of the one of `begin`, unless the run is published."""
        self._lock.end(entry)

    def masking(self, key: bytes) -> AbstractContextManager[None]:
        """Make pseudonyms with the key; it is in the session's memory only."""
        return masking_with(key, self.backend)

    def land(self, file: ExportFile, zone: str, forgotten: Collection[int] = ()) -> Landed:
        """Read a file of the export into a temporary raw table, within `masking`."""
        return reader.land(self.backend, file, zone, forgotten)

    def progress(self) -> float:
        """How much of the file at hand is read, in percent."""
        return reader.progress(self.backend)

    def table_of(self, rows: Iterable[Mapping[str, object]], columns: Mapping[str, str]) -> Table:
        """A few rows of Python, to be built or appended at once: the next ones take their place."""
        file = self._building.with_name(f"{self._building.name}.rows")
        return table_of(self.backend, rows, columns, file)

    def start_anew(self, made_before: Collection[tuple[str, str]] = ()) -> None:
        """Make room; what is kept from run to run stays, as do tables and views of others."""
        with told_in_short(self.path, self.backend):
            for schema, name in made_before:
                self.give_up(schema, name)
            self.give_up(LANDED, *RAW_TABLES)
            self.backend.raw_sql("CHECKPOINT")  # frees the space of the dropped tables for others

    def give_up(self, schema: str, *names: str) -> None:
        """Drop tables of a schema, where they are there."""
        for name in names:
            if (schema, name) in self._there:
                self.backend.drop_table(name, database=schema)
                self._there.remove((schema, name))

    def build(
        self,
        schema: str,
        name: str,
        rows: Table,
        key: Sequence[str] = (),
        replaced_by: Sequence[str] = (),
        more: Sequence[Table] = (),
    ) -> Table:
        """Make a table of the rows, in place of the one of that name; it needs no index."""
        if more:
            return self._build_in_parts(schema, name, [rows, *more])
        with told_in_short(f"{schema}.{name}", self.backend):
            if schema == LANDED and LANDED not in self.backend.list_databases():
                self.backend.create_database(LANDED)
            is_there = (schema, name) in self._there
            self._there.add((schema, name))
            if schema == QUALITY:
                self._recorded.add(name)
            place = (self._catalog, schema)  # else Ibis asks for the first of both
            return self.backend.create_table(name, rows, database=place, overwrite=is_there)

    def _build_in_parts(self, schema: str, name: str, parts: Sequence[Table]) -> Table:
        """Beside the one of that name, of which each part may be made."""
        waiting = f"_building_{name}"
        with told_in_short(f"{schema}.{name}", self.backend):
            self.backend.create_table(waiting, schema=parts[0].schema(), database=schema)
            for part in parts:
                self.backend.insert(waiting, part, database=schema)
            self.give_up(schema, name)
            place = sge.table_(waiting, db=schema, quoted=True).sql("duckdb")
            renamed = sge.to_identifier(name, quoted=True).sql("duckdb")
            self.backend.raw_sql(f"ALTER TABLE {place} RENAME TO {renamed}")
            self._there.add((schema, name))
            return self.backend.table(name, database=schema)

    @property
    def rows_at_once(self) -> int:
        """Of how many rows to make a table at once for which it takes much memory."""
        return min(MOST_AT_ONCE, self._memory // BYTES_PER_ROW)

    @cached_property
    def _memory(self) -> int:
        return memory_of(self.backend)

    def replace(
        self,
        schema: str,
        name: str,
        rows: Table,
        gone: Table,
        on: Sequence[str],
        key: Sequence[str] = (),
        more: Sequence[Table] = (),
    ) -> tuple[Table, Table]:
        """Put rows in place of those that agree with a row of `gone` in these columns."""
        table = self.backend.table(name, database=schema)
        first, *others = (part.select(*table.columns) for part in (rows, *more))
        new = self.set_aside(f"new_{name}", first, others)
        columns = [sge.column(column, quoted=True) for column in on]
        of_gone = self.backend.compiler.to_sqlglot(gone.select(*on)).subquery()
        is_gone = sge.In(this=sge.Tuple(expressions=columns), query=of_gone)
        place = sge.table_(name, db=schema, quoted=True)
        with told_in_short(f"{schema}.{name}", self.backend):
            statement = sge.delete(place, where=is_gone)
            self.backend.raw_sql(statement.sql("duckdb", unsupported_level=ErrorLevel.RAISE))
            self.backend.insert(name, new, database=schema)
            self._rows_held += int(read_scalar(table.count()))
            if self._rows_held * BYTES_PER_ROW_OF_A_DELETE > self._memory * SHARE_OF_DELETES:
                self.backend.raw_sql("CHECKPOINT")
                self._rows_held = 0
        return table, new

    def set_aside(self, name: str, rows: Table, more: Sequence[Table] = ()) -> Table:
        """A table of the rows for the time of the run."""
        aside = f"_aside_{name}"
        with told_in_short(name, self.backend):
            table = self.backend.create_table(aside, rows, temp=True)
            for part in more:
                self.backend.insert(aside, part)
        return table

    def ask(self, question: Table) -> Callable[[], dict[str, Any]]:
        """The only row of a query, once it is called; the run leaves no processor idle."""

        def answer() -> dict[str, Any]:
            with told_in_short(self.path, self.backend):
                return read_one(question)

        return answer

    def kept(self, name: str, schema: str = QUALITY) -> Table | None:
        """The rows of a table, before this run changes it."""
        if (schema, name) not in self._there:
            return None
        return self.backend.table(name, database=schema)

    def append(self, name: str, rows: Table) -> Table:
        """Add rows to a table of `quality`, which keeps those of earlier runs."""
        self._recorded.add(name)
        with told_in_short(f"{QUALITY}.{name}", self.backend):
            if (QUALITY, name) in self._there:
                kept = self.backend.table(name, database=QUALITY)
                if kept.columns == rows.columns:
                    self.backend.insert(name, rows, database=QUALITY)
                else:  # of another version of the project
                    both = with_columns(kept, rows.schema()).union(rows)
                    self.backend.create_table(name, both, database=QUALITY, overwrite=True)
            else:
                self.backend.create_table(name, rows, database=QUALITY)
                self._there.add((QUALITY, name))
            return self.backend.table(name, database=QUALITY)

    def forget_raw(self, source: Source) -> None:
        """Give back the memory of a raw table."""
        reader.forget(self.backend, source)

    def write_files(
        self, rows: Table, columns: Sequence[str], order: Sequence[str], file: Path
    ) -> None:
        """Write columns of a table to FILE.csv and FILE.parquet, sorted."""
        write_files(self.backend, rows, columns, order, file)

    def write_months(self, rows: Table, order: Sequence[str], folder: Path) -> None:
        """Write a table to FOLDER/month=YYYY-MM-01/rows.parquet."""
        write_months(self.backend, rows, order, folder)

    def comment(self, schema: str, name: str, text: str, columns: Mapping[str, str]) -> None:
        """Say in the warehouse what a table and its columns are."""
        self._said[schema, name] = text, columns
        self._comment(schema, name)

    def _comment(self, schema: str, name: str, catalog: str | None = None) -> None:
        text, columns = self._said[schema, name]
        table = sge.table_(name, db=schema, catalog=catalog, quoted=True)
        comments = [sge.Comment(this=table, kind="TABLE", expression=sge.convert(text))]
        for column, said in columns.items():
            this = sge.column(column, table=name, db=schema, catalog=catalog, quoted=True)
            comments.append(sge.Comment(this=this, kind="COLUMN", expression=sge.convert(said)))
        statements = ["BEGIN", *(comment.sql("duckdb") for comment in comments), "COMMIT"]
        self.backend.raw_sql("; ".join(statements))

    def publish(self, *, afresh: bool = False) -> None:
        """Put the run in place of the warehouse; the run is over.

        `afresh`: blocks that hold no table are left behind; what was dropped is still in them.
        """
        with told_in_short(self.path):
            finished = self._copied_afresh() if afresh else self._building
            self.backend.raw_sql("CHECKPOINT")  # when it is closed, a full disk would not be told
            self.backend.disconnect()
            replace(self.path, finished, self._before)
            self._lock.forget_entries()

    def _copied_afresh(self) -> Path:
        """A new file with all that is in the one of the run: tables, views, macros, comments."""
        file = self._building.with_name(f"{self._building.name}.afresh")
        self._attach(file, AFRESH)
        run = sge.to_identifier(self.backend.current_catalog, quoted=True).sql("duckdb")
        try:
            self.backend.raw_sql(f"COPY FROM DATABASE {run} TO {AFRESH}")
        except duckdb.ConstraintException:
            raise RunFailedError(
                f"{self.path}: tables of yours in it have foreign keys, and cannot be copied to a"
                " new file; drop these keys and run again"
            ) from None
        self.backend.raw_sql(f"CHECKPOINT {AFRESH}")
        self.backend.detach(AFRESH)
        return file

    def _attach(self, file: Path, name: str) -> None:
        """Ibis would not quote a quote in the name of the file."""
        self.backend.raw_sql(f"ATTACH {sge.convert(str(file)).sql('duckdb')} AS {name}")

    def publish_quality(self) -> None:
        """Put only what the run recorded in `quality` into the warehouse; the run is over."""
        with told_in_short(self.path):
            aside = self._building.with_name(f"{self._building.name}.quality")
            if self.path.exists():
                shutil.copyfile(self.path, aside)
            self._attach(aside, ASIDE)
            place = (ASIDE, QUALITY)
            self.backend.raw_sql(f"CREATE SCHEMA IF NOT EXISTS {ASIDE}.{QUALITY}")
            for name in sorted(self._recorded):
                rows = self.backend.table(name, database=QUALITY)
                self.backend.create_table(name, rows, database=place, overwrite=True)
                if (QUALITY, name) in self._said:
                    self._comment(QUALITY, name, catalog=ASIDE)
            self.backend.raw_sql(f"CHECKPOINT {ASIDE}")
            self.backend.detach(ASIDE)
            self.backend.disconnect()
            replace(self.path, aside, self._before)
            self._lock.forget_entries()

    def _tables(self) -> set[tuple[str, str]]:
        """Schema and name of all tables."""
        tables = self.backend.table("tables", database="information_schema")
        chosen = tables.filter(
            tables.table_catalog == self.backend.current_catalog, tables.table_type == "BASE TABLE"
        )
        found = read(chosen.select("table_schema", "table_name")).to_pylist()
        return {(row["table_schema"], row["table_name"]) for row in found}

    def _remove_building(self) -> None:
        for leftover in self.path.parent.glob(f"{escape(self._building.name)}*"):
            if leftover.is_dir():
                shutil.rmtree(leftover)
            else:
                leftover.unlink()
