"""How far the deals of a month came within ninety days."""

from datetime import date, datetime

from transforms.funnel import Funnel, Step

TWO_STEPS = Funnel(
    (
        Step("1", "Leads", "stage", ("leads",)),
        Step("1.1", "Calls", "activity", ("call",)),
        Step("2", "Offers", "stage", ("offers",)),
        Step("Lost", "Lost", "loss"),
    )
)
JANUARY, FEBRUARY = date(2024, 1, 1), date(2024, 2, 1)


def test_a_step_is_reached_by_deals_that_entered_it_or_a_later_one(run):
    assert run(
        "rep_cohorts",
        "month, funnel_step, deals_created, deals_reached, reached_pct",
        funnel=TWO_STEPS,
        obt_deals="""
            deal_id | created_at | step_1_entered_at | step_2_entered_at
            1       | 2024-01-01 | 2024-01-01        | -
            2       | 2024-01-02 | -                 | 2024-01-09
            3       | 2024-01-03 | -                 | -
            4       | 2024-01-31 | 2024-01-31        | -
        """,
    ) == [(JANUARY, "1", 4, 3, 75.0), (JANUARY, "2", 4, 1, 25.0)]


def test_what_comes_after_ninety_days_does_not_count(run):
    assert run(
        "rep_cohorts",
        "funnel_step, deals_reached",
        funnel=TWO_STEPS,
        obt_deals="""
            deal_id | created_at          | step_1_entered_at   | step_2_entered_at
            1       | 2024-01-01 10:00:00 | 2024-01-01 10:00:00 | 2024-03-31 10:00:00
            2       | 2024-01-01 10:00:00 | 2024-01-01 10:00:00 | 2024-03-31 10:00:01
        """,
    ) == [("1", 2), ("2", 1)]


def test_calls_and_losses_are_no_main_steps(run):
    assert run(
        "rep_cohorts",
        "funnel_step, deals_reached",
        funnel=TWO_STEPS,
        obt_deals="""
            deal_id | created_at | step_1_1_entered_at | step_lost_entered_at
            1       | 2024-01-01 | 2024-01-02          | 2024-01-03
        """,
    ) == [("1", 0), ("2", 0)]


def test_a_month_is_mature_when_its_last_deal_had_ninety_days(run):
    deals = "deal_id | created_at\n1 | 2024-01-15"
    for as_of, is_mature in ((datetime(2024, 4, 30, 23), False), (datetime(2024, 5, 1), True)):
        found = run("rep_cohorts", "is_mature", funnel=TWO_STEPS, as_of=as_of, obt_deals=deals)
        assert found == [(is_mature,)] * 2


def test_the_ninety_days_end_in_the_time_zone_in_which_the_month_does(run):
    for hour, is_mature in ((3, False), (4, True)):  # at four in the morning it is May there
        found = run(
            "rep_cohorts",
            "is_mature",
            funnel=TWO_STEPS,
            as_of=datetime(2024, 5, 1, hour),
            timezone="America/New_York",
            obt_deals="deal_id | created_at\n1 | 2024-01-15",
        )
        assert found == [(is_mature,)] * 2


def test_months_without_a_new_deal_are_there_without_a_rate(run):
    rows = run(
        "rep_cohorts",
        "month, deals_created, deals_reached, reached_pct",
        funnel=Funnel(TWO_STEPS.steps[:1]),
        obt_deals="""
            deal_id | created_at | step_1_entered_at
            1       | 2024-01-31 | 2024-01-31
            2       | 2024-03-01 | 2024-03-01
            3       | -          | 2024-03-01
        """,
    )
    assert rows == [
        (JANUARY, 1, 1, 100.0),
        (FEBRUARY, 0, 0, None),
        (date(2024, 3, 1), 1, 1, 100.0),
    ]


def test_months_are_cut_in_the_time_zone(run):
    deals = "deal_id | created_at\n1 | 2024-02-01 03:00:00"
    assert run("rep_cohorts", "month", timezone="America/New_York", obt_deals=deals)[0] == (
        JANUARY,
    )


def test_without_deals_there_are_no_cohorts(run):
    assert run("rep_cohorts", "month", obt_deals="") == []
