"""Tables of a PostgreSQL schema as the source of an export.

Names, addresses and typed values are masked by the server, in the SELECT that reads them. The key
is a setting of the session, given when it is opened: it is in no statement and in no parameter, and
so in no log of the server.
"""

from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import ibis
import ibis.expr.datatypes as dt
from ibis import Table
from ibis.expr.types import StringValue
from psycopg2 import sql

from flows.warehouse.address import shown
from flows.warehouse.masking import pads
from flows.warehouse.postgres.faults import told_in_short
from flows.warehouse.postgres.server import connect, connect_ibis
from flows.warehouse.tables import Database

_INNER, _OUTER = "sales_funnel.inner_pad", "sales_funnel.outer_pad"


@ibis.udf.scalar.builtin(name="sha256", signature=((dt.binary,), dt.binary))
def _sha256(data):  # type: ignore[no-untyped-def]
    """Hash of bytes."""


@ibis.udf.scalar.builtin(name="byteacat", signature=((dt.binary, dt.binary), dt.binary))
def _concat(first, second):  # type: ignore[no-untyped-def]
    """Bytes after bytes."""


@ibis.udf.scalar.builtin(name="decode", signature=((dt.string, dt.string), dt.binary))
def _decode(text, form):  # type: ignore[no-untyped-def]
    """Bytes of a hex text."""


@ibis.udf.scalar.builtin(name="encode", signature=((dt.binary, dt.string), dt.string))
def _encode(data, form):  # type: ignore[no-untyped-def]
    """Bytes as a hex text."""


@ibis.udf.scalar.builtin(name="convert_to", signature=((dt.string, dt.string), dt.binary))
def _bytes_of(text, encoding):  # type: ignore[no-untyped-def]
    """Bytes of a text."""


@ibis.udf.scalar.builtin(name="current_setting", signature=((dt.string,), dt.string))
def _setting(setting):  # type: ignore[no-untyped-def]
    """A setting of the session."""


def pseudonym(text: StringValue) -> StringValue:
    """HMAC-SHA256 of the text, in hex, with the key of the session."""
    inner = _sha256(_concat(_decode(_setting(_INNER), "hex"), _bytes_of(text, "UTF8")))
    return _encode(_sha256(_concat(_decode(_setting(_OUTER), "hex"), inner)), "hex")


# Those in information_schema are not all: no materialized views, and none that may not be read.
_TABLES = """
    SELECT relname::text, has_any_column_privilege(oid, 'SELECT') FROM pg_class
    WHERE relnamespace = to_regnamespace(quote_ident(%s)) AND relkind IN ('r', 'p', 'v', 'm', 'f')
"""


@contextmanager
def opened(url: str, key: bytes, forgotten: Collection[int]) -> Iterator[Database]:
    """The database, to be read; all its tables as of one moment.

    Raises:
        InputError: it cannot be reached.
    """
    name = shown(url)
    settings = dict(zip((_INNER, _OUTER), pads(key), strict=True))
    with (
        closing(connect(url, settings)) as session,
        connect_ibis(url) as backend,
        told_in_short(name),
    ):
        with session.cursor() as cursor:
            cursor.execute("SET TimeZone = 'UTC'; SET DateStyle = 'ISO'")
            cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

        def tables(schema: str) -> dict[str, bool]:
            with session.cursor() as cursor:
                cursor.execute(_TABLES, (schema,))
                return dict(cursor.fetchall())

        def write(rows: Table, file: Path) -> None:
            query = sql.SQL(backend.compile(rows))
            statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT csv, HEADER)").format(query)
            with told_in_short(name), session.cursor() as cursor, file.open("wb") as stream:
                cursor.copy_expert(statement, stream)

        yield Database(name, backend, tables, pseudonym, write, forgotten)
