"""Publishing: one transaction, after which readers have the new run.

Tables of `marts` and `quality` stay where they are: their rows are deleted and inserted, which no
reader waits for, and which a reader sees all at once. Those of `staging` and `intermediate` are
large, and change places with the new ones; where a view or a reader stands in the way, their rows
are replaced too.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg2
from psycopg2 import errors, sql
from psycopg2.extensions import connection as Session
from psycopg2.extensions import cursor as Cursor

BUILDING = "_building_"
# What readers filter by, where it does not lead the key.
FILTERED_BY = ("run_id", "month", "user_id")


@dataclass
class Candidate:
    """A table that waits to be published.

    `stays`: its rows go into the table that is there. `keeps_rows`: beside those that are there.
    `said`, `said_of`: the comments of the table and of its columns.
    """

    schema: str
    name: str
    key: tuple[str, ...]
    stays: bool
    keeps_rows: bool = False
    said: str | None = None
    said_of: Mapping[str, str] = field(default_factory=dict)

    @property
    def building(self) -> str:
        """Its name until then."""
        return f"{BUILDING}{self.name}"


def prepare(session: Session, schemas: Sequence[str]) -> None:
    """Make the schemas that are missing, and drop what a run that was killed has left."""
    with session.cursor() as cursor:
        for schema in schemas:
            cursor.execute("SELECT to_regnamespace(%s) IS NULL", (schema,))
            if cursor.fetchone() == (True,):
                cursor.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    sweep(session, schemas)


def sweep(session: Session, schemas: Sequence[str]) -> None:
    """Drop what waits to be published. If the connection is lost, the next run does so."""
    with suppress(psycopg2.InterfaceError, psycopg2.OperationalError), session.cursor() as cursor:
        cursor.execute(
            "SELECT schemaname, tablename FROM pg_tables"
            " WHERE schemaname = ANY(%s) AND starts_with(tablename, %s)",
            (list(schemas), BUILDING),
        )
        for schema, table in cursor.fetchall():
            cursor.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(schema, table)))


def publish(session: Session, candidates: Sequence[Candidate], aside: str) -> None:
    """Put all candidates in their place, in one transaction; then refresh the statistics."""
    with session.cursor() as cursor:
        for candidate in candidates:
            if not candidate.stays and candidate.key:
                _add_key(cursor, candidate.schema, candidate.building, candidate.key)
        cursor.execute("BEGIN")
        try:
            for candidate in candidates:
                if candidate.stays or not _changed_places(cursor, candidate):
                    source = aside if candidate.stays else candidate.schema
                    _copy_rows(cursor, candidate, sql.Identifier(source, candidate.building))
                _comment(cursor, candidate)
        except BaseException:
            with suppress(psycopg2.Error):
                cursor.execute("ROLLBACK")
            raise
        cursor.execute("COMMIT")
        # What is published is published: a server that goes away now has its autovacuum.
        with suppress(psycopg2.Error):
            for candidate in candidates:
                if candidate.stays:
                    table = sql.Identifier(candidate.schema, candidate.name)
                    cursor.execute(sql.SQL("VACUUM (ANALYZE) {}").format(table))


def _changed_places(cursor: Cursor, candidate: Candidate) -> bool:
    """Put the new table in place of the old one; False if something stands in the way.

    The wait is shorter than the server's for a deadlock: no reader is ever chosen to break one.
    """
    old = sql.Identifier(candidate.schema, candidate.name)
    new = sql.Identifier(candidate.schema, candidate.building)
    cursor.execute("SAVEPOINT change")
    try:
        cursor.execute("SET LOCAL lock_timeout = '200ms'")
        cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(old))
        cursor.execute(
            sql.SQL("ALTER TABLE {} RENAME TO {}").format(new, sql.Identifier(candidate.name))
        )
        if candidate.key:
            cursor.execute(
                sql.SQL("ALTER INDEX {} RENAME TO {}").format(
                    sql.Identifier(candidate.schema, f"{candidate.building}_pkey"),
                    sql.Identifier(f"{candidate.name}_pkey"),
                )
            )
        cursor.execute("SET LOCAL lock_timeout = DEFAULT")
    except (errors.LockNotAvailable, errors.DependentObjectsStillExist):
        cursor.execute("ROLLBACK TO SAVEPOINT change")
        return False
    return True


def _copy_rows(cursor: Cursor, candidate: Candidate, rows: sql.Composable) -> None:
    """Put the rows into the table that readers know, which is made or altered as needed."""
    place = sql.Identifier(candidate.schema, candidate.name)
    wanted = _columns(cursor, rows)
    present = _columns(cursor, place)
    if not present:
        cursor.execute(sql.SQL("CREATE TABLE {} (LIKE {})").format(place, rows))
        _add_key(cursor, candidate.schema, candidate.name, candidate.key)
        _add_indexes(cursor, candidate, wanted)
    elif present != wanted:
        _alter(cursor, candidate, present, wanted)
    if not candidate.keeps_rows:
        cursor.execute(sql.SQL("DELETE FROM {}").format(place))
    names = sql.SQL(", ").join(map(sql.Identifier, wanted))
    cursor.execute(
        sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {}").format(place, names, names, rows)
    )


def _alter(
    cursor: Cursor, candidate: Candidate, present: Mapping[str, str], wanted: Mapping[str, str]
) -> None:
    """Bring the columns of the table up to those of the run; rows that are kept keep theirs."""
    place = sql.Identifier(candidate.schema, candidate.name)
    changes = []
    if not candidate.keeps_rows:
        gone = [name for name, dtype in present.items() if wanted.get(name) != dtype]
        changes += [sql.SQL("DROP COLUMN {}").format(sql.Identifier(name)) for name in gone]
    for name, dtype in wanted.items():
        if present.get(name) != dtype:
            added = sql.SQL("ADD COLUMN {} {}").format(sql.Identifier(name), sql.SQL(dtype))
            changes.append(added)
    for change in changes:
        cursor.execute(sql.SQL("ALTER TABLE {} {}").format(place, change))


def _add_key(cursor: Cursor, schema: str, name: str, key: Sequence[str]) -> None:
    if key:
        cursor.execute(
            sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} PRIMARY KEY ({})").format(
                sql.Identifier(schema, name),
                sql.Identifier(f"{name}_pkey"),
                sql.SQL(", ").join(map(sql.Identifier, key)),
            )
        )


def _add_indexes(cursor: Cursor, candidate: Candidate, columns: Mapping[str, str]) -> None:
    for column in FILTERED_BY:
        if column in columns and column not in candidate.key[:1]:
            cursor.execute(
                sql.SQL("CREATE INDEX ON {} ({})").format(
                    sql.Identifier(candidate.schema, candidate.name), sql.Identifier(column)
                )
            )


def _comment(cursor: Cursor, candidate: Candidate) -> None:
    table = sql.SQL("TABLE {}").format(sql.Identifier(candidate.schema, candidate.name))
    said = [(table, candidate.said)]
    for column, of_column in candidate.said_of.items():
        place = sql.Identifier(candidate.schema, candidate.name, column)
        said.append((sql.SQL("COLUMN {}").format(place), of_column))
    for what, text in said:
        cursor.execute(sql.SQL("COMMENT ON {} IS {}").format(what, sql.Literal(text)))


def _columns(cursor: Cursor, table: sql.Composable) -> dict[str, Any]:
    """Columns of a table and their types; none if it is not there."""
    cursor.execute(
        """
        SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
        WHERE attrelid = to_regclass(%s) AND attnum > 0 AND NOT attisdropped
        ORDER BY attnum
        """,
        (table.as_string(cursor),),
    )
    return dict(cursor.fetchall())
