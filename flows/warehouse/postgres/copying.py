"""Rows out of DuckDB into PostgreSQL, as fast as the two of them go."""

import os
from concurrent.futures import ThreadPoolExecutor

from ibis import Table
from ibis.backends.duckdb import Backend as DuckDB
from psycopg2 import sql
from psycopg2.extensions import connection as Session


def copy_over(reader: DuckDB, rows: Table, session: Session, schema: str, name: str) -> None:
    """Copy rows into an empty table of the same columns, through a pipe: all of them or none."""
    reading, writing = os.pipe()
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(
        sql.Identifier(schema, name), sql.SQL(", ").join(map(sql.Identifier, rows.columns))
    )

    def write() -> None:
        try:
            # Quoted, so that an empty text does not come out as null.
            reader.to_csv(rows, f"/dev/fd/{writing}", header=False, force_quote="*")
        finally:
            os.close(writing)

    with os.fdopen(reading, "rb") as pipe, ThreadPoolExecutor(1) as pool, session.cursor() as copy:
        copy.execute("BEGIN")
        try:
            written = pool.submit(write)
            copy.copy_expert(statement, pipe, 1 << 20)
            written.result()  # or else the end of the pipe is not the end of the rows
        except BaseException:
            pipe.close()  # so that the writer does not wait for a reader
            copy.execute("ROLLBACK")
            raise
        copy.execute("COMMIT")
