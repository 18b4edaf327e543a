"""JSON in a cell of the export."""

import ibis
import ibis.expr.datatypes as dt
from ibis.expr.types import StringValue


@ibis.udf.scalar.builtin(name="json_type", signature=((dt.string,), dt.string))
def _json_type(text):  # type: ignore[no-untyped-def]
    """Type of a JSON text."""


@ibis.udf.scalar.builtin(name="json_valid", signature=((dt.string,), dt.boolean))
def _json_valid(text):  # type: ignore[no-untyped-def]
    """Whether a text is JSON."""


def json_list(cell: StringValue) -> StringValue:
    """The text, if it is a JSON list as every engine reads it; else null."""
    # DuckDB reads some that no other engine does: NaN, Infinity, and a comma before the end.
    besides_texts = cell.re_replace(r'"(\\.|[^"\\])*"', '""')
    is_lax = besides_texts.re_search(r"(?i)nan|inf|,\s*[\]}]")
    is_list = ~is_lax & (_json_type(cell) == "ARRAY")
    return ibis.cases((_json_valid(cell), ibis.ifelse(is_list, cell, None)))
