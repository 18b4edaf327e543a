"""What the charts show, in a few sentences: computed, and left out where there are few deals.

A function each, by section of the report; parameters name the marts, or the latest month.
"""

from collections.abc import Callable, Mapping
from inspect import signature

from pandas import DataFrame

from reports.findings.finding import Finding, Findings
from reports.findings.funnel import (
    busiest_month,
    conversion_over_time,
    furthest_half,
    largest_change,
    lowest_conversion,
    missing_links,
    steps_that_rose,
)
from reports.findings.losses import (
    month_of_losses,
    reason_and_step,
    reason_of_losses,
    step_of_losses,
)
from reports.findings.reps import most_active_reps
from reports.findings.time import days_to_close, longest_stay
from reports.latest import Latest

MOST = 5  # sentences in the summary; the others stand at their charts only
IN_ORDER: tuple[Callable[..., Findings], ...] = (
    lowest_conversion,
    conversion_over_time,
    largest_change,
    reason_of_losses,
    longest_stay,
    missing_links,
    furthest_half,
    step_of_losses,
    month_of_losses,
    days_to_close,
    most_active_reps,
    reason_and_step,
    busiest_month,
    steps_that_rose,
)


def findings(tables: Mapping[str, DataFrame], latest: Latest | None) -> list[Finding]:
    """The sentences, those that matter most first."""
    known = {**tables, "latest": latest}
    return [
        found
        for function in IN_ORDER
        for found in function(*(known[name] for name in signature(function).parameters))
    ]
