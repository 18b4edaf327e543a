"""What the charts show, in a few sentences: each is computed, and none is there of thin data."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pandas import DataFrame, Series, Timestamp

from reports.latest import Latest, Line, intake_end
from reports.text import clean, decimal, month, rate, short, steps, whole

FEWEST = 30  # deals, losses or stays, below which a sentence would be about chance
MOST = 5  # sentences in the summary; the others stand at their charts only
FEW_REPS = 10
ALIKE = 0.9  # of the longest: stays as long as that are told apart by nobody


@dataclass(frozen=True)
class Finding:
    """A sentence, and the id of what it is read off."""

    text: str
    target: str


def findings(tables: Mapping[str, DataFrame], latest: Latest | None) -> list[Finding]:
    """The sentences, those that matter most first."""
    losses = tables["rep_losses_monthly"]
    found = [
        *_lowest_conversion(
            tables["rep_funnel_dropoff"], tables["rep_stage_dwell"], tables["rep_cohorts"]
        ),
        *_largest_change(latest),
        *_losses(losses),
        *_longest_stay(tables["rep_stage_dwell"]),
        *_links(tables["scores"]),
        *_cohort(tables["rep_cohorts"]),
        *_step_of_losses(losses, tables["rep_funnel_dropoff"]),
        *_month_of_losses(losses),
        *_days_to_close(tables["rep_days_to_close"]),
        *_reps(tables["rep_sales_rep_totals"]),
        *_reason_and_step(losses, tables["rep_funnel_dropoff"]),
        *_busiest_month(tables["rep_sales_funnel_monthly"]),
        *_steps_that_rose(latest, intake_end(tables)),
    ]
    return [Finding(text, target) for text, target in found]


Sentences = Iterator[tuple[str, str]]


def _lowest_conversion(dropoff: DataFrame, dwell: DataFrame, cohorts: DataFrame) -> Sentences:
    """The two main steps between which the smallest share of the deals went on."""
    main = dropoff[dropoff["funnel_step"].isin(dwell["funnel_step"])].reset_index(drop=True)
    before = main["deals_reached"].shift()
    rates = main["conversion_from_previous_pct"].astype(float).where(before >= FEWEST)
    if rates.notna().any():
        place = int(rates.idxmin())
        from_, to = steps(main).map(short)[place - 1 : place + 1]
        open_stays = dwell.set_index("funnel_step")["open_stays"][main["funnel_step"][place - 1]]
        still = f"; {whole(open_stays)} stays in {from_} have not ended" if open_stays else ""
        yield (
            f"The lowest conversion is from {from_} to {to}: {whole(main['deals_reached'][place])}"
            f" of {whole(before[place])} deals went on ({rate(rates[place])}){still}.",
            "chart-funnel",
        )
        yield from _conversion_over_time(
            cohorts, dict(zip(main["funnel_step"][place - 1 : place + 1], (from_, to), strict=True))
        )


def _conversion_over_time(cohorts: DataFrame, names: dict[str, str]) -> Sentences:
    """What became of that conversion, from the first mature month to the last."""
    mature = cohorts[cohorts["is_mature"].astype("boolean").fillna(False)]
    reached = mature.pivot_table(
        index="month", columns="funnel_step", values="deals_reached", aggfunc="first"
    ).reindex(columns=[*names])
    before, after = names
    reached = reached[reached[before] >= FEWEST].astype(float)
    if len(reached) < 2:
        return
    shares = 100 * reached[after] / reached[before]
    first, last = rate(shares.iloc[0]), rate(shares.iloc[-1])
    fell = shares.iloc[-1] < shares.iloc[0]
    became = "stayed the same" if first == last else "fell" if fell else "rose"
    yield (
        f"This conversion {became}: {first} of the deals created in {month(shares.index[0])} that"
        f" reached {names[before]} also reached {names[after]} within 90 days, and {last} of those"
        f" created in {month(shares.index[-1])}.",
        "chart-funnel",
    )


def _largest_change(latest: Latest | None) -> Sentences:
    """The step whose entries changed most against the month before."""
    if latest is None:
        return
    pairs = [(line, *line.counts.tail(2)) for line in latest.lines if len(line.counts) > 1]
    pairs = [pair for pair in pairs if min(pair[1:]) >= FEWEST]
    line, before, now = max(pairs, key=_relative_change, default=(None, 0, 0))
    if line is not None and now != before:
        yield (
            f"{short(line.name)} changed most in {month(latest.month)}: {whole(now)} after"
            f" {whole(before)} in {month(latest.month_before)}"
            f" ({100 * (now - before) / before:+.0f}%).",
            "latest",
        )


def _relative_change(pair: tuple[Line, float, float]) -> float:
    _, before, now = pair
    return abs(now - before) / before


def _losses(losses: DataFrame) -> Sentences:
    """The reason that is given most often."""
    by_reason: Series = losses.groupby("lost_reason_label")["deals_count"].sum()
    total = by_reason.sum()
    if total >= FEWEST:
        ranked = by_reason.sort_values(ascending=False, kind="stable")
        shares = [rate(100 * count / total) for count in ranked.head(2)]
        others = "".join(
            f"; {short(reason)} follows with {share}"
            for reason, share in zip(ranked.index[1:2], shares[1:], strict=True)
        )
        yield (
            f"The reason most often given for a loss is {short(ranked.index[0])}: {shares[0]}"
            f" of {whole(total)} losses{others}.",
            "chart-losses_by_reason",
        )


def _longest_stay(dwell: DataFrame) -> Sentences:
    """The stage in which half of the deals stay longest."""
    median = dwell["median_days"].astype(float).where(dwell["completed_stays"] >= FEWEST)
    if median.notna().any():
        place = int(median.idxmax())
        if median.count() > 1 and median.min() >= ALIKE * median.max():
            yield (
                f"Deals stay about equally long in every stage: half of the stays took"
                f" {decimal(median.min())} to {decimal(median.max())} days or more.",
                "chart-days_in_stage",
            )
            return
        open_stays = dwell["open_stays"][place]
        still = f"; {whole(open_stays)} have not ended" if open_stays else ""
        yield (
            f"Deals stay longest in {short(steps(dwell)[place])}: half of the stays took"
            f" {decimal(median[place])} days or more{still}.",
            "chart-days_in_stage",
        )


def _cohort(cohorts: DataFrame) -> Sentences:
    """How far half of the deals of the latest mature month came."""
    is_mature = cohorts["is_mature"].astype("boolean").fillna(False)
    mature = cohorts[is_mature & (cohorts["deals_created"] >= FEWEST)]
    latest = mature[mature["month"] == mature["month"].max()]
    reached = latest[latest["reached_pct"] >= 50]
    if not reached.empty:
        step = reached.iloc[-1]
        yield (
            f"Of the {whole(step['deals_created'])} deals created in {month(step['month'])}, half"
            f" or more came as far as {short(steps(reached).iloc[-1])} within 90 days"
            f" ({rate(step['reached_pct'])}).",
            "chart-cohorts",
        )


def _step_of_losses(losses: DataFrame, dropoff: DataFrame) -> Sentences:
    """The step at which most deals stood when they were lost."""
    by_step: Series = losses.groupby("funnel_step")["deals_count"].sum()
    total = by_step.sum()
    if total >= FEWEST:
        code, most = by_step.idxmax(), by_step.max()
        yield (
            f"Losses come most often {_when(code, dropoff)}: {whole(most)} of {whole(total)}"
            f" ({rate(100 * most / total)}).",
            "chart-losses_by_step",
        )


def _month_of_losses(losses: DataFrame) -> Sentences:
    """The month with most losses."""
    by_month: Series = losses.groupby("month")["deals_count"].sum()
    if by_month.sum() >= FEWEST and len(by_month) > 1:
        yield (
            f"No month had more losses than {month(by_month.idxmax())}: {whole(by_month.max())} of"
            f" {whole(by_month.sum())}.",
            "chart-losses_by_month",
        )


def _reason_and_step(losses: DataFrame, dropoff: DataFrame) -> Sentences:
    """Which reason is given most often, and where."""
    pairs: Series = losses.groupby(["lost_reason_label", "funnel_step"])["deals_count"].sum()
    if pairs.sum() >= FEWEST:
        reason, code = pairs.idxmax()
        yield (
            f"The most frequent loss is {short(reason)} {_when(code, dropoff)}:"
            f" {whole(pairs.max())} of {whole(pairs.sum())}.",
            "chart-losses_by_reason_and_step",
        )


def _when(step: str, dropoff: DataFrame) -> str:
    """When a loss came: after a step of the funnel, if the deal was in one."""
    names = dict(zip(dropoff["funnel_step"], steps(dropoff), strict=True))
    return f"after {short(names[step])}" if step in names else "outside the funnel's steps"


def _busiest_month(monthly: DataFrame) -> Sentences:
    """When most deals came in."""
    first = monthly[monthly["funnel_step"].isin(monthly["funnel_step"].head(1))]
    if len(first) > 1 and first["deals_count"].sum() >= FEWEST:
        most = first.loc[first["deals_count"].idxmax()]
        yield (
            f"No month brought more deals into {short(steps(first).iloc[0])} than"
            f" {month(most['month'])}: {whole(most['deals_count'])} of"
            f" {whole(first['deals_count'].sum())}.",
            "chart-entries_by_month",
        )


def _steps_that_rose(latest: Latest | None, end: Timestamp | None) -> Sentences:
    """How many steps had more entries than a year before, or else than a month before."""
    if latest is None:
        return
    if end is not None and end < latest.month:
        yield (
            f"No deal came in after {month(end)}: what is seen after that are deals from before.",
            "chart-steps_by_month",
        )
        return
    for ago, then in ((12, latest.year_before), (1, latest.month_before)):
        pairs = [
            line.counts.iloc[[-1, -1 - ago]] for line in latest.lines if len(line.counts) > ago
        ]
        if pairs and sum(now + before for now, before in pairs) >= FEWEST:
            rose = sum(now > before for now, before in pairs)
            yield (
                f"{rose} of {len(pairs)} steps had more entries in {month(latest.month)} than in"
                f" {month(then)}.",
                "chart-steps_by_month",
            )
            return


def _days_to_close(statuses: DataFrame) -> Sentences:
    """How long most of the closed deals took."""
    closed = statuses[statuses["status"].isin(["won", "lost"]) & (statuses["deals"] >= FEWEST)]
    if not closed.empty:
        most = closed.sort_values("deals", kind="stable").iloc[-1]
        yield (
            f"Half of the {whole(most['deals'])} {most['status']} deals took"
            f" {decimal(most['median_days'])} days or more, one in ten more than"
            f" {decimal(most['p90_days'])}.",
            "chart-days_to_close",
        )


def _reps(reps: DataFrame) -> Sentences:
    """How much of the work the most active reps do."""
    named = reps[reps["user_id"].notna()]  # not nobody, and not "other reps"
    done = named["activities_completed"].sort_values(ascending=False, kind="stable")
    everything = reps["activities_completed"].sum()
    if len(done) > FEW_REPS and everything >= FEWEST:
        share = rate(100 * done.head(FEW_REPS).sum() / everything)
        yield (
            f"The {FEW_REPS} most active reps completed {share} of all activities.",
            "chart-most_active_reps",
        )


def _links(scores: DataFrame) -> Sentences:
    """Tables whose rows mostly belong to no known deal."""
    links = scores[scores["measure"] == "deal_link_validity"]
    links = links[links["total_rows"] >= FEWEST]
    for link in links[links["passing_rows"] * 2 < links["total_rows"]].to_dict("records"):
        yield (
            f"Only {whole(link['passing_rows'])} of {whole(link['total_rows'])} rows in"
            f" {clean(link['table_name'])} name a deal that is known, so that the rates of the"
            " call steps are far too low.",
            "chart-funnel",
        )
