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
        "deals_not_lost",
        "decided_conversion_pct",
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


def test_nothing_is_found_in_nothing() -> None:
    assert sentences() == []


DROPOFF = [
    ("1", "Lead", "stage", 200, 0, None),
    ("2", "Qualified", "stage", 120, 0, 60.0),
    ("2.1", "Call", "activity", 5, None, None),
    ("3", "Needs", "stage", 60, 9, 50.0),
]


def test_the_lowest_conversion_is_between_main_steps() -> None:
    assert sentences(rep_funnel_dropoff=DROPOFF) == [
        (
            "The lowest conversion is from 2 Qualified to 3 Needs: of 120 deals that went on or"
            " were lost, 60 went on (50.0%).",
            "chart-funnel",
        )
    ]


@pytest.mark.parametrize(("others", "said"), [(60, "60 more have"), (1, "1 more has")])
def test_deals_that_neither_went_on_nor_were_lost_do_not_lower_it(others: int, said: str) -> None:
    dropoff = [
        ("1", "Lead", "stage", 100 + others, others, None),
        ("2", "Qualified", "stage", 80, 40, 80.0),
        ("3", "Needs", "stage", 36, 0, 90.0),
    ]
    [(text, _)] = sentences(rep_funnel_dropoff=dropoff)
    assert text == (
        "The lowest conversion is from 1 Lead to 2 Qualified: of 100 deals that went on or were"
        f" lost, 80 went on (80.0%); {said} done neither."
    )


def test_a_conversion_of_few_deals_is_not_told() -> None:
    few = [("1", "Lead", "stage", 39, 10, None), ("2", "Qualified", "stage", 2, 0, 6.9)]
    assert sentences(rep_funnel_dropoff=few) == []
    all_went_on = [*DROPOFF[:1], ("2", "Qualified", "stage", 200, 0, 100.0)]
    assert sentences(rep_funnel_dropoff=all_went_on) == []
    thin = [*DROPOFF[:3], ("3", "Needs", "stage", 29, 0, 60.5), ("4", "Offer", "stage", 1, 0, 3.4)]
    [(text, _)] = sentences(rep_funnel_dropoff=thin)
    assert text.startswith("The lowest conversion of 30 deals or more is from 1 Lead to 2 Qual")


SINCE = "Within 90 days of their creation"


def cohorts_of(*months: tuple[int, int], until: str = "2024-06-01") -> list[tuple[Any, ...]]:
    """Mature months from January 2024 on, by how many deals reached both steps; one is not mature.

    `until`: the last mature month, which no deal is of.
    """
    each = [(Timestamp(2024, place, 1), reached, True) for place, reached in enumerate(months, 1)]
    each += [(Timestamp(until), (0, 0), True), (Timestamp("2025-06-01"), (50, 0), False)]
    return [
        (month, step, "Step", 50, count, 0.0, is_mature)
        for month, reached, is_mature in each
        for step, count in zip(("1", "2"), reached, strict=True)
    ]


@pytest.mark.parametrize(
    ("months", "said"),
    [
        (
            [(20, 16), (30, 24), (20, 10), (30, 20)],
            "80.0% (40 of 50) of the deals created from January 2024 to February 2024 that reached"
            " 1 Lead also reached 2 Qualified; of those created from March 2024 to April 2024,"
            " 60.0% (30 of 50) did: a fall.",
        ),
        (
            [(1, 0), (50, 30), (50, 40)],
            "60.0% (30 of 50) of the deals created in February 2024 that reached 1 Lead also"
            " reached 2 Qualified; of those created in March 2024, 80.0% (40 of 50) did: a rise.",
        ),
        (
            [(50, 30), (50, 36)],
            "60.0% (30 of 50) of the deals created in January 2024 that reached 1 Lead also"
            " reached 2 Qualified; of those created in February 2024, 72.0% (36 of 50) did: no"
            " clear change.",
        ),
    ],
    ids=["fell", "rose", "may be chance"],
)
def test_whether_the_lowest_conversion_rose(months: list[tuple[int, int]], said: str) -> None:
    """The later half of the mature months against the earlier one."""
    found = sentences(rep_funnel_dropoff=DROPOFF[:2], rep_cohorts=cohorts_of(*months))
    assert [text for text, _ in found if text.startswith(SINCE)] == [f"{SINCE}, {said}"]


@pytest.mark.parametrize(
    ("cohorts", "is_told"),
    [
        (cohorts_of((30, 1), (30, 9)), True),
        (cohorts_of((29, 1), (30, 9)), False),
        (cohorts_of((30, 1), (30, 9), until="2025-02-01"), True),
        (cohorts_of((30, 1), (30, 9), until="2025-03-01"), False),
        (cohorts_of((60, 10)), False),
    ],
    ids=["enough", "few deals", "a year ago", "longer ago", "one month"],
)
def test_a_change_of_few_deals_or_long_ago_is_not_told(
    cohorts: list[tuple[Any, ...]], is_told: bool
) -> None:
    found = sentences(rep_funnel_dropoff=DROPOFF[:2], rep_cohorts=cohorts)
    assert any(text.startswith(SINCE) for text, _ in found) == is_told


def line(name: str, *counts: float) -> Line:
    """A step with these entries, the latest last."""
    return Line(name, Series(counts, dtype=float), more_is_good=True)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            [line("1 Lead", 1000, 900), line("2 Qualified", 40, 80)],
            [
                "The clearest change is in 2 Qualified: 80 in March 2024 after"
                " 40 in February 2024 (+100%)."
            ],
        ),
        (
            [line("1 Lead", 90, 5), line("2 Qualified", 60, 63)],
            ["The clearest change is in 1 Lead: 5 in March 2024 after 90 in February 2024 (-94%)."],
        ),
        (
            [line("1 Lead", 70, 110), line("2 Qualified", 20, 22)],
            [
                "In no step did the entries change from February 2024 to March 2024 by more than"
                " chance does."
            ],
        ),
        (
            [line("1 Lead", 100, 102), line("2 Qualified", 0, 30)],
            ["The clearest change is in 2 Qualified: 30 in March 2024 after 0 in February 2024."],
        ),
        ([line("1 Lead", 100, 102), line("2 Qualified", 0, 29)], []),
        ([line("1 Lead", 9, 29)], []),
        ([line("1 Lead", 90)], []),
    ],
    ids=[
        "two steps",
        "a fall to few",
        "may be chance",
        "from nothing",
        "clear, and of few",
        "too few",
        "first month",
    ],
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
    dropoff = [("1", "Lead", "stage", 0, 0, None), ("2", "Qualified", "stage", 0, 0, None)]
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
    half = [(FEBRUARY, "2", "Qualified", 40, 20, 50.0, True)]
    assert len(sentences(rep_cohorts=half)) == 1


def test_how_long_most_of_the_closed_deals_took() -> None:
    statuses = [("lost", 40, 10.0, 30.0), ("open", 90, 99.0, 99.0), ("won", 39, 20.0, 50.0)]
    assert sentences(rep_days_to_close=statuses) == [
        (
            "Half of the 40 lost deals took 10.0 days or more, one in ten more than 30.0.",
            "chart-days_to_close",
        )
    ]
    before_they_began = [("lost", 40, -1.0, 30.0)]
    assert sentences(rep_days_to_close=before_they_began) == []


def test_what_the_most_active_reps_do() -> None:
    ten, two_others = [(n, "A", 9) for n in range(10)], [(n, "B", 5) for n in (10, 11)]
    assert sentences(rep_sales_rep_totals=ten + two_others) == [
        (
            "The 10 most active reps completed 90.0% of all activities with a due date.",
            "chart-most_active_reps",
        )
    ]
    assert sentences(rep_sales_rep_totals=ten) == []
    for more, is_told in ((18, False), (19, True)):  # of 11 + 18 or 19 activities
        eleven = [(n, "A", 1) for n in range(11)] + [(None, "Unassigned", more)]
        assert bool(sentences(rep_sales_rep_totals=eleven)) == is_told


def test_nobody_is_no_rep_and_of_folded_reps_nothing_is_said() -> None:
    ten, nobody = [(n, "A", 4) for n in range(10)], [(None, "Unassigned", 40)]
    assert sentences(rep_sales_rep_totals=ten + nobody) == []
    eleven = [*ten, (10, "B", 1), *nobody]
    [(said, _)] = sentences(rep_sales_rep_totals=eleven)
    assert said == "The 10 most active reps completed 49.4% of all activities with a due date."
    assert sentences(rep_sales_rep_totals=[*eleven, (None, "9 other reps", 900)]) == []


LAST = ("9", "Renewal", 0, None, 0)


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        ([("1", "Lead", 30, 9.5, 4), ("2", "Qualified", 30, 8.5, 0), LAST], ""),
        (
            [("1", "Lead", 30, 9.5, 4), ("2", "Qualified", 29, 90.0, 0), LAST],
            ", of the stages that most deals, and 30 or more, have left",
        ),
        (
            [("1", "Lead", 30, 9.5, 4), ("2", "Qualified", 40, 90.0, 41), LAST],
            ", of the stages that most deals, and 30 or more, have left",
        ),
        (
            [("1", "Lead", 30, 9.5, 4), ("2", "Qualified", 0, None, 500), LAST],
            ", of the stages that most deals, and 30 or more, have left",
        ),
        ([("1", "Lead", 30, 9.5, 4), ("9", "Renewal", 90, 90.0, 0)], ", the last stage aside"),
        (
            [("1", "Lead", 30, 9.5, 4), ("9", "Renewal", 9, 90.0, 0)],
            ", of the stages that most deals, and 30 or more, have left",
        ),
        (
            [("1", "Lead", 30, 9.5, 4), ("2", "Offer", 9, 5.0, 0), ("9", "Renewal", 90, 90.0, 0)],
            ", of the stages that most deals, and 30 or more, have left, the last stage aside",
        ),
    ],
    ids=[
        "of all",
        "few have ended",
        "most are open",
        "none has ended",
        "last",
        "few in the last",
        "both",
    ],
)
def test_the_stage_of_the_longest_stays(stages: list[tuple[Any, ...]], said: str) -> None:
    assert sentences(rep_stage_dwell=stages) == [
        (
            f"Deals stay longest in 1 Lead{said}: half of the 30 stays that ended took 9.5 days or"
            " more; 4 stays have not ended.",
            "chart-days_in_stage",
        )
    ]


def test_one_stay_is_told_as_one() -> None:
    [(said, _)] = sentences(rep_stage_dwell=[("1", "Lead", 30, 9.5, 1), LAST])
    assert said.endswith("; 1 stay has not ended.")


def test_where_most_stays_are_open_in_every_stage_none_is_the_longest() -> None:
    assert sentences(rep_stage_dwell=[("1", "Lead", 30, 9.5, 31), LAST]) == []


@pytest.mark.parametrize(("shorter", "are_alike"), [(14.4, True), (14.3, False)])
def test_stages_of_equally_long_stays_are_not_ranked(shorter: float, are_alike: bool) -> None:
    dwell = [("1", "Lead", 30, 16.0, 0), ("2", "Qualified", 30, shorter, 0), LAST]
    [(said, target)] = sentences(rep_stage_dwell=dwell)
    assert target == "chart-days_in_stage"
    alike = (
        "Deals stay about equally long in each of 2 stages: the median of those that ended is 14.4"
        " to 16.0 days."
    )
    assert (said == alike) == are_alike


def test_links_that_mostly_lead_nowhere_are_told() -> None:
    scores = [
        ("activity", "deal_link_validity", 8, 4579),
        ("activity", "completeness", 0, 4579),
        ("deals", "deal_link_validity", 5, 10),
        ("users", "deal_link_validity", 0, 0),
        ("calls", "deal_link_validity", 0, 29),
    ]
    half = ("deals", "deal_link_validity", 50, 100), ("deals", "deal_link_validity", 49, 100)
    assert [len(sentences(scores=[each])) for each in half] == [0, 1]
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
