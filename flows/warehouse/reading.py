"""Files into typed, masked rows, in DuckDB.

Everything is read as text and cast in `flows.warehouse.cells`. Personal values are masked in the
same SELECT that reads them. Each step is a view, so that DuckDB computes a value once.
"""

import secrets
from collections.abc import Collection
from functools import reduce
from glob import escape
from operator import add

import ibis
from ibis import Table
from ibis.backends.duckdb import Backend
from ibis.expr.types import Value

from flows.warehouse.cells import faults, with_values
from flows.warehouse.csv_lines import BUFFER, LONGEST_LINE, is_gzipped
from flows.warehouse.export_file import ExportFile
from transforms import text as texts
from transforms.masking.pseudonyms import (
    Pseudonym,
    is_forgotten,
    masked_columns,
    options_without_people,
)
from transforms.sources import ID_KINDS, PERSONAL_KINDS, RAW_COLUMNS, Column

REJECTS = "_rejected_lines"
# Columns beside those of the raw table: a bit for each thing that is wrong with the row, a hash of
# its values, and its place in the file.
FAULTS, ROW_HASH, SOURCE_ROW = "faults", "row_hash", "source_row"
UNREAD = "_unread"


def scan(connection: Backend, file: ExportFile, *, by_one: bool = False) -> Table:
    """The file as text columns named as the source's; nothing is read yet.

    Lines that do not have the shape of the file go to the temporary table REJECTS as it is read.
    `by_one`: by one reader. Several guess where lines begin, and can take the lines of a quoted
    value for rows; but one says nothing of a quote that is never closed (`check_last_quote` does).
    """
    view = f"_scan_{file.source.name}"
    places = range(len(file.header))
    if file.is_parquet:
        read = connection.read_parquet(
            escape(str(file.path)), table_name=view, binary_as_string=True
        )
        ids = {file.places.get(c.name) for c in file.source.columns if c.kind in ID_KINDS}
        read = read.select(
            **{
                f"c{place}": texts.exactly(read[place])
                if place in ids
                else read[place].cast("string")
                for place in places
            }
        )
    else:
        # By itself, DuckDB takes the first end of a line that there is, within a name too.
        line_end = {"new_line": file.line_end.encode("unicode_escape").decode()}
        read = connection.read_csv(
            escape(str(file.path)),
            table_name=view,
            columns={f"c{place}": "string" for place in places},
            auto_detect=False,
            header=True,
            delim=",",
            quote='"',
            escape='"',
            store_rejects=True,
            buffer_size=BUFFER,
            max_line_size=LONGEST_LINE,
            rejects_table=REJECTS,
            rejects_scan=f"{REJECTS}_scans",
            compression="gzip" if is_gzipped(file.path) else "none",
            parallel=not by_one,
            **(line_end if file.line_end else {}),
        )
    cells = {
        name: read[f"c{file.places[name]}"] if name in file.places else ibis.null("string")
        for name in file.cells
    }
    unread = [read[f"c{place}"] for place in places if place not in file.places.values()]
    if unread and not file.is_parquet:
        # Of columns that nobody reads, DuckDB forgets to say that a line has too many.
        cells[UNREAD] = ibis.coalesce(*unread)
    return read.select(**cells).alias(f"_cells_{file.source.name}")


def typed(
    scanned: Table,
    file: ExportFile,
    zone: str,
    pseudonym: Pseudonym,
    forgotten: Collection[int],
) -> Table:
    """The columns of the raw table, FAULTS and ROW_HASH; nothing is left of a forgotten user.

    The hash is made before forgotten users are taken out: rows that name others are no duplicates.
    """
    source = file.source
    scanned = with_values(scanned, source, zone)
    found = faults(scanned, source.columns, file.cells)
    bits = [wrong.ifelse(1 << place, 0) for place, wrong in enumerate(found.values())]
    if UNREAD in scanned.columns:  # never so, but DuckDB does not know
        bits.append((scanned[UNREAD] == secrets.token_hex()).fill_null(False).ifelse(1, 0))
    raw = _raw_row(scanned, file, pseudonym, forgotten)
    hashed = {}
    if forgotten:
        of_all = _raw_row(scanned, file, pseudonym, ())
        hashed = {f"_hashed_{name}": value for name, value in of_all.items()}
    made = scanned.select(**raw, **hashed, **{FAULTS: reduce(add, bits).cast("int64")})
    made = made.alias(f"_typed_{source.name}")
    whole = {name: made[name] for name in hashed or raw}
    if hashed:  # an id could be found by trying
        whole["salt"] = ibis.literal(secrets.randbits(62))
    # One bit less: not every engine has unsigned integers.
    return made.select(*raw, FAULTS, (ibis.struct(whole).hash() >> 1).name(ROW_HASH))


def _raw_row(
    values: Table, file: ExportFile, pseudonym: Pseudonym, forgotten: Collection[int]
) -> dict[str, Value]:
    """The columns of the raw table by name; in the row about a forgotten user, all are null."""
    columns = file.source.columns
    raw = {
        column.name + suffix: value
        for column in columns
        for suffix, value in _raw_columns(values, column, file, pseudonym, forgotten).items()
    }
    for column in columns:
        if column.kind == "person_id" and forgotten:
            is_kept = ~is_forgotten(values[f"{column.name}_value"], forgotten)
            raw = {name: ibis.ifelse(is_kept, value, None) for name, value in raw.items()}
    return raw


def _raw_columns(
    values: Table,
    column: Column,
    file: ExportFile,
    pseudonym: Pseudonym,
    forgotten: Collection[int],
) -> dict[str, Value]:
    """The raw columns of a cell by suffix, as `transforms.sources.RAW_COLUMNS` declares them."""
    if column.kind in PERSONAL_KINDS:
        if file.is_masked:
            return {suffix: values[column.name + suffix] for suffix in RAW_COLUMNS[column.kind]}
        field_key = values.changed_field_key if column.kind == "log_value" else None
        return masked_columns(column.kind, values[column.name], field_key, pseudonym, forgotten)
    if column.kind == "person_id":
        number = values[f"{column.name}_value"]
        return {"": number, "_pseudonym": pseudonym("user:" + number.cast("string"))}
    if column.kind == "json":
        options = values[f"{column.name}_value"]
        return {"": options_without_people(options, values.field_key)}
    if column.kind in ("user_id", "owner_id"):
        number = values[f"{column.name}_value"]
        is_gone = is_forgotten(number, forgotten)
        made = {"": ibis.ifelse(is_gone, None, number), "_is_forgotten": is_gone}
        return {suffix: made[suffix] for suffix in RAW_COLUMNS[column.kind]}
    if column.kind == "text":
        return {"": values[column.name]}
    return {"": values[f"{column.name}_value"]}
