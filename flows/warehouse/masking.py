"""Pseudonyms in DuckDB: HMAC-SHA256 (RFC 2104), with a key that is in the session's memory only."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

import ibis
import ibis.expr.datatypes as dt
from ibis.backends.duckdb import Backend
from ibis.expr.types import StringValue


@ibis.udf.scalar.builtin(name="sha256", signature=((dt.binary,), dt.string))
def _sha256(data):  # type: ignore[no-untyped-def]
    """Hash of bytes, in hex."""


@ibis.udf.scalar.builtin(name="unhex", signature=((dt.string,), dt.binary))
def _unhex(text):  # type: ignore[no-untyped-def]
    """Bytes of a hex text."""


@ibis.udf.scalar.builtin(name="encode", signature=((dt.string,), dt.binary))
def _utf8(text):  # type: ignore[no-untyped-def]
    """Bytes of a text."""


@ibis.udf.scalar.builtin(name="concat", signature=((dt.binary, dt.binary), dt.binary))
def _concat(first, second):  # type: ignore[no-untyped-def]
    """Bytes after bytes."""


@ibis.udf.scalar.builtin(name="getvariable", signature=((dt.string,), dt.binary))
def _variable(variable):  # type: ignore[no-untyped-def]
    """A variable of the session: how the key gets in without being in SQL text."""


def pseudonym(text: StringValue) -> StringValue:
    """HMAC-SHA256 of the text, in hex, with the key of `masking_with`."""
    inner = _sha256(_concat(_variable("inner_pad"), _utf8(text)))
    hashed = _sha256(_concat(_variable("outer_pad"), _unhex(inner)))
    return ibis.ifelse(text.isnull(), None, hashed)


def pads(key: bytes) -> tuple[str, str]:
    """The inner and the outer key of HMAC-SHA256, in hex."""
    block = (sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
    inner, outer = (bytes(byte ^ pad for byte in block).hex() for pad in (0x36, 0x5C))
    return inner, outer


@contextmanager
def masking_with(key: bytes, connection: Backend) -> Iterator[None]:
    """Let `pseudonym` use the key on this connection while it lasts."""
    names = ("inner_pad", "outer_pad")
    for name, pad in zip(names, pads(key), strict=True):
        with _pipe_with(pad) as pipe:
            connection.raw_sql(f"SET VARIABLE {name} = (FROM {pipe} SELECT unhex(line))")
    try:
        yield
    finally:
        for name in names:
            connection.raw_sql(f"RESET VARIABLE {name}")


@contextmanager
def _pipe_with(line: str) -> Iterator[str]:
    """A table that reads one secret line out of memory: its column `line`.

    For a bound parameter DuckDB would import pandas, 0.3 s.
    """
    reading, writing = os.pipe()
    try:
        os.write(writing, f"{line}\n".encode())
        os.close(writing)
        yield (
            f"read_csv('/dev/fd/{reading}', columns = {{line: 'VARCHAR'}}, delim = ',',"
            " header = false, auto_detect = false)"
        )
    finally:
        os.close(reading)
