"""Publishing: one transaction, after which readers have the new run.

Tables of `marts`, `snapshots` and `quality` stay where they are: rows that changed are deleted and
inserted, which no reader waits for, and which a reader sees all at once. Those of `staging` and
`intermediate` are large, and change places with the new ones; where a view or a reader stands in
the way, their rows are replaced too.

Deleted rows stay in the files of a table for a while. Where they must not, as when a person is
forgotten, the tables are truncated, which gives them new files; for that, readers have to let go.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psycopg2
from psycopg2 import errors, sql
from psycopg2.extensions import connection as Session
from psycopg2.extensions import cursor as Cursor

from flows.errors import RunFailedError
from flows.warehouse.postgres.entries import forget_entries

BUILDING = "_building_"
# What readers use, and where its rows wait: where they cannot look.
SHOWN_SCHEMAS = ("marts", "snapshots", "quality")
ASIDE = "staging"
# For a table that readers use: shorter than a server waits before it breaks a deadlock (1 s), so
# that it never chooses a reader for that.
SHORT_WAIT = "SET LOCAL lock_timeout = '200ms'"
USUAL_WAIT = "SET LOCAL lock_timeout = DEFAULT"
PAUSES_SECONDS = (0.5, 1, 2, 5, 10)
# What readers filter by, where it does not lead the key.
FILTERED_BY = ("run_id", "month", "user_id")


@dataclass
class Candidate:
    """A table that waits to be published.

    `keeps_rows`: its rows come beside those that are there. `gone`: a table that waits with it, and
    they come in place of those that agree with it in `replaced_by`; without one, of all.
    `said`, `said_of`: the comments of the table and of its columns.
    """

    schema: str
    name: str
    key: tuple[str, ...] = ()
    replaced_by: tuple[str, ...] = ()
    keeps_rows: bool = False
    gone: str | None = None
    said: str | None = None
    said_of: Mapping[str, str] = field(default_factory=dict)

    @property
    def building(self) -> str:
        """Its name until then."""
        return f"{BUILDING}{self.name}"

    @property
    def stays(self) -> bool:
        """Whether its rows go into the table that is there, which does not change places."""
        return self.schema in SHOWN_SCHEMAS or self.gone is not None

    @property
    def waiting_in(self) -> str:
        """Its schema until then."""
        return ASIDE if self.schema in SHOWN_SCHEMAS else self.schema

    @property
    def rows(self) -> sql.Identifier:
        """The table as it waits."""
        return sql.Identifier(self.waiting_in, self.building)

    @property
    def place(self) -> sql.Identifier:
        """The table as readers know it."""
        return sql.Identifier(self.schema, self.name)


def make_schemas(session: Session, schemas: Sequence[str]) -> None:
    """Make the schemas that are missing."""
    with session.cursor() as cursor:
        for schema in schemas:
            cursor.execute("SELECT to_regnamespace(%s) IS NULL", (schema,))
            if cursor.fetchone() == (True,):
                cursor.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))


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


def publish(
    session: Session,
    candidates: Sequence[Candidate],
    given_up: Sequence[tuple[str, Collection[str]]] = (),
    *,
    afresh: bool = False,
) -> None:
    """Put all candidates in their place, in one transaction; then refresh the statistics.

    `given_up`: schemas, with the names of those of their tables that go, or none for all.
    `afresh`: rows that are replaced do not stay in the files.

    Raises:
        RunFailedError: columns changed, or it is `afresh`, and readers did not let go of the table.
    """
    with session.cursor() as cursor:
        for candidate in candidates:
            if not candidate.stays:
                _add_key(cursor, candidate.schema, candidate.building, candidate.key)
                _add_index(cursor, candidate)
        for pause in (*PAUSES_SECONDS, None):
            cursor.execute("BEGIN")
            try:
                copied = _publish(cursor, candidates, afresh)
                for schema, names in given_up:
                    _drop_tables(cursor, schema, names)
                forget_entries(cursor)
            except errors.LockNotAvailable:
                cursor.execute("ROLLBACK")
                if pause is None:
                    raise RunFailedError(
                        "a table must be made anew, and somebody reads it; run again later"
                    ) from None
                time.sleep(pause)
            except BaseException:
                with suppress(psycopg2.Error):
                    cursor.execute("ROLLBACK")
                raise
            else:
                cursor.execute("COMMIT")
                break
        # What is published is published: a server that goes away now has its autovacuum.
        with suppress(psycopg2.Error):
            for candidate in copied:
                cursor.execute(sql.SQL("VACUUM (ANALYZE) {}").format(candidate.place))


def _publish(cursor: Cursor, candidates: Sequence[Candidate], afresh: bool) -> Sequence[Candidate]:
    """Put them in their place; gives those whose rows were copied."""
    copied = []
    made = [  # first, because a reader can be in the way
        candidate for candidate in candidates if candidate.stays and _fit(cursor, candidate)
    ]
    has_other_key = [
        candidate
        for candidate in candidates
        if candidate.stays and candidate not in made and _drop_other_key(cursor, candidate)
    ]
    for candidate in candidates:
        if candidate.stays or not _changed_places(cursor, candidate):
            if not candidate.stays:
                _fit(cursor, candidate)
            if afresh and not (candidate.keeps_rows or candidate.gone):
                cursor.execute(SHORT_WAIT)
                cursor.execute(sql.SQL("TRUNCATE {}").format(candidate.place))
                cursor.execute(USUAL_WAIT)
            _copy_rows(cursor, candidate)
            copied.append(candidate)
        if candidate in made:  # with its rows in it: that is quicker
            _add_key(cursor, candidate.schema, candidate.name, candidate.key)
            _add_indexes(cursor, candidate)
        elif candidate in has_other_key:
            _add_key(cursor, candidate.schema, candidate.name, candidate.key)
        _comment(cursor, candidate)
    return copied


def _changed_places(cursor: Cursor, candidate: Candidate) -> bool:
    """Put the new table in place of the old one; False if something stands in the way."""
    cursor.execute("SAVEPOINT change")
    try:
        cursor.execute(SHORT_WAIT)
        cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(candidate.place))
        cursor.execute(
            sql.SQL("ALTER TABLE {} RENAME TO {}").format(
                candidate.rows, sql.Identifier(candidate.name)
            )
        )
        if candidate.key:
            cursor.execute(
                sql.SQL("ALTER INDEX {} RENAME TO {}").format(
                    sql.Identifier(candidate.schema, f"{candidate.building}_pkey"),
                    sql.Identifier(f"{candidate.name}_pkey"),
                )
            )
        cursor.execute(USUAL_WAIT)
    except (errors.LockNotAvailable, errors.DependentObjectsStillExist):
        cursor.execute("ROLLBACK TO SAVEPOINT change")
        return False
    return True


def _fit(cursor: Cursor, candidate: Candidate) -> bool:
    """Bring the columns of the table that readers know up to those of the rows.

    Returns:
        Whether there was no table, and it was made, without indexes.
    """
    wanted = _columns(cursor, candidate.rows)
    present = _columns(cursor, candidate.place)
    if not present:
        cursor.execute(sql.SQL("CREATE TABLE {} (LIKE {})").format(candidate.place, candidate.rows))
    elif present != wanted:
        _alter(cursor, candidate, present, wanted)
    return not present


def _copy_rows(cursor: Cursor, candidate: Candidate) -> None:
    """Put the rows into the table that readers know; one that is there and equal is left alone."""
    columns = list(_columns(cursor, candidate.rows))
    of_both = {
        "old": candidate.place,
        "new": candidate.rows,
        "columns": _listed(columns),
        "new_values": _listed(columns, "new"),
        "old_values": _listed(columns, "old"),
        "new_key": _listed(candidate.key, "new"),
        "old_key": _listed(candidate.key, "old"),
        "gone": sql.Identifier(ASIDE, candidate.gone or ""),
        "gone_values": _listed(candidate.replaced_by, "gone"),
        "replaced_values": _listed(candidate.replaced_by, "old"),
    }
    insert = "INSERT INTO {old} ({columns}) SELECT {columns} FROM {new} AS new"
    if candidate.keeps_rows:
        statements = [insert]
    elif candidate.gone:
        statements = [
            "DELETE FROM {old} AS old USING {gone} AS gone"
            " WHERE ROW({gone_values}) = ROW({replaced_values})",
            insert,
        ]
    elif candidate.key:
        statements = [
            """
            DELETE FROM {old} AS old WHERE NOT EXISTS (
                SELECT FROM {new} AS new WHERE ROW({new_key}) = ROW({old_key})
                AND ROW({new_values}) IS NOT DISTINCT FROM ROW({old_values})
            )
            """,
            f"""
            {insert} WHERE NOT EXISTS (
                SELECT FROM {{old}} AS old WHERE ROW({{old_key}}) = ROW({{new_key}})
            )
            """,
        ]
    else:
        statements = ["DELETE FROM {old}", insert]
    for statement in statements:
        cursor.execute(sql.SQL(statement).format(**of_both))


def _listed(columns: Sequence[str], table: str | None = None) -> sql.Composable:
    """The columns, separated by commas."""
    names = (sql.Identifier(*filter(None, (table, column))) for column in columns)
    return sql.SQL(", ").join(names)


def _alter(
    cursor: Cursor, candidate: Candidate, present: Mapping[str, str], wanted: Mapping[str, str]
) -> None:
    """Bring the columns of the table up to those of the run; rows that are kept keep theirs."""
    changes = []
    if not candidate.keeps_rows:
        gone = [name for name, dtype in present.items() if wanted.get(name) != dtype]
        changes += [sql.SQL("DROP COLUMN {}").format(sql.Identifier(name)) for name in gone]
    for name, dtype in wanted.items():
        if present.get(name) != dtype:
            added = sql.SQL("ADD COLUMN {} {}").format(sql.Identifier(name), sql.SQL(dtype))
            changes.append(added)
    cursor.execute(SHORT_WAIT)
    for change in changes:
        cursor.execute(sql.SQL("ALTER TABLE {} {}").format(candidate.place, change))
    cursor.execute(USUAL_WAIT)


def _add_key(cursor: Cursor, schema: str, name: str, key: Sequence[str]) -> None:
    if key:
        cursor.execute(
            sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} PRIMARY KEY ({})").format(
                sql.Identifier(schema, name),
                sql.Identifier(f"{name}_pkey"),
                _listed(key),
            )
        )


def _drop_other_key(cursor: Cursor, candidate: Candidate) -> bool:
    """Whether the table has another key than the rows, or none; its own is dropped."""
    if candidate.keeps_rows:
        return False
    cursor.execute(
        """
        SELECT conname, ARRAY(
            SELECT attname::text FROM unnest(conkey) WITH ORDINALITY AS part (attnum, place)
            JOIN pg_attribute USING (attnum) WHERE attrelid = conrelid ORDER BY place
        ) FROM pg_constraint WHERE conrelid = to_regclass(%s) AND contype = 'p'
        """,
        (candidate.place.as_string(cursor),),
    )
    name, columns = cursor.fetchone() or (None, [])
    if tuple(columns) == candidate.key:
        return False
    changes = [] if name is None else [sql.SQL("DROP CONSTRAINT {}").format(sql.Identifier(name))]
    changes += [  # what was in it stays without nulls otherwise
        sql.SQL("ALTER COLUMN {} DROP NOT NULL").format(sql.Identifier(column))
        for column in columns
        if column not in candidate.key
    ]
    cursor.execute(SHORT_WAIT)
    cursor.execute(sql.SQL("LOCK TABLE {}").format(candidate.place))
    for change in changes:
        cursor.execute(sql.SQL("ALTER TABLE {} {}").format(candidate.place, change))
    cursor.execute(USUAL_WAIT)
    return True


def _add_index(cursor: Cursor, candidate: Candidate) -> None:
    """An index by which later runs find the rows that they replace."""
    columns = candidate.replaced_by
    if columns and candidate.key[: len(columns)] != columns:
        table = sql.Identifier(candidate.schema, candidate.building)
        cursor.execute(sql.SQL("CREATE INDEX ON {} ({})").format(table, _listed(columns)))


def _drop_tables(cursor: Cursor, schema: str, names: Collection[str]) -> None:
    """Drop tables, or all; of those named, one that a view of somebody stands on is left empty."""
    cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (schema,))
    for (name,) in cursor.fetchall():
        if names and name not in names:
            continue
        table = sql.Identifier(schema, name)
        cursor.execute("SAVEPOINT dropping")
        cursor.execute(SHORT_WAIT)
        try:
            cursor.execute(sql.SQL("DROP TABLE {}").format(table))
        except errors.DependentObjectsStillExist:
            if not names:
                raise
            cursor.execute("ROLLBACK TO SAVEPOINT dropping")
            cursor.execute(SHORT_WAIT)
            try:
                cursor.execute(sql.SQL("TRUNCATE {}").format(table))
            except errors.FeatureNotSupported:  # somebody's table refers to its rows
                cursor.execute("ROLLBACK TO SAVEPOINT dropping")
        cursor.execute(USUAL_WAIT)


def _add_indexes(cursor: Cursor, candidate: Candidate) -> None:
    columns = _columns(cursor, candidate.place)
    for column in FILTERED_BY:
        if column in columns and column not in candidate.key[:1]:
            cursor.execute(
                sql.SQL("CREATE INDEX ON {} ({})").format(candidate.place, sql.Identifier(column))
            )


def _comment(cursor: Cursor, candidate: Candidate) -> None:
    table = sql.SQL("TABLE {}").format(candidate.place)
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
