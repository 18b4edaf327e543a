"""Timestamps in time zones, as months, and as days between."""

from datetime import UTC, date, datetime, timedelta, timezone

import ibis
import pytest

from transforms.times import as_utc, days_after, days_between, every_month, month

NAIVE, INSTANT = "timestamp(6)", "timestamp('UTC', 6)"


@pytest.mark.parametrize(
    ("local", "zone", "utc"),
    [
        (datetime(2024, 1, 1, 12), "UTC", datetime(2024, 1, 1, 12)),
        (datetime(2024, 1, 1, 0, 30), "Europe/Berlin", datetime(2023, 12, 31, 23, 30)),
        (datetime(2024, 7, 1, 0, 30), "Europe/Berlin", datetime(2024, 6, 30, 22, 30)),
        (datetime(2024, 7, 1, 12), "Asia/Kolkata", datetime(2024, 7, 1, 6, 30)),
        (datetime(2024, 7, 1, 12), "America/New_York", datetime(2024, 7, 1, 16)),
    ],
)
def test_a_naive_timestamp_is_local_to_its_zone(applied, local, zone, utc):
    assert applied(lambda at: as_utc(at, zone), [local], NAIVE) == [utc]


def test_both_sides_of_a_clock_change_are_an_instant_apart(applied):
    before, after = datetime(2024, 3, 31, 1, 59, 59, 999999), datetime(2024, 3, 31, 3)
    made = applied(lambda at: as_utc(at, "Europe/Berlin"), [before, after], NAIVE)
    assert made == [datetime(2024, 3, 31, 0, 59, 59, 999999), datetime(2024, 3, 31, 1)]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_an_instant_is_the_same_in_every_zone(applied, zone):
    instants = [
        datetime(2024, 7, 1, 12, 30, 0, 123456, UTC),
        datetime(2024, 7, 1, 12, 30, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    ]
    made = applied(lambda at: as_utc(at, zone), instants, INSTANT)
    assert made == [datetime(2024, 7, 1, 12, 30, 0, 123456), datetime(2024, 7, 1, 7)]


def test_no_time_stays_none(applied):
    assert applied(lambda at: as_utc(at, "Europe/Berlin"), [None], NAIVE) == [None]
    assert applied(lambda at: month(at, "Europe/Berlin"), [None], NAIVE) == [None]


@pytest.mark.parametrize(
    ("utc", "zone", "first_day"),
    [
        (datetime(2024, 1, 31, 23, 30), "UTC", date(2024, 1, 1)),
        (datetime(2024, 1, 31, 23, 30), "Europe/Berlin", date(2024, 2, 1)),
        (datetime(2024, 6, 30, 21, 59), "Europe/Berlin", date(2024, 6, 1)),
        (datetime(2024, 6, 30, 22, 0), "Europe/Berlin", date(2024, 7, 1)),
        (datetime(2024, 2, 1, 4, 59), "America/New_York", date(2024, 1, 1)),
        (datetime(2024, 12, 31, 18, 30), "Asia/Kolkata", date(2025, 1, 1)),
    ],
)
def test_a_month_is_the_first_day_of_the_local_month(applied, utc, zone, first_day):
    assert applied(lambda at: month(at, zone), [utc], NAIVE) == [first_day]


def test_days_between_have_fractions_to_the_microsecond(applied):
    ends = [
        datetime(2024, 3, 1),
        datetime(2024, 2, 28, 6),
        datetime(2024, 2, 28, 0, 0, 0, 1),
        datetime(2024, 2, 27, 12),
        None,
    ]
    start = ibis.timestamp("2024-02-28 00:00:00")
    made = applied(lambda end: days_between(start, end), ends, NAIVE)
    assert made == [2.0, 0.25, 1 / 86_400_000_000, -0.5, None]


@pytest.mark.parametrize(("seconds", "later"), [(0.4, 0), (0.6, 1), (86_400.6, 86_401)])
def test_days_after_are_to_the_nearest_second(applied, seconds, later):
    start = datetime(2024, 1, 1)
    moment = ibis.literal(start, NAIVE)
    made = applied(lambda days: days_after(moment, days), [seconds / 86_400], "float64")
    assert made == [start + timedelta(seconds=later)]


def test_days_between_are_counted_in_hours_of_utc_across_a_clock_change(applied):
    start = ibis.timestamp("2024-03-30 12:00:00")
    assert applied(lambda end: days_between(start, end), [datetime(2024, 3, 31, 12)], NAIVE) == [1]


@pytest.mark.parametrize(
    ("given", "filled"),
    [
        ([], []),
        (["2024-02-01"], [date(2024, 2, 1)]),
        (
            ["2024-02-01", "2023-11-01", "2023-11-01"],
            [date(2023, 11, 1), date(2023, 12, 1), date(2024, 1, 1), date(2024, 2, 1)],
        ),
    ],
)
def test_every_month_fills_the_gaps(engine, draw, given, filled):
    months = every_month(draw("\n".join(["month", *given]), month="date"))
    assert engine.to_pyarrow(months.order_by("month"))["month"].to_pylist() == filled
