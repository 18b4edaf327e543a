"""Rows out of DuckDB into PostgreSQL and back, as fast as the two of them go."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from glob import escape
from pathlib import Path

from ibis import Schema, Table
from ibis.backends.duckdb import Backend as DuckDB
from ibis.backends.sql.datatypes import DuckDBType
from psycopg2 import sql
from psycopg2.extensions import connection as Session

from flows.warehouse.faults import told_in_short


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


@contextmanager
def copied(
    session: Session, query: str, reader: DuckDB, schema: Schema, file: Path
) -> Iterator[Table]:
    """What a query of the server gives, as a table of DuckDB, while a copy of it is beside FILE."""
    copy_file = file.with_suffix(".copied")
    statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT csv, FORCE_QUOTE *)").format(sql.SQL(query))
    with (
        told_in_short(copy_file),
        copy_file.open("wb") as stream,
        session.cursor() as cursor,
    ):
        cursor.copy_expert(statement, stream)
    try:
        yield reader.read_csv(
            escape(str(copy_file)),
            table_name="_copied",
            columns={name: DuckDBType.to_string(dtype) for name, dtype in schema.items()},
            auto_detect=False,
            header=False,
            delim=",",
            quote='"',
            escape='"',
            new_line="\\n",  # of the lines; within a text there can be others
            allow_quoted_nulls=False,  # a text that is empty is none
            parallel=False,
        )
    finally:
        copy_file.unlink()
