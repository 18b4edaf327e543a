"""What a manager asks for every month."""

from datetime import date

JANUARY, FEBRUARY, MARCH = (date(2024, number, 1) for number in (1, 2, 3))


def test_deals_count_in_the_month_of_their_creation_and_in_that_of_their_closing(run):
    assert run(
        "rep_monthly_figures",
        "month, deals_created, deals_won, deals_lost, open_deals",
        obt_deals="""
            deal_id | status | created_at | closed_at
            1       | won    | 2024-01-05 | 2024-01-20
            2       | lost   | 2024-01-06 | 2024-03-01
            3       | open   | 2024-02-29 | -
        """,
    ) == [(JANUARY, 2, 1, 0, 1), (FEBRUARY, 1, 0, 0, 2), (MARCH, 0, 0, 1, 1)]


def test_rates_and_medians_are_of_the_deals_that_were_closed(run):
    assert run(
        "rep_monthly_figures",
        "month, win_rate_pct, median_days_to_close",
        obt_deals="""
            deal_id | status | created_at | closed_at  | days_to_close
            1       | won    | 2024-01-05 | 2024-01-20 | 15
            2       | lost   | 2024-01-06 | 2024-01-31 | 25
            3       | open   | 2024-02-29 | -          | -
        """,
    ) == [(JANUARY, 50.0, 20.0), (FEBRUARY, None, None)]


def test_done_activities_count_in_the_month_of_their_due_date(run):
    assert run(
        "rep_monthly_figures",
        "month, activities_completed, deals_created",
        stg_activities="""
            activity_id | is_done | due_at
            1           | True    | 2024-01-31
            2           | True    | 2024-01-01
            3           | False   | 2024-01-01
            4           | True    | -
        """,
        obt_deals="""
            deal_id | status | created_at
            1       | open   | 2024-02-01
        """,
    ) == [(JANUARY, 2, 0), (FEBRUARY, 0, 1)]


def test_a_deal_that_is_closed_before_it_is_created_is_never_open(run):
    assert run(
        "rep_monthly_figures",
        "month, deals_created, deals_lost, open_deals",
        obt_deals="""
            deal_id | status | created_at | closed_at
            1       | lost   | 2024-02-05 | 2024-01-20
        """,
    ) == [(JANUARY, 0, 1, 0), (FEBRUARY, 1, 0, 0)]


def test_a_deal_whose_creation_is_not_known_is_only_closed(run):
    assert run(
        "rep_monthly_figures",
        "month, deals_created, deals_lost, median_days_to_close, open_deals",
        obt_deals="""
            deal_id | status | created_at | closed_at
            1       | lost   | -          | 2024-01-20
        """,
    ) == [(JANUARY, 0, 1, None, 0)]


def test_a_deal_that_was_closed_nobody_knows_when_is_never_open_or_stalled(run):
    """As the smallest deals table has them: a status, and no time."""
    assert run(
        "rep_monthly_figures",
        "month, deals_created, open_deals, stalled_deals",
        rep_stage_dwell=DWELL,
        obt_deals="""
            deal_id | status | created_at | closed_at
            1       | won    | 2024-01-05 | -
            2       | open   | 2024-02-05 | -
        """,
        int_deal_stage_transitions="""
            deal_id | funnel_step | entered_at | left_at | days_in_stage
            1       | 1           | 2024-01-05 | -       | 60
        """,
    ) == [(JANUARY, 1, 0, 0), (FEBRUARY, 1, 1, 0)]


def test_months_are_cut_in_the_time_zone(run):
    assert run(
        "rep_monthly_figures",
        "month, deals_created, deals_won, activities_completed",
        timezone="America/New_York",
        obt_deals="""
            deal_id | status | created_at          | closed_at
            1       | won    | 2024-02-01 03:00:00 | 2024-02-01 04:00:00
        """,
        stg_activities="""
            activity_id | is_done | due_at
            1           | True    | 2024-02-01 04:59:00
        """,
    ) == [(JANUARY, 1, 1, 1)]


def test_calls_are_the_activities_of_the_steps_of_the_funnel(run):
    assert run(
        "rep_monthly_figures",
        "month, activities_completed, calls_completed",
        stg_activities="""
            activity_id | activity_type | is_done | due_at
            1           | meeting       | True    | 2024-01-31
            2           | sc_2          | True    | 2024-01-01
            3           | lunch         | True    | 2024-01-01
            4           | -             | True    | 2024-01-01
            5           | meeting       | False   | 2024-01-01
        """,
    ) == [(JANUARY, 4, 2)]


DWELL = """
    funnel_step | p90_days
    1           | 10
    2           | 20
"""
FOUR_DEALS = """
    deal_id | status | created_at | closed_at
    1       | open   | 2024-01-01 | -
    2       | open   | 2024-01-01 | -
    3       | lost   | 2024-01-01 | 2024-02-10
    4       | won    | 2024-01-01 | 2024-01-05
"""


def test_a_deal_is_stalled_from_its_tenth_day_until_it_moves_or_is_closed(run):
    """Deal 1 twice, deal 2 to the end; deal 4 was closed before that."""
    assert run(
        "rep_monthly_figures",
        "month, open_deals, stalled_deals",
        rep_stage_dwell=DWELL,
        obt_deals=FOUR_DEALS,
        int_deal_stage_transitions="""
            deal_id | funnel_step | entered_at | left_at    | days_in_stage
            1       | 1           | 2024-01-01 | 2024-02-05 | 35
            1       | 2           | 2024-02-05 | -          | 50
            2       | 1           | 2024-01-25 | -          | 61
            3       | 1           | 2024-01-01 | 2024-02-10 | 40
            4       | 1           | 2024-01-01 | -          | 85
        """,
    ) == [(JANUARY, 3, 2), (FEBRUARY, 2, 2)]


def test_a_stay_that_is_not_longer_than_usual_is_no_stall(run):
    """Nor is one in a stage that is no step, or in one that nobody has left."""
    assert run(
        "rep_monthly_figures",
        "month, stalled_deals",
        rep_stage_dwell="""
            funnel_step | p90_days
            1           | 10
            2           | -
        """,
        obt_deals=FOUR_DEALS,
        int_deal_stage_transitions="""
            deal_id | funnel_step | entered_at | left_at    | days_in_stage
            1       | 1           | 2024-01-01 | 2024-01-11 | 10
            1       | -           | 2024-01-11 | 2024-03-01 | 50
            2       | 2           | 2024-01-01 | -          | 61
        """,
    ) == [(JANUARY, 0), (FEBRUARY, 0)]
