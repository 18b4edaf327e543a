"""What the charts show, in a few sentences: each is computed, and none is there of thin data."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pandas import DataFrame, Series

from reports.latest import Latest, Line
from reports.text import clean, decimal, month, rate, short, steps, whole

FEWEST = 30  # deals, losses or stays, below which a sentence would be about chance


@dataclass(frozen=True)
class Finding:
    """A sentence, and the id of what it is read off."""

    text: str
    target: str


def findings(tables: Mapping[str, DataFrame], latest: Latest | None) -> list[Finding]:
    """The sentences, in the order of the report."""
    found = [
        *_largest_drop(tables["rep_funnel_dropoff"], tables["rep_stage_dwell"]),
        *_largest_change(latest),
        *_losses(tables["rep_losses_monthly"]),
        *_longest_stay(tables["rep_stage_dwell"]),
        *_links(tables["scores"]),
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
