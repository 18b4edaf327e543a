"""Numbers and names as text, the same in charts and tables."""

import math
import re
from datetime import date
from unicodedata import east_asian_width

from matplotlib.ticker import EngFormatter
from pandas import DataFrame, DatetimeIndex, Series, isna

LONGEST_LABEL = 36
MOST_MONTH_LABELS = 18
MISSING = "n/a"
LARGE = 10_000
JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"
SOFT_HYPHEN = "\N{SOFT HYPHEN}"
ENGINEERING = EngFormatter(places=1, sep="")


def whole(number: float) -> str:
    """Write a count."""
    return MISSING if isna(number) else f"{number:,.0f}"


def compact(number: float) -> str:
    """Write a number for a narrow place, large ones as 12.3k or 4.5M."""
    return f"{number:,.10g}" if number < LARGE else ENGINEERING(number).replace(".0", "")


def decimal(number: float) -> str:
    """Write a measurement."""
    return MISSING if isna(number) else f"{number:,.1f}"


def rate(percent: float) -> str:
    """Write a percentage: only none is 0%, only all 100%; without a denominator there is none."""
    if isna(percent):
        return MISSING
    if 0 < percent < 0.05:
        return "<0.1%"
    return ">99.9%" if 99.95 <= percent < 100 else f"{percent:,.1f}%"


def in_a_cell(percent: float) -> str:
    """Write a percentage where there is little room, and no unit; without a denominator nothing."""
    if isna(percent):
        return ""
    if 0 < percent < 0.5:
        return "<1"
    return ">99" if 99.5 <= percent < 100 else f"{percent:.0f}"


def in_percent(more: float, before: float) -> str:
    """Write a change in percent of what was before."""
    share = f"{100 * more / before:+,.0f}%"
    if share == "-100%" and more != -before:
        return "->99%"
    return share if share[1:] != "0%" else f"{share[0]}<1%"


def clean(value: object) -> str:
    """Make one printable line of a name; some scripts need signs that join others."""
    folded = MISSING if isna(value) else " ".join(str(value).replace(SOFT_HYPHEN, "").split())
    return "".join(
        sign if sign.isprintable() or sign in JOINERS else "\N{REPLACEMENT CHARACTER}"
        for sign in folded
    )


def short(value: object, longest: int = LONGEST_LABEL) -> str:
    """Cut a name where it would push a chart aside."""
    name = clean(value)
    return name if len(name) <= longest else name[: longest - 1] + "…"


def short_rep(name: object) -> str:
    """Cut a pseudonym, but not the end that tells people apart."""
    masked, sign, end = clean(name).rpartition(" #")
    return short(masked, LONGEST_LABEL - len(sign + end)) + sign + end if sign else short(name)


def slug(title: str) -> str:
    """Make the end of a link of a title."""
    return re.sub(r"\W+", "-", title.lower()).strip("-")


def breadth(label: str) -> float:
    """Estimate how wide a label is drawn, in points: capitals are wider, Chinese is widest."""
    wide = sum(east_asian_width(sign) in "WF" for sign in label)
    capital = sum(sign.isupper() for sign in label)
    return 9 * wide + 6.6 * capital + 5.2 * (len(label) - wide - capital)


def steps(mart: DataFrame) -> Series:
    """Name each row's funnel step by its code and KPI name, once where the two are equal."""
    code, name = mart["funnel_step"].map(clean), mart["kpi_name"].map(clean)
    return name.where(code == name, code + " " + name)


def month(first_day: date) -> str:
    """Name a month."""
    return MISSING if isna(first_day) else f"{first_day:%B %Y}"


def months(index: DatetimeIndex) -> list[str]:
    """Label months, the year where it changes; of many months every second or third."""
    every = math.ceil(len(index) / MOST_MONTH_LABELS)
    years = [None, *index[::every].year]
    shown = [
        f"{month:%b}" if month.year == before else f"{month:%b\n%Y}"
        for before, month in zip(years, index[::every], strict=False)
    ]
    return [shown[place // every] if place % every == 0 else "" for place in range(len(index))]
