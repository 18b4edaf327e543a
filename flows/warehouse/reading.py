"""Files into typed, masked rows, in DuckDB.

Everything is read as text and cast here, strictly: DuckDB's own casts round "12.5" to an id, take
"infinity" for a time and drop the offset of a timestamp. Personal values are masked in the same
SELECT that reads them.
"""

from collections.abc import Callable

import ibis
import ibis.expr.datatypes as dt
from ibis import Table
from ibis.backends.duckdb import Backend
from ibis.expr.types import BooleanValue, StringValue, TimestampValue, Value
from transforms import text as texts
from transforms.masking.pseudonyms import Pseudonym, email_hash, masked_log_value, masked_name
from transforms.sources import Column, Kind
from transforms.times import as_utc

from flows.warehouse.folder import ExportFile

REJECTS = "_rejected_lines"
IS_BAD = "is_bad"

_NAIVE_TIME = r"^\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?)?$"
_TIME_WITH_OFFSET = r"^\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}(\.\d{1,9})? ?(Z|[+-]\d{2}(:?\d{2})?)$"
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$"
_BOOLEANS = {
    **dict.fromkeys(("true", "t", "yes", "y", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0"), False),
}

# Why a value of a kind is rejected; kinds that take any text are not here.
REASONS: dict[Kind, str] = {
    "integer": "not a whole number",
    "person_id": "not a whole number",
    "number": "not a number",
    "timestamp": "not an ISO timestamp between 1970 and 2199",
    "boolean": "not true or false",
    "json": "not a JSON list",
}


@ibis.udf.scalar.builtin(name="json_type")
def _json_type(text: str) -> str:  # type: ignore[empty-body]
    """Type of a JSON text."""


@ibis.udf.scalar.builtin(name="json_valid")
def _json_valid(text: str) -> bool:  # type: ignore[empty-body]
    """Whether a text is JSON."""


def scan(connection: Backend, file: ExportFile) -> Table:
    """The file as text columns c0, c1, … in the order of its header; nothing is read yet.

    Lines that do not have the shape of the file go to the temporary table REJECTS as it is read.
    """
    view = f"_scan_{file.source.name}"
    if file.is_parquet:
        table = connection.read_parquet(str(file.path), table_name=view)
        return table.select(
            **{f"c{place}": table[place].cast("string") for place in range(len(file.header))}
        )
    return connection.read_csv(
        str(file.path),
        table_name=view,
        columns={f"c{place}": "string" for place in range(len(file.header))},
        auto_detect=False,
        header=True,
        delim=",",
        quote='"',
        escape='"',
        store_rejects=True,
        rejects_table=REJECTS,
        rejects_scan=f"{REJECTS}_scans",
    )


def typed(scanned: Table, file: ExportFile, zone: str, pseudonym: Pseudonym) -> Table:
    """The columns of the raw table and IS_BAD: whether the row is to be rejected."""
    cells = _cells(scanned, file)
    columns: dict[str, Value] = {}
    for column in file.source.columns:
        cell = cells[column.name]
        for suffix, value in _raw_columns(column, cell, zone, pseudonym).items():
            columns[column.name + suffix] = value
    bad = [wrong for column in file.source.columns for wrong, _ in _faults(column, cells, zone)]
    kept = [scanned.source_row] if file.source.lookup else []
    return scanned.select(*kept, **columns, **{IS_BAD: ibis.or_(*bad)})


def faults(scanned: Table, file: ExportFile, zone: str) -> Table:
    """One row per bad value: source_row, column_name, reason; never the value."""
    cells = _cells(scanned, file)
    found = [
        scanned.filter(wrong).select(
            "source_row",
            column_name=ibis.literal(column.name),
            reason=ibis.literal(reason),
        )
        for column in file.source.columns
        for wrong, reason in _faults(column, cells, zone)
    ]
    return ibis.union(*found)


def _cells(scanned: Table, file: ExportFile) -> dict[str, StringValue]:
    """Trimmed text by column; null where there is none."""
    return {
        column.name: scanned[f"c{file.places[column.name]}"].strip().nullif("")
        if column.name in file.places
        else ibis.null("string")
        for column in file.source.columns
    }


def _raw_columns(
    column: Column, cell: StringValue, zone: str, pseudonym: Pseudonym
) -> dict[str, Value]:
    """The raw columns of a cell by suffix, as `transforms.sources.RAW_COLUMNS` declares them."""
    match column.kind:
        case "person_id":
            number = texts.integer(cell)
            return {"": number, "_pseudonym": pseudonym("user:" + number.cast("string"))}
        case "name":
            return {"_masked": masked_name(cell), "_pseudonym": pseudonym(cell)}
        case "email":
            return {"_hash": email_hash(cell, pseudonym)}
        case "log_value":
            return {"": masked_log_value(cell, pseudonym)}
        case kind:
            return {"": _CASTS[kind](cell, zone)}


def _faults(
    column: Column, cells: dict[str, StringValue], zone: str
) -> list[tuple[BooleanValue, str]]:
    """What can be wrong with a cell, and the reason that is given for it."""
    cell = cells[column.name]
    found = [(cell.isnull(), "missing")] if column.required else []
    if column.kind in REASONS and column.name in cells:
        value = _CASTS[column.kind](cell, zone)
        found.append((cell.notnull() & value.isnull(), REASONS[column.kind]))
    return found


def _timestamp(text: StringValue, zone: str) -> TimestampValue:
    naive = as_utc(text.try_cast(dt.Timestamp(scale=6)), zone)
    instant = as_utc(text.try_cast(dt.Timestamp(timezone="UTC", scale=6)), "UTC")
    at = ibis.cases(
        (text.re_search(_NAIVE_TIME), naive), (text.re_search(_TIME_WITH_OFFSET), instant)
    )
    plausible = (at >= ibis.timestamp("1970-01-01")) & (at < ibis.timestamp("2200-01-01"))
    return ibis.ifelse(plausible, at, None)


def _json_list(text: StringValue, _: str) -> StringValue:
    return ibis.cases((_json_valid(text), ibis.ifelse(_json_type(text) == "ARRAY", text, None)))


_CASTS: dict[str, Callable[[StringValue, str], Value]] = {
    "text": lambda text, _: text,
    "integer": lambda text, _: texts.integer(text),
    "person_id": lambda text, _: texts.integer(text),
    "number": lambda text, _: ibis.ifelse(text.re_search(_NUMBER), text, None).cast("float64"),
    "boolean": lambda text, _: text.lower().cases(*_BOOLEANS.items()),
    "timestamp": _timestamp,
    "json": _json_list,
}
