"""A sentence of the report, and what several of them have in common."""

from collections.abc import Iterator
from dataclasses import dataclass

from pandas import DataFrame, DateOffset, to_datetime

from reports.latest import MOST_MONTHS


@dataclass(frozen=True)
class Finding:
    """A sentence, and the id of what it is read off."""

    text: str
    target: str


Findings = Iterator[Finding]


def shown_months(monthly: DataFrame) -> tuple[DataFrame, str]:
    """The months that the charts by month show, and what to call none of them."""
    months = to_datetime(monthly["month"])
    shown = monthly[months > months.max() - DateOffset(months=MOST_MONTHS)]
    return shown, "No month" if len(shown) == len(monthly) else f"No month of these {MOST_MONTHS}"
