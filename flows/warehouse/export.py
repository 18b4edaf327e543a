"""Where an export comes from: a folder, or tables of a database."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from flows.errors import InputError
from flows.warehouse.address import is_postgres, schema_of
from flows.warehouse.export_file import ExportFile
from flows.warehouse.folder import find_export
from flows.warehouse.limits import USUAL, Limits


class ExportTable(Protocol):
    """A table of an export: what people call it, and its columns that are not read."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def ignored(self) -> tuple[str, ...]:
        """Its columns that such a table does not have; they are not used."""

    def on_disk(self, folder: Path) -> ExportFile:
        """Its rows as a file: the one there is, or a masked copy in the folder."""


Export = Mapping[str, ExportTable]


def check_export(source: str, *, is_partial: bool = False) -> None:
    """Find what is wrong at first sight, before anything slow is begun.

    `is_partial`: tables can be missing.

    Raises:
        InputError: the folder or one of its files is not what it must be.
    """
    if not is_database(source):
        find_export(_folder(source), is_partial=is_partial)


def is_database(source: str) -> bool:
    """Whether a source is the URL of a database, and not a folder."""
    return source.startswith("duckdb://") or is_postgres(source)


@contextmanager
def opened_export(
    source: str,
    key: bytes,
    forgotten: Collection[int] = (),
    limits: Limits = USUAL,
    *,
    is_partial: bool = False,
) -> Iterator[Export]:
    """The tables of an export by name, while it is open; an optional one can be missing.

    Args:
        source: a folder, duckdb://PATH?schema=NAME or postgresql://…?schema=NAME.
        key: for pseudonyms; a database masks what is personal itself.
        forgotten: ids of users; a change that names one does not leave a database with it.
        limits: of a DuckDB that is read.
        is_partial: tables can be missing.

    Raises:
        InputError: the source cannot be read, or lacks a table or a column.
    """
    if not is_database(source):
        yield find_export(_folder(source), is_partial=is_partial)
        return
    # Imported when needed: each engine takes its time.
    from flows.warehouse.tables import find_tables

    if is_postgres(source):
        from flows.warehouse.postgres.source import opened as opened_postgres

        url, schema = schema_of(source, default="public")
        opened = opened_postgres(url, key, forgotten)
    else:
        from flows.warehouse.duckdb_source import opened as opened_duckdb

        url, schema = schema_of(source, default="main")
        opened = opened_duckdb(url, key, forgotten, limits)
    with opened as database:
        yield find_tables(database, schema, is_partial=is_partial)


def _folder(source: str) -> Path:
    if "://" in source:  # not quoted: there can be a password in it
        raise InputError(
            "the source must be a folder, or be written as duckdb://PATH?schema=NAME or"
            " postgresql://USER@HOST:PORT/DATABASE?schema=NAME"
        )
    return Path(source)
