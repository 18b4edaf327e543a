"""The figures at the head of the report."""

from datetime import date

from transforms.funnel import Funnel, Step


def test_deals_are_counted_by_status(run):
    assert run(
        "rep_key_figures",
        "deals, deals_won, deals_lost, deals_open",
        obt_deals="""
            deal_id | status
            1       | won
            2       | lost
            3       | lost
            4       | open
            5       | open
            6       | open
        """,
    ) == [(6, 1, 2, 3)]


def test_the_win_rate_is_held_against_closed_deals(run):
    assert run(
        "rep_key_figures",
        "win_rate_pct",
        obt_deals="""
            deal_id | status
            1       | won
            2       | lost
            3       | lost
            4       | lost
            5       | open
        """,
    ) == [(25.0,)]


def test_without_a_closed_deal_there_is_no_win_rate(run):
    assert run(
        "rep_key_figures",
        "deals, win_rate_pct, median_days_to_close",
        obt_deals="""
            deal_id | status
            1       | open
        """,
    ) == [(1, None, None)]


def test_the_median_days_to_close_are_of_won_and_lost_deals(run):
    assert run(
        "rep_key_figures",
        "median_days_to_close",
        obt_deals="""
            deal_id | status | days_to_close
            1       | won    | 1
            2       | lost   | 10
            3       | lost   | 20
            4       | won    | 100
            5       | open   | -
            6       | won    | -
        """,
    ) == [(15.0,)]


def test_done_activities_and_the_users_who_did_them_are_counted(run):
    assert run(
        "rep_key_figures",
        "activities_completed, active_reps",
        stg_activities="""
            user_id | is_done | due_at
            7       | true    | 2024-01-01 09:00
            7       | true    | -
            8       | true    | 2024-01-01 09:00
            9       | false   | 2024-01-01 09:00
            -       | true    | 2024-01-01 09:00
        """,
    ) == [(4, 2)]


def test_users_whom_the_users_table_does_not_have_are_told_apart(run):
    assert run(
        "rep_key_figures",
        "active_reps, active_unknown_reps",
        stg_activities="""
            user_id | is_done
            7       | true
            8       | true
            8       | true
            9       | false
            -       | true
        """,
        stg_users="""
            user_id
            7
        """,
    ) == [(2, 1)]


def test_first_and_last_month_are_those_of_the_funnel(run):
    assert run(
        "rep_key_figures",
        "first_month, last_month",
        rep_sales_funnel_monthly="""
            month      | funnel_step | deals_count
            2024-02-01 | 1           | 3
            2024-01-01 | 1           | 3
            2025-03-01 | 1           | 3
        """,
    ) == [(date(2024, 1, 1), date(2025, 3, 1))]


def test_without_any_data_there_is_a_row_of_zeros_and_nulls(run):
    assert run(
        "rep_key_figures",
        "deals, deals_won, deals_lost, deals_open, win_rate_pct, activities_completed,"
        " active_reps, first_month",
    ) == [(0, 0, 0, 0, None, 0, 0, None)]


def test_a_lost_deal_that_had_entered_a_won_step_is_told_of(run):
    assert run(
        "rep_key_figures",
        "deals_won, deals_lost, deals_lost_once_won",
        obt_deals="""
            deal_id | status | step_1_entered_at | step_7_entered_at | step_9_entered_at
            1       | lost   | 2024-01-01        | 2024-01-02        | 2024-01-03
            2       | lost   | 2024-01-01        | -                 | 2024-01-03
            3       | lost   | 2024-01-01        | -                 | -
            4       | won    | 2024-01-01        | 2024-01-02        | -
        """,
    ) == [(1, 3, 2)]


def test_without_a_step_that_counts_as_won_nothing_was_lost_after_one(run):
    funnel = Funnel((Step("1", "Lead", "stage", ("lead",)),))
    deals = "deal_id | status\n1 | lost"
    found = run("rep_key_figures", "deals_lost_once_won", obt_deals=deals, funnel=funnel)
    assert found == [(0,)]


def test_an_open_deal_is_stalled_when_it_stays_longer_than_nine_in_ten(run):
    assert run(
        "rep_key_figures",
        "deals_open, deals_stalled",
        obt_deals="""
            deal_id | status
            1       | open
            2       | open
            3       | won
        """,
        rep_stage_dwell="""
            funnel_step | p90_days
            1           | 20
            7           | 30
        """,
        int_deal_stage_transitions="""
            deal_id | funnel_step | left_at    | days_in_stage
            1       | 1           | 2024-01-02 | 100
            1       | 1           | -          | 21
            2       | 1           | -          | 20
            3       | 7           | -          | 31
        """,
    ) == [(2, 1)]
