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
        "kind",
        "deals_reached",
        "conversion_from_previous_pct",
    ],
    "rep_stage_dwell": ["funnel_step", "kpi_name", "completed_stays", "median_days", "open_stays"],
    "rep_losses_monthly": ["month", "lost_reason_label", "funnel_step", "deals_count"],
    "rep_cohorts": [
        "month",
        "funnel_step",
        "kpi_name",
        "deals_created",
        "deals_reached",
        "reached_pct",
        "is_mature",
    ],
    "rep_days_to_close": ["status", "deals", "median_days", "p90_days"],
    "rep_sales_rep_totals": ["user_id", "sales_rep_name", "activities_completed"],
    "rep_sales_funnel_monthly": ["month", "funnel_step", "kpi_name", "deals_count"],
    "rep_monthly_figures": ["month", "deals_created"],
    "scores": ["table_name", "measure", "passing_rows", "total_rows"],
}


FEBRUARY, MARCH, APRIL = (Timestamp(f"2024-0{number}-01") for number in (2, 3, 4))
LOSSES = [
    (FEBRUARY, "Silence", "2", 15),
    (MARCH, "Price", "1", 20),
    (MARCH, "Price", "none", 5),
]


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


def test_the_lowest_conversion_is_between_main_steps() -> None:
    dropoff = [
        ("1", "Lead", "stage", 200, None),
        ("2", "Qualified", "stage", 120, 60.0),
        ("2.1", "Call", "activity", 5, 4.2),
        ("3", "Needs", "stage", 60, 50.0),
    ]
    stays = [("1", "Lead", 0, None, 9), ("2", "Qualified", 0, None, 8), ("3", "Needs", 0, None, 7)]
    assert sentences(rep_funnel_dropoff=dropoff, rep_stage_dwell=stays) == [
        (
            "The lowest conversion is from 2 Qualified to 3 Needs: 60 of 120 deals went on (50.0%);"
            " 8 stays in 2 Qualified have not ended.",
            "chart-funnel",
        )
    ]
    [(text, _)] = sentences(rep_funnel_dropoff=dropoff, rep_stage_dwell=stages("1", "2", "3"))
    assert text.endswith("went on (50.0%).")


@pytest.mark.parametrize(
    ("reached", "said"),
    [
        ((40, 30), "fell: 80.0% of the deals created in February 2024 that reached 1 Lead also"
         " reached 2 Qualified within 90 days, and 60.0% of those created in March 2024."),
        ((30, 40), "rose: 60.0% of the deals created in February 2024 that reached 1 Lead also"
         " reached 2 Qualified within 90 days, and 80.0% of those created in March 2024."),
        ((30, 30), "stayed the same: 60.0% of the deals created in February 2024 that reached"
         " 1 Lead also reached 2 Qualified within 90 days, and 60.0% of those created in"
         " March 2024."),
        ((30, 36), "did not clearly change: 60.0% of the deals created in February 2024 that"
         " reached 1 Lead also reached 2 Qualified within 90 days, and 72.0% of those created in"
         " March 2024."),
    ],
    ids=["fell", "rose", "stayed", "may be chance"],
)  # fmt: skip
def test_whether_the_lowest_conversion_rose(reached: tuple[int, int], said: str) -> None:
    """From the first mature month to the last; months of few deals are none."""
    dropoff = [("1", "Lead", "stage", 200, None), ("2", "Qualified", "stage", 120, 60.0)]
    cohorts = [
        (month, step, "Step", 50, count, 0.0, is_mature)
        for month, counts, is_mature in (
            (Timestamp("2024-01-01"), (29, 1), True),
            (FEBRUARY, (50, reached[0]), True),
            (MARCH, (50, reached[1]), True),
            (Timestamp("2024-04-01"), (50, 0), False),
        )
        for step, count in zip(("1", "2"), counts, strict=True)
    ]
    found = sentences(
        rep_funnel_dropoff=dropoff, rep_stage_dwell=stages("1", "2"), rep_cohorts=cohorts
    )
    assert [text for text, _ in found if text.startswith("This")] == [f"This conversion {said}"]


def test_a_conversion_of_few_deals_is_not_told() -> None:
    dropoff = [("1", "Lead", "stage", 29, None), ("2", "Qualified", "stage", 2, 6.9)]
    assert sentences(rep_funnel_dropoff=dropoff, rep_stage_dwell=stages("1", "2")) == []


def line(name: str, *counts: float) -> Line:
    """A step with these entries, the latest last."""
    return Line(name, Series(counts, dtype=float), more_is_good=True)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            [line("1 Lead", 100, 90), line("2 Qualified", 40, 60)],
            [
                "The clearest change is in 2 Qualified: 60 in March 2024 after"
                " 40 in February 2024 (+50%)."
            ],
        ),
        (
            [line("1 Lead", 90, 5), line("2 Qualified", 60, 63)],
            ["The clearest change is in 1 Lead: 5 in March 2024 after 90 in February 2024 (-94%)."],
        ),
        (
            [line("1 Lead", 29990, 30000), line("2 Qualified", 0, 20)],
            [
                "The clearest change is in 1 Lead: 30,000 in March 2024 after"
                " 29,990 in February 2024 (+<1%)."
            ],
        ),
        ([line("1 Lead", 9, 29)], []),
        ([line("1 Lead", 90, 90)], []),
        ([line("1 Lead", 90)], []),
    ],
    ids=["two steps", "a fall to few", "a small change", "too few", "no change", "first month"],
)
def test_the_step_that_changed_most(lines: list[Line], said: list[str]) -> None:
    found = sentences(Latest(Timestamp("2024-03-01"), [], lines))
    assert [text for text, target in found if target == "latest"] == said


def test_how_many_steps_rose_since_the_year_before_or_else_the_month_before() -> None:
    year = [line("1 Lead", 40, *[0] * 11, 50), line("2 Qualified", 40, *[0] * 11, 40)]
    for lines, then in ((year, "March 2023"), ([line("1 Lead", 40, 50)], "February 2024")):
        assert (
            f"1 of {len(lines)} step{'s' * (len(lines) > 1)} had more entries in March 2024 than in"
            f" {then}.",
            "chart-steps_by_month",
        ) in sentences(Latest(Timestamp("2024-03-01"), [], lines))
    assert sentences(Latest(Timestamp("2024-03-01"), [], [line("1 Lead", 14, 15)])) == []


def test_after_the_end_of_the_intake_no_step_is_said_to_rise_or_fall() -> None:
    monthly = [(FEBRUARY, "1", "Lead", 20), (APRIL, "2", "Qualified", 20)]
    lines = [line("1 Lead", 20, 0), line("2 Qualified", 60, 20)]
    found = sentences(Latest(MARCH, [], lines), rep_sales_funnel_monthly=monthly)
    assert found == [
        (
            "No deal came in after February 2024: what is seen after that are deals from before.",
            "chart-steps_by_month",
        )
    ]


def test_the_month_that_brought_most_deals() -> None:
    monthly = [
        (FEBRUARY, "1", "Lead", 10),
        (FEBRUARY, "2", "Qualified", 99),
        (MARCH, "1", "Lead", 20),
    ]
    assert sentences(rep_sales_funnel_monthly=monthly) == [
        ("No month brought more deals into 1 Lead than March 2024: 20 of 30.",
         "chart-entries_by_month"),
    ]  # fmt: skip
    assert sentences(rep_sales_funnel_monthly=monthly[:2]) == []


def test_the_reason_most_often_given() -> None:
    found = sentences(rep_losses_monthly=LOSSES)
    assert found[0] == (
        "The reason most often given for a loss is Price: 62.5% of 40 losses;"
        " Silence follows with 37.5%.",
        "chart-losses_by_reason",
    )


def test_the_step_and_the_month_of_most_losses() -> None:
    dropoff = [("1", "Lead", "stage", 0, None), ("2", "Qualified", "stage", 0, None)]
    found = sentences(rep_losses_monthly=LOSSES, rep_funnel_dropoff=dropoff)
    assert found[1:] == [
        (
            "Nowhere are more deals lost than after 1 Lead: 20 of 40 (50.0%).",
            "chart-losses_by_step",
        ),
        ("No month had more losses than March 2024: 25 of 40.", "chart-losses_by_month"),
        (
            "The most frequent loss with a known reason is Price after 1 Lead: 20 of 40.",
            "chart-losses_by_reason_and_step",
        ),
    ]


def test_most_losses_can_be_outside_the_funnel() -> None:
    early = [(MARCH, "Price", "none", 30)]
    found = [text for text, _ in sentences(rep_losses_monthly=early)]
    assert (
        "Nowhere are more deals lost than outside the funnel's steps: 30 of 30 (100.0%)." in found
    )
    assert (
        "The most frequent loss with a known reason is Price outside the funnel's steps: 30 of 30."
    ) in found


def test_few_losses_are_not_told() -> None:
    assert sentences(rep_losses_monthly=[(FEBRUARY, "Price", "1", 29)]) == []


def test_how_far_the_latest_mature_month_came() -> None:
    cohorts = [
        (FEBRUARY, "1", "Lead", 40, 40, 100.0, True),
        (FEBRUARY, "2", "Qualified", 40, 25, 62.5, True),
        (FEBRUARY, "3", "Needs", 40, 20, 49.9, True),
        (MARCH, "3", "Needs", 40, 36, 90.0, False),
    ]
    assert sentences(rep_cohorts=cohorts) == [
        (
            "Of the 40 deals created in February 2024, half or more came as far as 2 Qualified"
            " within 90 days (62.5%).",
            "chart-cohorts",
        )
    ]
    assert sentences(rep_cohorts=cohorts[3:]) == []


def test_how_long_most_of_the_closed_deals_took() -> None:
    statuses = [("lost", 40, 10.0, 30.0), ("open", 90, 99.0, 99.0), ("won", 39, 20.0, 50.0)]
    assert sentences(rep_days_to_close=statuses) == [
        (
            "Half of the 40 lost deals took 10.0 days or more, one in ten more than 30.0.",
            "chart-days_to_close",
        )
    ]


def test_what_the_most_active_reps_do() -> None:
    ten, two_others = [(n, "A", 9) for n in range(10)], [(n, "B", 5) for n in (10, 11)]
    assert sentences(rep_sales_rep_totals=ten + two_others) == [
        ("The 10 most active reps completed 90.0% of all activities.", "chart-most_active_reps")
    ]
    assert sentences(rep_sales_rep_totals=ten) == []


def test_nobody_is_no_rep_and_of_folded_reps_nothing_is_said() -> None:
    ten, nobody = [(n, "A", 4) for n in range(10)], [(None, "Unassigned", 40)]
    assert sentences(rep_sales_rep_totals=ten + nobody) == []
    eleven = [*ten, (10, "B", 1), *nobody]
    [(said, _)] = sentences(rep_sales_rep_totals=eleven)
    assert said == "The 10 most active reps completed 49.4% of all activities."
    assert sentences(rep_sales_rep_totals=[*eleven, (None, "9 other reps", 900)]) == []


def test_the_stage_of_the_longest_stays_needs_enough_of_them() -> None:
    dwell = [("1", "Lead", 30, 9.5, 4), ("2", "Qualified", 29, 90.0, 0)]
    assert sentences(rep_stage_dwell=dwell) == [
        (
            "Deals stay longest in 1 Lead, of the stages that 30 stays or more have ended in: half"
            " of the 30 stays that ended took 9.5 days or more; 4 stays have not ended.",
            "chart-days_in_stage",
        )
    ]


def test_stages_of_equally_long_stays_are_not_ranked() -> None:
    dwell = [("1", "Lead", 30, 16.0, 0), ("2", "Qualified", 30, 15.0, 0)]
    assert sentences(rep_stage_dwell=dwell) == [
        (
            "Deals stay about equally long in each of 2 stages: the median of those that ended"
            " is 15.0 to 16.0 days.",
            "chart-days_in_stage",
        )
    ]


def test_links_that_mostly_lead_nowhere_are_told() -> None:
    scores = [
        ("activity", "deal_link_validity", 8, 4579),
        ("activity", "completeness", 0, 4579),
        ("deals", "deal_link_validity", 5, 10),
        ("users", "deal_link_validity", 0, 0),
        ("calls", "deal_link_validity", 0, 29),
    ]
    [(text, target)] = sentences(scores=scores)
    assert text.startswith("Only 8 of 4,579 rows in activity name a deal that is known")
    assert target == "chart-funnel"


def test_every_sentence_of_the_page_leads_somewhere(
    tables: Tables, run: dict[str, str | int | None]
) -> None:
    page = render(tables, run)
    assert page.count('aria-label="Where this is read off') == 5
    for target in ("chart-funnel", "latest", "chart-losses_by_reason", "chart-days_in_stage"):
        assert f'href="#{target}"' in page
        assert f'id="{target}"' in page


def test_the_title_of_a_chart_is_what_it_shows_and_without_that_what_it_is_about(
    tables: Tables, run: dict[str, str | int | None]
) -> None:
    said = "The reason most often given for a loss is Customer Not Ready"
    about = "Losses by reason"
    page = render(tables, run)
    assert f"<h3>{said}" in page
    assert f'<p class="soft">{about}</p>' in page
    few = {"rep_losses_monthly": tables["rep_losses_monthly"].head(3)}
    page = render(tables | few, run)
    assert said not in page
    assert f"<h3>{about}</h3>" in page


def test_a_name_in_a_sentence_is_no_markup(
    tables: Tables, run: dict[str, str | int | None]
) -> None:
    mart = tables["rep_losses_monthly"]
    tables["rep_losses_monthly"] = mart.assign(lost_reason_label="<b>Price</b>")
    assert "for a loss is &lt;b&gt;Price&lt;/b&gt;" in render(tables, run)
