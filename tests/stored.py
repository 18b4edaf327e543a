"""What a warehouse holds: every cell of its tables, and the bytes of its files."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import psycopg2

TABLES = """
    SELECT table_schema, table_name FROM information_schema.tables
    WHERE table_schema IN ('staging', 'intermediate', 'marts', 'snapshots', 'quality')
    ORDER BY 1, 2
    """
# Of all tables, their indexes, and what is too long for a row of them.
FILES = """
    WITH tables AS (
        SELECT oid, reltoastrelid FROM pg_class
        WHERE relkind = 'r' AND relnamespace::regnamespace::text
            IN ('staging', 'intermediate', 'marts', 'snapshots', 'quality')
    ), stored AS (
        SELECT oid FROM tables
        UNION SELECT reltoastrelid FROM tables WHERE reltoastrelid <> 0
        UNION SELECT indexrelid FROM pg_index WHERE indrelid IN (SELECT oid FROM tables)
    )
    SELECT pg_read_binary_file(pg_relation_filepath(oid)) FROM stored
    """


def cells(url: str) -> set[str]:
    """Every value of every table of the project, as text."""
    with opened(url) as run:
        tables = [f'"{schema}"."{name}"' for schema, name in run(TABLES)]
        return {
            str(cell) for table in tables for row in run(f"SELECT * FROM {table}") for cell in row
        }


def stored(url: str) -> bytes:
    """The files of the warehouse; of PostgreSQL, those of the project's tables."""
    if url.startswith("duckdb"):
        file = Path(url.partition("://")[2])
        return b"".join(part.read_bytes() for part in file.parent.glob(f"*{file.name}*"))
    with opened(url) as run:
        run("CHECKPOINT")
        return b"".join(bytes(content) for (content,) in run(FILES))


def unused_blocks(url: str) -> int:
    """Blocks of the DuckDB file that hold nothing, any longer; PostgreSQL has none of this kind."""
    if not url.startswith("duckdb"):
        return 0
    with duckdb.connect(url.partition("://")[2], read_only=True) as connection:
        [unused] = connection.sql("SELECT free_blocks FROM pragma_database_size()").fetchone() or ()
        return int(unused)


@contextmanager
def old_rows_are_kept(url: str) -> Iterator[None]:
    """Somebody reads the database for long, so that PostgreSQL cannot clear away deleted rows."""
    if url.startswith("duckdb"):
        yield
        return
    with closing(psycopg2.connect(url)) as session, session.cursor() as cursor:
        session.set_session(isolation_level="REPEATABLE READ")
        cursor.execute("SELECT pg_current_snapshot()")
        yield


@contextmanager
def opened(url: str, *, read_only: bool = True) -> Iterator[Any]:
    """Asks queries of a warehouse: a function that gives their rows."""
    if url.startswith("duckdb"):
        with duckdb.connect(url.partition("://")[2], read_only=read_only) as connection:
            yield lambda statement: connection.execute(statement).fetchall()
        return
    with closing(psycopg2.connect(url)) as session, session.cursor() as cursor:
        session.autocommit = True

        def run(statement: str) -> list[tuple[Any, ...]]:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

        yield run
