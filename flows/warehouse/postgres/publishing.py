"""Publishing: one transaction, after which readers have the new run.

Tables of `marts`, `snapshots` and `quality` stay where they are: rows that changed are deleted and
inserted, which no reader waits for, and which a reader sees all at once. Those of `staging` and
`intermediate` are large, and change places with the new ones; where a view or a reader stands in
the way, their rows are replaced too.

Deleted rows stay in the files of a table for a while. Where they must not, as when a person is
forgotten, the tables are truncated, which gives them new files; for that, readers have to let go.
"""

import time
from collections.abc import Collection, Sequence
from contextlib import suppress

import psycopg2
from psycopg2 import errors, sql
from psycopg2.extensions import connection as Session
from psycopg2.extensions import cursor as Cursor

from flows.errors import RunFailedError
from flows.warehouse.postgres.candidate import ASIDE, BUILDING, Candidate
from flows.warehouse.postgres.entries import forget_entries
from flows.warehouse.postgres.shape import (
    SHORT_WAIT,
    USUAL_WAIT,
    add_key,
    columns_of,
    comment,
    drop_other_key,
    fit,
    index_for_later_runs,
    index_for_readers,
    listed,
)

PAUSES_SECONDS = (0.5, 1, 2, 5, 10)


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

    `given_up`: schemas, with the names of those of their tables that go.
    `afresh`: rows that are replaced do not stay in the files.

    Raises:
        RunFailedError: somebody did not let go of a table that has to change, or a foreign key of
            somebody refers to one that is made afresh.
    """
    with session.cursor() as cursor:
        for candidate in candidates:
            if not candidate.stays:
                add_key(cursor, candidate.schema, candidate.building, candidate.key)
                index_for_later_runs(cursor, candidate)
        for pause in (*PAUSES_SECONDS, None):
            cursor.execute("BEGIN")
            cursor.execute(USUAL_WAIT)
            try:
                copied = _publish(cursor, candidates, afresh)
                for schema, names in given_up:
                    _drop_tables(cursor, schema, names)
                forget_entries(cursor)
            except errors.LockNotAvailable:
                cursor.execute("ROLLBACK")
                if pause is None:
                    raise RunFailedError(
                        "somebody reads or locks a table that must change; run again later"
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
        candidate for candidate in candidates if candidate.stays and fit(cursor, candidate)
    ]
    has_other_key = [
        candidate
        for candidate in candidates
        if candidate.stays and candidate not in made and drop_other_key(cursor, candidate)
    ]
    for candidate in candidates:
        if candidate.stays or not _changed_places(cursor, candidate):
            if not candidate.stays:
                fit(cursor, candidate)
            if afresh and not (candidate.keeps_rows or candidate.gone):
                _truncate(cursor, candidate)
            _copy_rows(cursor, candidate)
            copied.append(candidate)
        if candidate in made:  # with its rows in it: that is quicker
            add_key(cursor, candidate.schema, candidate.name, candidate.key)
            index_for_readers(cursor, candidate)
        elif candidate in has_other_key:
            add_key(cursor, candidate.schema, candidate.name, candidate.key)
        comment(cursor, candidate)
    return copied


def _truncate(cursor: Cursor, candidate: Candidate) -> None:
    """Give up the rows of a table, and its files."""
    cursor.execute(SHORT_WAIT)
    try:
        cursor.execute(sql.SQL("TRUNCATE {}").format(candidate.place))
    except errors.FeatureNotSupported:
        raise RunFailedError(
            f"{candidate.schema}.{candidate.name}: a foreign key of yours refers to it; drop it,"
            " run again, make it anew"
        ) from None
    cursor.execute(USUAL_WAIT)


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


def _copy_rows(cursor: Cursor, candidate: Candidate) -> None:
    """Put the rows into the table that readers know; one that is there and equal is left alone."""
    columns = list(columns_of(cursor, candidate.rows))
    of_both = {
        "old": candidate.place,
        "new": candidate.rows,
        "columns": listed(columns),
        "new_values": listed(columns, "new"),
        "old_values": listed(columns, "old"),
        "new_key": listed(candidate.key, "new"),
        "old_key": listed(candidate.key, "old"),
        "gone": sql.Identifier(ASIDE, candidate.gone or ""),
        "gone_values": listed(candidate.replaced_by, "gone"),
        "replaced_values": listed(candidate.replaced_by, "old"),
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


def _drop_tables(cursor: Cursor, schema: str, names: Collection[str]) -> None:
    """Drop tables; one that a view of somebody stands on is left empty."""
    cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (schema,))
    for (name,) in cursor.fetchall():
        if name not in names:
            continue
        table = sql.Identifier(schema, name)
        cursor.execute("SAVEPOINT dropping")
        cursor.execute(SHORT_WAIT)
        try:
            cursor.execute(sql.SQL("DROP TABLE {}").format(table))
        except errors.DependentObjectsStillExist:
            cursor.execute("ROLLBACK TO SAVEPOINT dropping")
            cursor.execute(SHORT_WAIT)
            try:
                cursor.execute(sql.SQL("TRUNCATE {}").format(table))
            except errors.FeatureNotSupported:  # somebody's table refers to its rows
                cursor.execute("ROLLBACK TO SAVEPOINT dropping")
        cursor.execute(USUAL_WAIT)
