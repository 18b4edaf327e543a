"""The shape of a published table: its columns, key, indexes and comments."""

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from flows.warehouse.postgres.candidate import Candidate

# For a table that readers use: shorter than a server waits before it breaks a deadlock (1 s), so
# that it never chooses a reader for that.
SHORT_WAIT = "SET LOCAL lock_timeout = '200ms'"
USUAL_WAIT = "SET LOCAL lock_timeout = '10s'"  # signals wait for the end of publishing
# What readers filter by, where it does not lead the key.
FILTERED_BY = ("run_id", "month", "user_id")


def fit(cursor: Cursor, candidate: Candidate) -> bool:
    """Bring the columns of the table that readers know up to those of the rows.

    Returns:
        Whether there was no table, and it was made, without indexes.
    """
    wanted = columns_of(cursor, candidate.rows)
    present = columns_of(cursor, candidate.place)
    if not present:
        cursor.execute(sql.SQL("CREATE TABLE {} (LIKE {})").format(candidate.place, candidate.rows))
    elif present != wanted:
        _alter(cursor, candidate, present, wanted)
    return not present


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


def add_key(cursor: Cursor, schema: str, name: str, key: Sequence[str]) -> None:
    """Make the key of a table, if it has one, its primary key."""
    if key:
        cursor.execute(
            sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} PRIMARY KEY ({})").format(
                sql.Identifier(schema, name),
                sql.Identifier(f"{name}_pkey"),
                listed(key),
            )
        )


def drop_other_key(cursor: Cursor, candidate: Candidate) -> bool:
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


def index_for_later_runs(cursor: Cursor, table: sql.Identifier, candidate: Candidate) -> None:
    """An index by which later runs find the rows that they replace."""
    columns = candidate.replaced_by
    if columns and candidate.key[: len(columns)] != columns:
        cursor.execute(sql.SQL("CREATE INDEX ON {} ({})").format(table, listed(columns)))


def index_for_readers(cursor: Cursor, candidate: Candidate) -> None:
    """Indexes by what readers filter by."""
    columns = columns_of(cursor, candidate.place)
    for column in FILTERED_BY:
        if column in columns and column not in candidate.key[:1]:
            cursor.execute(
                sql.SQL("CREATE INDEX ON {} ({})").format(candidate.place, sql.Identifier(column))
            )


def comment(cursor: Cursor, candidate: Candidate) -> None:
    """Say in the database what the table and its columns are."""
    table = sql.SQL("TABLE {}").format(candidate.place)
    said = [(table, candidate.said)]
    for column, of_column in candidate.said_of.items():
        place = sql.Identifier(candidate.schema, candidate.name, column)
        said.append((sql.SQL("COLUMN {}").format(place), of_column))
    for what, text in said:
        cursor.execute(sql.SQL("COMMENT ON {} IS {}").format(what, sql.Literal(text)))


def columns_of(cursor: Cursor, table: sql.Composable) -> dict[str, Any]:
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


def listed(columns: Sequence[str], table: str | None = None) -> sql.Composable:
    """The columns, separated by commas."""
    names = (sql.Identifier(*filter(None, (table, column))) for column in columns)
    return sql.SQL(", ").join(names)
