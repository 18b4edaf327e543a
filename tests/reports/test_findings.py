"""The sentences of the summary: computed, and silent where the data is thin."""

from typing import Any

import pytest
from pandas import DataFrame, Series, Timestamp

from reports.findings import findings
from reports.latest import Latest, Line
from reports.render import render

Tables = dict[str, DataFrame]

NOTHING: dict[str, list[str]] = {
    "rep_funnel_dropoff": [
        "funnel_step",
        "kpi_name",
        "deals_reached",
        "conversion_from_previous_pct",
    ],
    "rep_stage_dwell": ["funnel_step", "kpi_name", "completed_stays", "median_days", "open_stays"],
    "rep_losses_monthly": ["lost_reason_label", "deals_count"],
    "scores": ["table_name", "measure", "passing_rows", "total_rows"],
}


def sentences(
    latest: Latest | None = None, **marts: list[tuple[Any, ...]]
) -> list[tuple[str, str]]:
    """Sentence and link of each finding; marts that are not given have no rows."""
    tables = {name: DataFrame(marts.get(name, []), columns=NOTHING[name]) for name in NOTHING}
    return [(found.text, found.target) for found in findings(tables, latest)]


def stages(*steps: str) -> list[tuple[Any, ...]]:
    """Stages in which nobody stayed."""
    return [(step, f"Step {step}", 0, None, 0) for step in steps]


def test_nothing_is_found_in_nothing() -> None:
    assert sentences() == []


def test_the_largest_drop_is_between_main_steps() -> None:
    dropoff = [
        ("1", "Lead", 200, None),
        ("2", "Qualified", 120, 60.0),
        ("2.1", "Call", 5, 4.2),
        ("3", "Needs", 60, 50.0),
    ]
    assert sentences(rep_funnel_dropoff=dropoff, rep_stage_dwell=stages("1", "2", "3")) == [
        (
            "The largest drop is from 2 Qualified to 3 Needs: 50.0% of the deals that reached the"
            " one reached the other (60 of 120).",
            "chart-funnel",
        )
    ]


def test_a_drop_of_few_deals_is_not_told() -> None:
    dropoff = [("1", "Lead", 29, None), ("2", "Qualified", 2, 6.9)]
    assert sentences(rep_funnel_dropoff=dropoff, rep_stage_dwell=stages("1", "2")) == []


def line(name: str, *counts: float) -> Line:
    """A step with these entries, the latest last."""
    return Line(name, Series(counts, dtype=float), more_is_good=True)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            [line("1 Lead", 100, 90), line("2 Qualified", 40, 60)],
            ["2 Qualified changed most in March 2024: 60 after 40 in February 2024 (+50%)."],
        ),
        ([line("1 Lead", 29, 90)], []),
        ([line("1 Lead", 90, 90)], []),
        ([line("1 Lead", 90)], []),
    ],
    ids=["two steps", "too few", "no change", "first month"],
)
def test_the_step_that_changed_most(lines: list[Line], said: list[str]) -> None:
    assert [text for text, _ in sentences(Latest(Timestamp("2024-03-01"), lines))] == said


def test_the_reason_most_often_given() -> None:
    losses = [("Price", 20), ("Silence", 15), ("Price", 5)]
    assert sentences(rep_losses_monthly=losses) == [
        (
            "The reason most often given for a loss is Price: 62.5% of 40 losses.",
            "chart-losses_by_reason",
        )
    ]
    assert sentences(rep_losses_monthly=[("Price", 29)]) == []


def test_the_stage_of_the_longest_stays_needs_enough_of_them() -> None:
    dwell = [("1", "Lead", 30, 9.5, 4), ("2", "Qualified", 29, 90.0, 0)]
    assert sentences(rep_stage_dwell=dwell) == [
        (
            "Deals stay longest in 1 Lead: half of the stays took 9.5 days or more;"
            " 4 have not ended.",
            "chart-days_in_stage",
        )
    ]


def test_links_that_mostly_lead_nowhere_are_told() -> None:
    scores = [
        ("activity", "deal_link_validity", 8, 4579),
        ("activity", "completeness", 0, 4579),
        ("deals", "deal_link_validity", 5, 10),
        ("users", "deal_link_validity", 0, 0),
    ]
    [(text, target)] = sentences(scores=scores)
    assert text.startswith("Only 8 of 4,579 rows in activity name a deal that is known")
    assert target == "data"


def test_every_sentence_of_the_page_leads_somewhere(
    tables: Tables, run: dict[str, str | int | None]
) -> None:
    page = render(tables, run)
    assert page.count('aria-label="Where this is read off') == 5
    for target in ("chart-funnel", "latest", "chart-losses_by_reason", "chart-days_in_stage"):
        assert f'href="#{target}"' in page
        assert f'id="{target}"' in page


def test_a_name_in_a_sentence_is_no_markup(
    tables: Tables, run: dict[str, str | int | None]
) -> None:
    mart = tables["rep_losses_monthly"]
    tables["rep_losses_monthly"] = mart.assign(lost_reason_label="<b>Price</b>")
    assert "for a loss is &lt;b&gt;Price&lt;/b&gt;" in render(tables, run)
