"""What is said of how long deals take."""

from pandas import DataFrame

from reports.findings.finding import Finding, Findings
from reports.latest import FEWEST
from reports.text import decimal, short, steps, whole

ALIKE = 0.9  # of the longest: stays as long as that are told apart by nobody


def longest_stay(rep_stage_dwell: DataFrame) -> Findings:
    """The stage in which half of the deals stay longest.

    Not the last one, from which none goes on, and none in which most stays are open: how long the
    few took that ended says little of those.
    """
    completed = rep_stage_dwell["completed_stays"]
    is_known = (completed >= FEWEST) & (completed >= rep_stage_dwell["open_stays"])
    medians = rep_stage_dwell["median_days"].astype(float).where(is_known)
    dwell, median, last = rep_stage_dwell.iloc[:-1], medians.iloc[:-1], medians.iloc[-1:]
    if median.isna().all():
        return
    if median.count() > 1 and median.min() >= ALIKE * median.max():
        yield Finding(
            f"Deals stay about equally long in each of {whole(median.count())} stages: the median"
            f" of those that ended is {decimal(median.min())} to {decimal(median.max())} days.",
            "chart-days_in_stage",
        )
        return
    place = int(median.idxmax())
    of_these = ""
    if (medians.isna() & (completed + rep_stage_dwell["open_stays"] > 0)).any():
        of_these = f", of the stages that most deals, and {FEWEST} or more, have left"
    if (last > median[place]).any():
        of_these += ", the last stage aside"
    yield Finding(
        f"Deals stay longest in {short(steps(dwell)[place])}{of_these}: half of the"
        f" {whole(completed[place])} stays that ended took"
        f" {decimal(median[place])} days or more{_not_ended(dwell['open_stays'][place])}.",
        "chart-days_in_stage",
    )


def _not_ended(stays: int) -> str:
    """How many stays are open, to be added to a sentence."""
    if not stays:
        return ""
    return f"; {whole(stays)} {'stay has' if stays == 1 else 'stays have'} not ended"


def days_to_close(rep_days_to_close: DataFrame) -> Findings:
    """How long most of the closed deals took."""
    statuses = rep_days_to_close
    enough = (statuses["deals"] >= FEWEST) & (statuses["median_days"] >= 0)
    closed = statuses[statuses["status"].isin(["won", "lost"]) & enough]
    if not closed.empty:
        most = closed.sort_values("deals", kind="stable").iloc[-1]
        yield Finding(
            f"Half of the {whole(most['deals'])} {most['status']} deals took"
            f" {decimal(most['median_days'])} days or more, one in ten more than"
            f" {decimal(most['p90_days'])}.",
            "chart-days_to_close",
        )
