"""Timestamps (UTC, naive) as local months and as days between."""

import ibis
import ibis.expr.datatypes as dt
from ibis import Table
from ibis.expr.types import BooleanValue, DateValue, FloatingValue, TimestampValue

MICROSECONDS_PER_DAY = 86_400_000_000

_NAIVE, _INSTANT = dt.Timestamp(scale=6), dt.Timestamp(timezone="UTC", scale=6)


@ibis.udf.scalar.builtin(name="timezone", signature=((dt.string, _NAIVE), _INSTANT))
def _as_instant(zone, at):  # type: ignore[no-untyped-def]
    """The instant at which a clock in the zone shows the naive time."""


@ibis.udf.scalar.builtin(name="timezone", signature=((dt.string, _INSTANT), _NAIVE))
def _as_clock_time(zone, at):  # type: ignore[no-untyped-def]
    """What a clock in the zone shows at the instant."""


def as_utc(at: TimestampValue, zone: str) -> TimestampValue:
    """The UTC time of a naive timestamp in the zone, or of an instant."""
    if at.type().timezone is None:
        if zone == "UTC":
            return at
        at = _as_instant(zone, at)
    return _as_clock_time("UTC", at)


def clock_time(at: TimestampValue, timezone: str) -> TimestampValue:
    """What a clock in the time zone shows at a UTC timestamp."""
    return at if timezone == "UTC" else _as_clock_time(timezone, _as_instant("UTC", at))


def is_shown_once(at: TimestampValue, clock: TimestampValue, timezone: str) -> BooleanValue:
    """Whether clocks in the time zone show `clock` at one moment, which then is `at` (UTC)."""

    def by_the_offset_of(other: TimestampValue) -> TimestampValue:
        shown = clock_time(other, timezone)
        return other + clock.delta(shown, unit="microsecond").as_interval("us")

    day_before, day_after = at - ibis.interval(days=1), at + ibis.interval(days=1)
    two_days_later = clock_time(day_before, timezone) + ibis.interval(days=2)
    # On most days, the offset is the same before and after; the rest is not looked at.
    is_steady = clock_time(day_after, timezone) == two_days_later
    before, after = by_the_offset_of(day_before), by_the_offset_of(day_after)
    was_shown = clock_time(before, timezone) == clock
    is_shown = clock_time(after, timezone) == clock
    return ibis.cases((is_steady, True), else_=was_shown != is_shown)


def month(at: TimestampValue, timezone: str) -> DateValue:
    """First day of the calendar month in which a UTC timestamp falls in the time zone."""
    return clock_time(at, timezone).truncate("M").date()


def days_between(start: TimestampValue, end: TimestampValue) -> FloatingValue:
    """Days from start to end, with fractions."""
    return end.delta(start, unit="microsecond") / MICROSECONDS_PER_DAY


def days_after(start: TimestampValue, days: FloatingValue) -> TimestampValue:
    """The moment so many days, with fractions, after start; to the second."""
    return start + (days * 86_400).round().cast("int64").as_interval("s")


def every_month(months: Table) -> Table:
    """One row per month from the first to the last of a `month` column, gaps filled."""
    ends = months.agg(first=months.month.min(), last=months.month.max())
    after_last = ends.last.cast("timestamp") + ibis.interval(days=1)
    series = ibis.range(ends.first.cast("timestamp"), after_last, ibis.interval(months=1))
    return ends.select(at=series.unnest()).select(month=lambda made: made["at"].date())
