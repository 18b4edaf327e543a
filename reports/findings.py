"""What the charts show, in a few sentences: each is computed, and none is there of thin data."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pandas import DataFrame, DateOffset, Series, Timestamp, to_datetime

from reports.latest import FEWEST, MOST_MONTHS, Latest, Line, end_of_intake
from reports.text import clean, decimal, in_percent, month, rate, short, steps, whole

MOST = 5  # sentences in the summary; the others stand at their charts only
FEW_REPS, FEW_NAMES = 10, 3
UNKNOWN = "Unknown reason"  # where the log gives none
UNASSIGNED = "Unassigned"  # whose activities are nobody's
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
        *_steps_that_rose(
            latest,
            end_of_intake(tables["rep_sales_funnel_monthly"], tables["rep_monthly_figures"]),
        ),
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
        still = _not_ended(open_stays, f" in {from_}")
        yield (
            f"The lowest conversion is from {from_} to {to}: {whole(main['deals_reached'][place])}"
            f" of {whole(before[place])} deals went on ({rate(rates[place])}){still}.",
            "chart-funnel",
        )
        yield from _conversion_over_time(
            cohorts, dict(zip(main["funnel_step"][place - 1 : place + 1], (from_, to), strict=True))
        )


def _not_ended(stays: int, where: str = "") -> str:
    """How many stays are open, to be added to a sentence."""
    if not stays:
        return ""
    count = f"1 stay{where} has" if stays == 1 else f"{whole(stays)} stays{where} have"
    return f"; {count} not ended"


def _conversion_over_time(cohorts: DataFrame, names: dict[str, str]) -> Sentences:
    """What became of that conversion, from the first mature month to the last, if that is recent.

    Of the months in which enough deals reached the step before.
    """
    mature = cohorts[cohorts["is_mature"].astype("boolean").fillna(False)]
    reached = mature.pivot_table(
        index="month", columns="funnel_step", values="deals_reached", aggfunc="first"
    ).reindex(columns=[*names])
    before, after = names
    reached = reached[reached[before] >= FEWEST].astype(float)
    recent = to_datetime(mature["month"]).max() - DateOffset(years=1)
    if len(reached) < 2 or to_datetime(reached.index[-1]) < recent:
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
    pairs = [pair for pair in pairs if pair[1] > 0 and max(pair[1:]) >= FEWEST]
    line, before, now = max(pairs, key=_beyond_chance, default=(None, 0, 0))
    if line is not None and now != before:
        yield (
            f"The change that is least likely chance is in {short(line.name)}: {whole(now)} in"
            f" {month(latest.month)} after {whole(before)} in {month(latest.month_before)}"
            f" ({in_percent(now - before, before)}).",
            "latest",
        )


def _beyond_chance(pair: tuple[Line, float, float]) -> float:
    """How large a change is, beside what chance does to counts of that size (Poisson)."""
    _, before, now = pair
    return abs(now - before) / math.sqrt(now + before)


def _losses(losses: DataFrame) -> Sentences:
    """The reason that is given most often; where none is known, there is none."""
    by_reason: Series = losses.groupby("lost_reason_label")["deals_count"].sum()
    total = by_reason.sum()
    ranked = by_reason.drop(UNKNOWN, errors="ignore").sort_values(ascending=False, kind="stable")
    if total < FEWEST or ranked.empty:
        return
    share = f"{rate(100 * ranked.iloc[0] / total)} of {whole(total)} losses"
    first, *others = ranked[ranked == ranked.iloc[0]].index.map(short)
    if others:
        said = f"No reason is given more often for a loss than {_listed([first, *others])}: {share}"
        said += " each"
    else:
        said = f"The reason most often given for a loss is {first}: {share}"
        said += "".join(
            f"; {short(reason)} follows with {rate(100 * count / total)}"
            for reason, count in ranked[1:2].items()
        )
    yield f"{said}.", "chart-losses_by_reason"


def _listed(names: list[str]) -> str:
    """Names in a sentence, of many only the first ones."""
    shown = names if len(names) <= FEW_NAMES else [*names[:FEW_NAMES], "others"]
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def _longest_stay(dwell: DataFrame) -> Sentences:
    """The stage in which half of the deals stay longest."""
    median = dwell["median_days"].astype(float).where(dwell["completed_stays"] >= FEWEST)
    if median.notna().any():
        place = int(median.idxmax())
        if median.count() > 1 and median.min() >= ALIKE * median.max():
            yield (
                f"Deals stay about equally long in each of {whole(median.count())} stages: half of"
                f" the stays that ended took {decimal(median.min())} to {decimal(median.max())}"
                " days or more.",
                "chart-days_in_stage",
            )
            return
        open_stays = dwell["open_stays"][place]
        still = _not_ended(open_stays)
        yield (
            f"Deals stay longest in {short(steps(dwell)[place])}: half of the"
            f" {whole(dwell['completed_stays'][place])} stays that ended took"
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
    total, most = by_step.sum(), by_step.max()
    if total >= FEWEST:
        code = by_step.idxmax()
        yield (
            f"Nowhere are more deals lost than {_when(code, dropoff)}: {whole(most)} of"
            f" {whole(total)} ({rate(100 * most / total)}).",
            "chart-losses_by_step",
        )


def _month_of_losses(losses: DataFrame) -> Sentences:
    """The month with most losses, of those that are shown."""
    losses, none = _shown(losses)
    by_month: Series = losses.groupby("month")["deals_count"].sum()
    if by_month.sum() >= FEWEST and len(by_month) > 1:
        yield (
            f"{none} had more losses than {month(by_month.idxmax())}: {whole(by_month.max())} of"
            f" {whole(by_month.sum())}.",
            "chart-losses_by_month",
        )


def _reason_and_step(losses: DataFrame, dropoff: DataFrame) -> Sentences:
    """Which reason is given most often, and where."""
    known = losses[losses["lost_reason_label"] != UNKNOWN]
    pairs: Series = known.groupby(["lost_reason_label", "funnel_step"])["deals_count"].sum()
    if pairs.sum() >= FEWEST:
        reason, code = pairs.idxmax()
        yield (
            f"No loss with a known reason is more frequent than {short(reason)}"
            f" {_when(code, dropoff)}: {whole(pairs.max())} of {whole(pairs.sum())}.",
            "chart-losses_by_reason_and_step",
        )


def _when(step: str, dropoff: DataFrame) -> str:
    """When a loss came: after a step of the funnel, if the deal was in one."""
    names = dict(zip(dropoff["funnel_step"], steps(dropoff), strict=True))
    return f"after {short(names[step])}" if step in names else "outside the funnel's steps"


def _shown(monthly: DataFrame) -> tuple[DataFrame, str]:
    """The months that the charts by month show, and what to call none of them."""
    months = to_datetime(monthly["month"])
    shown = monthly[months > months.max() - DateOffset(months=MOST_MONTHS)]
    return shown, "No month" if len(shown) == len(monthly) else f"No month of these {MOST_MONTHS}"


def _busiest_month(monthly: DataFrame) -> Sentences:
    """When most deals came in, of the months that are shown."""
    monthly, none = _shown(monthly)
    first = monthly[monthly["funnel_step"].isin(monthly["funnel_step"].head(1))]
    if len(first) > 1 and first["deals_count"].sum() >= FEWEST:
        most = first.loc[first["deals_count"].idxmax()]
        yield (
            f"{none} brought more deals into {short(steps(first).iloc[0])} than"
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
            line.counts.iloc[[-1, -1 - ago]]
            for line in latest.lines
            if len(line.counts) > ago and line.more_is_good is not False  # a loss is no step
        ]
        if pairs and sum(now + before for now, before in pairs) >= FEWEST:
            rose = sum(now > before for now, before in pairs)
            noun = "step" if len(pairs) == 1 else "steps"
            yield (
                f"{rose} of {len(pairs)} {noun} had more entries in {month(latest.month)} than in"
                f" {month(then)}.",
                "chart-steps_by_month",
            )
            return


def _days_to_close(statuses: DataFrame) -> Sentences:
    """How long most of the closed deals took."""
    enough = (statuses["deals"] >= FEWEST) & (statuses["median_days"] >= 0)
    closed = statuses[statuses["status"].isin(["won", "lost"]) & enough]
    if not closed.empty:
        most = closed.sort_values("deals", kind="stable").iloc[-1]
        yield (
            f"Half of the {whole(most['deals'])} {most['status']} deals took"
            f" {decimal(most['median_days'])} days or more, one in ten more than"
            f" {decimal(most['p90_days'])}.",
            "chart-days_to_close",
        )


def _reps(reps: DataFrame) -> Sentences:
    """How much of the work the most active reps do, where each is shown by name."""
    named = reps[reps["user_id"].notna()]
    if (reps["sales_rep_name"] == UNASSIGNED).sum() < len(reps) - len(named):
        return  # the most active ones may be among "other reps"
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
