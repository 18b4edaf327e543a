"""Whether a run could work on a database, seen without changing or holding anything."""

from collections.abc import Collection, Sequence

from psycopg2.extensions import connection as Session

from flows.errors import InputError
from flows.warehouse.postgres.faults import USAGE

# Schemas that the user could not make, or make tables in.
_CLOSED = """
    SELECT name FROM unnest(%s) AS wanted (name) LEFT JOIN pg_namespace ON nspname = name
    WHERE NOT CASE
        WHEN pg_namespace.oid IS NULL THEN has_database_privilege(current_database(), 'CREATE')
        ELSE has_schema_privilege(pg_namespace.oid, 'CREATE')
    END
    """
_OF_OTHERS = """
    SELECT schemaname || '.' || tablename FROM pg_tables
    WHERE schemaname = ANY(%s) AND tablename = ANY(%s) AND NOT pg_has_role(tableowner, 'USAGE')
    """


def check_can_work(
    session: Session, name: str, schemas: Sequence[str], tables: Collection[str]
) -> None:
    """See whether the user may make these tables in these schemas.

    Raises:
        InputError: the server does not let the user do it.
    """
    with session.cursor() as cursor:
        cursor.execute("SHOW transaction_read_only")
        if cursor.fetchone() == ("on",):
            raise InputError(f"{name}: {USAGE['25006']}")
        cursor.execute(_CLOSED, ([*schemas],))
        closed = [schema for (schema,) in cursor.fetchall()]
        if closed:
            raise InputError(
                f"{name}: the user may not make tables in {', '.join(closed)};"
                " see docs/postgresql.md for the two roles"
            )
        cursor.execute(_OF_OTHERS, ([*schemas], [*tables]))
        of_others = [table for (table,) in cursor.fetchall()]
        if of_others:
            raise InputError(
                f"{name}: {of_others[0]} is the table of another user, and cannot be replaced;"
                " let the user who made it run, or give the tables to this one"
            )
