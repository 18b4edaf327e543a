"""What is said of the losses."""

from pandas import DataFrame, Series

from reports.findings.finding import Finding, Findings, shown_months
from reports.latest import FEWEST
from reports.text import month, rate, short, steps, whole

FEW_NAMES = 3
UNKNOWN = "Unknown reason"  # where the log gives none


def reason_of_losses(rep_losses_monthly: DataFrame) -> Findings:
    """The reason that is given most often; where none is known, there is none."""
    by_reason: Series = rep_losses_monthly.groupby("lost_reason_label")["deals_count"].sum()
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
    yield Finding(f"{said}.", "chart-losses_by_reason")


def _listed(names: list[str]) -> str:
    """Names in a sentence, of many only the first ones."""
    shown = names if len(names) <= FEW_NAMES else [*names[:FEW_NAMES], "others"]
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def step_of_losses(rep_losses_monthly: DataFrame, rep_funnel_dropoff: DataFrame) -> Findings:
    """The step at which most deals stood when they were lost."""
    by_step: Series = rep_losses_monthly.groupby("funnel_step")["deals_count"].sum()
    total, most = by_step.sum(), by_step.max()
    if total >= FEWEST:
        yield Finding(
            f"Nowhere are more deals lost than {_when(by_step.idxmax(), rep_funnel_dropoff)}:"
            f" {whole(most)} of {whole(total)} ({rate(100 * most / total)}).",
            "chart-losses_by_step",
        )


def month_of_losses(rep_losses_monthly: DataFrame) -> Findings:
    """The month with most losses, of those that are shown."""
    losses, none = shown_months(rep_losses_monthly)
    by_month: Series = losses.groupby("month")["deals_count"].sum()
    if by_month.sum() >= FEWEST and len(by_month) > 1:
        yield Finding(
            f"{none} had more losses than {month(by_month.idxmax())}: {whole(by_month.max())} of"
            f" {whole(by_month.sum())}.",
            "chart-losses_by_month",
        )


def reason_and_step(rep_losses_monthly: DataFrame, rep_funnel_dropoff: DataFrame) -> Findings:
    """Which reason is given most often, and where."""
    known = rep_losses_monthly[rep_losses_monthly["lost_reason_label"] != UNKNOWN]
    pairs: Series = known.groupby(["lost_reason_label", "funnel_step"])["deals_count"].sum()
    if pairs.sum() >= FEWEST:
        reason, step = pairs.idxmax()
        yield Finding(
            f"The most frequent loss with a known reason is {short(reason)}"
            f" {_when(step, rep_funnel_dropoff)}: {whole(pairs.max())} of {whole(pairs.sum())}.",
            "chart-losses_by_reason_and_step",
        )


def _when(step: str, rep_funnel_dropoff: DataFrame) -> str:
    """When a loss came: after a step of the funnel, if the deal was in one."""
    codes = rep_funnel_dropoff["funnel_step"]
    names = dict(zip(codes, steps(rep_funnel_dropoff), strict=True))
    return f"after {short(names[step])}" if step in names else "outside the funnel's steps"
