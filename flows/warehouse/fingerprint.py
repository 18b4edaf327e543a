"""Which export it was: the same content has the same fingerprint."""

from collections.abc import Iterable
from hashlib import file_digest, sha256

import ibis

from flows.warehouse.export_file import ExportFile
from flows.warehouse.lines import text_lines
from flows.warehouse.rows import read_one

PRIMES = (1_000_003, 999_983, 999_979)


def fingerprint(files: Iterable[ExportFile]) -> str:
    """SHA-256 over the names of the tables and their contents."""
    whole = sha256()
    for file in sorted(files, key=lambda file: file.source.name):
        content = _of_lines(file) if file.is_masked else _of_bytes(file)
        whole.update(f"{file.source.name} {content}\n".encode())
    return whole.hexdigest()


def _of_bytes(file: ExportFile) -> str:
    with file.path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def _of_lines(file: ExportFile) -> str:
    """The same for the same lines in any order: a database has none."""
    connection = ibis.duckdb.connect()
    try:
        lines = text_lines(connection, file)
        hashed = lines.text.hash()
        # As floating point numbers: DuckDB sums integers in a type of its own. These are exact.
        sums = {f"by_{n}": (hashed % n).cast("float64").sum() for n in PRIMES}
        found = read_one(lines.agg(lines=lines.count(), **sums))
    finally:
        connection.disconnect()
    return sha256(repr(found).encode()).hexdigest()
