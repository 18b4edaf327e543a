"""The latest complete month, against the month before and the same month a year before."""

from collections.abc import Mapping
from dataclasses import dataclass

from pandas import DataFrame, DateOffset, Series, Timestamp, date_range, isna, to_datetime

from reports.text import MISSING, steps, whole

SPARK_MONTHS, SPARK_HEIGHT, SPARK_STEP = 24, 20, 4
GOOD, BAD, NEITHER = "good", "bad", ""


@dataclass(frozen=True)
class Line:
    """What was counted month by month: `counts` ends with the latest complete month.

    `more_is_good`: whether a rise is good news; none where a change is no news at all.
    """

    name: str
    counts: Series
    more_is_good: bool | None

    @property
    def latest(self) -> float:
        """The count of the latest complete month."""
        return float(self.counts.iloc[-1])

    def change(self, months: int) -> tuple[str, str]:
        """The change since so many months before, in words, and whether it is good news."""
        if len(self.counts) <= months:
            return MISSING, NEITHER
        before = float(self.counts.iloc[-1 - months])
        more = self.latest - before
        if not more:
            return "the same", NEITHER
        share = f" ({100 * more / before:+.0f}%)" if before else ""
        news = NEITHER
        if self.more_is_good is not None:
            news = GOOD if (more > 0) == self.more_is_good else BAD
        return f"{'▲' if more > 0 else '▼'} {whole(abs(more))}{share}", news

    @property
    def spark(self) -> str:
        """The last two years, as the points of a line in a box of `spark_width`."""
        counts = self.counts.tail(SPARK_MONTHS).astype(float)
        most = counts.max() or 1.0
        heights = 1 + (SPARK_HEIGHT - 2) * (1 - counts / most)
        return " ".join(
            f"{SPARK_STEP * place + 1:g},{height:.1f}" for place, height in enumerate(heights)
        )

    @property
    def spark_width(self) -> int:
        """How wide the line of the last two years is."""
        return SPARK_STEP * max(1, len(self.counts.tail(SPARK_MONTHS)) - 1) + 2


@dataclass(frozen=True)
class Latest:
    """The latest complete month and a line per step of the funnel and for the activities."""

    month: Timestamp
    lines: list[Line]

    @property
    def month_before(self) -> Timestamp:
        """The month before it."""
        return self.month - DateOffset(months=1)

    @property
    def year_before(self) -> Timestamp:
        """The same month a year before it."""
        return self.month - DateOffset(years=1)


def intake_end(tables: Mapping[str, DataFrame]) -> Timestamp | None:
    """The last month with new deals, if deals went on moving after it."""
    entries = tables["rep_sales_funnel_monthly"]
    entries = entries[entries["deals_count"].fillna(0) > 0]
    first_step = tables["rep_funnel_dropoff"]["funnel_step"].head(1)
    intake = entries.loc[entries["funnel_step"].isin(first_step), "month"].max()
    return intake if not isna(intake) and intake < entries["month"].max() else None


def latest_month(
    tables: Mapping[str, DataFrame], as_of: Timestamp, timezone: str | None
) -> Latest | None:
    """The latest month that is over and that the data reaches; none if there is no such month.

    The month in which the data ends is not over: its counts still grow. After the end of the
    intake a change is neither good nor bad.
    """
    monthly = tables["rep_sales_funnel_monthly"]
    if monthly.empty or isna(as_of):
        return None
    local = as_of.tz_localize("UTC").tz_convert(timezone or "UTC").tz_localize(None)
    over = local.to_period("M").to_timestamp() - DateOffset(months=1)
    entries = monthly.assign(month=to_datetime(monthly["month"]), step=steps(monthly))
    first, last = entries["month"].min(), min(entries["month"].max(), over)
    if last < first:
        return None
    months = date_range(first, last, freq="MS")
    wide = entries.pivot_table(
        index="month", columns="step", values="deals_count", aggfunc="sum", sort=False
    )
    outcomes = set(steps(tables["rep_funnel_dropoff"].tail(1)))
    end = intake_end(tables)
    is_judged = end is None or end >= last
    lines = [
        Line(str(step), _counts(wide[step], months), step not in outcomes if is_judged else None)
        for step in wide.columns
    ]
    reps = tables["rep_sales_rep_performance_monthly"]
    done = reps.groupby(to_datetime(reps["month"]))["activities_completed"].sum()
    activities = _counts(done, months)
    return Latest(last, [*lines, Line("Activities completed", activities, is_judged or None)])


def _counts(counts: Series, months: object) -> Series:
    return counts.astype(float).reindex(months).fillna(0)
