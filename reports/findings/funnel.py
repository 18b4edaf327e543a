"""What is said of the funnel, its months and its cohorts."""

import math

from pandas import DataFrame, DateOffset, Timestamp, to_datetime

from reports.findings.finding import Finding, Findings, not_ended, shown_months
from reports.latest import FEWEST, Latest, Line, end_of_intake, mature
from reports.text import clean, in_percent, month, rate, short, steps, whole


def lowest_conversion(rep_funnel_dropoff: DataFrame, rep_stage_dwell: DataFrame) -> Findings:
    """The two main steps between which the smallest share of the deals went on."""
    lowest = _lowest(rep_funnel_dropoff)
    if lowest is not None:
        before, after = lowest.to_dict("records")
        open_stays = rep_stage_dwell.set_index("funnel_step")["open_stays"]
        from_, to = steps(lowest).map(short)
        yield Finding(
            f"The lowest conversion is from {from_} to {to}: {whole(after['deals_reached'])} of"
            f" {whole(before['deals_reached'])} deals went on"
            f" ({rate(after['conversion_from_previous_pct'])})"
            f"{not_ended(open_stays.get(before['funnel_step'], 0), f' in {from_}')}.",
            "chart-funnel",
        )


def _lowest(rep_funnel_dropoff: DataFrame) -> DataFrame | None:
    """The rows of these two steps, if enough deals reached the first of two."""
    main = rep_funnel_dropoff[rep_funnel_dropoff["kind"] == "stage"].reset_index(drop=True)
    before = main["deals_reached"].shift()
    rates = main["conversion_from_previous_pct"].astype(float).where(before >= FEWEST)
    if rates.isna().all():
        return None
    place = int(rates.idxmin())
    return main.iloc[place - 1 : place + 1]


def conversion_over_time(rep_funnel_dropoff: DataFrame, rep_cohorts: DataFrame) -> Findings:
    """What became of the lowest one, from the first mature month to the last, if that is recent.

    Of the months in which enough deals reached the step before.
    """
    lowest = _lowest(rep_funnel_dropoff)
    if lowest is None:
        return
    before, after = lowest["funnel_step"]
    cohorts = mature(rep_cohorts)
    reached = cohorts.pivot_table(
        index="month", columns="funnel_step", values="deals_reached", aggfunc="first"
    ).reindex(columns=[before, after])
    reached = reached[reached[before] >= FEWEST].astype(float)
    recent = to_datetime(cohorts["month"]).max() - DateOffset(years=1)
    if len(reached) < 2 or to_datetime(reached.index[-1]) < recent:
        return
    shares = 100 * reached[after] / reached[before]
    first, last = rate(shares.iloc[0]), rate(shares.iloc[-1])
    fell = shares.iloc[-1] < shares.iloc[0]
    became = "fell" if fell else "rose"
    if not _is_clear(reached.iloc[[0, -1]]):
        became = "stayed the same" if first == last else "did not clearly change"
    from_, to = steps(lowest).map(short)
    yield Finding(
        f"This conversion {became}: {first} of the deals created in {month(shares.index[0])} that"
        f" reached {from_} also reached {to} within 90 days, and {last} of those created in"
        f" {month(shares.index[-1])}.",
        "chart-funnel",
    )


def _is_clear(reached: DataFrame) -> bool:
    """Whether two shares differ by more than chance does in 19 of 20 cases (a z-test of both)."""
    before, after = reached.iloc[:, 0], reached.iloc[:, 1]
    pooled = after.sum() / before.sum()
    chance = math.sqrt(pooled * (1 - pooled) * (1 / before).sum())
    return bool(abs((after / before).diff().iloc[-1]) > 1.96 * chance)


def largest_change(
    latest: Latest | None, rep_sales_funnel_monthly: DataFrame, rep_monthly_figures: DataFrame
) -> Findings:
    """The step whose entries changed most against the month before."""
    if latest is None or _ended_before(latest, rep_sales_funnel_monthly, rep_monthly_figures):
        return
    pairs = [(line, *line.counts.tail(2)) for line in latest.lines if len(line.counts) > 1]
    pairs = [pair for pair in pairs if pair[1] > 0 and max(pair[1:]) >= FEWEST]
    line, before, now = max(pairs, key=_beyond_chance, default=(None, 0, 0))
    if line is not None and now != before:
        yield Finding(
            f"The clearest change is in {short(line.name)}: {whole(now)} in"
            f" {month(latest.month)} after {whole(before)} in {month(latest.month_before)}"
            f" ({in_percent(now - before, before)}).",
            "latest",
        )


def _ended_before(
    latest: Latest, rep_sales_funnel_monthly: DataFrame, rep_monthly_figures: DataFrame
) -> Timestamp | None:
    """The last month with new deals, if the latest one is after it: then numbers shrink anyway."""
    end = end_of_intake(rep_sales_funnel_monthly, rep_monthly_figures)
    return end if end is not None and end < latest.month else None


def _beyond_chance(pair: tuple[Line, float, float]) -> float:
    """How large a change is, beside what chance does to counts of that size (Poisson)."""
    _, before, now = pair
    return abs(now - before) / math.sqrt(now + before)


def missing_links(scores: DataFrame) -> Findings:
    """Tables whose rows mostly belong to no known deal."""
    links = scores[scores["measure"] == "deal_link_validity"]
    links = links[links["total_rows"] >= FEWEST]
    for link in links[links["passing_rows"] * 2 < links["total_rows"]].to_dict("records"):
        yield Finding(
            f"Only {whole(link['passing_rows'])} of {whole(link['total_rows'])} rows in"
            f" {clean(link['table_name'])} name a deal that is known, so that the rates of the"
            " call steps are far too low.",
            "chart-funnel",
        )


def furthest_half(rep_cohorts: DataFrame) -> Findings:
    """How far half of the deals of the latest mature month came."""
    cohorts = mature(rep_cohorts)
    cohorts = cohorts[cohorts["deals_created"] >= FEWEST]
    latest = cohorts[cohorts["month"] == cohorts["month"].max()]
    reached = latest[latest["reached_pct"] >= 50]
    if not reached.empty:
        step = reached.iloc[-1]
        yield Finding(
            f"Of the {whole(step['deals_created'])} deals created in {month(step['month'])}, half"
            f" or more came as far as {short(steps(reached).iloc[-1])} within 90 days"
            f" ({rate(step['reached_pct'])}).",
            "chart-cohorts",
        )


def busiest_month(rep_sales_funnel_monthly: DataFrame) -> Findings:
    """When most deals came in, of the months that are shown."""
    monthly, none = shown_months(rep_sales_funnel_monthly)
    first = monthly[monthly["funnel_step"].isin(monthly["funnel_step"].head(1))]
    if len(first) > 1 and first["deals_count"].sum() >= FEWEST:
        most = first.loc[first["deals_count"].idxmax()]
        yield Finding(
            f"{none} brought more deals into {short(steps(first).iloc[0])} than"
            f" {month(most['month'])}: {whole(most['deals_count'])} of"
            f" {whole(first['deals_count'].sum())}.",
            "chart-entries_by_month",
        )


def steps_that_rose(
    latest: Latest | None, rep_sales_funnel_monthly: DataFrame, rep_monthly_figures: DataFrame
) -> Findings:
    """How many steps had more entries than a year before, or else than a month before."""
    if latest is None:
        return
    end = _ended_before(latest, rep_sales_funnel_monthly, rep_monthly_figures)
    if end is not None:
        yield Finding(
            f"No deal came in after {month(end)}: what is seen after that are deals from before.",
            "chart-steps_by_month",
        )
        return
    for ago, then in ((12, latest.year_before), (1, latest.month_before)):
        pairs = [
            line.counts.iloc[[-1, -1 - ago]]
            for line in latest.lines
            if len(line.counts) > ago and line.more_is_good is not False  # a loss is no step
        ]
        if pairs and sum(now + before for now, before in pairs) >= FEWEST:
            rose = sum(now > before for now, before in pairs)
            noun = "step" if len(pairs) == 1 else "steps"
            yield Finding(
                f"{rose} of {len(pairs)} {noun} had more entries in {month(latest.month)} than in"
                f" {month(then)}.",
                "chart-steps_by_month",
            )
            return
