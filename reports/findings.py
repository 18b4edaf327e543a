"""What the charts show, in a few sentences: each is computed, and none is there of thin data."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pandas import DataFrame, Series

from reports.latest import Latest, Line
from reports.text import clean, decimal, month, rate, short, steps, whole

FEWEST = 30  # deals, losses or stays, below which a sentence would be about chance
MOST = 5  # sentences in the summary; the others stand at their charts only
FEW_REPS = 10


@dataclass(frozen=True)
class Finding:
    """A sentence, and the id of what it is read off."""

    text: str
    target: str


def findings(tables: Mapping[str, DataFrame], latest: Latest | None) -> list[Finding]:
    """The sentences, those that matter most first."""
    losses = tables["rep_losses_monthly"]
    found = [
        *_largest_drop(tables["rep_funnel_dropoff"], tables["rep_stage_dwell"]),
        *_largest_change(latest),
        *_losses(losses),
        *_longest_stay(tables["rep_stage_dwell"]),
        *_links(tables["scores"]),
        *_cohort(tables["rep_cohorts"]),
        *_step_of_losses(losses, tables["rep_funnel_dropoff"]),
        *_month_of_losses(losses),
        *_days_to_close(tables["rep_days_to_close"]),
        *_reps(tables["rep_sales_rep_totals"]),
    ]
    return [Finding(text, target) for text, target in found]


Sentences = Iterator[tuple[str, str]]


def _largest_drop(dropoff: DataFrame, dwell: DataFrame) -> Sentences:
    """The two main steps between which the greatest share of the deals is left behind."""
    main = dropoff[dropoff["funnel_step"].isin(dwell["funnel_step"])].reset_index(drop=True)
    before = main["deals_reached"].shift()
    rates = main["conversion_from_previous_pct"].astype(float).where(before >= FEWEST)
    if rates.notna().any():
        place = int(rates.idxmin())
        names = steps(main).map(short)
        yield (
            f"The largest drop is from {names[place - 1]} to {names[place]}:"
            f" {rate(rates[place])} of the deals that reached the one reached the other"
            f" ({whole(main['deals_reached'][place])} of {whole(before[place])}).",
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
        reason, most = by_reason.idxmax(), by_reason.max()
        yield (
            f"The reason most often given for a loss is {short(reason)}: {rate(100 * most / total)}"
            f" of {whole(total)} losses.",
            "chart-losses_by_reason",
        )


def _longest_stay(dwell: DataFrame) -> Sentences:
    """The stage in which half of the deals stay longest."""
    median = dwell["median_days"].astype(float).where(dwell["completed_stays"] >= FEWEST)
    if median.notna().any():
        place = int(median.idxmax())
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
        names = dict(zip(dropoff["funnel_step"], steps(dropoff), strict=True))
        yield (
            f"Most losses come after {short(names.get(code, 'no known step'))}:"
            f" {rate(100 * most / total)} of {whole(total)}.",
            "chart-losses_by_step",
        )


def _month_of_losses(losses: DataFrame) -> Sentences:
    """The month with most losses."""
    by_month: Series = losses.groupby("month")["deals_count"].sum()
    if by_month.sum() >= FEWEST and len(by_month) > 1:
        yield (
            f"Most deals were lost in {month(by_month.idxmax())}: {whole(by_month.max())}.",
            "chart-losses_by_month",
        )


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
    done = reps["activities_completed"].sort_values(ascending=False, kind="stable")
    if len(done) > FEW_REPS and done.sum() >= FEWEST:
        share = rate(100 * done.head(FEW_REPS).sum() / done.sum())
        yield (
            f"The {FEW_REPS} most active of {whole(len(done))} reps completed {share} of all"
            " activities.",
            "chart-most_active_reps",
        )


def _links(scores: DataFrame) -> Sentences:
    """Tables whose rows mostly belong to no known deal."""
    links = scores[scores["measure"] == "deal_link_validity"]
    for link in links[links["passing_rows"] * 2 < links["total_rows"]].to_dict("records"):
        yield (
            f"Only {whole(link['passing_rows'])} of {whole(link['total_rows'])} rows in"
            f" {clean(link['table_name'])} name a deal that is known, so that call steps cannot be"
            " compared with the main steps.",
            "data",
        )
