"""Publishing: one transaction, after which readers have the new run.

Tables of `marts`, `snapshots` and `quality` stay where they are: rows that changed are deleted and
inserted, which no reader waits for, and which a reader sees all at once. Those of `staging` and
`intermediate` are large, and change places with the new ones; where a view or a reader stands in
the way, their rows are replaced too.

Deleted rows stay in the files of a table for a while. Where they must not, as when a person is
forgotten, the tables are truncated, which gives them new files; for that, readers have to let go.
"""

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress

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
    """Drop what waits to be published, also of runs that were killed.

    What somebody reads, as a dump of all tables does, is left to a later run; so is all if the
    connection is lost.
    """
    with suppress(psycopg2.InterfaceError, psycopg2.OperationalError):
        with session.cursor() as cursor:
            cursor.execute(
                "SELECT schemaname, tablename FROM pg_tables"
                " WHERE schemaname = ANY(%s) AND starts_with(tablename, %s)",
                (list(schemas), BUILDING),
            )
            left = cursor.fetchall()
        for schema, table in left:
            drop(session, schema, table)


def drop(session: Session, schema: str, table: str) -> None:
    """Drop a table, unless somebody uses it."""
    with session.cursor() as cursor, suppress(errors.LockNotAvailable), _transaction(cursor):
        cursor.execute(SHORT_WAIT)
        cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(schema, table)))


@contextmanager
def _transaction(cursor: Cursor) -> Iterator[None]:
    cursor.execute("BEGIN")
    try:
        yield
    except BaseException:
        with suppress(psycopg2.Error):
            cursor.execute("ROLLBACK")
        raise
    cursor.execute("COMMIT")


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
        moving = [each for each in candidates if not each.stays and _is_ready(cursor, each)]
        for pause in (*PAUSES_SECONDS, None):
            try:
                with _transaction(cursor):
                    cursor.execute(USUAL_WAIT)
                    copied = _publish(cursor, candidates, moving, afresh)
                    for schema, names in given_up:
                        _drop_tables(cursor, schema, names)
                    forget_entries(cursor)
                break
            except errors.LockNotAvailable:
                if pause is None:
                    raise RunFailedError(
                        "somebody reads or locks a table that must change"
                        f"{_who_holds(cursor, candidates)}; run again later"
                    ) from None
                time.sleep(pause)
        # What is published is published: a server that goes away now has its autovacuum. To give
        # back the end of a file would wait five seconds for each table that somebody reads.
        vacuum = sql.SQL("VACUUM (ANALYZE, TRUNCATE false) {}")
        with suppress(psycopg2.Error):
            for candidate in copied:
                cursor.execute(vacuum.format(candidate.place))


def _is_ready(cursor: Cursor, candidate: Candidate) -> bool:
    """Give a table that is to change places its indexes; False if somebody reads it already."""
    try:
        with _transaction(cursor):
            cursor.execute(SHORT_WAIT)
            add_key(cursor, candidate.schema, candidate.building, candidate.key)
            index_for_later_runs(cursor, candidate.rows, candidate)
    except errors.LockNotAvailable:
        return False
    return True


def _who_holds(cursor: Cursor, candidates: Sequence[Candidate]) -> str:
    """One of the sessions that use a table of these schemas, if there still is one."""
    cursor.execute(
        """
        SELECT pid, usename, application_name, nspname || '.' || relname
        FROM pg_locks JOIN pg_stat_activity USING (pid) JOIN pg_class ON pg_class.oid = relation
        JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE locktype = 'relation' AND granted AND pid <> pg_backend_pid() AND relkind = 'r'
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND nspname = ANY(%s) AND NOT starts_with(relname, %s)
        ORDER BY mode = 'AccessShareLock', 4, pid LIMIT 1
        """,
        (list({candidate.schema for candidate in candidates}), BUILDING),
    )
    found = cursor.fetchone()
    if found is None:
        return ""
    pid, user, program, table = found
    return f" (session {pid} of {', '.join(filter(None, (user, program)))}, on {table})"


def _publish(
    cursor: Cursor, candidates: Sequence[Candidate], moving: Sequence[Candidate], afresh: bool
) -> Sequence[Candidate]:
    """Put them in their place, those that are `moving` as they are; gives those that are copied."""
    for_rows = [each for each in candidates if each.stays]
    made = [each for each in for_rows if fit(cursor, each)]  # first: a reader can be in the way
    has_other_key = [each for each in for_rows if each not in made and drop_other_key(cursor, each)]
    copied = []
    for candidate in candidates:
        if candidate in moving and _changed_places(cursor, candidate):
            comment(cursor, candidate)
            continue
        is_made, needs_key = candidate in made, candidate in has_other_key
        if not candidate.stays:
            is_made = fit(cursor, candidate)
            needs_key = not is_made and drop_other_key(cursor, candidate)
        if afresh and not (candidate.keeps_rows or candidate.gone):
            _truncate(cursor, candidate)
        _copy_rows(cursor, candidate)
        copied.append(candidate)
        if is_made or needs_key:  # with its rows in it: that is quicker
            add_key(cursor, candidate.schema, candidate.name, candidate.key)
        if is_made and candidate.stays:
            index_for_readers(cursor, candidate)
        elif is_made:
            index_for_later_runs(cursor, candidate.place, candidate)
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
