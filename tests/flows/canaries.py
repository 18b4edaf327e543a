"""A search for words that must be in no file: as it is, decoded, unpacked, and table by table."""

import base64
import html
import json
import re
import shutil
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, suppress
from hashlib import md5, sha1, sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import duckdb
import psycopg2
import pyarrow as pa
from psycopg2 import sql


def spellings(word: str) -> dict[str, bytes]:
    """A word as bytes, in each way in which it can be in a file as it is."""
    found = {}
    for case in {word, word.lower(), word.upper()}:
        for encoding in ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le"):
            data = case.encode(encoding)
            found[f"{case} {encoding}"] = data
            found[f"{case} {encoding} hex"] = data.hex().encode()
            found[f"{case} {encoding} HEX"] = data.hex().upper().encode()
            found |= {f"{case} {encoding} {k}": v for k, v in in_base64(data).items()}
        found[f"{case} JSON"] = json.dumps(case)[1:-1].encode()
        found[f"{case} HTML"] = html.escape(case).encode("ascii", "xmlcharrefreplace")
        found[f"{case} URL"] = quote(case).encode()
    for digest in (md5, sha1, sha256):
        for case in (word, word.lower()):  # a hash without a key can be looked up
            found[f"{case} {digest.__name__}"] = digest(case.encode()).hexdigest().encode()
            found[f"{case} {digest.__name__} bytes"] = digest(case.encode()).digest()
    return found


def in_base64(data: bytes) -> dict[str, bytes]:
    """What base64 makes of the data within other data, whatever stands around it."""
    found = {}
    for before in range(3):
        text = base64.b64encode(b"\0" * before + data)
        # Six bits a character; those at the ends that also hold bits of a neighbour are left out.
        inner = text[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]
        found[f"base64 +{before}"] = inner
        found[f"base64url +{before}"] = inner.translate(bytes.maketrans(b"+/", b"-_"))
    return found


def unpacked(data: bytes) -> Iterator[bytes]:
    """The data, and what is packed in it: lines of base64, gzip, zlib, and these in base64."""
    joined = data.replace(b"\r", b"").replace(b"\n", b"")
    yield from (data, joined)
    for text in re.findall(rb"(?:H4sI|eJ|eN|eA|eF)[A-Za-z0-9+/_-]{20,}", joined):
        standard = text.translate(bytes.maketrans(b"-_", b"+/"))
        yield from inflated(base64.b64decode(standard[: len(standard) // 4 * 4]))
    yield from inflated(data)


def inflated(data: bytes) -> Iterator[bytes]:
    """What begins anywhere in the data as gzip, zlib, or zstd, which DuckDB spills."""
    for start in re.finditer(rb"\x28\xb5\x2f\xfd", data):
        packed = pa.BufferReader(pa.py_buffer(data).slice(start.start()))
        with suppress(OSError):
            yield pa.CompressedInputStream(packed, "zstd").read(1 << 18)
    for start in re.finditer(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]", data):
        window = 31 if start[0].startswith(b"\x1f") else 15
        try:
            content = zlib.decompressobj(window).decompress(data[start.start() :], 10_000_000)
        except zlib.error:
            continue
        yield content


def cells(file: Path) -> Iterator[bytes]:
    """Every cell of a SQLite, DuckDB or Parquet file: they can be stored compressed."""
    with file.open("rb") as stream:
        head = stream.read(16)
    if head.startswith(b"SQLite format 3"):
        yield from sqlite_cells(file)
    elif head[8:12] == b"DUCK":
        yield from duckdb_cells(file)
    elif head.startswith(b"PAR1"):
        yield from parquet_cells(file)


def sqlite_cells(file: Path) -> Iterator[bytes]:
    with TemporaryDirectory() as folder:
        for part in file.parent.glob(f"{file.name}*"):
            shutil.copy(part, folder)
        connection = sqlite3.connect(Path(folder) / file.name)
        try:
            connection.text_factory = bytes
            tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            for (table,) in tables.fetchall():
                for row in connection.execute(f'SELECT * FROM "{table.decode()}"'):
                    yield from (as_bytes(cell) for cell in row)
        finally:
            connection.close()


def duckdb_cells(file: Path) -> Iterator[bytes]:
    with duckdb.connect(str(file), read_only=True) as connection:
        for table in connection.sql("SHOW ALL TABLES").fetchall():
            name = ".".join(f'"{part}"' for part in table[:3])
            for row in connection.execute(f"FROM {name}").fetchall():
                yield from (as_bytes(cell) for cell in row)
        for view in ("duckdb_views", "duckdb_tables", "duckdb_columns", "duckdb_settings"):
            yield repr(connection.execute(f"FROM {view}()").fetchall()).encode()


def parquet_cells(file: Path) -> Iterator[bytes]:
    with duckdb.connect() as connection:
        for row in connection.execute("FROM read_parquet(?)", [str(file)]).fetchall():
            yield from (as_bytes(cell) for cell in row)


def postgres_cells(url: str) -> Iterator[bytes]:
    """Every cell of the tables of a database, unpacked by the server, and what it says of them."""
    with closing(psycopg2.connect(url)) as session, closing(session.cursor()) as cursor:
        cursor.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname != 'information_schema'"
        )
        for place in cursor.fetchall():
            cursor.execute(sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(*place)))
            yield from (as_bytes(row) for (row,) in cursor.fetchall())


def as_bytes(cell: object) -> bytes:
    """A cell as bytes."""
    return cell if isinstance(cell, bytes) else str(cell).encode()


def found_in(data: bytes, needles: dict[str, bytes]) -> set[str]:
    """The needles that are in the data, or in what is packed in it."""
    every = [*unpacked(data)]
    return {name for name, needle in needles.items() if any(needle in part for part in every)}


def found_below(folder: Path, needles: dict[str, bytes], but: Path | None = None) -> set[str]:
    """The needles that are in a file below the folder, or in the name of one; with its name."""
    found = set()
    for file in folder.rglob("*"):
        contents = [str(file.relative_to(folder)).encode()]
        if file.is_file() and file != but:
            contents += [file.read_bytes(), b"\n".join(cells(file))]
        for content in contents:
            found |= {f"{file.name}: {name}" for name in found_in(content, needles)}
    return found
