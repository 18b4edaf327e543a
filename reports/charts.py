"""The charts of the report, one function each, in the order in which they appear.

Parameters name the marts (rows in funnel order), the docstring is the caption under the chart.
"""

import math

import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pandas import DataFrame, Series, concat, to_datetime

from reports.drawing import (
    LOSS,
    MAIN,
    OTHER,
    PALE,
    PHONE,
    SIDE,
    WIDTH,
    Drawing,
    chart,
    column,
    note,
    nothing_to_show,
)
from reports.latest import MOST_MONTHS, end_of_intake
from reports.text import (
    breadth,
    clean,
    compact,
    decimal,
    in_a_cell,
    months,
    rate,
    short,
    short_rep,
    steps,
    whole,
)

MOST_BARS = 15
IN_KEY = 18  # letters of a name: three stand side by side
PANELS, PANEL_TITLE = 2, 32  # small charts side by side; letters that fit above one
BARS = {"orient": "h", "native_scale": True, "errorbar": None, "saturation": 1, "width": 0.55}


@chart(section="Funnel", title="Deals and conversion per funnel step")
def funnel(rep_funnel_dropoff: DataFrame) -> Figure:
    """How many deals came how far.

    The solid bar and the number at its end count entries into the step (distinct deals per month,
    summed over the months). The pale bar behind, and the column "reached", count the distinct deals
    that reached this or a later main step, so that a skipped step counts as passed; conversion is
    measured on these deals. Of a call step, "reached" counts the deals that had the call, also
    unknown ones. "Of decided" leaves out those that came as far as the main step before and are
    open or won: it is the share that went on of those that went on or were lost. Call steps stand
    beside the main steps: their rate is the share of the deals of the main step above that also had
    the call, and nothing is measured over them. Lost is an outcome, not a step. A rate without a
    fitting denominator is n/a.
    """
    mart = rep_funnel_dropoff
    is_main = mart["kind"] == "stage"
    entries = mart["total_volume"].astype(float).fillna(0)
    reached = mart["deals_reached"].astype(float).fillna(0).where(is_main, 0)
    kinds = mart["kind"].map({"stage": "main step", "loss": "outcome"}).fillna("call step")
    places = [float(place) for place in range(len(mart))]
    if kinds.iloc[-1] == "outcome":  # it closes the funnel, a little apart
        places[-1] += 0.5
    figure = Drawing(mart, steps(mart).map(short).tolist(), top=36, right=200)
    axes = figure.rows(entries.clip(lower=reached).max(), places)
    axes.set_xlim(right=1.2 * axes.get_xlim()[1])  # the columns are close
    axes.locator_params(axis="x", nbins=4)
    palette = {"main step": MAIN, "call step": SIDE, "outcome": LOSS}
    seaborn.barplot(x=entries, y=places, hue=kinds, palette=palette, dodge=False, ax=axes, **BARS)
    axes.barh(places, reached, 0.8, color=PALE, label="reached it or a later step", zorder=0.9)
    axes.set_xlabel("")
    note(axes, places, entries, entries.map(whole))
    column(axes, 44, places, "reached", mart["deals_reached"].map(whole))
    column(axes, 100, places, "of previous", mart["conversion_from_previous_pct"].map(rate))
    column(axes, 154, places, "of decided", mart["decided_conversion_pct"].map(rate))
    column(axes, 196, places, "of first", mart["conversion_from_first_pct"].map(rate))
    figure.key(axes)
    return figure


@chart(section="By month", title="Entries per month and funnel step")
def entries_by_month(rep_sales_funnel_monthly: DataFrame) -> Figure:
    """Distinct deals that entered a step in a month.

    A deal counts once in each month and step that it enters. A stronger colour is more deals, an
    empty cell none; at most the last 36 months are shown. The last months can be incomplete: where
    new deals no longer come in, deals entered earlier still move through the later steps, and the
    thinning edge is the end of the intake, not a decline.
    """
    mart = rep_sales_funnel_monthly
    wide = _by_month(mart, steps(mart)).tail(MOST_MONTHS)
    if wide.empty:
        return nothing_to_show()
    labels = [short(step) for step in wide.columns]
    figure = Drawing(wide.reset_index(), labels, bottom=30, width=_wide_enough(len(wide)))
    figure.cells(wide.T, wide.T.map(compact), months(wide.index))
    return figure


def _wide_enough(columns: int) -> float:
    return max(WIDTH, 160 + 18 * columns)


@chart(section="By month", title="Each step month by month")
def steps_by_month(rep_sales_funnel_monthly: DataFrame, rep_monthly_figures: DataFrame) -> Figure:
    """The same entries as one line per step, each on a scale of its own.

    The number is the highest of these months of the step. Months in the shade can be incomplete:
    the last one, in which the data ends, and all after the last new deal, where only deals from
    before move on.
    """
    mart = rep_sales_funnel_monthly
    wide = _by_month(mart, steps(mart)).tail(MOST_MONTHS)
    if wide.empty:
        return nothing_to_show()
    rows = math.ceil(len(wide.columns) / PANELS)
    figure = Drawing(wide.reset_index(), ["12.3k"] * (3 * rows), top=14, width=PHONE)
    panels = figure.subplots(rows, PANELS, squeeze=False).ravel()
    figure.subplots_adjust(hspace=0.9, wspace=0.2)
    end = end_of_intake(mart, rep_monthly_figures)
    over = len(wide) - 1 if end is None else int((wide.index <= end).sum())
    for axes, (step, entries) in zip(panels, wide.items(), strict=False):
        places = range(len(entries))
        dot = "." if len(entries) == 1 else ""  # one month makes no line
        axes.plot(places, entries, dot + "-", color=MAIN, linewidth=1.2)
        axes.fill_between(places, entries, color=PALE, linewidth=0)
        axes.axvspan(over - 0.5, len(entries) - 0.5, color=OTHER, alpha=0.2, linewidth=0)
        axes.set(xlim=(-0.5, len(entries) - 0.5), ylim=(0, 1.05 * entries.max() or 1))
        axes.set_title(short(step, PANEL_TITLE), loc="left", fontsize=8)
        axes.set_yticks([entries.max()], [compact(entries.max())])
        ends = sorted({0, len(entries) - 1})
        axes.set_xticks(ends, [f"{wide.index[at]:%b %y}" for at in ends])
        axes.tick_params(labelsize=7)
        axes.grid(visible=False)
    for axes in panels[len(wide.columns) :]:
        axes.remove()
    return figure


def _by_month(mart: DataFrame, columns: Series) -> DataFrame:
    """Deals: one row per month, one column per value, in the order in which they come."""
    counts = DataFrame(
        {
            "month": to_datetime(mart["month"]),
            "column": columns,
            "count": mart["deals_count"].astype(float).fillna(0),
        }
    )
    wide = counts.pivot_table(
        index="month", columns="column", values="count", aggfunc="sum", sort=False
    )
    return wide.sort_index().asfreq("MS").fillna(0)


@chart(section="Cohorts", title="How far the deals of each month came within 90 days")
def cohorts(rep_cohorts: DataFrame) -> Figure:
    """Of the deals created in a month, the percentage that reached each main step.

    Within 90 days of their creation, this step or a later one: a skipped step counts as passed.
    The number in brackets is the deals created; at most the last 36 months are shown. A gray month
    is not mature: not all of its deals have had 90 days yet, so that its percentages will still
    rise.
    """
    mart = rep_cohorts.assign(
        month=to_datetime(rep_cohorts["month"]),
        share=rep_cohorts["reached_pct"].astype(float),
        step=rep_cohorts["funnel_step"].map(clean),
    ).dropna(subset="month")
    wide = mart.pivot_table(
        index="month", columns="step", values="share", aggfunc="first", sort=False, dropna=False
    )
    wide = wide.sort_index().tail(MOST_MONTHS)
    if wide.empty:
        return nothing_to_show()
    of_month = mart.groupby("month")
    created = of_month["deals_created"].first().reindex(wide.index)
    is_mature = of_month["is_mature"].first().reindex(wide.index).astype("boolean").fillna(False)
    labels = [f"{month:%b %Y} ({whole(deals)})" for month, deals in created.items()]
    numbers = wide.add_suffix("_pct").assign(mature=is_mature)
    numbers.insert(0, "deals_created", created)
    each = max(30, *(2 + breadth(column) for column in wide.columns))
    width = max(WIDTH, 120 + each * len(wide.columns))
    figure = Drawing(numbers.reset_index(), labels, bottom=34, width=width)
    texts = wide.map(in_a_cell)
    shades = wide.fillna(0).where(is_mature, lambda share: share.clip(upper=1))
    axes = figure.cells(shades, texts, list(wide.columns))
    axes.set_xlabel("reached step, in percent of the deals created")
    for place, mature in enumerate(is_mature):
        if not mature:
            axes.axhspan(place, place + 1, color=OTHER, alpha=0.3, linewidth=0)
    return figure


@chart(section="Losses", title="Losses by reason")
def losses_by_reason(rep_losses_monthly: DataFrame) -> Figure:
    """Deals lost, by the reason given.

    Distinct deals lost per month, reason and step, summed over the months: a deal that is lost
    again in another month, for another reason or in another step counts again. The percentage is
    the share of all losses.
    """
    losses = rep_losses_monthly.groupby("lost_reason_label", dropna=False)["deals_count"].sum()
    ranked = losses.astype(float).sort_values(ascending=False, kind="stable")
    rest = ranked.iloc[MOST_BARS:]
    if len(rest) > 1:
        others = Series({f"{len(rest)} other reasons": rest.sum()})
        ranked = concat([ranked.iloc[:MOST_BARS], others])
    return _losses("reason", ranked)


@chart(section="Losses", title="Losses by last step")
def losses_by_step(rep_losses_monthly: DataFrame, rep_funnel_dropoff: DataFrame) -> Figure:
    """Where deals stood when they were lost.

    The step is that of the last stage before the loss; losses are counted as in the chart above.
    Deals that were lost in no stage of the funnel stand last.
    """
    funnel_codes = rep_funnel_dropoff["funnel_step"].map(clean)
    names = dict(zip(funnel_codes, steps(rep_funnel_dropoff), strict=True))
    loss_codes = rep_losses_monthly["funnel_step"].map(clean)
    losses = rep_losses_monthly.groupby(loss_codes)["deals_count"].sum()
    codes = [code for code in names if code in losses.index]
    codes += [code for code in losses.index if code not in names]
    labels = [names.get(code, "No step" if code == "none" else code) for code in codes]
    return _losses("last_step", losses.reindex(codes).astype(float).set_axis(labels))


@chart(section="Losses", title="Losses by reason and last step")
def losses_by_reason_and_step(
    rep_losses_monthly: DataFrame, rep_funnel_dropoff: DataFrame
) -> Figure:
    """Which reasons are given at which step.

    Counted as above. The columns are the steps at which the deals stood, by their number; at most
    15 reasons are shown, the most frequent first.
    """
    mart = rep_losses_monthly
    counts = DataFrame(
        {
            "reason": mart["lost_reason_label"].map(clean),
            "step": mart["funnel_step"].map(clean),
            "losses": mart["deals_count"].astype(float).fillna(0),
        }
    )
    wide = counts.pivot_table(index="reason", columns="step", values="losses", aggfunc="sum")
    wide = wide.fillna(0)
    wide = wide.loc[wide.sum(axis=1).sort_values(ascending=False, kind="stable").index]
    order = [code for code in rep_funnel_dropoff["funnel_step"].map(clean) if code in wide]
    wide = wide[order + [code for code in wide if code not in order]].head(MOST_BARS)
    names = [short("no step" if code == "none" else code) for code in wide]
    labels = [short(reason) for reason in wide.index]
    each = max(34, *(2 + breadth(name) for name in names))
    width = max(WIDTH, 200 + each * len(wide.columns))
    figure = Drawing(wide.reset_index(), labels, bottom=34, width=width)
    axes = figure.cells(wide, wide.map(compact), names, LOSS)
    axes.set_xlabel("last step before the loss")
    return figure


@chart(section="Losses", title="Losses per month and reason")
def losses_by_month(rep_losses_monthly: DataFrame) -> Figure:
    """When deals were lost, by the reason given.

    Distinct deals per month, reason and step, summed over the steps; at most the last 36 months and
    15 reasons are shown, the most frequent first.
    """
    mart = rep_losses_monthly
    wide = _by_month(mart, mart["lost_reason_label"].map(clean)).tail(MOST_MONTHS)
    most = wide.sum().sort_values(ascending=False, kind="stable")
    wide = wide[most[most > 0].index[:MOST_BARS]]
    if wide.empty:
        return nothing_to_show()
    labels = [short(reason) for reason in wide.columns]
    figure = Drawing(wide.reset_index(), labels, bottom=30, width=_wide_enough(len(wide)))
    figure.cells(wide.T, wide.T.map(compact), months(wide.index), LOSS)
    return figure


def _losses(what: str, losses: Series) -> Figure:
    shares = 100 * losses / (losses.sum() or math.nan)
    numbers = DataFrame({"losses": losses, "share_of_losses_pct": shares}).rename_axis(what)
    places = range(len(losses))
    labels = [short(label) for label in losses.index]
    figure = Drawing(numbers.reset_index(), labels, right=60, width=PHONE)
    axes = figure.rows(losses.max(), places)
    seaborn.barplot(x=losses.array, y=places, color=LOSS, ax=axes, **BARS)
    note(axes, places, losses, losses.map(whole) + " (" + shares.map(rate) + ")")
    return figure


@chart(section="Time", title="Days a deal stays in a stage")
def days_in_stage(rep_stage_dwell: DataFrame) -> Figure:
    """How long deals stay in a stage before they move on or are lost.

    Half of the completed stays are shorter than the median, three of four are shorter than p75,
    nine of ten are shorter than p90. A mean far above the median points to a few very long stays.
    Stays that have not ended, also of deals that are won, are not among them: "open" is their
    number, and the ring is the median of the days that they have lasted so far.
    """
    mart = rep_stage_dwell
    figure, axes, places = _days(mart, steps(mart), right=120)
    axes.plot(mart["mean_days"].astype(float), places, "D", color=LOSS, markersize=5, label="mean")
    open_days = mart["open_median_days"].astype(float)
    axes.plot(open_days, places, "o", color=SIDE, fillstyle="none", markersize=6, label="open")
    furthest = max(axes.get_xlim()[1], 1.15 * open_days.fillna(0).max())
    axes.set_xlim(0, furthest)
    column(axes, 38, places, "median", mart["median_days"].map(decimal))
    column(axes, 76, places, "stays", mart["completed_stays"].map(whole))
    column(axes, 114, places, "open", mart["open_stays"].map(whole))
    figure.key(axes, "median", "p75", "p90", "mean", "open")
    return figure


@chart(section="Time", title="Days from creation to closing")
def days_to_close(rep_days_to_close: DataFrame) -> Figure:
    """How long it takes until a deal is won or lost.

    From its creation to its closing; half of the deals took less than the median, three of four
    less than p75, nine of ten less than p90. Open deals are measured up to the time at the top of
    this report, without those created after it, and will take longer than that.
    """
    mart = rep_days_to_close.sort_values("status", ascending=False, kind="stable")
    figure, axes, places = _days(mart, mart["status"], right=80, width=PHONE)
    column(axes, 38, places, "median", mart["median_days"].map(decimal))
    column(axes, 76, places, "deals", mart["deals"].map(whole))
    figure.key(axes, "median", "p75", "p90")
    return figure


def _days(
    mart: DataFrame, names: Series, right: float, width: float = WIDTH
) -> tuple[Drawing, Axes, range]:
    """Bars of a median that reach on, thin, to what three in four and nine in ten stay below."""
    days = mart[["median_days", "p75_days", "p90_days"]].astype(float)
    median, p75, p90 = (days[name] for name in days)
    places = range(len(mart))
    labels = names.map(short).tolist()
    figure = Drawing(mart, labels, top=36, right=right, bottom=34, width=width)
    axes = figure.rows(days.fillna(0).max(axis=None), places)
    seaborn.barplot(x=median, y=places, color=MAIN, label="median", ax=axes, **BARS)
    axes.hlines(places, median, p90, color=MAIN, linewidth=1)
    for name, ends, size in (("p75", p75, 6), ("p90", p90, 10)):
        axes.plot(ends, places, "|", color=MAIN, markersize=size, markeredgewidth=2, label=name)
    axes.set_xlabel("days")
    return figure, axes, places


@chart(section="Sales reps", title="Completed activities of the most active reps")
def most_active_reps(rep_sales_rep_totals: DataFrame, rep_funnel_dropoff: DataFrame) -> Figure:
    """Reps with the most completed activities, by kind of activity.

    At most 15 are drawn, more are in the table. An activity counts when it is done and has a due
    date; "deals" are the distinct deals with such an activity of the rep, "per deal" is the
    activities over these deals. Calls of the first two call steps of the funnel are drawn apart,
    those of more such steps are among the others. Reps are told apart by their user id; their names
    are masked. Reps with few deals can be shown together as "other reps", at least two of them
    where there are two.
    """
    calls = steps(rep_funnel_dropoff[rep_funnel_dropoff["kind"] == "activity"])
    names = dict(zip(["sales_call_1_completed", "sales_call_2_completed"], calls, strict=False))
    kinds = [*names, "other_activities"]
    ranked = rep_sales_rep_totals.sort_values(
        "activities_completed", ascending=False, kind="stable"
    )
    top = ranked.head(MOST_BARS)
    places = range(len(top))
    ends = top[kinds].astype(float).fillna(0).cumsum(axis="columns")
    labels = top["sales_rep_name"].map(short_rep).tolist()
    figure = Drawing(ranked, labels, top=36, right=94, width=PHONE)
    axes = figure.rows(ends.max(axis=None), places)
    for kind, colour in zip(kinds, (*(MAIN, SIDE)[: len(names)], OTHER), strict=True):
        widths = top[kind].astype(float)
        name = short(names.get(kind, "other activities"), IN_KEY)
        axes.barh(places, widths, 0.6, left=ends[kind] - widths, color=colour, label=name)
    note(axes, places, ends[kinds[-1]], top["activities_completed"].map(whole))
    column(axes, 46, places, "deals", top["deals_worked"].map(whole))
    column(axes, 90, places, "per deal", top["activities_per_deal"].map(decimal))
    figure.key(axes)
    return figure
