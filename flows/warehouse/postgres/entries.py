"""Entries about runs that are not published: in a table that readers cannot see.

They are kept from the beginning of a run, so that one which is killed is known to the next; and
publishing, which brings them into `quality`, deletes them in the same transaction.
"""

from psycopg2.extensions import connection as Session
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import Json

from flows.warehouse import Entry


def unpublished(session: Session) -> list[Entry]:
    """The entries that are there, in the order in which the runs began."""
    with session.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS staging._unpublished_runs"
            " (number bigint GENERATED ALWAYS AS IDENTITY, run_id text PRIMARY KEY, entry jsonb)"
        )
        cursor.execute("SELECT entry FROM staging._unpublished_runs ORDER BY number")
        return [entry for (entry,) in cursor.fetchall()]


def keep_entry(session: Session, entry: Entry) -> None:
    """Keep an entry."""
    with session.cursor() as cursor:
        cursor.execute(
            "INSERT INTO staging._unpublished_runs (run_id, entry) VALUES (%s, %s)"
            " ON CONFLICT (run_id) DO UPDATE SET entry = excluded.entry",
            (entry["run_id"], Json(entry)),
        )


def change_entry(session: Session, entry: Entry) -> None:
    """Put this entry in place of the one of the run, if there is one."""
    with session.cursor() as cursor:
        cursor.execute(
            "UPDATE staging._unpublished_runs SET entry = %s WHERE run_id = %s",
            (Json(entry), entry["run_id"]),
        )


def forget_entries(cursor: Cursor) -> None:
    """Forget all entries, as part of a transaction."""
    cursor.execute("SELECT to_regclass('staging._unpublished_runs') IS NOT NULL")
    if cursor.fetchone() == (True,):
        cursor.execute("DELETE FROM staging._unpublished_runs")
