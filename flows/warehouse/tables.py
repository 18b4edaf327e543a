"""Tables of a database as an export: read out to masked files, each in one SELECT.

Their names and columns are found in any case; columns can be typed or text, and others are not
looked at.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ibis import Table
from ibis.backends.sql import SQLBackend
from ibis.expr.types import StringValue

from flows.errors import InputError
from flows.warehouse.export_file import ExportFile
from flows.warehouse.faults import told_in_short
from flows.warehouse.folder import others
from transforms.masking.pseudonyms import Pseudonym, masked_columns, options_without_people
from transforms.sources import ID_KINDS, PERSONAL_KINDS, SOURCES, Source
from transforms.text import exactly


@dataclass(frozen=True)
class Database:
    """A database that an export is read from.

    `tables`: those of a schema, views too, and whether one may read them. `pseudonym` is keyed;
    `write` puts rows into a CSV file with a header; of `forgotten` users the
    change log is to say nothing.
    """

    name: str
    backend: SQLBackend
    tables: Callable[[str], Mapping[str, bool]]
    pseudonym: Pseudonym
    write: Callable[[Table, Path], None]
    forgotten: Collection[int]


@dataclass(frozen=True)
class DatabaseTable:
    """A table of a database; `columns`: those of the source, as the table spells them."""

    name: str
    source: Source
    database: Database
    table: Table
    columns: Mapping[str, str]

    def on_disk(self, folder: Path) -> ExportFile:
        """A copy of its rows, masked on the way."""
        rows = self.table.select(**self._cells())
        file = folder / f"{self.source.name}.csv"
        with told_in_short(file):
            self.database.write(rows, file)
        header = tuple(rows.columns)
        places = {name: place for place, name in enumerate(header)}
        return ExportFile(self.source, file, header, places, self.name, self.ignored)

    @property
    def ignored(self) -> tuple[str, ...]:
        """Columns that such a table does not have; they are never read."""
        return others(self.table.columns, self.columns.values())

    def _cells(self) -> dict[str, StringValue]:
        text = {name: self.table[column].cast("string") for name, column in self.columns.items()}
        cells: dict[str, StringValue] = {}
        for column in self.source.columns:
            if column.name not in text:
                continue
            if column.kind in PERSONAL_KINDS:
                masked = masked_columns(
                    column.kind,
                    text[column.name],
                    text.get("changed_field_key"),
                    self.database.pseudonym,
                    self.database.forgotten,
                )
                cells |= {column.name + suffix: value for suffix, value in masked.items()}
            elif column.kind == "json":
                cells[column.name] = options_without_people(text[column.name], text["field_key"])
            elif column.kind in ID_KINDS:
                cells[column.name] = exactly(self.table[self.columns[column.name]])
            else:
                cells[column.name] = text[column.name]
        return cells


def find_tables(
    database: Database, schema: str, *, is_partial: bool = False
) -> dict[str, DatabaseTable]:
    """The tables of the export in a schema; if it `is_partial`, some of them.

    Raises:
        InputError: the schema is missing; or tables are missing, there twice, or lack a column:
            all that is wrong, a line for each.
    """
    place = f"{database.name}: schema {schema}"
    if schema not in database.backend.list_databases():
        raise InputError(f"{place} is not there; name it with ?schema=…")
    names = database.tables(schema)
    found, wrong = {}, []
    for source in SOURCES.values():
        try:
            if table := _find(database, schema, names, source, is_partial):
                found[source.name] = table
        except InputError as error:
            wrong.append(str(error))
    if not found and not wrong:
        wrong = [f"{place}: there is no table of an export in it"]
    if wrong:
        raise InputError("\n  ".join(wrong))
    return found


def _find(
    database: Database, schema: str, names: Mapping[str, bool], source: Source, is_partial: bool
) -> DatabaseTable | None:
    place = f"{database.name}: schema {schema}"
    same = _spelled(source.name, names, f"{place}: the table")
    if same is None:
        if not (source.optional or is_partial):
            raise InputError(f"{place}: the table {source.name} is missing")
        return None
    if not names[same]:
        raise InputError(f"{place}: the table {same} may not be read; GRANT SELECT on it")
    table = database.backend.table(same, database=schema)
    where = f"{place}: table {same}: the column"
    columns = {c.name: _spelled(c.name, table.columns, where) for c in source.columns}
    missing = [c.name for c in source.columns if not columns[c.name] and not c.optional]
    if missing:
        raise InputError(f"{where} {', '.join(missing)} is missing")
    spelled = {name: column for name, column in columns.items() if column}
    return DatabaseTable(f"{place}: table {same}", source, database, table, spelled)


def _spelled(name: str, among: Iterable[str], what: str) -> str | None:
    same = [other for other in among if other.strip().lower() == name]
    if len(same) > 1:
        raise InputError(f"{what} {name} is there twice ({', '.join(same)}); keep one of them")
    return same[0] if same else None
