"""Files into typed, masked rows, in DuckDB.

Everything is read as text and cast here, strictly: DuckDB's own casts round "12.5" to an id, take
"infinity" for a time and drop the offset of a timestamp. Personal values are masked in the same
SELECT that reads them.

A value in its usual shape reads back as it was written; only what does not is looked at with care:
on millions of rows that is most of the speed. Each step is a view, so that DuckDB computes a value
once.
"""

import secrets
from collections.abc import Collection, Sequence
from functools import reduce
from glob import escape
from operator import add

import ibis
import ibis.expr.datatypes as dt
from ibis import Table
from ibis.backends.duckdb import Backend
from ibis.expr.types import BooleanValue, StringValue, Value

from flows.warehouse.folder import ExportFile, is_gzipped
from flows.warehouse.json_lists import json_list
from flows.warehouse.timestamps import TIME, is_plausible, is_uncertain, unusual_time
from transforms import text as texts
from transforms.masking.pseudonyms import (
    Pseudonym,
    is_forgotten,
    masked_columns,
    options_without_people,
)
from transforms.sources import ID_KINDS, PERSONAL_KINDS, RAW_COLUMNS, Column, Kind, Source
from transforms.times import as_utc

REJECTS = "_rejected_lines"
# In bytes: a quarter of DuckDB's own buffer, for the same speed; its own longest line.
BUFFER, LONGEST_LINE = 8 << 20, 2 << 20
# Columns beside those of the raw table: a bit for each thing that is wrong with the row, a hash of
# its values, and its place in the file.
FAULTS, ROW_HASH, SOURCE_ROW = "faults", "row_hash", "source_row"
UNREAD = "_unread"

# DuckDB's own cast, a quick one, of the kinds that have a usual shape.
_QUICK_CASTS: dict[Kind, dt.DataType] = {**dict.fromkeys(ID_KINDS, dt.int64), "timestamp": TIME}
# Ids have up to 18 digits.
_LARGEST_ID = 10**18 - 1
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$"
_BOOLEANS = {
    **dict.fromkeys(("true", "t", "yes", "y", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0"), False),
}

_NOT_WHOLE = "not a whole number of up to 18 digits"
# Why a value of a kind is rejected; kinds that take any text are not here.
REASONS: dict[Kind, str] = {
    **dict.fromkeys(ID_KINDS, _NOT_WHOLE),
    "number": "not a number",
    "timestamp": "not an ISO timestamp between 1970 and 2199",
    "boolean": "not true or false",
    "json": "not a JSON list",
}
UNCERTAIN = "a time that clocks in FUNNEL_SOURCE_TIMEZONE show twice or never"
MISSING = "missing"
# PostgreSQL keeps no such text, and no JSON that spells one out.
NUL, ESCAPED_NUL = "a NUL character", r"\u0000"


@ibis.udf.scalar.builtin(name="url_decode", signature=((dt.string,), dt.string))
def _decoded(text):  # type: ignore[no-untyped-def]
    """The text with its %XX as characters: a NUL itself would end the statement."""


def scan(connection: Backend, file: ExportFile, *, by_one: bool = False) -> Table:
    """The file as text columns named as the source's; nothing is read yet.

    Lines that do not have the shape of the file go to the temporary table REJECTS as it is read.
    `by_one`: by one reader. Several guess where lines begin, and can take the lines of a value for
    rows; one does not tell of a quote that is not closed, and what is behind it.
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

    By the hash alone, rows that differ only in which forgotten user they name are still two.
    """
    source = file.source
    scanned = _with_values(scanned, source, zone)
    found = _faults(scanned, source.columns, file.cells)
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


def _with_values(cells: Table, source: Source, zone: str) -> Table:
    """A column `…_value` for every cell that is not just text; null where it cannot be read."""
    columns = [column for column in source.columns if column.kind in REASONS]
    for suffix, value in (("_quick", _quick), ("_read", _read), ("_value", _within_bounds)):
        values = {column.name + suffix: value(cells, column, zone) for column in columns}
        cells = cells.mutate(**values).alias(f"{suffix}_{source.name}")
    return cells


def _quick(cells: Table, column: Column, zone: str) -> Value:
    cell = cells[column.name]
    return cell.try_cast(_QUICK_CASTS[column.kind]) if column.kind in _QUICK_CASTS else cell


def _read(cells: Table, column: Column, zone: str) -> Value:
    cell, quick = cells[column.name], cells[f"{column.name}_quick"]
    match column.kind:
        case kind if kind in ID_KINDS:
            return ibis.ifelse(quick.cast("string") == cell, quick, texts.integer(cell.strip()))
        case "timestamp":
            usual = (quick.cast("string") == cell) & is_plausible(quick)
            return ibis.ifelse(usual, as_utc(quick, zone), unusual_time(cell.strip(), zone))
        case "number":
            return _number(cell.strip())
        case "boolean":
            return _boolean(cell)
        case _:
            return json_list(cell)


def _within_bounds(cells: Table, column: Column, zone: str) -> Value:
    value = cells[f"{column.name}_read"]
    match column.kind:
        case kind if kind in ID_KINDS:
            return value.between(-_LARGEST_ID, _LARGEST_ID).ifelse(value, None)
        case "timestamp":
            is_one = is_plausible(value) & ~is_uncertain(value, cells[column.name], zone)
            return is_one.ifelse(value, None)
        case _:
            return value


def fault_names(source: Source, bits: int) -> list[tuple[str, str]]:
    """Column and reason of each thing that is wrong with a row of these FAULTS."""
    names = [(column.name, reason) for column in source.columns for reason in _reasons(column)]
    return [name for place, name in enumerate(names) if bits & 1 << place]


def _reasons(column: Column) -> list[str]:
    """What can be wrong with a cell of the column."""
    reasons = [REASONS[column.kind]] if column.kind in REASONS else []
    if not reasons or column.kind == "json":
        reasons.append(NUL)
    if column.kind == "timestamp":
        reasons.append(UNCERTAIN)
    return [*reasons, MISSING] if column.required else reasons


def _faults(
    values: Table, columns: Sequence[Column], cells: Collection[str]
) -> dict[tuple[str, str], BooleanValue]:
    """Column and reason -> whether it is so. Only where there is no value is the text looked at.

    What is masked already is not among the cells.
    """
    return {
        (column.name, reason): _is_so(values, column, reason)
        if column.name in cells
        else ibis.literal(False)
        for column in columns
        for reason in _reasons(column)
    }


def _is_so(values: Table, column: Column, reason: str) -> BooleanValue:
    cell = values[column.name]
    if reason == NUL:
        holds_one = cell.contains(_decoded("%00"))
        return holds_one | cell.contains(ESCAPED_NUL) if column.kind == "json" else holds_one
    empty = is_blank(cell) if reason == MISSING else ~is_blank(cell)
    if column.kind not in REASONS:
        return empty
    if column.kind == "timestamp" and reason != MISSING:
        is_a_time = is_plausible(values[f"{column.name}_read"]).fill_null(False)
        empty = is_a_time if reason == UNCERTAIN else empty & ~is_a_time
    return ibis.ifelse(values[f"{column.name}_value"].isnull(), empty, False)


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


def is_blank(cell: StringValue) -> BooleanValue:
    """Whether a cell holds nothing but white space; all that is visible in ASCII is above "!"."""
    return ibis.ifelse(cell >= "!", False, cell.strip().fill_null("") == "")


def _number(text: StringValue) -> Value:
    number = text.try_cast("float64")
    return ibis.ifelse(text.re_search(_NUMBER) & ~number.isinf(), number, None)


def _boolean(cell: StringValue) -> Value:
    unusual = cell.strip().lower().cases(*_BOOLEANS.items())
    return cell.cases(("True", True), ("False", False), else_=unusual)
