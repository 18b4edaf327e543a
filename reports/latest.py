"""The latest complete month, against the month before and the same month a year before."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import nan
from typing import NamedTuple

from pandas import (
    DataFrame,
    DateOffset,
    DatetimeIndex,
    Series,
    Timestamp,
    date_range,
    isna,
    to_datetime,
)

from reports.chance import CLEAR_OF_MANY, between_counts, between_shares
from reports.text import MISSING, decimal, in_percent, rate, steps, whole

SPARK_MONTHS, SPARK_HEIGHT, SPARK_STEP = 24, 20, 4
MOST_MONTHS = 36  # in a chart by month
GOOD, BAD, NEITHER = "good", "bad", ""
FEWEST = 30  # deals, losses or stays, below which what is said would be about chance
# What the entries into steps are found in, as rep_source_mix calls it.
CHANGES, ACTIVITIES = "changes by field", "completed activities by type"
WHOLE = DateOffset(days=3)  # a month in which the data begins later than that is cut off

# They go on from month to month, also where nothing happens.
STOCKS = {"open_deals", "stalled_deals"}


class Figure(NamedTuple):
    """A column of rep_monthly_figures.

    `more_is_good`, `write`, `meaning`: see Line. `of`: the columns of which a rate is a share.
    """

    column: str
    name: str
    more_is_good: bool | None
    write: Callable[[float], str]
    meaning: str
    of: tuple[str, ...] = ()


FIGURES = [
    Figure("deals_created", "New deals", True, whole, "created in the month"),
    Figure("deals_won", "Won", True, whole, "closed in the month, and won"),
    Figure("deals_lost", "Lost", False, whole, "closed in the month, and lost; fewer is better"),
    Figure(
        "win_rate_pct",
        "Win rate",
        True,
        rate,
        "won, of the deals closed in the month",
        of=("deals_won", "deals_lost"),
    ),
    Figure(  # no news: it is longer where more of the deals are won
        "median_days_to_close",
        "Median days to close",
        None,
        decimal,
        "from creation, of the deals closed in the month, won or lost",
    ),
    Figure(
        "open_deals",
        "Open deals",
        None,
        whole,
        "created by the end of the month, and closed later or not yet",
    ),
    Figure(
        "stalled_deals",
        "Stalled deals",
        None,
        whole,
        "at the end of the month longer in their stage than nine in ten",
    ),
    Figure(
        "calls_completed", "Completed calls", True, whole, "sales calls done, and due in the month"
    ),
]


@dataclass(frozen=True)
class Line:
    """What was counted or measured month by month, up to the latest complete month.

    `more_is_good`: whether a rise is good news; none where a change is no news at all.
    `write`: how a value is written; `meaning`: what it is, for one that stands alone.
    `of`: of a rate, how many it is a share of, month by month.
    """

    name: str
    counts: Series
    more_is_good: bool | None
    write: Callable[[float], str] = whole
    meaning: str = ""
    of: Series | None = None

    @property
    def latest(self) -> str:
        """The value of the latest complete month."""
        return self.write(self.counts.iloc[-1])

    def change(self, months: int) -> tuple[str, str]:
        """The change since so many months before, in words, and whether it is good news.

        One that can be chance is no news, nor is one of few; nor that of a stock, of which is not
        known how many came and went.
        """
        now, before = (
            float(self.counts.iloc[-1 - ago]) if ago < len(self.counts) else nan
            for ago in (0, months)
        )
        if isna(now) or isna(before):
            return MISSING, NEITHER
        more = now - before
        if self.write(now) == self.write(before):
            return "the same", NEITHER
        is_rate = self.write is rate  # of two rates, the difference is in points
        share = f" ({in_percent(more, before)})" if before and not is_rate else ""
        amount = f"{decimal(abs(more))} points" if is_rate else self.write(abs(more))
        news = NEITHER
        if self.more_is_good is not None and self._is_clear(now, before, months):
            news = GOOD if (more > 0) == self.more_is_good else BAD
        return f"{'▲' if more > 0 else '▼'} {amount}{share}", news

    def _is_clear(self, now: float, before: float, months: int) -> bool:
        if self.of is None:
            return now + before >= FEWEST and between_counts(now, before) > CLEAR_OF_MANY
        of_now, of_before = (float(self.of.iloc[-1 - ago]) for ago in (0, months))
        counted = (now * of_now / 100, of_now, before * of_before / 100, of_before)
        return min(of_now, of_before) >= FEWEST and between_shares(*counted) > CLEAR_OF_MANY

    @property
    def spark(self) -> str:
        """The last two years, as the points of a line in a box of `spark_width`."""
        counts = self.counts.tail(SPARK_MONTHS).astype(float)
        most = counts.fillna(0).max() or 1.0
        heights = 1 + (SPARK_HEIGHT - 2) * (1 - counts / most)
        return " ".join(
            f"{SPARK_STEP * place + 1:g},{height:.1f}"
            for place, height in enumerate(heights)
            if not isna(height)
        )

    @property
    def spark_width(self) -> int:
        """How wide the line of the last two years is."""
        return SPARK_STEP * max(1, len(self.counts.tail(SPARK_MONTHS)) - 1) + 2


@dataclass(frozen=True)
class Latest:
    """The latest complete month, what a manager asks for, and a line per step of the funnel.

    Or the latest whose deals can be judged, and a line per conversion from step to step.
    """

    month: Timestamp
    figures: list[Line]
    lines: list[Line]

    @property
    def month_before(self) -> Timestamp:
        """The month before it."""
        return self.month - DateOffset(months=1)

    @property
    def year_before(self) -> Timestamp:
        """The same month a year before it."""
        return self.month - DateOffset(years=1)


def end_of_intake(
    rep_sales_funnel_monthly: DataFrame, rep_monthly_figures: DataFrame
) -> Timestamp | None:
    """The last month with new deals, if deals went on moving for more than a month after it.

    Where it is not known when deals were created, those are new that enter the first step. In the
    month in which the data ends, there may be new ones yet.
    """
    monthly, figures = rep_sales_funnel_monthly, rep_monthly_figures
    entries = monthly[monthly["deals_count"].fillna(0) > 0]
    into_first = entries[entries["funnel_step"].isin(monthly["funnel_step"].head(1))]
    created = figures[figures["deals_created"].fillna(0) > 0]
    new = into_first if created.empty else created
    of_intake, of_all = (to_datetime(rows["month"]).max() for rows in (new, entries))
    return of_intake if of_intake + DateOffset(months=1) < of_all else None


def latest_month(
    tables: Mapping[str, DataFrame], as_of: Timestamp, timezone: str | None
) -> Latest | None:
    """The latest month that is over and that the data reaches; none if there is no such month.

    The month in which the data ends is not over: its counts still grow. One in which it begins,
    and not with its first days, is nothing to compare with. After the end of the intake a change is
    neither good nor bad.
    """
    monthly = tables["rep_sales_funnel_monthly"]
    if monthly.empty or isna(as_of):
        return None
    over = _local(as_of, timezone).to_period("M").to_timestamp() - DateOffset(months=1)
    entries = monthly.assign(month=to_datetime(monthly["month"]), step=steps(monthly))
    first, last = entries["month"].min(), min(entries["month"].max(), over)
    if last < first:
        return None
    months = date_range(first, last, freq="MS")
    wide = entries.pivot_table(
        index="month", columns="step", values="deals_count", aggfunc="sum", sort=False
    )
    dropoff = tables["rep_funnel_dropoff"]
    outcomes = set(steps(dropoff[dropoff["kind"] == "loss"]))
    end = end_of_intake(monthly, tables["rep_monthly_figures"])
    is_judged = end is None or end >= last
    lines = [
        Line(str(step), _counts(wide[step], months), step not in outcomes if is_judged else None)
        for step in wide.columns
    ]
    figures = _figures(tables["rep_monthly_figures"], months, is_judged)
    if len(months) > 1:
        mix, calls = tables["rep_source_mix"], steps(dropoff[dropoff["kind"] == "activity"])
        of_what = {line.name: ACTIVITIES if line.name in set(calls) else CHANGES for line in lines}
        for line in [*figures, *lines]:
            begun = _begun(mix, of_what.get(line.name))
            if not isna(begun) and _local(begun, timezone) > first + WHOLE:
                line.counts.iloc[0] = nan
    return Latest(last, figures, lines)


def _begun(rep_source_mix: DataFrame, category: str | None) -> Timestamp:
    """When the rows of a category begin, or all; NaT without any."""
    mix = rep_source_mix
    rows = mix if category is None else mix[mix["category"] == category]
    return to_datetime(rows["first_at"]).min()


def _local(moment: Timestamp, timezone: str | None) -> Timestamp:
    return moment.tz_localize("UTC").tz_convert(timezone or "UTC").tz_localize(None)


def mature(cohorts: DataFrame) -> DataFrame:
    """The months all of whose deals have had their time."""
    return cohorts[cohorts["is_mature"].astype("boolean").fillna(False)]


def step_conversions(cohorts: DataFrame) -> Latest | None:
    """From each main step to the next within 90 days, of the deals of the latest mature month.

    A share of few deals is none.
    """
    judged = mature(cohorts)
    if judged.empty:
        return None
    named = judged.assign(month=to_datetime(judged["month"]), step=steps(judged))
    reached = named.pivot_table(
        index="month", columns="step", values="deals_reached", aggfunc="sum", sort=False
    )
    reached = reached.astype(float).sort_index().asfreq("MS")
    before = reached.shift(axis="columns")
    shares = 100 * reached / before.where(before >= FEWEST)
    lines = [
        Line(str(step), shares[step], True, rate, of=before[step]) for step in shares.columns[1:]
    ]
    return Latest(shares.index[-1], [], lines)


def _figures(monthly: DataFrame, months: DatetimeIndex, is_judged: bool) -> list[Line]:
    by_month = monthly.assign(month=to_datetime(monthly["month"])).set_index("month")
    return [
        Line(
            figure.name,
            by_month[figure.column]
            .astype(float)
            .reindex(months, method="ffill" if figure.column in STOCKS else None)
            .fillna(0 if figure.write is whole else nan),
            figure.more_is_good if is_judged else None,
            figure.write,
            figure.meaning,
            by_month[[*figure.of]].sum(axis="columns").reindex(months) if figure.of else None,
        )
        for figure in FIGURES
    ]


def _counts(counts: Series, months: DatetimeIndex) -> Series:
    return counts.astype(float).reindex(months).fillna(0)
