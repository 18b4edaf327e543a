"""The texts that are timestamps, and the moments that they name."""

import ibis
import ibis.expr.datatypes as dt
from ibis.expr.types import BooleanValue, StringValue, TimestampValue

from transforms.times import as_utc, is_shown_once

TIME = dt.Timestamp(scale=6)

_NAIVE = r"^\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,9})?)?)?$"
_WITH_OFFSET = (
    r"^\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d{1,9})?)? ?(Z|[+-]([01]\d|2[0-3])(:?[0-5]\d)?)$"
)


def unusual_time(text: StringValue, zone: str) -> TimestampValue:
    """The UTC time of a text that DuckDB would not write so itself; null if it is none."""
    naive = as_utc(text.try_cast(TIME), zone)
    # DuckDB wants seconds before an offset, and no space.
    with_seconds = text.re_replace(r"([ T]\d\d:\d\d)( ?[Z+-])", r"\1:00\2")
    with_seconds = with_seconds.re_replace(r" ([Z+-])", r"\1")
    instant = as_utc(with_seconds.try_cast(dt.Timestamp(timezone="UTC", scale=6)), "UTC")
    return ibis.cases((text.re_search(_NAIVE), naive), (text.re_search(_WITH_OFFSET), instant))


def is_plausible(at: TimestampValue) -> BooleanValue:
    """Whether it is of our time."""
    return (at >= ibis.timestamp("1970-01-01")) & (at < ibis.timestamp("2200-01-01"))


def is_uncertain(at: TimestampValue, cell: StringValue, zone: str) -> BooleanValue:
    """Whether the cell leaves open which UTC time it means: the clocks were changed just then."""
    if zone == "UTC":
        return ibis.literal(False)
    text = cell.strip()
    return ibis.cases(
        (is_shown_once(at, text.try_cast(TIME), zone), False), else_=text.re_search(_NAIVE)
    )
