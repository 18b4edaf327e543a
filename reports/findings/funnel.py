"""What is said of the funnel, its months and its cohorts."""

from pandas import DataFrame, DateOffset, Series, Timestamp, to_datetime

from reports.chance import CLEAR, CLEAR_OF_MANY, between_counts, between_shares
from reports.findings.finding import Finding, Findings, shown_months
from reports.latest import FEWEST, Latest, end_of_intake, mature
from reports.text import clean, in_percent, month, rate, short, steps, whole

HALF = 12  # months, at most, that are held against as many before


def lowest_conversion(rep_funnel_dropoff: DataFrame) -> Findings:
    """The two main steps between which the smallest share of the deals went on.

    Of those that went on or were lost: the others may go on yet.
    """
    lowest = _lowest(rep_funnel_dropoff)
    if lowest is not None:
        before, after = lowest.to_dict("records")
        from_, to = steps(lowest).map(short)
        others = before["deals_not_lost"]
        neither = f"; {whole(others)} more {'has' if others == 1 else 'have'} done neither"
        main, decided = _decided(rep_funnel_dropoff)
        is_thin = (main["decided_conversion_pct"].notna() & (decided < FEWEST)).any()
        yield Finding(
            f"The lowest conversion{f' of {FEWEST} deals or more' if is_thin else ''} is from"
            f" {from_} to {to}: of {whole(before['deals_reached'] - others)} deals that went on or"
            f" were lost, {whole(after['deals_reached'])} went on"
            f" ({rate(after['decided_conversion_pct'])}){neither if others else ''}.",
            "chart-funnel",
        )


def _decided(rep_funnel_dropoff: DataFrame) -> tuple[DataFrame, Series]:
    """The main steps, and how many deals of the step before went on or were lost."""
    main = rep_funnel_dropoff[rep_funnel_dropoff["kind"] == "stage"].reset_index(drop=True)
    return main, (main["deals_reached"] - main["deals_not_lost"]).shift()


def _lowest(rep_funnel_dropoff: DataFrame) -> DataFrame | None:
    """The rows of these two steps, if enough deals went on or were lost, and not all went on."""
    main, decided = _decided(rep_funnel_dropoff)
    rates = main["decided_conversion_pct"].astype(float).where(decided >= FEWEST)
    if not (rates < 100).any():
        return None
    place = int(rates.idxmin())
    return main.iloc[place - 1 : place + 1]


def conversion_over_time(rep_funnel_dropoff: DataFrame, rep_cohorts: DataFrame) -> Findings:
    """What became of the lowest one: the last mature months, if recent, and as many before them."""
    lowest = _lowest(rep_funnel_dropoff)
    if lowest is None:
        return
    cohorts = mature(rep_cohorts)
    reached = cohorts.pivot_table(
        index="month", columns="funnel_step", values="deals_reached", aggfunc="first"
    ).reindex(columns=lowest["funnel_step"])
    reached = reached[reached.iloc[:, 0] > 0].astype(float)
    months = min(HALF, len(reached) // 2)
    recent = to_datetime(cohorts["month"]).max() - DateOffset(years=1)
    if not months or to_datetime(reached.index[-1]) < recent:
        return
    halves = [reached.iloc[-2 * months : -months], reached.iloc[-months:]]
    (of_then, then), (of_now, now) = (half.sum().tolist() for half in halves)
    if min(of_then, of_now) < FEWEST:
        return
    became = "a fall" if now / of_now < then / of_then else "a rise"
    if between_shares(now, of_now, then, of_then) <= CLEAR:
        became = "no clear change"
    from_, to = steps(lowest).map(short)
    share_then, share_now = (
        f"{rate(100 * gone_on / of)} ({whole(gone_on)} of {whole(of)})"
        for gone_on, of in ((then, of_then), (now, of_now))
    )
    yield Finding(
        f"Within 90 days of their creation, {share_then} of the deals created {_span(halves[0])}"
        f" that reached {from_} also reached {to}; of those created {_span(halves[1])},"
        f" {share_now} did: {became}.",
        "chart-funnel",
    )


def _span(by_month: DataFrame) -> str:
    """From when to when these months go."""
    first, last = by_month.index[0], by_month.index[-1]
    return f"in {month(first)}" if first == last else f"from {month(first)} to {month(last)}"


def largest_change(
    latest: Latest | None, rep_sales_funnel_monthly: DataFrame, rep_monthly_figures: DataFrame
) -> Findings:
    """The step whose entries changed most against the month before."""
    if latest is None or _ended_before(latest, rep_sales_funnel_monthly, rep_monthly_figures):
        return
    pairs = [(line.name, *line.counts.tail(2)) for line in latest.lines if len(line.counts) > 1]
    clear = [pair for pair in pairs if between_counts(*pair[1:]) > CLEAR_OF_MANY]
    if not clear and any(max(counts) >= FEWEST for _, *counts in pairs):
        yield Finding(
            f"In no step did the entries change from {month(latest.month_before)} to"
            f" {month(latest.month)} by more than chance does.",
            "latest",
        )
    told = [pair for pair in clear if max(pair[1:]) >= FEWEST]
    if told:
        name, before, now = max(told, key=lambda pair: between_counts(*pair[1:]))
        share = f" ({in_percent(now - before, before)})" if before else ""
        yield Finding(
            f"The clearest change is in {short(name)}: {whole(now)} in {month(latest.month)} after"
            f" {whole(before)} in {month(latest.month_before)}{share}.",
            "latest",
        )


def _ended_before(
    latest: Latest, rep_sales_funnel_monthly: DataFrame, rep_monthly_figures: DataFrame
) -> Timestamp | None:
    """The last month with new deals, if the latest one is after it: then numbers shrink anyway."""
    end = end_of_intake(rep_sales_funnel_monthly, rep_monthly_figures)
    return end if end is not None and end < latest.month else None


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
