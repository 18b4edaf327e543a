"""A PostgreSQL database as warehouse, refreshed in one transaction.

A run makes its tables beside the ones that are there, under names that begin with `_building_`.
Publishing puts them in their place at once (`publishing`), so readers have the whole old run or the
whole new one, whenever the run is killed. Files are read, typed and masked by a DuckDB in memory
and copied over: no unmasked value gets to the server.
"""

import secrets
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import ibis
import sqlglot.expressions as sge
from ibis import Table
from ibis.backends.postgres import Backend
from ibis.backends.sql.datatypes import PostgresType
from psycopg2.extensions import connection as Session
from sqlglot import ErrorLevel

from flows.warehouse import LANDED, QUALITY, SCHEMAS, Entry, reader
from flows.warehouse.address import shown
from flows.warehouse.elsewhere import Elsewhere
from flows.warehouse.limits import USUAL, Limits
from flows.warehouse.postgres.candidate import ASIDE, BUILDING, Candidate
from flows.warehouse.postgres.copying import copied, copy_over
from flows.warehouse.postgres.entries import change_entry, keep_entry, unpublished
from flows.warehouse.postgres.faults import told_in_short
from flows.warehouse.postgres.privileges import check_can_work
from flows.warehouse.postgres.publishing import drop, make_schemas, publish, sweep
from flows.warehouse.postgres.questions import Ask, answering
from flows.warehouse.postgres.server import check_free, connect, connect_ibis, held
from flows.warehouse.rows import read_scalar
from transforms.graph import load_models
from transforms.sources import Source

DIALECT = "postgres"


class PostgresWarehouse(Elsewhere):
    """One run on a database: `with warehouse.held(), warehouse.run(): …; warehouse.publish()`.

    `backend` is the Ibis connection of the run, for one thread. What copies, publishes and holds
    the lock is a second session, so that a run that lost the lock cannot publish. A third answers
    what is asked of tables that are made, while the next ones are being made.
    """

    backend: Backend
    rows_at_once = None  # what does not fit into memory goes to disk
    _session: Session
    _ask: Ask

    def __init__(self, url: str, limits: Limits = USUAL) -> None:
        self.url = url
        self._limits = limits
        self.name = shown(url)
        self._building = f"{BUILDING}{secrets.token_hex(2)}_"
        self._numbers = count(1)
        self._handed_over: dict[str, str] = {}  # the last table of each name
        self._candidates: dict[str, Candidate] = {}
        self._given_up: list[tuple[str, Collection[str]]] = []

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other runs away.

        Raises:
            WarehouseBusyError: another run holds it.
            InputError: the server cannot be reached, or does not let us work.
        """
        with (
            closing(connect(self.url)) as self._session,
            told_in_short(self.name),
            held(self._session, self.name),
        ):
            yield

    @contextmanager
    def looking(self) -> Iterator[str]:
        """Look at the database.

        Raises:
            WarehouseBusyError: another run holds it.
            InputError: the server cannot be reached, or does not let us work.
        """
        with (
            closing(connect(self.url)) as session,
            told_in_short(self.name),
            connect_ibis(self.url) as self.backend,
        ):
            check_can_work(session, self.name, SCHEMAS, load_models())
            if not hasattr(self, "_session"):
                check_free(session, self.name)
            yield f"PostgreSQL {session.info.parameter_status('server_version')}"

    def knows_zone(self, name: str) -> bool:
        """Whether months can be cut in a time zone."""
        zones = self.backend.table("pg_timezone_names", database="pg_catalog")
        return bool(read_scalar((zones.name == name).any()))

    @contextmanager
    def run(self) -> Iterator[None]:
        """Work on the warehouse, which is held; what is not published is gone at the end.

        Raises:
            InputError: the server does not let us work.
        """
        with (
            told_in_short(self.name),
            connect_ibis(self.url) as self.backend,
            reader.opened(self._limits) as self._reader,
        ):
            make_schemas(self._session, SCHEMAS)
            sweep(self._session, (*SCHEMAS, LANDED))  # of a run that was killed
            try:
                with answering(self.url) as self._ask:
                    yield
            finally:
                sweep(self._session, (*SCHEMAS, LANDED))

    def begin(self, entry: Entry) -> list[Entry]:
        """Keep an entry about this run, in a table of `staging`; gives those of earlier ones."""
        with told_in_short(self.name):
            earlier = unpublished(self._session)
            keep_entry(self._session, entry)
            return earlier

    def end(self, entry: Entry) -> None:
        """Put this entry in place of the one of `begin`, unless the run is published."""
        with told_in_short(self.name):
            change_entry(self._session, entry)

    def start_anew(self, made_before: Collection[tuple[str, str]] = ()) -> None:
        """Tables that are made take the place of those of the run before."""

    def build(
        self,
        schema: str,
        name: str,
        rows: Table,
        key: Sequence[str] = (),
        replaced_by: Sequence[str] = (),
        more: Sequence[Table] = (),
    ) -> Table:
        """Make a table of the rows, in place of the one of that name once it is published."""
        if schema == LANDED:
            with told_in_short(self.name):
                make_schemas(self._session, [schema])
        candidate = Candidate(schema, name, self._waiting(name), tuple(key), tuple(replaced_by))
        return self._make(candidate, ibis.union(rows, *more) if more else rows)

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
        """Put rows in place of those that agree with a row of `gone`, once it is published."""
        before = self._published(name, schema)
        gone_name = gone.get_name().rpartition(".")[2]
        candidate = Candidate(
            schema, name, self._waiting(name), tuple(key), tuple(on), gone=gone_name
        )
        all_rows = ibis.union(rows, *more) if more else rows
        new = self._make(candidate, all_rows.select(*before.columns))
        return before.anti_join(gone, on).union(new), new

    def set_aside(self, name: str, rows: Table) -> Table:
        """A table of the rows for the time of the run."""
        with told_in_short(f"{self.name}: {name}"):
            return self._create_as(ASIDE, self._waiting(f"aside_{name}"), rows, logged=False)

    def ask(self, question: Table) -> Callable[[], dict[str, Any]]:
        """The only row of a query, which a session of its own answers beside the run."""
        return self._ask(self.backend.compile(question))

    def kept(self, name: str, schema: str = QUALITY) -> Table | None:
        """The rows of a table that readers see."""
        if name not in self.backend.list_tables(database=schema):
            return None
        return self._published(name, schema)

    def give_up(self, schema: str, *names: str) -> None:
        """Drop tables of a schema, where they are there, once it is published."""
        self._given_up.append((schema, names))

    def append(self, name: str, rows: Table) -> Table:
        """Add rows to a table of `quality`, which keeps those of earlier runs."""
        return self._make(Candidate(QUALITY, name, self._waiting(name), keeps_rows=True), rows)

    def forget_raw(self, source: Source) -> None:
        """Give back the room of a raw table."""
        self._give_back(source.raw_name)

    def comment(self, schema: str, name: str, text: str, columns: Mapping[str, str]) -> None:
        """Say in the warehouse what a table and its columns are, once it is published."""
        self._candidates[name].said, self._candidates[name].said_of = text, columns

    def publish(self, *, afresh: bool = False) -> None:
        """Show the run to readers; the run is over.

        `afresh`: the files of tables whose rows are replaced are given up; rows that are deleted
        would stay in them for a while.
        """
        with told_in_short(self.name):
            candidates = list(self._candidates.values())
            publish(self._session, candidates, self._given_up, afresh=afresh)

    def publish_quality(self) -> None:
        """Show only what the run recorded in `quality`; the run is over."""
        of_quality = [c for c in self._candidates.values() if c.schema == QUALITY]
        with told_in_short(self.name):
            publish(self._session, of_quality)

    def _published(self, name: str, schema: str) -> Table:
        """A table that readers see; its key can be null as far as types go, as in a new table."""
        table = self.backend.table(name, database=schema)
        return table.cast({column: table[column].type()(nullable=True) for column in table.columns})

    def _hand_over(self, name: str, rows: Table) -> Table:
        """Rows of the reader in a table of the server."""
        self._give_back(name)
        building = self._handed_over[name] = self._waiting(f"{next(self._numbers)}_{name}")
        with told_in_short(f"{self.name}: {name}"):
            self.backend.create_table(building, schema=rows.schema(), database=ASIDE)
            # Nobody needs it after a crash.
            self.backend.raw_sql(f'ALTER TABLE "{ASIDE}"."{building}" SET UNLOGGED')
            copy_over(self._reader, rows, self._session, ASIDE, building)
            self._analyze(ASIDE, building)
        return self.backend.table(building, database=ASIDE)

    def _give_back(self, name: str) -> None:
        """Drop what was handed over under the name, if anything was, unless somebody reads it."""
        if name in self._handed_over:
            with told_in_short(f"{self.name}: {name}"):
                drop(self._session, ASIDE, self._handed_over.pop(name))

    def _waiting(self, name: str) -> str:
        """What a table of this run is called until it is published."""
        return f"{self._building}{name}"

    def _taken_back(self, rows: Table, file: Path) -> AbstractContextManager[Table]:
        """Rows of the server as a table of the reader, of a copy beside the file."""
        query = self.backend.compile(rows)
        return copied(self._session, query, self._reader, rows.schema(), file)

    def _make(self, candidate: Candidate, rows: Table) -> Table:
        with told_in_short(f"{candidate.schema}.{candidate.name}"):
            made = self._create_as(
                candidate.waiting_in, candidate.building, rows, logged=not candidate.stays
            )
        self._candidates[candidate.name] = candidate
        return made

    def _create_as(self, schema: str, name: str, rows: Table, *, logged: bool) -> Table:
        """A table of the rows; Ibis would insert them, for which PostgreSQL uses one process."""
        columns = (
            sge.cast(sge.column(column, quoted=True), PostgresType.from_ibis(dtype)).as_(
                column, quoted=True
            )
            for column, dtype in rows.schema().items()
        )
        query = self.backend.compiler.to_sqlglot(rows).subquery("made")
        table = sge.Create(
            this=sge.table_(name, db=schema, quoted=True),
            kind="TABLE",
            properties=None if logged else sge.Properties(expressions=[sge.UnloggedProperty()]),
            expression=sge.select(*columns).from_(query),
        )
        self.backend.raw_sql(table.sql(DIALECT, unsupported_level=ErrorLevel.RAISE))
        # It is replaced as a whole, and would only be in the way of that.
        self.backend.raw_sql(f'ALTER TABLE "{schema}"."{name}" SET (autovacuum_enabled = off)')
        self._analyze(schema, name)
        return self.backend.table(name, database=schema)

    def _analyze(self, schema: str, name: str) -> None:
        """Let the planner know the table before the next model reads it."""
        self.backend.raw_sql(f'ANALYZE "{schema}"."{name}"')
