"""The values of cells that are read as text, and what is wrong with a cell that holds none.

Strictly: DuckDB's own casts round "12.5" to an id, take "infinity" for a time and drop the offset
of a timestamp. A value in its usual shape reads back as it was written; only what does not is
looked at with care: on millions of rows that is most of the speed.
"""

from collections.abc import Collection, Sequence

import ibis
import ibis.expr.datatypes as dt
from ibis import Table
from ibis.expr.types import BooleanValue, StringValue, Value

from flows.warehouse.json_lists import json_list
from flows.warehouse.timestamps import TIME, is_plausible, is_uncertain, unusual_time
from transforms import text as texts
from transforms.sources import ID_KINDS, Column, Kind, Source
from transforms.times import as_utc

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
    "number": "not a number, as in 1200.50",
    "timestamp": "not an ISO timestamp between 1970 and 2199, as in 2024-12-31 22:00:00",
    "boolean": "not true or false, yes or no, 1 or 0",
    "json": "not a JSON list",
}
UNCERTAIN = "a time that clocks in FUNNEL_SOURCE_TIMEZONE show twice or never"
MISSING = "missing"
# PostgreSQL keeps no such text, and no JSON that spells one out.
NUL, ESCAPED_NUL = "a NUL character", r"\u0000"


@ibis.udf.scalar.builtin(name="url_decode", signature=((dt.string,), dt.string))
def _decoded(text):  # type: ignore[no-untyped-def]
    """The text with its %XX as characters: a NUL itself would end the statement."""


def with_values(cells: Table, source: Source, zone: str) -> Table:
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
            return _number(texts.stripped(cell))
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


def _number(text: StringValue) -> Value:
    number = text.try_cast("float64")
    return ibis.ifelse(text.re_search(_NUMBER) & ~number.isinf(), number, None)


def _boolean(cell: StringValue) -> Value:
    unusual = cell.strip().lower().cases(*_BOOLEANS.items())
    return cell.cases(("True", True), ("False", False), else_=unusual)


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


def faults(
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


def is_blank(cell: StringValue) -> BooleanValue:
    """Whether a cell holds nothing but white space; quick where it begins with something else."""
    return ibis.ifelse(cell >= "!", False, cell.strip().fill_null("") == "")
