"""Files into typed, masked rows, in DuckDB.

Everything is read as text and cast here, strictly: DuckDB's own casts round "12.5" to an id, take
"infinity" for a time and drop the offset of a timestamp. Personal values are masked in the same
SELECT that reads them.

A cast looks for the usual shape of a value first, and only at what is left with care: on millions
of rows that is most of the speed. Each step is a view, so that DuckDB computes a value once.
"""

from collections.abc import Callable, Sequence
from functools import reduce
from glob import escape
from operator import add

import ibis
import ibis.expr.datatypes as dt
from ibis import Table
from ibis.backends.duckdb import Backend
from ibis.expr.types import BooleanValue, StringValue, TimestampValue, Value
from transforms import text as texts
from transforms.masking.pseudonyms import Pseudonym, masked_columns
from transforms.sources import PERSONAL_KINDS, RAW_COLUMNS, Column, Kind, Source
from transforms.times import as_utc

from flows.warehouse.folder import ExportFile

REJECTS = "_rejected_lines"
# In bytes: a quarter of DuckDB's own buffer, for the same speed; its own longest line.
BUFFER, LONGEST_LINE = 8 << 20, 2 << 20
# Columns beside those of the raw table: a bit for each thing that is wrong with the row, a hash of
# its values, and its place in the file.
FAULTS, ROW_HASH, SOURCE_ROW = "faults", "row_hash", "source_row"

_USUAL_INTEGER = r"^[0-9]{1,18}$"
# Every such time exists; the 29th of February is left to the careful look.
_USUAL_TIME = (
    r"^(19[7-9]\d|2[01]\d\d)-"
    r"((0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)"
    r"[ T]([01]\d|2[0-3])(:[0-5]\d){2}$"
)
_USUAL: dict[Kind, str] = {
    "integer": _USUAL_INTEGER,
    "person_id": _USUAL_INTEGER,
    "timestamp": _USUAL_TIME,
}
_NAIVE_TIME = r"^\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,9})?)?)?$"
_TIME_WITH_OFFSET = (
    r"^\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d{1,9})?)? ?(Z|[+-]([01]\d|2[0-3])(:?[0-5]\d)?)$"
)
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
MISSING = "missing"


@ibis.udf.scalar.builtin(name="json_type", signature=((dt.string,), dt.string))
def _json_type(text):  # type: ignore[no-untyped-def]
    """Type of a JSON text."""


@ibis.udf.scalar.builtin(name="json_valid", signature=((dt.string,), dt.boolean))
def _json_valid(text):  # type: ignore[no-untyped-def]
    """Whether a text is JSON."""


def scan(connection: Backend, file: ExportFile) -> Table:
    """The file as text columns named as the source's; nothing is read yet.

    Lines that do not have the shape of the file go to the temporary table REJECTS as it is read.
    """
    view = f"_scan_{file.source.name}"
    places = range(len(file.header))
    if file.is_parquet:
        read = connection.read_parquet(escape(str(file.path)), table_name=view)
        read = read.select(**{f"c{place}": read[place].cast("string") for place in places})
    else:
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
        )
    cells = {
        name: read[f"c{file.places[name]}"] if name in file.places else ibis.null("string")
        for name in file.cells
    }
    return read.select(**cells).alias(f"_cells_{file.source.name}")


def typed(scanned: Table, file: ExportFile, zone: str, pseudonym: Pseudonym) -> Table:
    """The columns of the raw table, FAULTS and ROW_HASH."""
    source = file.source
    values = {
        f"{column.name}_value": _CASTS[column.kind](scanned[column.name], zone)
        for column in source.columns
        if column.kind in REASONS
    }
    scanned = scanned.mutate(**values).alias(f"_values_{source.name}")
    found = _faults(scanned, source.columns)
    bits = [wrong.ifelse(1 << place, 0) for place, wrong in enumerate(found.values())]
    raw = {
        column.name + suffix: value
        for column in source.columns
        for suffix, value in _raw_columns(scanned, column, file, pseudonym).items()
    }
    made = scanned.select(**raw, **{FAULTS: reduce(add, bits).cast("int64")})
    made = made.alias(f"_typed_{source.name}")
    whole = ibis.struct({name: made[name] for name in raw})
    # One bit less: not every engine has unsigned integers.
    return made.mutate((whole.hash() >> 1).name(ROW_HASH))


def fault_names(source: Source, bits: int) -> list[tuple[str, str]]:
    """Column and reason of each thing that is wrong with a row of these FAULTS."""
    names = [(column.name, reason) for column in source.columns for reason in _reasons(column)]
    return [name for place, name in enumerate(names) if bits & 1 << place]


def _reasons(column: Column) -> list[str]:
    """What can be wrong with a cell of the column."""
    reasons = [REASONS[column.kind]] if column.kind in REASONS else []
    return [*reasons, MISSING] if column.required else reasons


def _faults(values: Table, columns: Sequence[Column]) -> dict[tuple[str, str], BooleanValue]:
    """Column and reason -> whether it is so. Only where there is no value is the text looked at."""
    found = {}
    for column in columns:
        if not _reasons(column):
            continue
        cell = values[column.name]
        value = values[f"{column.name}_value"] if column.kind in REASONS else cell
        for reason in _reasons(column):
            empty = is_blank(cell) if reason == MISSING else ~is_blank(cell)
            if column.kind not in REASONS:
                found[column.name, reason] = empty
            else:
                found[column.name, reason] = ibis.ifelse(value.isnull(), empty, False)
    return found


def _raw_columns(
    values: Table, column: Column, file: ExportFile, pseudonym: Pseudonym
) -> dict[str, Value]:
    """The raw columns of a cell by suffix, as `transforms.sources.RAW_COLUMNS` declares them."""
    if column.kind in PERSONAL_KINDS:
        if file.is_masked:
            return {suffix: values[column.name + suffix] for suffix in RAW_COLUMNS[column.kind]}
        field_key = values.changed_field_key if column.kind == "log_value" else None
        return masked_columns(column.kind, values[column.name], field_key, pseudonym)
    if column.kind == "person_id":
        number = values[f"{column.name}_value"]
        return {"": number, "_pseudonym": pseudonym("user:" + number.cast("string"))}
    if column.kind == "text":
        return {"": values[column.name]}
    return {"": values[f"{column.name}_value"]}


def is_blank(cell: StringValue) -> BooleanValue:
    """Whether a cell holds nothing but white space; all that is visible in ASCII is above "!"."""
    return ibis.ifelse(cell >= "!", False, cell.strip().fill_null("") == "")


def _integer(cell: StringValue) -> Value:
    usual = cell.re_search(_USUAL_INTEGER)
    return ibis.ifelse(usual, cell.try_cast("int64"), texts.integer(cell.strip()))


def _number(cell: StringValue) -> Value:
    text = cell.strip()
    number = text.try_cast("float64")
    return ibis.ifelse(text.re_search(_NUMBER) & ~number.isinf(), number, None)


def _boolean(cell: StringValue) -> Value:
    usual = cell.cases(("True", True), ("False", False), ("Yes", True), ("No", False))
    return usual.coalesce(cell.strip().lower().cases(*_BOOLEANS.items()))


def _timestamp(cell: StringValue, zone: str) -> TimestampValue:
    text = cell.strip()
    naive = as_utc(text.try_cast(dt.Timestamp(scale=6)), zone)
    # DuckDB wants seconds before an offset, and no space.
    with_seconds = text.re_replace(r"([ T]\d\d:\d\d)( ?[Z+-])", r"\1:00\2")
    with_seconds = with_seconds.re_replace(r" ([Z+-])", r"\1")
    instant = as_utc(with_seconds.try_cast(dt.Timestamp(timezone="UTC", scale=6)), "UTC")
    unusual = ibis.cases(
        (text.re_search(_NAIVE_TIME), naive), (text.re_search(_TIME_WITH_OFFSET), instant)
    )
    plausible = (unusual >= ibis.timestamp("1970-01-01")) & (unusual < ibis.timestamp("2200-01-01"))
    usual = as_utc(cell.try_cast(dt.Timestamp(scale=6)), zone)
    return ibis.cases((cell.re_search(_USUAL_TIME), usual), (plausible, unusual))


def _json_list(cell: StringValue) -> StringValue:
    return ibis.cases((_json_valid(cell), ibis.ifelse(_json_type(cell) == "ARRAY", cell, None)))


_CASTS: dict[str, Callable[[StringValue, str], Value]] = {
    "integer": lambda cell, _: _integer(cell),
    "person_id": lambda cell, _: _integer(cell),
    "number": lambda cell, _: _number(cell),
    "boolean": lambda cell, _: _boolean(cell),
    "timestamp": _timestamp,
    "json": lambda cell, _: _json_list(cell),
}
