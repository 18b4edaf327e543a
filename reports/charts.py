"""The charts of the report, one function each, in the order in which they appear.

Parameters name the marts (rows in funnel order), the docstring is the caption under the chart.
"""

import math

import seaborn
from matplotlib.figure import Figure
from pandas import DataFrame, Series, concat, to_datetime

from reports.drawing import (
    GRID,
    LOSS,
    MAIN,
    OTHER,
    PALE,
    SIDE,
    Drawing,
    chart,
    column,
    note,
    nothing_to_show,
)
from reports.text import clean, compact, decimal, months, rate, short, steps, whole

MOST_BARS = 15
MOST_MONTHS = 36
BARS = {"orient": "h", "native_scale": True, "errorbar": None, "saturation": 1, "width": 0.55}


@chart(section="Funnel", title="Deals and conversion per funnel step")
def funnel(rep_funnel_dropoff: DataFrame, rep_stage_dwell: DataFrame) -> Figure:
    """How many deals came how far.

    The solid bar and its number count entries into the step (distinct deals per month, summed over
    the months). The pale bar behind counts the distinct deals that reached this or a later main
    step, so that a skipped step counts as passed; conversion is measured on these deals. Call
    steps stand beside the main steps: their rate is the share of the deals of the main step above
    that also had the call, and nothing is measured over them. Lost is an outcome, not a step.
    A rate without a fitting denominator is n/a.
    """
    mart = rep_funnel_dropoff
    is_main = mart["funnel_step"].isin(rep_stage_dwell["funnel_step"])
    entries = mart["total_volume"].astype(float).fillna(0)
    reached = mart["deals_reached"].astype(float).fillna(0).where(is_main, 0)
    ends = entries.clip(lower=reached)
    kinds = ["main step" if main else "call step" for main in is_main]
    places = [float(place) for place in range(len(mart))]
    if not is_main.iloc[-1]:  # the outcome closes the funnel, a little apart
        kinds[-1], places[-1] = "outcome", places[-1] + 0.5
    figure = Drawing(mart, steps(mart).map(short).tolist(), top=36, right=94)
    axes = figure.rows(ends.max(), places)
    palette = {"main step": MAIN, "call step": SIDE, "outcome": LOSS}
    seaborn.barplot(x=entries, y=places, hue=kinds, palette=palette, dodge=False, ax=axes, **BARS)
    axes.barh(places, reached, 0.8, color=PALE, label="reached it or a later step", zorder=0.9)
    axes.set_xlabel("")
    note(axes, places, ends, entries.map(whole))
    column(axes, 46, places, "of previous", mart["conversion_from_previous_pct"].map(rate))
    column(axes, 90, places, "of first", mart["conversion_from_first_pct"].map(rate))
    figure.key(axes)
    return figure


@chart(section="By month", title="Entries per month and funnel step")
def entries_by_month(rep_sales_funnel_monthly: DataFrame) -> Figure:
    """Distinct deals that entered a step in a month.

    A deal counts once in each month and step that it enters. A darker cell is more deals, an empty
    one none. The last months can be incomplete: where new deals no longer come in, deals entered
    earlier still move through the later steps, and the thinning edge is the end of the intake, not
    a decline.
    """
    mart = rep_sales_funnel_monthly
    wide = (
        mart.assign(
            month=to_datetime(mart["month"]),
            step=steps(mart),
            deals=mart["deals_count"].astype(float).fillna(0),
        )
        .pivot_table(index="month", columns="step", values="deals", aggfunc="sum", sort=False)
        .sort_index()
        .tail(MOST_MONTHS)
        .fillna(0)
    )
    if wide.empty:
        return nothing_to_show()
    labels = [short(step) for step in wide.columns]
    width = max(490, 160 + 18 * len(wide))
    figure = Drawing(wide.reset_index(), labels, bottom=30, width=width)
    axes = figure.add_subplot()
    most = wide.max(axis=None)
    seaborn.heatmap(
        wide.T,
        mask=wide.T == 0,
        annot=wide.T.map(compact),
        fmt="",
        annot_kws={"size": 8 if most < 1_000 else 6.5, "color": "black"},
        vmin=0,
        vmax=most or 1,
        cmap=seaborn.light_palette(MAIN, as_cmap=True),
        cbar=False,
        linewidths=0.6,
        linecolor=GRID,
        ax=axes,
    )
    axes.grid(visible=False)
    axes.set(xlabel="", ylabel="")
    axes.set_yticks(axes.get_yticks(), labels)
    axes.set_xticks([place + 0.5 for place in range(len(wide))], months(wide.index), rotation=0)
    return figure


@chart(section="Losses", title="Losses by reason")
def losses_by_reason(rep_losses_monthly: DataFrame) -> Figure:
    """Deals lost, by the reason given.

    Distinct deals lost per month, reason and step, summed over the months: a deal that is lost
    again in another month counts again. The percentage is the share of all losses.
    """
    losses = rep_losses_monthly.groupby("lost_reason_label", dropna=False)["deals_count"].sum()
    ranked = losses.astype(float).sort_values(ascending=False, kind="stable")
    rest = ranked.iloc[MOST_BARS:]
    if len(rest) > 1:
        others = Series({f"{len(rest)} other reasons": rest.sum()})
        ranked = concat([ranked.iloc[:MOST_BARS], others])
    return _losses("reason", [short(reason) for reason in ranked.index], ranked)


@chart(section="Losses", title="Losses by last step")
def losses_by_step(rep_losses_monthly: DataFrame, rep_funnel_dropoff: DataFrame) -> Figure:
    """Where deals stood when they were lost.

    The step is that of the last stage before the loss; losses are counted as in the chart above.
    Deals that were lost before any known step stand last.
    """
    funnel_codes = rep_funnel_dropoff["funnel_step"].map(clean)
    names = dict(zip(funnel_codes, steps(rep_funnel_dropoff), strict=True))
    loss_codes = rep_losses_monthly["funnel_step"].map(clean)
    losses = rep_losses_monthly.groupby(loss_codes)["deals_count"].sum()
    codes = [code for code in names if code in losses.index]
    codes += [code for code in losses.index if code not in names]
    labels = [short(names.get(code, "No step" if code == "none" else code)) for code in codes]
    return _losses("last_step", labels, losses.reindex(codes).astype(float))


def _losses(what: str, labels: list[str], losses: Series) -> Figure:
    shares = 100 * losses / (losses.sum() or math.nan)
    numbers = DataFrame({what: labels, "losses": losses.array, "share_of_losses_pct": shares.array})
    places = range(len(labels))
    figure = Drawing(numbers, labels, right=50)
    axes = figure.rows(losses.max(), places)
    seaborn.barplot(x=losses.array, y=places, color=LOSS, ax=axes, **BARS)
    note(axes, places, losses, losses.map(whole) + " (" + shares.map(rate) + ")")
    return figure


@chart(section="Time in stage", title="Days a deal stays in a stage")
def days_in_stage(rep_stage_dwell: DataFrame) -> Figure:
    """How long deals stay in a stage before they move on or are lost.

    Half of the completed stays are shorter than the median, nine of ten are shorter than p90. A
    mean far above the median points to a few very long stays. Stays that have not ended yet are
    counted as open and not measured.
    """
    mart = rep_stage_dwell
    days = mart[["median_days", "mean_days", "p90_days"]].astype(float)
    median, mean, p90 = (days[name] for name in days)
    places = range(len(mart))
    figure = Drawing(mart, steps(mart).map(short).tolist(), top=36, right=80, bottom=34)
    axes = figure.rows(days.fillna(0).max(axis=None), places)
    seaborn.barplot(x=median, y=places, color=MAIN, label="median", ax=axes, **BARS)
    axes.hlines(places, median, p90, color=MAIN, linewidth=1)
    axes.plot(p90, places, "|", color=MAIN, markersize=10, markeredgewidth=2, label="p90")
    axes.plot(mean, places, "D", color=LOSS, markersize=5, label="mean")
    axes.set_xlabel("days")
    column(axes, 38, places, "median", median.map(decimal))
    column(axes, 76, places, "stays", mart["completed_stays"].map(whole))
    figure.key(axes, "median", "mean", "p90")
    return figure


@chart(section="Sales reps", title="Completed activities of the most active reps")
def most_active_reps(rep_sales_rep_performance_monthly: DataFrame) -> Figure:
    """Reps with the most completed activities, by kind of activity.

    At most 15 are shown. An activity counts when it is done and has a due date. Reps are told
    apart by their user id; their names are masked. Where a rep must have a number of deals to be
    shown alone (FUNNEL_MIN_DEALS_PER_REP), those with fewer are one bar, "other reps", and a last
    one among them takes the rep with the next fewest along.
    """
    kinds = ["sales_call_1_completed", "sales_call_2_completed", "other_activities"]
    mart = rep_sales_rep_performance_monthly
    counts = mart.groupby(["user_id", "sales_rep_name"], dropna=False)
    reps = counts[[*kinds, "activities_completed"]].sum().reset_index("sales_rep_name")
    top = reps.sort_values("activities_completed", ascending=False, kind="stable").head(MOST_BARS)
    places = range(len(top))
    ends = top[kinds].astype(float).cumsum(axis="columns")
    figure = Drawing(top, top["sales_rep_name"].map(short).tolist(), top=26)
    axes = figure.rows(ends.max(axis=None), places)
    for kind, colour in zip(kinds, (MAIN, SIDE, OTHER), strict=True):
        widths = top[kind].astype(float)
        name = kind.removesuffix("_completed").replace("_", " ")
        axes.barh(places, widths, 0.6, left=ends[kind] - widths, color=colour, label=name)
    note(axes, places, ends[kinds[-1]], top["activities_completed"].map(whole))
    figure.key(axes)
    return figure
